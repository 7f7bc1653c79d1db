/* A video file out, by FFmpeg; it appears under its name only once it is whole. */
#include "movie.h"

#include <string.h>

#include "internal.h"

static const char *container_of(const char *path)
{
    static const char *const known[][2] = {
        {".mp4", "mp4"}, {".m4v", "mp4"}, {".mov", "mov"}, {".mkv", "matroska"}, {".webm", "webm"}};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i][0]), same = 0;
        if (length <= n)
            continue;
        for (const char *end = path + length - n; same < n; same++) {
            char c = end[same];
            if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != known[i][0][same])
                break;
        }
        if (same == n)
            return known[i][1];
    }
    return NULL;
}

int media_movie_name(const char *path, char *error, size_t error_size)
{
    media_reader name = {.label = path, .error = error, .error_size = error_size};
    return container_of(path) ? 0 : media_fail(&name, "a video's name must end in .mp4, .m4v, .mov, .mkv or .webm");
}

#ifndef HAVE_FFMPEG
int media_movie_open(const char *path, int width, int height, double fps, media_movie **out, char *error,
                     size_t error_size)
{
    media_reader name = {.label = path, .error = error, .error_size = error_size};
    (void)width, (void)height, (void)fps;
    *out = NULL;
    return media_fail(&name, "this build writes no video files (made without FFmpeg)");
}

int media_movie_frame(media_movie *movie, const uint8_t *rgb, double pts_ms, char *error, size_t error_size)
{
    (void)movie, (void)rgb, (void)pts_ms, (void)error, (void)error_size;
    return -1;
}

int media_movie_close(media_movie *movie, int keep, char *error, size_t error_size)
{
    (void)movie, (void)keep, (void)error, (void)error_size;
    return 0;
}
#else

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "av_api.h"
#include "av_text.h"
#include "output.h"

#define TICKS_A_SECOND 60000 /* fits MPEG-4's 16 bits; a sixtieth of a millisecond */
#define IO_BYTES 65536

struct media_movie {
    media_reader reader; /* the name, and where the present call wants its error */
    char *path;
    media_output output;
    int width, height; /* of the frames that come in */
    AVIOContext *io;
    AVFormatContext *format;
    AVCodecContext *codec;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *frame;
    struct SwsContext *scaler;
    uint8_t *padded; /* for odd sides: the frame with even ones */
    int64_t last;    /* time of the frame before, in ticks */
    int64_t frames, step;
    int begun, failed;
};

#if LIBAVFORMAT_VERSION_MAJOR >= 61
static int write_bytes(void *opaque, const uint8_t *bytes, int size)
#else
static int write_bytes(void *opaque, uint8_t *bytes, int size)
#endif
{
    media_movie *m = opaque;
    errno = 0;
    if (fwrite(bytes, 1, (size_t)size, m->output.file) == (size_t)size)
        return size;
    return AVERROR(errno ? errno : EIO);
}

static int64_t seek_bytes(void *opaque, int64_t offset, int whence)
{
    media_movie *m = opaque;
    if (whence & AVSEEK_SIZE)
        return AVERROR(ENOSYS);
    return fseeko(m->output.file, (off_t)offset, whence & ~AVSEEK_FORCE) ? AVERROR(errno)
                                                                         : (int64_t)ftello(m->output.file);
}

static const AVCodec *encoder_for(const char *container)
{
    if (!strcmp(container, "webm"))
        return libav.avcodec_find_encoder_by_name("libvpx-vp9");
    const AVCodec *codec = libav.avcodec_find_encoder_by_name("libx264");
    return codec ? codec : libav.avcodec_find_encoder(AV_CODEC_ID_MPEG4);
}

static int open_encoder(media_movie *m, const char *container, double fps)
{
    const AVCodec *codec = encoder_for(container);
    AVDictionary *options = NULL;
    if (!codec)
        return media_fail(&m->reader, "the installed FFmpeg has no encoder for %s video", container);
    AVCodecContext *c = m->codec = libav.avcodec_alloc_context3(codec);
    if (!c)
        return media_fail(&m->reader, "out of memory");
    c->width = m->width + (m->width & 1);
    c->height = m->height + (m->height & 1);
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = (AVRational){1, TICKS_A_SECOND};
    c->framerate = libav.av_d2q(fps, 100000);
    c->colorspace = AVCOL_SPC_SMPTE170M; /* what the scaler makes, and what is assumed where it is not written down */
    c->color_range = AVCOL_RANGE_MPEG;
    c->thread_count = 2; /* each more holds frames of its own */
    if (m->format->oformat->flags & AVFMT_GLOBALHEADER)
        c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (codec->id == AV_CODEC_ID_H264) {
        libav.av_dict_set(&options, "preset", "veryfast", 0);
        libav.av_dict_set(&options, "crf", "18", 0);
    } else if (codec->id == AV_CODEC_ID_VP9) {
        libav.av_dict_set(&options, "deadline", "realtime", 0);
        libav.av_dict_set(&options, "cpu-used", "6", 0);
        libav.av_dict_set(&options, "crf", "24", 0);
        libav.av_dict_set(&options, "b", "0", 0);
    } else {
        c->flags |= AV_CODEC_FLAG_QSCALE;
        c->global_quality = 3 * FF_QP2LAMBDA;
    }
    int code = libav.avcodec_open2(c, codec, &options);
    libav.av_dict_free(&options);
    return code < 0 ? media_fail(&m->reader, "the encoder %s refuses %d x %d pixels: %s", codec->name, c->width,
                                 c->height, av_text(code))
                    : 0;
}

