/* Frames of a video, for the program: a folder of pictures, a video file, or a stream on standard input. */
#ifndef MEDIA_VIDEO_H
#define MEDIA_VIDEO_H

#include "media.h"

typedef struct media_video media_video;

typedef enum media_raw_format {
    MEDIA_RAW_RGB24 = 0,
    MEDIA_RAW_BGR24 = 1,
    MEDIA_RAW_RGBA = 2,
    MEDIA_RAW_GRAY = 3
} media_raw_format;

typedef struct media_video_options {
    media_options picture; /* max_pixels and alpha hold for all kinds, the others for the pictures of a folder. The EXIF
                            * orientation is applied as media_read does; the official loader of folders does not. */
    int ignore_rotation;   /* 1: frames of a video file as stored, whatever its display matrix says */
    int skip_bad;          /* 1: frames that cannot be read are left out and not counted. For a folder all pictures are
                            * read once when it is opened, so that the numbers of the frames are known. */
    int raw_width, raw_height; /* above 0: the file or standard input holds frames of this size and nothing else */
    media_raw_format raw_format;
    double fps; /* of sources without a clock (folders, raw frames, YUV4MPEG2 without a rate); 0: 25 */
} media_video_options;

typedef struct media_video_info {
    int width, height; /* as shown: after the rotation */
    int64_t frames;    /* -1 while unknown; known once the end was reached, or after media_video_count */
    int64_t estimate;  /* what the file's header promises, for a progress bar only; 0: nothing */
    double fps;        /* nominal */
    int forward_only;  /* 1: a stream, which cannot go back */
    char format[64];   /* "folder", "yuv4mpeg", "raw", or FFmpeg's name of the container */
    char codec[32];    /* "JPEG", "420jpeg", "rgb24", "h264" */
    char notice[400];  /* a remark for the user, or "" */
} media_video_info;

typedef struct media_frame {
    const uint8_t *pixels; /* [height][width][3], rows without gaps; the video's, valid until its next call */
    int width, height;     /* those of the video */
    int64_t index;         /* from 0, in the order in which the frames are shown */
    double pts_ms;         /* when it is shown, from the first frame on: frame 0 has 0 */
    const char *file;      /* folders: the picture's name without the folder; else NULL */
} media_frame;

/* Opens a folder, a file (told by its content) or "-", and reads as much as is needed for `info`: of a stream its
 * header, of everything else the first frame. Returns 0, or -1 with one line in `error`. `options` may be NULL. */
int media_video_open(const char *path, const media_video_options *options, media_video **out, char *error,
                     size_t error_size);
const media_video_info *media_video_about(const media_video *video);
/* Any order where the source can seek: reading on and reading backward are both cheap. Returns 1, 0 past the end, -1
 * on an error that names the frame. A stream's frame is handed out before the next one is read. */
int media_video_read(media_video *video, int64_t index, media_frame *out, char *error, size_t error_size);
/* The exact number of frames. For a video file all of it is decoded, unless its end was reached before. A stream
 * cannot tell before its end. Returns 0 or -1. */
int media_video_count(media_video *video, int64_t *count, char *error, size_t error_size);
void media_video_close(media_video *video);

/* "640x480:rgb24" (rgb24, bgr24, rgba, gray) into raw_width, raw_height and raw_format. Returns 0 or -1. */
int media_video_raw_parse(const char *text, media_video_options *options, char *error, size_t error_size);

#endif
