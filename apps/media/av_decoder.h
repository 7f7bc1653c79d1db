/* The frames of a video file in the order in which they are shown, by FFmpeg. */
#ifndef MEDIA_AV_DECODER_H
#define MEDIA_AV_DECODER_H

#include "av_api.h"
#include "internal.h"

typedef struct av_decoder {
    FILE *file; /* not the decoder's */
    int skip_bad;
    AVIOContext *io;
    AVFormatContext *format;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *spare;
    AVStream *stream;
    int draining;
} av_decoder;

/* All of these: 0, or -1 with an error. On failure the decoder is to be closed as well. */
int av_decoder_open(av_decoder *decoder, const media_reader *reader, FILE *file, int skip_bad);
/* Back to the beginning by opening the file again: right for every container. */
int av_decoder_restart(av_decoder *decoder, const media_reader *reader);
void av_decoder_close(av_decoder *decoder);

/* The next frame into `out`, which must be blank. 1, 0 at the end, -1; `number` is for the error. */
int av_decoder_next(av_decoder *decoder, const media_reader *reader, AVFrame *out, int64_t number);
/* Goes to a key frame that is, by what the container knows, at or before `time`, and gives the first key frame that
 * comes out; frames before it may lack what they refer to. 1, or 0 when there is none. */
int av_decoder_seek(av_decoder *decoder, int64_t time, AVFrame *out);

static inline int av_frame_is_key(const AVFrame *frame)
{
#ifdef AV_FRAME_FLAG_KEY
    return (frame->flags & AV_FRAME_FLAG_KEY) != 0;
#else
    return frame->key_frame;
#endif
}

/* The EXIF number of the turn that the stream's display matrix asks for; 1 when there is none, 0 when it is no turn by
 * quarters. */
int av_decoder_orientation(const av_decoder *decoder);

#endif
