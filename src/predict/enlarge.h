/* Low-resolution logits to the picture's size: torch.nn.functional.interpolate, bilinear, half-pixel centres, no
 * antialiasing, piece by piece. */
#ifndef PREDICT_ENLARGE_H
#define PREDICT_ENLARGE_H

#include "kernels/kernels.h"

#include <stddef.h>
#include <stdint.h>

typedef struct enlarge {
    const kernels *k;
    const float *logits; /* [side, side] */
    size_t side;
    size_t width, height; /* of the picture */
} enlarge;

#define ENLARGE_TILE 256 /* columns */

/* Calls use(user, x, y, n, logits) for pieces of rows: every pixel once, tiles of columns from left to right, rows from
 * top to bottom in each. */
typedef void (*enlarge_use)(void *user, size_t x, size_t y, size_t n, const float *logits);
void enlarge_rows(const enlarge *e, enlarge_use use, void *user);

/* The same for pieces of columns, in column-major order over the whole picture; the values have the same bits as those
 * of enlarge_rows. `side` is at most ENLARGE_MAX_SIDE. */
#define ENLARGE_MAX_SIDE 1024
void enlarge_columns(const enlarge *e, enlarge_use use, void *user);

#endif
