/* A video file out, for overlays. */
#ifndef MEDIA_MOVIE_H
#define MEDIA_MOVIE_H

#include <stddef.h>
#include <stdint.h>

typedef struct media_movie media_movie;

/* Whether the name's ending is one that media_movie_open knows. 0, or -1 with one line in `error`. */
int media_movie_name(const char *path, char *error, size_t error_size);
/* The name's ending chooses the container: .mp4, .m4v, .mov and .mkv hold H.264 (MPEG-4 where FFmpeg has no x264),
 * .webm VP9. An odd side grows by one, by repeating the last column or row. `fps` is nominal: it sets how long the last
 * frame is shown. Returns 0, or -1 with one line in `error`. */
int media_movie_open(const char *path, int width, int height, double fps, media_movie **out, char *error,
                     size_t error_size);
/* `rgb` is [height][width][3] without gaps. Times must not go backward; the distances between them are kept. */
int media_movie_frame(media_movie *movie, const uint8_t *rgb, double pts_ms, char *error, size_t error_size);
/* With keep = 1 the file is finished and appears under its name; with keep = 0, after an error, or without a single
 * frame, nothing is left. Also after an interruption keep = 1 gives a whole file of the frames so far. */
int media_movie_close(media_movie *movie, int keep, char *error, size_t error_size);

#endif
