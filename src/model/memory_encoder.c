/* The memory encoder (sam2.modeling.memory_encoder): a mask goes down to the embedding's size, is added to it, and both
 * through a few ConvNeXt blocks. Maps are rows of channels. */
#include "model/memory.h"

#include <math.h>
#include <string.h>

/* ---- the mask at the network's size ---- */

typedef struct mask_job {
    const model *m;
    const exec *ex;
    const float *logits; /* [side, side] */
    size_t side;
    bool binary;
    const uint32_t *left, *right;
    const float *t;
    float *out; /* [4 side, 4 side] */
} mask_job;

/* sigmoid_scale_for_mem_enc and sigmoid_bias_for_mem_enc, the same in every official configuration. */
static float mask_value(float logit, bool binary)
{
    float inside = binary ? (logit > 0.0f ? 1.0f : 0.0f) : 1.0f / (1.0f + expf(-logit));
    return inside * 20.0f - 10.0f;
}

/* Where output `i` of an enlargement by 4 lies between two inputs, as torch's bilinear interpolation. */
static float between(size_t i, size_t side, uint32_t *left, uint32_t *right)
{
    float at = ((float)i + 0.5f) * 0.25f - 0.5f;
    at = at < 0.0f ? 0.0f : at;
    *left = (uint32_t)at;
    *right = *left + 1 < side ? *left + 1 : *left;
    return at - (float)*left;
}

static void mask_row(void *context, size_t y, int worker)
{
    (void)worker;
    const mask_job *j = context;
    uint32_t top, bottom;
    float v = between(y, j->side, &top, &bottom), *out = j->out + y * 4 * j->side;
    j->ex->k->bilinear_row_f32(4 * j->side, j->logits + top * j->side, j->logits + bottom * j->side, j->left, j->right,
                               j->t, v, out);
    for (size_t x = 0; x < 4 * j->side; x++)
        out[x] = mask_value(out[x], j->binary);
}

static void mask_enlarge(const model *m, const exec *ex, const float *logits, bool binary, float *out)
{
    const size_t side = model_side(m, 4), mark = arena_mark(ex->arena);
    uint32_t *left = arena_take(ex->arena, 4 * side, sizeof *left),
             *right = arena_take(ex->arena, 4 * side, sizeof *right);
    float *t = arena_floats(ex->arena, 4 * side);
    if (!exec_dry(ex)) {
        for (size_t x = 0; x < 4 * side; x++)
            t[x] = between(x, side, &left[x], &right[x]);
        pool_run(ex->pool, mask_row, &(mask_job){m, ex, logits, side, binary, left, right, t, out}, 4 * side);
    }
    arena_reset(ex->arena, mark);
}

/* ---- down to the embedding's size ---- */

typedef struct conv_job {
    const exec *ex;
    const linear *l;
    const norm *norm;
    size_t side, channels; /* of the input */
    const float *x;
    float *y;       /* [side / 2, side / 2, l->n] */
    float *patches; /* [threads][side / 2][l->k] */
} conv_job;

/* One output row of a 3 x 3 convolution of stride 2 with a border of zeros, normalised and activated. */
static void conv_row(void *context, size_t row, int worker)
{
    const conv_job *j = context;
    const size_t half = j->side / 2, channels = j->channels, n = j->l->n;
    float *patches = j->patches + (size_t)worker * half * j->l->k, *y = j->y + row * half * n;
    for (size_t x = 0; x < half; x++)
        for (size_t ky = 0; ky < 3; ky++) {
            float *to = patches + x * j->l->k + ky * 3 * channels;
            const size_t from_row = 2 * row + ky;
            const size_t skip = x == 0; /* the column before the first */
            memset(to, 0, (from_row == 0 ? 3 : skip) * channels * sizeof *to);
            if (from_row > 0)
                memcpy(to + skip * channels, j->x + ((from_row - 1) * j->side + 2 * x + skip - 1) * channels,
                       (3 - skip) * channels * sizeof *to);
        }
    ops_gemm(j->ex->k, j->l, half, patches, j->l->k, y, n, NULL, ACT_NONE, NULL, 0, NULL);
    j->ex->k->layernorm_f32(half, n, y, n, j->norm->gamma, j->norm->beta, j->norm->eps, ACT_GELU, y, n);
}

static void conv_stage(const exec *ex, const linear *l, const norm *n, size_t side, size_t channels, const float *x,
                       float *y)
{
    const size_t mark = arena_mark(ex->arena);
    conv_job j = {.ex = ex, .l = l, .norm = n, .side = side, .channels = channels, .x = x, .y = y};
    j.patches = arena_floats(ex->arena, (size_t)pool_threads(ex->pool) * side / 2 * l->k);
    if (!exec_dry(ex))
        pool_run(ex->pool, conv_row, &j, side / 2);
    arena_reset(ex->arena, mark);
}

