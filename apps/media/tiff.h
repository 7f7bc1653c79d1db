/* TIFF: the two ways to its pixels. */
#ifndef MEDIA_TIFF_H
#define MEDIA_TIFF_H

#include "internal.h"

#include <tiffio.h>

typedef struct tiff_state {
    const media_reader *reader;
    media_picture *out;
    TIFF *tiff;
    uint64_t at;
    char text[240]; /* what libtiff said first */
    uint16_t bits, channels, photometric, planar, compression;
    int colours;    /* channels that make the colour */
    int alpha;      /* the channel of the alpha, -1 for none */
    int associated; /* colours are multiplied by it */
} tiff_state;

/* Grey, palette, RGB and CMYK of 1 to 16 bits, in strips or tiles. */
int media_tiff_blocks(tiff_state *state);
int media_tiff_fail(tiff_state *state);

#endif
