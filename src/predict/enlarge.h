/* Low-resolution logits to the picture's size: torch.nn.functional.interpolate, bilinear, half-pixel centres, no
 * antialiasing, piece by piece. */
#ifndef PREDICT_ENLARGE_H
#define PREDICT_ENLARGE_H

#include "base/pool.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct enlarge {
    const kernels *k;
    const float *logits; /* [side, side] */
    size_t side;
    size_t width, height; /* of the picture */
    pool *pool;           /* NULL: on the caller's thread alone */
    /* SAM 1: first to a square of `middle` a side, of which the first `columns` x `rows` are enlarged to the picture
     * (Sam.postprocess_masks). 0: in one step. */
    size_t middle, columns, rows;
} enlarge;

#define ENLARGE_MAX_SIDE 1024
#define ENLARGE_MAX_MIDDLE 4096

/* Calls use(user, x, y, n, top, bottom, v) for pieces of rows, every pixel once: n pixels from (x, y) on are
 * (1 - v) top + v bottom, where top and bottom are rows of the logits enlarged horizontally. Pieces are spread over the
 * pool's threads. */
typedef void (*enlarge_use)(void *user, size_t x, size_t y, size_t n, const float *top, const float *bottom, float v);
void enlarge_rows(const enlarge *e, enlarge_use use, void *user);

/* Calls use(user, x, y, n, inside) for runs of pixels down the columns, column by column, with `inside` where the
 * enlarged logit is > 0; neighbouring runs may be of the same kind. Agrees with the values of enlarge_rows to the bit,
 * but most pixels are not computed: between two logits of the same sign (both far from the ends of the exponents) there
 * is only that sign. `side` is at most ENLARGE_MAX_SIDE. */
typedef void (*enlarge_use_run)(void *user, size_t x, size_t y, size_t n, bool inside);
void enlarge_runs(const enlarge *e, enlarge_use_run use, void *user);

#endif
