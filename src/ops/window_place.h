/* Where the windows of op_window_attention are in the map and in the buffers of the thread that has them. */
#ifndef OPS_WINDOW_PLACE_H
#define OPS_WINDOW_PLACE_H

#include "ops/ops.h"

typedef struct window_place {
    size_t y, x, height, width; /* tokens of the map, without padding */
    size_t first;  /* its first row in the local buffers; rows are in reading order, then one padded token if any */
    size_t padded; /* number of padded tokens */
} window_place;

static inline size_t windows_in_a_row(const window_args *a)
{
    return (a->width + a->window - 1) / a->window;
}

static inline size_t count_windows(const window_args *a)
{
    return windows_in_a_row(a) * ((a->height + a->window - 1) / a->window);
}

static inline window_place place_window(const window_args *a, size_t index, size_t first)
{
    window_place p = {
        .y = index / windows_in_a_row(a) * a->window, .x = index % windows_in_a_row(a) * a->window, .first = first};
    p.height = a->height - p.y < a->window ? a->height - p.y : a->window;
    p.width = a->width - p.x < a->window ? a->width - p.x : a->window;
    p.padded = a->window * a->window - p.height * p.width;
    return p;
}

/* Keys of a window's attention: with relative positions padded tokens are keys of their own. */
static inline size_t place_keys(const window_args *a, const window_place *p)
{
    return a->relative ? a->window * a->window : p->height * p->width + (p->padded > 0);
}

/* The window's row in the local buffers, counted from its first, that key `key` of all its window^2 is made of. */
static inline size_t place_key_row(const window_args *a, const window_place *p, size_t key)
{
    const size_t y = key / a->window, x = key % a->window, padding = p->height * p->width;
    return y < p->height && x < p->width ? y * p->width + x : padding;
}

static inline size_t place_rows(const window_place *p)
{
    return p->height * p->width + (p->padded > 0);
}

/* The rows of y that a window's outputs go to; returns their number. */
static inline size_t place_outputs(const window_args *a, const window_place *p, uint32_t *rows)
{
    size_t count = 0, step = a->pool ? 2 : 1;
    for (size_t y = 0; y < p->height; y += step)
        for (size_t x = 0; x < p->width; x += step)
            rows[count++] = (uint32_t)((p->y + y) / step * (a->width / step) + (p->x + x) / step);
    return count;
}

/* Max-pools the projected shortcut of a window, whose buffer's rows are as the window's, into y. */
static inline void pool_shortcut(const kernels *k, const window_args *a, const window_place *p, const float *shortcut)
{
    for (size_t y = 0; y < p->height; y += 2)
        for (size_t x = 0; x < p->width; x += 2) {
            const float *cell = shortcut + (p->first + y * p->width + x) * a->dim_out,
                        *below = cell + p->width * a->dim_out;
            k->max4_f32(a->dim_out, (const float *const[4]){cell, cell + a->dim_out, below, below + a->dim_out},
                        a->y + ((p->y + y) / 2 * (a->width / 2) + (p->x + x) / 2) * a->dim_out);
        }
}

#endif