static int open_container(media_movie *m, const char *container)
{
    int code = libav.avformat_alloc_output_context2(&m->format, NULL, container, NULL);
    if (code < 0)
        return media_fail(&m->reader, "the installed FFmpeg writes no %s files", container);
    unsigned char *buffer = libav.av_malloc(IO_BYTES);
    m->io = buffer ? libav.avio_alloc_context(buffer, IO_BYTES, 1, m, NULL, write_bytes, seek_bytes) : NULL;
    if (!m->io) {
        libav.av_free(buffer);
        return media_fail(&m->reader, "out of memory");
    }
    if (fseeko(m->output.file, 0, SEEK_CUR)) /* a pipe */
        m->io->seekable = 0;
    m->format->pb = m->io;
    return 0;
}

static int begin(media_movie *m)
{
    m->stream = libav.avformat_new_stream(m->format, NULL);
    if (!m->stream || libav.avcodec_parameters_from_context(m->stream->codecpar, m->codec) < 0)
        return media_fail(&m->reader, "out of memory");
    m->stream->time_base = m->codec->time_base;
    m->stream->avg_frame_rate = m->codec->framerate;
    int code = libav.avformat_write_header(m->format, NULL);
    if (code < 0)
        return media_fail(&m->reader, "cannot be written: %s", av_text(code));
    m->begun = 1;
    return 0;
}

static int make_buffers(media_movie *m)
{
    int width = m->codec->width, height = m->codec->height;
    m->packet = libav.av_packet_alloc();
    m->frame = libav.av_frame_alloc();
    if (m->frame) {
        m->frame->format = m->codec->pix_fmt;
        m->frame->width = width;
        m->frame->height = height;
        m->frame->colorspace = m->codec->colorspace;
        m->frame->color_range = m->codec->color_range;
    }
    if (width != m->width || height != m->height)
        m->padded = malloc((size_t)width * (size_t)height * 3);
    m->scaler = libav.sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, m->codec->pix_fmt,
                                     SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT, NULL, NULL, NULL);
    if (!m->packet || !m->frame || libav.av_frame_get_buffer(m->frame, 0) < 0 || !m->scaler ||
        ((width != m->width || height != m->height) && !m->padded))
        return media_fail(&m->reader, "out of memory for %d x %d pixels", width, height);
    return 0;
}

static void forget(media_movie *m)
{
    libav.av_packet_free(&m->packet);
    libav.av_frame_free(&m->frame);
    libav.avcodec_free_context(&m->codec);
    libav.avformat_free_context(m->format);
    if (m->io)
        libav.av_freep(&m->io->buffer);
    libav.avio_context_free(&m->io);
    libav.sws_freeContext(m->scaler);
    free(m->padded);
    free(m->path);
    free(m);
}

int media_movie_open(const char *path, int width, int height, double fps, media_movie **out, char *error,
                     size_t error_size)
{
    media_reader name = {.label = path, .error = error, .error_size = error_size};
    const char *container = container_of(path);
    const char *missing = av_api_load();
    *out = NULL;
    if (missing)
        return media_fail(&name, "writing a video needs FFmpeg; %s is missing", missing);
    av_text_quiet();
    if (!container)
        return media_movie_name(path, error, error_size);
    if (!(fps > 0 && fps <= 1000))
        return media_fail(&name, "%g frames a second: must be above 0 and at most 1000", fps);
    if (media_check_size(&name, width > 0 ? (uint64_t)width : 0, height > 0 ? (uint64_t)height : 0))
        return -1;
    media_movie *m = calloc(1, sizeof *m);
    if (m)
        m->path = malloc(strlen(path) + 1);
    if (!m || !m->path) {
        free(m);
        return media_fail(&name, "out of memory");
    }
    strcpy(m->path, path);
    m->reader = name;
    m->reader.label = m->path;
    m->width = width;
    m->height = height;
    m->step = llround(TICKS_A_SECOND / fps);
    m->step = m->step < 1 ? 1 : m->step;
    if (media_output_open(&m->output, m->path, error, error_size)) {
        forget(m);
        return -1;
    }
    if (open_container(m, container) || open_encoder(m, container, fps) || make_buffers(m) || begin(m)) {
        media_output_close(&m->output, 0, NULL, 0);
        forget(m);
        return -1;
    }
    *out = m;
    return 0;
}

