/* One axis of torch's antialiased bilinear resize (upsample_bilinear2d_aa), in float32: each output is a weighted sum
 * of `count` inputs from `first` on, weights a triangle as wide as the scale. */
#ifndef PREDICT_AXIS_H
#define PREDICT_AXIS_H

#include "base/arena.h"

typedef struct axis {
    size_t out, taps; /* taps: most inputs of an output, the pitch of `weight` */
    uint32_t *first, *count;
    float *weight; /* [out][taps] */
} axis;

/* Room for one, then its numbers. */
axis axis_take(arena *a, size_t in, size_t out);
void axis_fill(const axis *x, size_t in);

#endif
