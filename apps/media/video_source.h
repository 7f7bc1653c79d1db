/* What the kinds of video sources share. */
#ifndef MEDIA_VIDEO_SOURCE_H
#define MEDIA_VIDEO_SOURCE_H

#include "internal.h"
#include "video.h"

typedef struct video_kind {
    /* As media_video_read, for an index that is not negative; sets all of `out` but its size and index. */
    int (*read)(media_video *video, int64_t index, media_frame *out);
    /* Sets info.frames. */
    int (*count)(media_video *video);
    void (*close)(media_video *video); /* frees `state`, which may be half made or NULL */
} video_kind;

struct media_video {
    media_reader reader; /* the name, the options for pictures, and where the present call wants its error */
    media_video_options options;
    media_video_info info;
    const video_kind *kind;
    void *state;
    char *path;
};

/* Each sets kind, state and info; on failure what it has made is closed by the caller. */
int video_open_folder(media_video *video);
int video_open_stream(media_video *video, FILE *file, int from_stdin,
                      int y4m);                      /* the file is the video's from now on */
int video_open_file(media_video *video, FILE *file); /* the same */

#define Y4M_MAGIC "YUV4MPEG2"

static inline double video_fps_or_default(const media_video *video)
{
    return video->options.fps > 0 ? video->options.fps : 25;
}

/* One picture of a folder's list. */
typedef struct video_name {
    char *name;
    size_t stem; /* length without the ending */
} video_name;

/* 1 when the name ends like a picture's. */
int video_name_is_picture(const char *name);
/* Sorts by the numbers in the names, and refuses names that leave the order open; they are listed in the error. */
int video_names_sort(const media_reader *reader, video_name *names, size_t count);

#endif
