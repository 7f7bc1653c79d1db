/* COCO compressed run-length encoding, written run by run. */
#ifndef PREDICT_RLE_H
#define PREDICT_RLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rle_writer {
    char *out;
    size_t capacity, length; /* length counts what does not fit too */
    int64_t run, before[2];  /* the run being counted; the last two runs that were written */
    size_t runs;
    bool inside; /* value of the run being counted; the first run is background */
} rle_writer;

void rle_start(rle_writer *w, char *out, size_t capacity);
/* The next `n` pixels in column-major order. */
void rle_put(rle_writer *w, bool inside, size_t n);
/* Ends the text with a NUL, cut to the capacity. */
void rle_end(rle_writer *w);

#endif
