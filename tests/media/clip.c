/* Films for the tests, encoded when they run. */
#include "clip.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#include "support.h"

/* libx265 keeps some memory after it was closed. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void)
{
    return "leak:libx265\n";
}

#define BITS 8
#define BAR 12  /* a bit's width */
#define TALL 16 /* the code's height: bits, and below them their opposites */
#define DEPTH(bit) ((bit) ? 225 : 30)

void clip_draw(uint8_t *rgb, int width, int height, int number)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *p = rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
            if (x < BITS * BAR && y < TALL) {
                int bit = (number >> (x / BAR) & 1) ^ (y >= TALL / 2);
                p[0] = p[1] = p[2] = DEPTH(bit);
            } else {
                p[0] = (uint8_t)(80 + (x + number * 2) % 64);
                p[1] = (uint8_t)(60 + (y * 3 + number) % 128);
                p[2] = (uint8_t)(200 - (x + y) % 64);
            }
        }
}

int clip_number(const uint8_t *rgb, int width, int height)
{
    int number = 0;
    if (width < BITS * BAR || height < TALL)
        return -1;
    for (int i = 0; i < BITS; i++) {
        const size_t x = (size_t)(i * BAR + BAR / 2), w = (size_t)width;
        int bit = rgb[((size_t)(TALL / 4) * w + x) * 3 + 1], opposite = rgb[((size_t)(TALL * 3 / 4) * w + x) * 3 + 1];
        if (abs(bit - opposite) < 100)
            return -1;
        number |= (bit > opposite) << i;
    }
    return number;
}

/* Turned clockwise by the angle. */
static void turn(const uint8_t *from, int width, int height, int degrees, uint8_t *to)
{
    int turned = degrees == 90 || degrees == -90;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int nx = x, ny = y, stride = turned ? height : width;
            if (degrees == 90)
                nx = height - 1 - y, ny = x;
            else if (degrees == -90)
                nx = y, ny = width - 1 - x;
            else if (abs(degrees) == 180)
                nx = width - 1 - x, ny = height - 1 - y;
            memcpy(to + ((size_t)ny * (size_t)stride + (size_t)nx) * 3,
                   from + ((size_t)y * (size_t)width + (size_t)x) * 3, 3);
        }
}

static void check(int code, const char *what)
{
    char text[128] = "";
    if (code >= 0)
        return;
    av_strerror(code, text, sizeof text);
    fail_msg("%s: %s", what, text);
}

static void set_rotation(AVStream *stream, int degrees)
{
    const size_t size = 9 * sizeof(int32_t);
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    AVPacketSideData *side = av_packet_side_data_new(
        &stream->codecpar->coded_side_data, &stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX, size, 0);
    uint8_t *data = side ? side->data : NULL;
#else
    uint8_t *data = av_stream_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, size);
#endif
    assert_non_null(data);
    /* The matrix for a turn clockwise with y down: (x, y) goes to (x cos - y sin, x sin + y cos). */
    int32_t m[9] = {0};
    int c = degrees == 0 ? 1 : abs(degrees) == 180 ? -1 : 0, s = degrees == 90 ? 1 : degrees == -90 ? -1 : 0;
    m[0] = c * 65536;
    m[1] = s * 65536;
    m[3] = -s * 65536;
    m[4] = c * 65536;
    m[8] = 1 << 30;
    memcpy(data, m, size);
}

static AVCodecContext *open_encoder(const clip *about, const AVOutputFormat *format)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(about->codec);
    AVDictionary *options = NULL;
    int turned = about->rotation == 90 || about->rotation == -90;
    if (!codec)
        fail_msg("the installed FFmpeg has no encoder %s", about->codec);
    AVCodecContext *c = avcodec_alloc_context3(codec);
    assert_non_null(c);
    c->width = turned ? about->height : about->width;
    c->height = turned ? about->width : about->height;
    c->pix_fmt = codec->id == AV_CODEC_ID_MJPEG ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
    c->time_base = about->time ? (AVRational){1, 1000} : (AVRational){1, 25};
    c->framerate = (AVRational){25, 1};
    c->gop_size = about->gop ? about->gop : 25;
    c->thread_count = 1;
    c->bit_rate = 1000000;
    if (about->colour_space)
        c->colorspace = (enum AVColorSpace)about->colour_space;
    if (about->full_range)
        c->color_range = AVCOL_RANGE_JPEG;
    if (about->b_frames)
        c->max_b_frames = about->b_frames;
    if (format->flags & AVFMT_GLOBALHEADER)
        c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_dict_set(&options, "x264-params", about->b_frames ? "b-adapt=0:bframes=3" : "bframes=0", 0);
    av_dict_set(&options, "x265-params", "log-level=none:pools=none:frame-threads=1:b-adapt=0:bframes=3", 0);
    av_dict_set(&options, "preset", codec->id == AV_CODEC_ID_HEVC ? "ultrafast" : "veryfast", 0);
    av_dict_set(&options, "deadline", "realtime", 0);
    av_dict_set(&options, "cpu-used", "8", 0);
    av_dict_set(&options, "usage", "realtime", 0); /* libaom's word for it */
    check(avcodec_open2(c, codec, &options), about->codec);
    av_dict_free(&options);
    return c;
}

