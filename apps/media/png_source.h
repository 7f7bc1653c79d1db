/* A PNG in memory on its way through libpng: what its readers share. */
#ifndef MEDIA_PNG_SOURCE_H
#define MEDIA_PNG_SOURCE_H

#include "internal.h"

#include <png.h>

typedef struct png_source {
    png_structp png;
    png_infop info, end;
    const media_reader *reader;
    size_t at;      /* bytes taken so far */
    char text[160]; /* libpng's words for what is wrong */
} png_source;

/* 0, or -1 with the reader's error. To be closed in either case. */
int png_source_open(png_source *source, const media_reader *reader);
void png_source_close(png_source *source);

/* Sets the limits and reads up to the pixels. Like everything of libpng it may longjmp to png_jmpbuf(source->png). */
void png_source_begin(png_source *source);

#endif
