/* A video file: the numbers of its frames, and a window of frames so that reading backward is cheap.
 *
 * The number of a frame is its place in the order in which the decoder gives frames from the beginning on; nothing else
 * is trusted. Each frame's time is remembered. Where times are there and ascend, going back is a jump to a key frame,
 * and the frame that comes out is known by its time; where they do not, the file is decoded from the beginning again.
 */
#include "video_source.h"

#ifndef HAVE_FFMPEG
int video_open_file(media_video *video, FILE *file)
{
    fclose(file);
    return media_fail(&video->reader,
                      "this build reads no video files (made without FFmpeg); give a folder of pictures, "
                      "or YUV4MPEG2");
}
#else

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "av_decoder.h"

#define WINDOW_BYTES (UINT64_C(64) << 20)
#define WINDOW_FRAMES 64
#define LOST 2 /* not where a jump should have led */

typedef struct known_frame {
    int64_t time; /* in the stream's time base; AV_NOPTS_VALUE: none */
    int key;
} known_frame;

typedef struct film {
    FILE *file;
    av_decoder decoder;
    known_frame *table; /* of all frames that have come out so far */
    size_t known, room;
    int can_jump, jumped, broken;
    int64_t next; /* the number of the frame that the decoder will give */
    AVFrame *window[WINDOW_FRAMES];
    int64_t first; /* the number of the frame in window[0] */
    int held, most;
    int width, height, orientation; /* as stored; the EXIF number that makes it upright */
    struct SwsContext *scaler;
    int scaler_format, scaler_space, scaler_range;
    media_picture shown;
    int64_t shown_index; /* -1: none */
} film;

static void empty_window(film *f)
{
    for (int i = 0; i < f->held; i++)
        libav.av_frame_unref(f->window[i]);
    f->held = 0;
}

/* Moves the decoder's frame into the window; the oldest leaves when there is no room. */
static void hold(film *f, AVFrame *frame, int64_t index)
{
    if (f->held && f->first + f->held != index)
        empty_window(f);
    if (f->held == f->most) {
        AVFrame *oldest = f->window[0];
        libav.av_frame_unref(oldest);
        memmove(f->window, f->window + 1, (size_t)(f->held - 1) * sizeof *f->window);
        f->window[--f->held] = oldest;
        f->first++;
    }
    if (!f->held)
        f->first = index;
    libav.av_frame_move_ref(f->window[f->held++], frame);
    f->next = index + 1;
}

static int64_t time_of(const AVFrame *frame)
{
    return frame->pts != AV_NOPTS_VALUE ? frame->pts : frame->best_effort_timestamp;
}

static int remember(media_video *video, const AVFrame *frame)
{
    film *f = video->state;
    if (f->known == f->room) {
        size_t room = f->room ? f->room * 2 : 256;
        known_frame *grown = realloc(f->table, room * sizeof *grown);
        if (!grown)
            return media_fail(&video->reader, "out of memory for %zu frames", room);
        f->table = grown;
        f->room = room;
    }
    if (frame->pts == AV_NOPTS_VALUE || (f->known && frame->pts <= f->table[f->known - 1].time))
        f->can_jump = 0;
    f->table[f->known++] = (known_frame){time_of(frame), av_frame_is_key(frame)};
    return 0;
}

/* Decodes one more frame into the window. 1, 0 at the end, -1, or LOST. */
static int advance(media_video *video)
{
    film *f = video->state;
    AVFrame *frame = f->decoder.spare;
    if (f->broken)
        return media_fail(&video->reader, "nothing can be read after the fault at frame %lld", (long long)f->next);
    int status = av_decoder_next(&f->decoder, &video->reader, frame, f->next);
    if (status < 0) {
        f->broken = 1;
        return -1;
    }
    if (!status) {
        if ((uint64_t)f->next < f->known)
            return LOST;
        video->info.frames = f->next;
        return 0;
    }
    if (f->width && (frame->width != f->width || frame->height != f->height)) {
        media_fail(&video->reader,
                   "frame %lld has %d x %d pixels, but the first frame has %d x %d; all must have one size",
                   (long long)f->next, frame->width, frame->height, f->width, f->height);
        libav.av_frame_unref(frame);
        f->broken = 1;
        return -1;
    }
    if ((uint64_t)f->next == f->known)
        status = remember(video, frame) ? -1 : 1;
    else if (f->table[f->next].time != time_of(frame))
        status = LOST;
    if (status == 1)
        hold(f, frame, f->next);
    else
        libav.av_frame_unref(frame);
    return status;
}

static int from_the_beginning(media_video *video)
{
    film *f = video->state;
    empty_window(f);
    f->next = 0;
    f->jumped = f->broken = 0;
    if (!av_decoder_restart(&f->decoder, &video->reader))
        return 0;
    f->broken = 1;
    return -1;
}

static int64_t key_before(const film *f, int64_t index)
{
    while (index > 0 && !f->table[index].key)
        index--;
    return index;
}

static int64_t find_time(const film *f, int64_t time)
{
    size_t low = 0, high = f->known;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->table[middle].time < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->known && f->table[low].time == time ? (int64_t)low : -1;
}

