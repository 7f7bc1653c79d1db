#include "predict/preprocess.h"

#include <string.h>

#define BAND 8 /* output rows of an item */

static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

/* One axis of the antialiased bilinear resize, as torch's upsample_bilinear2d_aa computes it, in float32: each output
 * is a weighted sum of `count` inputs from `first` on, weights a triangle as wide as the scale. */
typedef struct axis {
    size_t out, taps; /* taps: most inputs of an output, the pitch of `weight` */
    uint32_t *first, *count;
    float *weight; /* [out][taps] */
} axis;

static axis take_axis(arena *a, size_t in, size_t out)
{
    float scale = (float)in / (float)out, support = scale > 1.0f ? scale : 1.0f;
    axis x = {.out = out, .taps = (size_t)(2.0f * support) + 2};
    x.first = arena_take(a, out, sizeof *x.first);
    x.count = arena_take(a, out, sizeof *x.count);
    x.weight = arena_floats(a, out * x.taps);
    return x;
}

static void fill_axis(const axis *x, size_t in)
{
    float scale = (float)in / (float)x->out, support = scale > 1.0f ? scale : 1.0f,
          inverse = scale > 1.0f ? 1.0f / scale : 1.0f;
    for (size_t i = 0; i < x->out; i++) {
        float centre = scale * ((float)i + 0.5f), total = 0.0f, *weight = x->weight + i * x->taps;
        long from = (long)(centre - support + 0.5f), to = (long)(centre + support + 0.5f);
        from = from < 0 ? 0 : from;
        to = to > (long)in ? (long)in : to;
        for (long t = from; t < to; t++) {
            float d = ((float)(t - from) + (float)from - centre + 0.5f) * inverse;
            d = d < 0.0f ? -d : d;
            weight[t - from] = d < 1.0f ? 1.0f - d : 0.0f;
            total += weight[t - from];
        }
        for (long t = from; t < to && total != 0.0f; t++)
            weight[t - from] /= total;
        x->first[i] = (uint32_t)from;
        x->count[i] = (uint32_t)(to - from);
    }
}

typedef struct resize_job {
    const preprocess_job *p;
    const exec *ex;
    axis horizontal, vertical;
    float *input;
    float *row; /* [threads][3 side] */
} resize_job;

/* A band of output rows: source rows come in order, each resized horizontally once and added to the output rows that
 * want it. */
static void resize_band(void *context, size_t item, int worker)
{
    const resize_job *j = context;
    const sam2_image *image = j->p->image;
    const kernels *k = j->ex->k;
    const axis *v = &j->vertical;
    size_t side = v->out, from = item * BAND, to = from + BAND < side ? from + BAND : side, pitch = (side + 6) * 3;
    int channels = image->format == SAM2_PIXEL_GREY ? 1 : image->format == SAM2_PIXEL_RGBA ? 4 : 3;
    float *row = j->row + (size_t)worker * 3 * side;
    size_t first = v->first[from], last = (size_t)v->first[to - 1] + v->count[to - 1];
    for (size_t y = first; y < last; y++) {
        k->resample_row_u8(side, j->horizontal.taps, j->horizontal.first, j->horizontal.count, j->horizontal.weight,
                           image->pixels + (ptrdiff_t)y * image->stride, channels, row);
        for (size_t o = from; o < to; o++) {
            if (y < v->first[o] || y >= (size_t)v->first[o] + v->count[o])
                continue;
            float *out = j->input + (o + 3) * pitch + 9, weight = v->weight[o * v->taps + y - v->first[o]];
            if (y == v->first[o])
                k->weigh_rows_f32(3 * side, 1, (const float *const[]){row}, (const float[]){weight}, out);
            else
                k->weigh_rows_f32(3 * side, 2, (const float *const[]){out, row}, (const float[]){1.0f, weight}, out);
        }
    }
    for (size_t o = from; o < to; o++) {
        float *out = j->input + (o + 3) * pitch;
        memset(out, 0, 9 * sizeof *out);
        memset(out + 9 + 3 * side, 0, 9 * sizeof *out);
        for (size_t x = 0; x < side; x++)
            for (size_t c = 0; c < 3; c++)
                out[9 + 3 * x + c] = (out[9 + 3 * x + c] - mean[c]) / deviation[c];
    }
}

void preprocess(void *context, const exec *ex, float *input)
{
    const preprocess_job *p = context;
    size_t side = (size_t)p->m->config.image_size, mark = arena_mark(ex->arena), pitch = (side + 6) * 3;
    resize_job j = {.p = p, .ex = ex, .input = input};
    j.horizontal = take_axis(ex->arena, (size_t)p->image->width, side);
    j.vertical = take_axis(ex->arena, (size_t)p->image->height, side);
    j.row = arena_floats(ex->arena, (size_t)pool_threads(ex->pool) * 3 * side);
    if (!exec_dry(ex)) {
        fill_axis(&j.horizontal, (size_t)p->image->width);
        fill_axis(&j.vertical, (size_t)p->image->height);
        memset(input, 0, 3 * pitch * sizeof *input);
        memset(input + (side + 3) * pitch, 0, 3 * pitch * sizeof *input);
        pool_run(ex->pool, resize_band, &j, (side + BAND - 1) / BAND);
    }
    arena_reset(ex->arena, mark);
}
