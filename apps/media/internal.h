/* What the readers of the single formats share. */
#ifndef MEDIA_INTERNAL_H
#define MEDIA_INTERNAL_H

#include "media.h"

#if defined(__GNUC__)
#define MEDIA_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define MEDIA_PRINTF(text, first)
#endif

#define MEDIA_DEFAULT_MAX_PIXELS UINT64_C(200000000)
#define MEDIA_MAX_SIDE 65536
#define MEDIA_MAX_BYTES (UINT64_C(2) << 30) /* the largest file; also what bounds a pipe */
#define MEDIA_MAX_SCANS 500                 /* of a progressive JPEG; encoders write about ten */

/* One file on its way to pixels. */
typedef struct media_reader {
    const uint8_t *bytes;
    size_t size;
    const char *label; /* the file's name, for errors */
    media_options options;
    char *error;
    size_t error_size;
} media_reader;

/* Writes "label: text" (control characters replaced) into the caller's error; always -1. */
int media_fail(const media_reader *reader, const char *format, ...) MEDIA_PRINTF(2, 3);
/* Refuses sides and areas over the limits; to be called with the header's numbers, before anything is allocated. */
int media_check_size(const media_reader *reader, uint64_t width, uint64_t height);
/* Checks the size, then allocates the pixels of `out` and sets its width, height and format. */
int media_start(const media_reader *reader, media_picture *out, const char *format, uint64_t width, uint64_t height);

/* All bytes of the file `path`, which becomes the reader's label; malloc, to be freed on failure too. */
int media_load(media_reader *reader, const char *path, uint8_t **bytes, size_t *size);

/* The formats: pixels as stored, and the orientation that the file asks for. On failure whatever is in `out` is the
 * caller's to free. */
int media_read_jpeg(const media_reader *reader, media_picture *out);
int media_read_png(const media_reader *reader, media_picture *out);
int media_read_webp(const media_reader *reader, media_picture *out);
int media_read_tiff(const media_reader *reader, media_picture *out);

/* The orientation in an EXIF block (a TIFF structure, with or without "Exif\0\0" before it), 1 when there is none that
 * is valid. */
int media_exif_orientation(const uint8_t *block, size_t size);
/* The same without libexif: the only way where that library is missing, and compared with it by the tests. */
int media_exif_orientation_plain(const uint8_t *block, size_t size);

/* Turns the pixels upright; the stored picture is released. */
int media_orient(const media_reader *reader, media_picture *picture, int orientation);

/* 16-bit data on their way to 8 bits. Rows of interleaved samples go in through media_deep_row in any order;
 * media_deep_finish sets the pixels and the notice. Without a stretch nothing but the pixels is held in memory. */
typedef struct media_deep {
    media_picture *out;
    uint16_t *samples; /* [height][width][3], only for a stretch */
    uint16_t greatest, least;
    double low, high;
} media_deep;
int media_deep_start(media_deep *deep, const media_reader *reader, media_picture *out);
void media_deep_row(media_deep *deep, int y, int x, int count,
                    const uint16_t *rgb); /* count pixels of three samples from (x, y) */
int media_deep_finish(media_deep *deep, const media_reader *reader);
void media_deep_free(media_deep *deep);

/* A colour over white or black: c where alpha is full, the ground where it is 0; `full` is 255 or 65535. */
static inline unsigned media_over(unsigned c, unsigned alpha, unsigned full, media_alpha ground)
{
    uint64_t back = ground == MEDIA_ALPHA_WHITE ? full : 0;
    return (unsigned)(((uint64_t)c * alpha + back * (full - alpha) + full / 2) / full);
}

#endif
