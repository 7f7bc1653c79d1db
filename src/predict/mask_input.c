/* Masks as prompts of the video predictor. */
#include "predict/axis.h"
#include "predict/tracker.h"

#include <string.h>

/* One row horizontally: out [axis->out]. */
static void resize_row(const axis *h, const float *in, float *out)
{
    for (size_t i = 0; i < h->out; i++) {
        const float *weight = h->weight + i * h->taps;
        float sum = 0.0f;
        for (uint32_t n = 0; n < h->count[i]; n++)
            sum += weight[n] * in[h->first[i] + n];
        out[i] = sum;
    }
}

/* A row of the mask as 0 and 1, or of a float map with scale and shift. */
typedef struct plane {
    const uint8_t *mask;
    ptrdiff_t stride;
    const float *map; /* NULL: the mask */
    size_t width, height;
    float scale, shift;
} plane;

static void read_row(const plane *p, size_t y, float *out)
{
    for (size_t x = 0; x < p->width; x++)
        out[x] = p->map ? p->map[y * p->width + x] * p->scale + p->shift
                        : p->mask[(ptrdiff_t)y * p->stride + (ptrdiff_t)x] != 0;
}

/* out [side, side] = the plane, antialiased bilinear, width first. Input rows come once, in order. */
static void resize_plane(const exec *ex, const plane *p, size_t side, float *out)
{
    const size_t mark = arena_mark(ex->arena);
    axis h = axis_take(ex->arena, p->width, side), v = axis_take(ex->arena, p->height, side);
    float *row = arena_floats(ex->arena, p->width), *narrow = arena_floats(ex->arena, side);
    if (!exec_dry(ex)) {
        axis_fill(&h, p->width);
        axis_fill(&v, p->height);
        memset(out, 0, side * side * sizeof *out);
        size_t begin = 0; /* the first output row that later input rows still add to */
        for (size_t y = 0; y < p->height; y++) {
            read_row(p, y, row);
            resize_row(&h, row, narrow);
            while (begin < side && (size_t)v.first[begin] + v.count[begin] <= y)
                begin++;
            for (size_t o = begin; o < side && v.first[o] <= y; o++) {
                if (y >= (size_t)v.first[o] + v.count[o])
                    continue;
                const float weight = v.weight[o * v.taps + y - v.first[o]];
                for (size_t x = 0; x < side; x++)
                    out[o * side + x] += weight * narrow[x];
            }
        }
    }
    arena_reset(ex->arena, mark);
}

bool mask_input(const model *m, const exec *ex, const uint8_t *mask, int width, int height, ptrdiff_t stride,
                float *whole, float *logits)
{
    const size_t side = (size_t)m->config.image_size;
    const plane given = {.mask = mask, .stride = stride, .width = (size_t)width, .height = (size_t)height};
    bool any = false;
    resize_plane(ex, &given, side, whole);
    for (size_t i = 0; i < side * side && !exec_dry(ex); i++) {
        whole[i] = whole[i] >= 0.5f ? 1.0f : 0.0f;
        any |= whole[i] > 0.0f;
    }
    const plane inside = {.map = whole, .width = side, .height = side, .scale = 20.0f, .shift = -10.0f};
    resize_plane(ex, &inside, side / 4, logits);
    return any;
}