static void drain(AVFormatContext *format, AVCodecContext *c, AVPacket *packet)
{
    int code;
    while (!(code = avcodec_receive_packet(c, packet))) {
        av_packet_rescale_ts(packet, c->time_base, format->streams[0]->time_base);
        check(av_interleaved_write_frame(format, packet), "writing a packet");
    }
    assert_true(code == AVERROR(EAGAIN) || code == AVERROR_EOF);
}

static void fill(const clip *about, int index, uint8_t *upright, uint8_t *stored)
{
    if (about->grey)
        for (int i = 0; i < about->width * about->height; i++)
            memcpy(upright + i * 3, about->colour, 3);
    else
        clip_draw(upright, about->width, about->height, index);
    turn(upright, about->width, about->height, -about->rotation, stored);
}

void clip_write(const char *path, const clip *about)
{
    AVFormatContext *format = NULL;
    AVDictionary *options = NULL;
    size_t bytes = (size_t)about->width * (size_t)about->height * 3;
    uint8_t *upright = malloc(bytes), *stored = malloc(bytes + 64);
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    assert_true(upright && stored && frame && packet);
    av_log_set_level(AV_LOG_QUIET);
    check(avformat_alloc_output_context2(&format, NULL, about->container, path), about->container);
    AVCodecContext *c = open_encoder(about, format->oformat);
    AVStream *stream = avformat_new_stream(format, NULL);
    assert_non_null(stream);
    check(avcodec_parameters_from_context(stream->codecpar, c), "parameters");
    stream->time_base = c->time_base;
    stream->avg_frame_rate = c->framerate;
    if (about->rotation)
        set_rotation(stream, about->rotation);
    check(avio_open(&format->pb, path, AVIO_FLAG_WRITE), path);
    av_dict_set(&options, "movflags", "faststart",
                0); /* the index first, so that a film that is cut off can be opened */
    check(avformat_write_header(format, &options), "the header");
    av_dict_free(&options);
    struct SwsContext *scaler = sws_getContext(c->width, c->height, AV_PIX_FMT_RGB24, c->width, c->height, c->pix_fmt,
                                               SWS_BILINEAR | SWS_ACCURATE_RND, NULL, NULL, NULL);
    assert_non_null(scaler);
    sws_setColorspaceDetails(scaler, sws_getCoefficients(SWS_CS_DEFAULT), 1,
                             sws_getCoefficients(about->colour_space ? about->colour_space : SWS_CS_DEFAULT),
                             about->full_range || c->pix_fmt == AV_PIX_FMT_YUVJ420P, 0, 1 << 16, 1 << 16);
    frame->format = c->pix_fmt;
    frame->width = c->width;
    frame->height = c->height;
    frame->colorspace = c->colorspace;
    frame->color_range = c->color_range;
    check(av_frame_get_buffer(frame, 0), "a frame");
    for (int i = 0; i < about->frames; i++) {
        const uint8_t *planes[4] = {stored};
        int strides[4] = {c->width * 3};
        fill(about, i, upright, stored);
        check(av_frame_make_writable(frame), "a frame");
        sws_scale(scaler, planes, strides, 0, c->height, frame->data, frame->linesize);
        frame->pts = about->time ? (int64_t)about->time(i) : i;
        check(avcodec_send_frame(c, frame), "encoding");
        drain(format, c, packet);
    }
    check(avcodec_send_frame(c, NULL), "encoding");
    drain(format, c, packet);
    check(av_write_trailer(format), "the trailer");
    avio_closep(&format->pb);
    avformat_free_context(format);
    avcodec_free_context(&c);
    av_packet_free(&packet);
    av_frame_free(&frame);
    sws_freeContext(scaler);
    free(upright);
    free(stored);
}