/* Puts the decoder before a frame that has come out already, by the nearest way that is safe. */
static int go_back(media_video *video, int64_t index)
{
    film *f = video->state;
    int64_t key = f->can_jump ? key_before(f, index) : 0;
    for (int tries = 0; tries < 3 && key > 0; tries++) {
        AVFrame *frame = f->decoder.spare;
        empty_window(f);
        f->jumped = 1;
        f->broken = 0;
        if (!av_decoder_seek(&f->decoder, f->table[key].time, frame))
            break;
        int64_t found = find_time(f, time_of(frame));
        if (found >= 0 && found <= index && frame->width == f->width && frame->height == f->height) {
            hold(f, frame, found);
            return 0;
        }
        libav.av_frame_unref(frame);
        key = key_before(f, key - 1);
    }
    return from_the_beginning(video);
}

/* The frame into the window. 1, 0 past the end, -1. */
static int fetch(media_video *video, int64_t index)
{
    film *f = video->state;
    if (f->broken && index >= f->next && from_the_beginning(video)) /* to meet the fault once more, and name it */
        return -1;
    int back = index < f->next && !(f->held && index >= f->first);
    int leap = index >= f->next && (uint64_t)index < f->known && f->can_jump && key_before(f, index) > f->next;
    if ((back || leap) && go_back(video, index))
        return -1;
    while (f->next <= index) {
        int status = advance(video);
        if (status == LOST && !f->jumped)
            return media_fail(&video->reader, "frame %lld is not what it was; the file has changed",
                              (long long)f->next);
        if (status == LOST) {
            f->can_jump = 0;
            status = from_the_beginning(video) ? -1 : 1;
        }
        if (status < 1)
            return status;
    }
    return 1;
}

static int is_full_range(const AVFrame *frame)
{
    switch (frame->format) {
    case AV_PIX_FMT_YUVJ411P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ444P:
        return 1;
    default:
        return frame->color_range == AVCOL_RANGE_JPEG;
    }
}

/* Bit for bit the same on every machine, and with chroma interpolated. A stream that does not name its colour space is
 * taken as BT.601, as FFmpeg's own tools do. */