/* Packets that the encoder has ready go to the file. */
static int drain(media_movie *m)
{
    for (;;) {
        int code = libav.avcodec_receive_packet(m->codec, m->packet);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF)
            return 0;
        if (code < 0)
            return media_fail(&m->reader, "a frame cannot be encoded: %s", av_text(code));
        if (m->packet->duration <= 0)
            m->packet->duration = m->step; /* what the last frame lasts; the others last until the next */
        m->packet->stream_index = m->stream->index;
        libav.av_packet_rescale_ts(m->packet, m->codec->time_base, m->stream->time_base);
        code = libav.av_interleaved_write_frame(m->format, m->packet);
        if (code < 0)
            return media_fail(&m->reader, "cannot be written: %s", av_text(code));
    }
}

static const uint8_t *pad(media_movie *m, const uint8_t *rgb)
{
    size_t row = (size_t)m->width * 3, width = (size_t)m->codec->width * 3;
    if (!m->padded)
        return rgb;
    for (int y = 0; y < m->codec->height; y++) {
        const uint8_t *from = rgb + row * (size_t)(y < m->height ? y : m->height - 1);
        uint8_t *to = m->padded + width * (size_t)y;
        memcpy(to, from, row);
        if (width > row)
            memcpy(to + row, from + row - 3, 3);
    }
    return m->padded;
}

static int encode(media_movie *m, const uint8_t *rgb, double pts_ms)
{
    if (m->failed)
        return media_fail(&m->reader, "cannot be written after an error");
    if (!(pts_ms >= 0 && pts_ms < 1e12))
        return media_fail(&m->reader, "a frame at %g ms", pts_ms);
    int64_t time = llround(pts_ms * TICKS_A_SECOND / 1000);
    if (m->frames && time < m->last - 1)
        return media_fail(&m->reader, "a frame at %g ms comes after one at %g ms", pts_ms,
                          (double)m->last * 1000 / TICKS_A_SECOND);
    if (m->frames && time <= m->last) /* no two frames at one time */
        time = m->last + 1;
    int code = libav.av_frame_make_writable(m->frame);
    if (code < 0)
        return media_fail(&m->reader, "out of memory for %d x %d pixels", m->codec->width, m->codec->height);
    const uint8_t *planes[4] = {pad(m, rgb)};
    int strides[4] = {m->codec->width * 3};
    libav.sws_scale(m->scaler, planes, strides, 0, m->codec->height, m->frame->data, m->frame->linesize);
    m->frame->pts = m->last = time;
    m->frames++;
    code = libav.avcodec_send_frame(m->codec, m->frame);
    return code < 0 ? media_fail(&m->reader, "a frame cannot be encoded: %s", av_text(code)) : drain(m);
}

int media_movie_frame(media_movie *m, const uint8_t *rgb, double pts_ms, char *error, size_t error_size)
{
    m->reader.error = error;
    m->reader.error_size = error_size;
    av_text_forget();
    if (!encode(m, rgb, pts_ms))
        return 0;
    m->failed = 1;
    return -1;
}

static int finish(media_movie *m)
{
    int code;
    if (m->failed)
        return media_fail(&m->reader, "not written: a frame failed");
    if (!m->frames)
        return media_fail(&m->reader, "not written: there was no frame");
    code = libav.avcodec_send_frame(m->codec, NULL);
    if (code < 0)
        return media_fail(&m->reader, "the last frames cannot be encoded: %s", av_text(code));
    if (drain(m))
        return -1;
    code = libav.av_write_trailer(m->format);
    m->begun = 0;
    if (code >= 0 && m->io->error < 0)
        code = m->io->error;
    return code < 0 ? media_fail(&m->reader, "cannot be written: %s", av_text(code)) : 0;
}

int media_movie_close(media_movie *m, int keep, char *error, size_t error_size)
{
    int status = 0;
    if (!m)
        return 0;
    m->reader.error = error;
    m->reader.error_size = error_size;
    av_text_forget();
    if (keep)
        status = finish(m);
    if (m->begun && m->io) /* lets the container free what it has made, without looking at what comes of it */
        libav.av_write_trailer(m->format);
    m->failed |= status != 0;
    int closed = media_output_close(&m->output, keep && !status, status ? NULL : error, status ? 0 : error_size);
    forget(m);
    return status || closed ? -1 : 0;
}
#endif
