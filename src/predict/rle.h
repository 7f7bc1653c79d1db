/* COCO compressed run-length encoding (pycocotools' maskApi), written and read run by run. */
#ifndef PREDICT_RLE_H
#define PREDICT_RLE_H

#include "base/alloc.h"

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
/* The next `n` pixels in column-major order; none are allowed. */
void rle_put(rle_writer *w, bool inside, size_t n);
/* Ends the text with a NUL, cut to the capacity. */
void rle_end(rle_writer *w);

/* A text that is read. The caller's text may be anything: what is no mask of the size is an error. */
typedef struct rle_reader {
    const char *at;
    int64_t left;           /* pixels behind the current run */
    int64_t run, before[2]; /* the current run's pixels that are left; the last two whole runs */
    size_t runs;
    bool inside; /* of the current run */
} rle_reader;

/* Stands before the first run. */
void rle_open(rle_reader *r, const sam2_rle *rle);
/* The next run; false after the last one. Only for texts that rle_check has seen. */
bool rle_next(rle_reader *r);
/* Whether the text is a mask of the size. `what` and `index` name it in the error. */
sam2_status rle_check(const sam2_rle *rle, const char *what, size_t index, sam2_error *error);

typedef struct rle_extent {
    int64_t area;
    int x0, y0, x1, y1; /* inclusive, valid once area > 0 */
} rle_extent;
void rle_extent_add(rle_extent *e, int64_t from, int64_t n, int height); /* n > 0 pixels in column-major order */
rle_extent rle_measure(const sam2_rle *rle);

/* Pixels in both. The sizes are the same. */
int64_t rle_common(const sam2_rle *a, const sam2_rle *b);

#endif