static int prepare_scaler(media_video *video, const AVFrame *frame)
{
    film *f = video->state;
    int full = is_full_range(frame), space = (int)frame->colorspace;
    if (f->scaler && f->scaler_format == frame->format && f->scaler_space == space && f->scaler_range == full)
        return 0;
    libav.sws_freeContext(f->scaler);
    f->scaler = NULL;
    if (libav.sws_isSupportedInput((enum AVPixelFormat)frame->format))
        f->scaler = libav.sws_getContext(
            frame->width, frame->height, (enum AVPixelFormat)frame->format, frame->width, frame->height,
            AV_PIX_FMT_RGB24, SWS_BILINEAR | SWS_FULL_CHR_H_INT | SWS_ACCURATE_RND | SWS_BITEXACT, NULL, NULL, NULL);
    if (!f->scaler) {
        const char *name = libav.av_get_pix_fmt_name((enum AVPixelFormat)frame->format);
        return media_fail(&video->reader, "the pixel format %s cannot be converted", name ? name : "of the video");
    }
    libav.sws_setColorspaceDetails(f->scaler, libav.sws_getCoefficients(space), full,
                                   libav.sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    f->scaler_format = frame->format;
    f->scaler_space = space;
    f->scaler_range = full;
    return 0;
}

static int show(media_video *video, int64_t index)
{
    film *f = video->state;
    const AVFrame *frame = f->window[index - f->first];
    size_t bytes = (size_t)f->width * (size_t)f->height * 3;
    if (f->shown_index == index)
        return 0;
    f->shown_index = -1;
    if (prepare_scaler(video, frame))
        return -1;
    if (f->orientation > 1 || !f->shown.pixels) { /* turning takes the old pixels away */
        media_picture_free(&f->shown);
        f->shown.pixels = malloc(bytes + 64); /* the scaler may write whole vectors */
        if (!f->shown.pixels)
            return media_fail(&video->reader, "out of memory for %d x %d pixels", f->width, f->height);
    }
    f->shown.width = f->width;
    f->shown.height = f->height;
    uint8_t *planes[4] = {f->shown.pixels};
    int strides[4] = {f->width * 3};
    if (libav.sws_scale(f->scaler, (const uint8_t *const *)frame->data, frame->linesize, 0, f->height, planes,
                        strides) != f->height)
        return media_fail(&video->reader, "frame %lld cannot be converted", (long long)index);
    if (f->orientation > 1 && media_orient(&video->reader, &f->shown, f->orientation))
        return -1;
    f->shown_index = index;
    return 0;
}

static double time_in_ms(const media_video *video, int64_t index)
{
    const film *f = video->state;
    int64_t time = f->table[index].time, start = f->table[0].time;
    if (time == AV_NOPTS_VALUE || start == AV_NOPTS_VALUE)
        return (double)index * 1000 / video->info.fps;
    return ((double)time - (double)start) * av_q2d(f->decoder.stream->time_base) * 1000;
}

static int film_read(media_video *video, int64_t index, media_frame *out)
{
    film *f = video->state;
    int status = fetch(video, index);
    if (status < 1)
        return status;
    if (show(video, index))
        return -1;
    out->pixels = f->shown.pixels;
    out->pts_ms = time_in_ms(video, index);
    return 1;
}

static int film_count(media_video *video)
{
    return fetch(video, INT64_MAX - 1);
}

static void film_close(media_video *video)
{
    film *f = video->state;
    if (!f)
        return;
    for (int i = 0; i < WINDOW_FRAMES; i++)
        libav.av_frame_free(&f->window[i]);
    libav.sws_freeContext(f->scaler);
    av_decoder_close(&f->decoder);
    media_picture_free(&f->shown);
    free(f->table);
    fclose(f->file);
    free(f);
}

static void add_notice(media_video *video, const char *text)
{
    size_t used = strlen(video->info.notice);
    if (used < sizeof video->info.notice)
        snprintf(video->info.notice + used, sizeof video->info.notice - used, "%s%s", used ? "; " : "", text);
}

static void describe(media_video *video)
{
    film *f = video->state;
    const AVStream *stream = f->decoder.stream;
    const AVFrame *frame = f->window[0];
    AVRational rate = libav.av_guess_frame_rate(f->decoder.format, f->decoder.stream, NULL);
    AVRational aspect = frame->sample_aspect_ratio;
    int turned = f->orientation >= 5;
    video->info.width = turned ? f->height : f->width;
    video->info.height = turned ? f->width : f->height;
    video->info.fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : video_fps_or_default(video);
    video->info.estimate = stream->nb_frames;
    if (stream->nb_frames <= 0 && stream->duration > 0)
        video->info.estimate =
            (int64_t)fmin((double)stream->duration * av_q2d(stream->time_base) * video->info.fps, 1e12);
    else if (stream->nb_frames <= 0 && f->decoder.format->duration > 0)
        video->info.estimate =
            (int64_t)fmin((double)f->decoder.format->duration / AV_TIME_BASE * video->info.fps, 1e12);
    if (video->info.estimate < 0)
        video->info.estimate = 0;
    snprintf(video->info.format, sizeof video->info.format, "%s", f->decoder.format->iformat->name);
    snprintf(video->info.codec, sizeof video->info.codec, "%s", libav.avcodec_get_name(stream->codecpar->codec_id));
    if (aspect.num > 0 && aspect.den > 0 && aspect.num != aspect.den)
        add_notice(video, "its pixels are not square; they are taken as if they were");
    if (frame->color_trc == AVCOL_TRC_SMPTE2084 || frame->color_trc == AVCOL_TRC_ARIB_STD_B67)
        add_notice(video, "high dynamic range, which is not toned down");
}

/* The first frame tells what the header may not: the size after cropping and the format of the pixels. */
static int take_first(media_video *video)
{
    film *f = video->state;
    int status = advance(video);
    if (!status)
        return media_fail(&video->reader, "no frame of the video (%s) can be decoded",
                          libav.avcodec_get_name(f->decoder.stream->codecpar->codec_id));
    if (status != 1)
        return -1;
    const AVFrame *frame = f->window[0];
    if (media_check_size(&video->reader, frame->width > 0 ? (uint64_t)frame->width : 0,
                         frame->height > 0 ? (uint64_t)frame->height : 0))
        return -1;
    f->width = frame->width;
    f->height = frame->height;
    int bytes = libav.av_image_get_buffer_size((enum AVPixelFormat)frame->format, frame->width, frame->height, 32);
    uint64_t fit = bytes > 0 ? WINDOW_BYTES / (uint64_t)bytes : 0;
    f->most = fit > WINDOW_FRAMES ? WINDOW_FRAMES : fit < 2 ? 2 : (int)fit;
    return 0;
}

int video_open_file(media_video *video, FILE *file)
{
    static const video_kind kind = {film_read, film_count, film_close};
    const char *missing = av_api_load();
    film *f = missing ? NULL : calloc(1, sizeof *f);
    if (!f) {
        fclose(file);
        return missing ? media_fail(&video->reader, "video files need FFmpeg; %s is missing", missing)
                       : media_fail(&video->reader, "out of memory");
    }
    f->file = file;
    f->can_jump = 1;
    f->most = 1;
    f->shown_index = -1;
    video->kind = &kind;
    video->state = f;
    for (int i = 0; i < WINDOW_FRAMES; i++)
        if (!(f->window[i] = libav.av_frame_alloc()))
            return media_fail(&video->reader, "out of memory");
    if (av_decoder_open(&f->decoder, &video->reader, file, video->options.skip_bad) || take_first(video))
        return -1;
    f->orientation = video->options.ignore_rotation ? 1 : av_decoder_orientation(&f->decoder);
    describe(video);
    if (!f->orientation) {
        f->orientation = 1;
        add_notice(video, "its rotation is not by quarter turns and is not applied");
    }
    return show(video, 0);
}
#endif
