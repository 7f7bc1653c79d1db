#include "predict/preprocess.h"

#include "predict/axis.h"

#include <string.h>

#define BAND 8 /* output rows of an item */

static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

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
    j.horizontal = axis_take(ex->arena, (size_t)p->image->width, side);
    j.vertical = axis_take(ex->arena, (size_t)p->image->height, side);
    j.row = arena_floats(ex->arena, (size_t)pool_threads(ex->pool) * 3 * side);
    if (!exec_dry(ex)) {
        axis_fill(&j.horizontal, (size_t)p->image->width);
        axis_fill(&j.vertical, (size_t)p->image->height);
        memset(input, 0, 3 * pitch * sizeof *input);
        memset(input + (side + 3) * pitch, 0, 3 * pitch * sizeof *input);
        pool_run(ex->pool, resize_band, &j, (side + BAND - 1) / BAND);
    }
    arena_reset(ex->arena, mark);
}
