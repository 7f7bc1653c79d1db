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
} enlarge;

#define ENLARGE_MAX_SIDE 1024

/* Calls use(user, x, y, n, top, bottom, v) for pieces of rows, every pixel once: n pixels from (x, y) on are
 * (1 - v) top + v bottom, where top and bottom are rows of the logits enlarged horizontally. Pieces are spread over the
 * pool's threads. */
typedef void (*enlarge_use)(void *user, size_t x, size_t y, size_t n, const float *top, const float *bottom, float v);
void enlarge_rows(const enlarge *e, enlarge_use use, void *user);

/* Where the picture's rows take from among the logits', for enlarge_levels: made once for all masks of a size. */
typedef struct enlarge_taps {
    uint32_t *low, *high; /* [height] */
    float *share;         /* [height] */
} enlarge_taps;
size_t enlarge_taps_bytes(size_t height);
enlarge_taps enlarge_taps_make(size_t side, size_t height, void *memory);

/* Calls use(user, x, y, n, level) for runs of pixels down the columns, column by column; `level` is how many of the
 * `count` thresholds, in ascending order, the enlarged logit is greater than (0 for NaN). Neighbouring runs may have
 * the same level. Agrees with the values of enlarge_rows to the bit, but most pixels are not computed: between two
 * logits on the same side of every threshold (and not close to any) there is only that level. `side` is at most
 * ENLARGE_MAX_SIDE. With `taps` and `values` [height], a column of noise is computed as a whole; both may be NULL. */
#define ENLARGE_MAX_LEVELS 3
typedef void (*enlarge_use_level)(void *user, size_t x, size_t y, size_t n, int level);
void enlarge_levels(const enlarge *e, const float *thresholds, int count, const enlarge_taps *taps, float *values,
                    enlarge_use_level use, void *user);

#endif
