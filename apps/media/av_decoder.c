/* The frames of a video file in the order in which they are shown, by FFmpeg. */
#include "av_decoder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "av_text.h"

#define IO_BYTES 32768

static int read_bytes(void *opaque, uint8_t *to, int size)
{
    FILE *file = opaque;
    size_t got = fread(to, 1, (size_t)size, file);
    if (got)
        return (int)got;
    return ferror(file) ? AVERROR(EIO) : AVERROR_EOF;
}

static int64_t seek_bytes(void *opaque, int64_t offset, int whence)
{
    FILE *file = opaque;
    struct stat about;
    if (whence & AVSEEK_SIZE)
        return fstat(fileno(file), &about) ? AVERROR(errno) : (int64_t)about.st_size;
    return fseeko(file, (off_t)offset, whence & ~AVSEEK_FORCE) ? AVERROR(errno) : (int64_t)ftello(file);
}

/* A file may name others (playlists, references): none of them is opened. */
static int refuse_other_files(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                              AVDictionary **options)
{
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

static uint64_t limit_of(const media_reader *reader)
{
    uint64_t most = reader->options.max_pixels ? reader->options.max_pixels : MEDIA_DEFAULT_MAX_PIXELS;
    most = most < INT32_MAX ? most : INT32_MAX;
    return most + UINT64_C(256) * MEDIA_MAX_SIDE; /* codecs round sides up before they compare */
}

/* Reads as much as is needed to know the streams, with the limits in force for what is decoded on the way. */
static int probe(av_decoder *d, const media_reader *reader)
{
    enum { MOST = 256 };
    AVDictionary *options[MOST] = {NULL};
    unsigned streams = d->format->nb_streams;
    if (streams > MOST)
        return media_fail(reader, "%u streams are more than the limit of %d", streams, MOST);
    for (unsigned i = 0; i < streams; i++) {
        libav.av_dict_set_int(&options[i], "max_pixels", (int64_t)limit_of(reader), 0);
        libav.av_dict_set_int(&options[i], "threads", 1, 0);
    }
    int code = libav.avformat_find_stream_info(d->format, streams ? options : NULL);
    for (unsigned i = 0; i < streams; i++)
        libav.av_dict_free(&options[i]);
    return code < 0 ? media_fail(reader, "the streams of the video cannot be read: %s", av_text(code)) : 0;
}

static int open_container(av_decoder *d, const media_reader *reader)
{
    unsigned char *buffer = libav.av_malloc(IO_BYTES);
    d->io = buffer ? libav.avio_alloc_context(buffer, IO_BYTES, 0, d->file, read_bytes, NULL, seek_bytes) : NULL;
    if (!d->io) {
        libav.av_free(buffer);
        return media_fail(reader, "out of memory");
    }
    d->format = libav.avformat_alloc_context();
    if (!d->format)
        return media_fail(reader, "out of memory");
    d->format->pb = d->io;
    d->format->io_open = refuse_other_files;
    int code = libav.avformat_open_input(&d->format, NULL, NULL, NULL); /* no name: the content decides */
    if (code < 0)
        return media_fail(reader, "not a video that can be read: %s", av_text(code));
    return probe(d, reader);
}

static int choose_stream(av_decoder *d, const media_reader *reader)
{
    int index = libav.av_find_best_stream(d->format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (index < 0)
        return media_fail(reader, "there is no video in this file (%s)", d->format->iformat->name);
    d->stream = d->format->streams[index];
    if (d->stream->disposition & AV_DISPOSITION_ATTACHED_PIC)
        return media_fail(reader, "there is no video in this file, only a cover picture (%s)",
                          d->format->iformat->name);
    for (unsigned i = 0; i < d->format->nb_streams; i++)
        if ((int)i != index)
            d->format->streams[i]->discard = AVDISCARD_ALL;
    return 0;
}

static int open_codec(av_decoder *d, const media_reader *reader)
{
    const AVCodecParameters *about = d->stream->codecpar;
    const AVCodec *codec = libav.avcodec_find_decoder(about->codec_id);
    char tag[AV_FOURCC_MAX_STRING_SIZE] = "";
    if (about->codec_id == AV_CODEC_ID_NONE)
        return media_fail(reader, "unknown video codec '%s'", libav.av_fourcc_make_string(tag, about->codec_tag));
    if (!codec)
        return media_fail(reader, "the video codec %s is not supported by the installed FFmpeg",
                          libav.avcodec_get_name(about->codec_id));
    if (about->width > 0 && about->height > 0 &&
        media_check_size(reader, (uint64_t)about->width, (uint64_t)about->height))
        return -1;
    d->codec = libav.avcodec_alloc_context3(codec);
    if (!d->codec || libav.avcodec_parameters_to_context(d->codec, about) < 0)
        return media_fail(reader, "out of memory");
    d->codec->pkt_timebase = d->stream->time_base;
    d->codec->max_pixels = (int64_t)limit_of(reader);
    d->codec->thread_count = 1; /* faults belong to the packet that has them; the model takes far longer anyway */
    int code = libav.avcodec_open2(d->codec, codec, NULL);
    return code < 0 ? media_fail(reader, "the decoder for %s cannot be opened: %s",
                                 libav.avcodec_get_name(about->codec_id), av_text(code))
                    : 0;
}

int av_decoder_open(av_decoder *d, const media_reader *reader, FILE *file, int skip_bad)
{
    *d = (av_decoder){.file = file, .skip_bad = skip_bad};
    av_text_quiet();
    d->packet = libav.av_packet_alloc();
    d->spare = libav.av_frame_alloc();
    if (!d->packet || !d->spare)
        return media_fail(reader, "out of memory");
    return open_container(d, reader) || choose_stream(d, reader) || open_codec(d, reader) ? -1 : 0;
}

static void close_container(av_decoder *d)
{
    libav.avcodec_free_context(&d->codec);
    libav.avformat_close_input(&d->format);
    if (d->io)
        libav.av_freep(&d->io->buffer);
    libav.avio_context_free(&d->io);
    d->stream = NULL;
    d->draining = 0;
}

int av_decoder_restart(av_decoder *d, const media_reader *reader)
{
    close_container(d);
    av_text_forget();
    rewind(d->file);
    return open_container(d, reader) || choose_stream(d, reader) || open_codec(d, reader) ? -1 : 0;
}

void av_decoder_close(av_decoder *d)
{
    close_container(d);
    libav.av_packet_free(&d->packet);
    libav.av_frame_free(&d->spare);
}

/* One packet of our stream to the codec. A fault is 0 with its code in `fault`; -1: the codec cannot go on at all. */
static void feed(av_decoder *d, int *fault)
{
    av_text_forget();
    int code = libav.av_read_frame(d->format, d->packet);
    *fault = av_text_demuxer_complained() ? AVERROR_INVALIDDATA : 0;
    if (code < 0) {
        if (code != AVERROR_EOF)
            *fault = code;
        d->draining = 1;
        libav.avcodec_send_packet(d->codec, NULL);
        return;
    }
    if (d->packet->stream_index == d->stream->index) {
        if (d->packet->flags & AV_PKT_FLAG_CORRUPT)
            *fault = AVERROR_INVALIDDATA;
        code = libav.avcodec_send_packet(d->codec, d->packet);
        if (code < 0 && code != AVERROR_EOF)
            *fault = code;
    }
    libav.av_packet_unref(d->packet);
}

static int is_damaged(const AVFrame *frame)
{
    return (frame->flags & AV_FRAME_FLAG_CORRUPT) || frame->decode_error_flags;
}

int av_decoder_next(av_decoder *d, const media_reader *reader, AVFrame *out, int64_t number)
{
    av_text_forget();
    for (;;) {
        int fault = 0, code = libav.avcodec_receive_frame(d->codec, out);
        if (!code && !is_damaged(out))
            return 1;
        if (code == AVERROR_EOF || (code == AVERROR(EAGAIN) && d->draining))
            return 0;
        if (!code)
            fault = AVERROR_INVALIDDATA;
        else if (code != AVERROR(EAGAIN))
            fault = code;
        else
            feed(d, &fault);
        libav.av_frame_unref(out);
        if (fault == AVERROR(ENOMEM))
            return media_fail(reader, "out of memory at frame %lld", (long long)number);
        if (fault && !d->skip_bad)
            return media_fail(reader, "the video is damaged or cut off at or soon after frame %lld: %s",
                              (long long)number, av_text(fault));
    }
}

int av_decoder_seek(av_decoder *d, int64_t time, AVFrame *out)
{
    if (!d->codec || libav.av_seek_frame(d->format, d->stream->index, time, AVSEEK_FLAG_BACKWARD) < 0)
        return 0;
    libav.avcodec_flush_buffers(d->codec);
    d->draining = 0;
    for (;;) {
        int fault, code = libav.avcodec_receive_frame(d->codec, out);
        if (!code && av_frame_is_key(out) && !is_damaged(out))
            return 1;
        if (code == AVERROR_EOF || (code == AVERROR(EAGAIN) && d->draining))
            return 0;
        if (!code)
            libav.av_frame_unref(out);
        else
            feed(d, &fault);
    }
}

static const uint8_t *display_matrix(const AVStream *stream)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    const AVPacketSideData *side = libav.av_packet_side_data_get(
        stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return side && side->size >= 9 * sizeof(int32_t) ? side->data : NULL;
#else
    size_t size = 0;
    const uint8_t *data = libav.av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return size >= 9 * sizeof(int32_t) ? data : NULL;
#endif
}

static int sign(int32_t value)
{
    return (value > 0) - (value < 0);
}

int av_decoder_orientation(const av_decoder *d)
{
    /* Where one step right in the stored frame goes (right, down), and where one step down goes. */
    static const struct {
        int right[2], down[2];
    } turns[] = {{{1, 0}, {0, 1}}, {{-1, 0}, {0, 1}}, {{-1, 0}, {0, -1}}, {{1, 0}, {0, -1}},
                 {{0, 1}, {1, 0}}, {{0, 1}, {-1, 0}}, {{0, -1}, {-1, 0}}, {{0, -1}, {1, 0}}};
    const uint8_t *data = display_matrix(d->stream);
    int32_t m[9];
    if (!data)
        return 1;
    memcpy(m, data, sizeof m);
    for (int i = 0; i < 8; i++)
        if (sign(m[0]) == turns[i].right[0] && sign(m[1]) == turns[i].right[1] && sign(m[3]) == turns[i].down[0] &&
            sign(m[4]) == turns[i].down[1])
            return i + 1;
    return 0;
}