/* mask_downsampler, added to `x` [tokens, d_model]. */
static void add_mask(const model *m, const exec *ex, const float *logits, bool binary, float *x)
{
    const size_t dim = (size_t)m->config.d_model, mark = arena_mark(ex->arena);
    size_t side = (size_t)m->config.image_size, channels = 1;
    /* Each stage's map has as many numbers as the one before it. */
    float *maps[2] = {arena_floats(ex->arena, side * side), arena_floats(ex->arena, side * side)};
    mask_enlarge(m, ex, logits, binary, maps[0]);
    for (int i = 0; i < MODEL_MASK_STAGES; i++, side /= 2, channels *= 4)
        conv_stage(ex, &m->memory.mask_stage[i], &m->memory.mask_norm[i], side, channels, maps[i % 2],
                   maps[(i + 1) % 2]);
    op_linear(ex, &m->memory.mask_projection, side * side, maps[MODEL_MASK_STAGES % 2], channels, x, dim, ACT_NONE, x,
              dim);
    arena_reset(ex->arena, mark);
}

/* ---- the fuser ---- */

#define MOST_TAPS (31 * 31) /* config_resolve's limit */

typedef struct fuse_job {
    const model *m;
    const exec *ex;
    const fuser_layer *l;
    const float *x, *update;
    float *y;
} fuse_job;

/* The depthwise convolution of a row of tokens, its border of zeros left out. */
static void depthwise_row(void *context, size_t row, int worker)
{
    (void)worker;
    const fuse_job *j = context;
    const size_t side = model_side(j->m, 16), dim = (size_t)j->m->config.d_model,
                 kernel = (size_t)j->m->config.memory_kernel, pad = kernel / 2;
    const float *x[MOST_TAPS], *weight[MOST_TAPS];
    for (size_t column = 0; column < side; column++) {
        size_t taps = 0;
        for (size_t ky = 0; ky < kernel; ky++)
            for (size_t kx = 0; kx < kernel; kx++) {
                const size_t at_y = row + ky - pad, at_x = column + kx - pad; /* below zero they are huge */
                if (at_y >= side || at_x >= side)
                    continue;
                x[taps] = j->x + (at_y * side + at_x) * dim;
                weight[taps++] = j->l->depthwise + (ky * kernel + kx) * dim;
            }
        j->ex->k->depthwise_f32(dim, taps, x, weight, j->l->depthwise_bias, j->y + (row * side + column) * dim);
    }
}

/* x += gamma * update, for a row of tokens. */
static void scaled_row(void *context, size_t row, int worker)
{
    (void)worker;
    const fuse_job *j = context;
    const size_t side = model_side(j->m, 16), dim = (size_t)j->m->config.d_model;
    for (size_t t = row * side; t < (row + 1) * side; t++)
        for (size_t c = 0; c < dim; c++)
            j->y[t * dim + c] += j->l->gamma[c] * j->update[t * dim + c];
}

/* CXBlock, in place. */
static void fuse(const model *m, const exec *ex, const fuser_layer *l, float *x)
{
    const size_t side = model_side(m, 16), tokens = side * side, dim = (size_t)m->config.d_model,
                 mark = arena_mark(ex->arena);
    float *y = arena_floats(ex->arena, tokens * dim);
    if (!exec_dry(ex))
        pool_run(ex->pool, depthwise_row, &(fuse_job){.m = m, .ex = ex, .l = l, .x = x, .y = y}, side);
    op_two_layers(ex, &l->norm, &l->expand, ACT_GELU, &l->shrink, tokens, y, y, NULL);
    if (!exec_dry(ex))
        pool_run(ex->pool, scaled_row, &(fuse_job){.m = m, .ex = ex, .l = l, .update = y, .y = x}, side);
    arena_reset(ex->arena, mark);
}

void memory_encode(const model *m, const exec *ex, const float *embedding, const float *logits, bool binary,
                   bool present, uint16_t *features)
{
    const size_t tokens = model_side(m, 16) * model_side(m, 16), dim = (size_t)m->config.d_model,
                 width = (size_t)m->config.memory_dim, mark = arena_mark(ex->arena);
    float *x = arena_floats(ex->arena, tokens * dim), *out = arena_floats(ex->arena, tokens * width);
    op_linear(ex, &m->memory.pixel_projection, tokens, embedding, dim, x, dim, ACT_NONE, NULL, 0);
    add_mask(m, ex, logits, binary, x);
    for (int i = 0; i < m->config.memory_fuser_layers; i++)
        fuse(m, ex, &m->memory.fuser[i], x);
    op_linear(ex, &m->memory.output_projection, tokens, x, dim, out, width, ACT_NONE, NULL, 0);
    if (!present && m->memory.absent)
        op_add(ex, tokens, width, out, m->memory.absent, NULL, out);
    op_to_bf16(ex, tokens, width, out, features);
    arena_reset(ex->arena, mark);
}
