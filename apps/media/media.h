/* Picture files in and out, for the program; the library knows pixels only. */
#ifndef MEDIA_MEDIA_H
#define MEDIA_MEDIA_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A picture as 8-bit RGB, rows without gaps, upright. */
typedef struct media_picture {
    uint8_t *pixels; /* [height][width][3]; malloc; media_picture_free */
    int width, height;
    int orientation;  /* the EXIF orientation that was found, 1 to 8; 1 when there is none */
    char format[16];  /* "JPEG", "PNG", "WebP", "TIFF" */
    char notice[200]; /* a remark for the user, or "": such as 16-bit data that use a small part of their range */
} media_picture;

typedef enum media_alpha { MEDIA_ALPHA_DROP = 0, MEDIA_ALPHA_WHITE = 1, MEDIA_ALPHA_BLACK = 2 } media_alpha;

typedef struct media_options {
    uint64_t max_pixels;    /* refused from the header, before anything is decoded; 0: the default, 200 million */
    int ignore_orientation; /* 1: pixels as stored */
    media_alpha alpha;      /* default: the alpha channel is dropped, as Pillow's convert("RGB") does */
    double stretch_low,
        stretch_high; /* for 16-bit data: percentiles (0 to 100) that become 0 and 255; both 0: plain v / 257 */
} media_options;

/* Reads a picture by its content, whatever its name; "-" is standard input. Returns 0, or -1 with one line in `error`
 * (capacity `error_size`) that names the file and the fault. `options` may be NULL. */
int media_read(const char *path, const media_options *options, media_picture *out, char *error, size_t error_size);
/* The same from memory; `label` names it in errors. */
int media_read_memory(const void *bytes, size_t size, const char *label, const media_options *options,
                      media_picture *out, char *error, size_t error_size);
/* The same from an open file or pipe, of which the first `size` bytes (fewer than 65536) were read into `start`. */
int media_read_rest(FILE *file, const void *start, size_t size, const char *label, const media_options *options,
                    media_picture *out, char *error, size_t error_size);
void media_picture_free(media_picture *picture);

/* Writes an 8-bit PNG with 1 (grey), 3 (RGB) or 4 (RGBA) channels; `stride` in bytes; "-" is standard output. A file
 * appears only once it is whole. */
int media_write_png(const char *path, const uint8_t *pixels, int width, int height, int channels, size_t stride,
                    char *error, size_t error_size);

/* A mask of labels: one byte a pixel, which is an object's number. Pixels as stored, whatever orientation EXIF tells.
 */
typedef struct media_indices {
    uint8_t *values; /* [height][width]; malloc; media_indices_free */
    int width, height;
    int colours; /* entries of the file's palette, the rest being black; 0: a grey picture */
    uint8_t palette[256][3];
} media_indices;

/* Reads a PNG's numbers: the indices of a palette picture, the values of a grey one with 1, 2, 4 or 8 bits, not
 * stretched to 255. Anything else is an error. Otherwise as media_read; of the options, max_pixels counts. */
int media_read_indices(const char *path, const media_options *options, media_indices *out, char *error,
                       size_t error_size);
int media_read_indices_memory(const void *bytes, size_t size, const char *label, const media_options *options,
                              media_indices *out, char *error, size_t error_size);
void media_indices_free(media_indices *indices);

/* Writes such a mask as an 8-bit palette PNG; `stride` in bytes, palette [256][3]. Otherwise as media_write_png. */
int media_write_png_indexed(const char *path, const uint8_t *indices, int width, int height, size_t stride,
                            const uint8_t *palette, char *error, size_t error_size);
/* The palette of the DAVIS data sets, which video segmentation uses: 0 is black, the first objects are far apart. */
void media_davis_palette(uint8_t palette[256][3]);

/* Names and versions of the libraries in use, such as "libjpeg-turbo 2.1.5, libpng 1.6.39". */
void media_libraries(char *out, size_t size);

/* Drawing on an RGB picture for an overlay. */
typedef struct media_colour {
    uint8_t r, g, b;
} media_colour;
media_colour media_palette(int index); /* well-separated colours, endless */
/* Tints where mask (0 or not, [height][width]) is set, and draws its contour. */
void media_draw_mask(uint8_t *rgb, int width, int height, const uint8_t *mask, media_colour colour, float opacity,
                     int contour_width);
/* A click: a filled disc with a rim, green for label 1, red for 0. */
void media_draw_point(uint8_t *rgb, int width, int height, float x, float y, int label, int radius);
void media_draw_box(uint8_t *rgb, int width, int height, float x0, float y0, float x1, float y1, media_colour colour,
                    int line_width);

#endif
