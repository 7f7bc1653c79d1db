/* The image encoder: Hiera trunk (sam2.modeling.backbones.hieradet) and feature pyramid (image_encoder.FpnNeck),
 * followed by the mask decoder's convolutions of the two finest levels, as SAM2Base.forward_image. Each level goes
 * through the neck as soon as its stage is done. */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PATCH 7
#define PATCH_FLOATS (PATCH * PATCH * 3)

/* Bicubic interpolation with a = -0.75 and half-pixel centres, as torch.nn.functional.interpolate: four taps, indices
 * held at the border. */
static void cubic_taps(size_t position, size_t in, size_t out, size_t index[4], float weight[4])
{
    const float a = -0.75f;
    float source = ((float)position + 0.5f) * ((float)in / (float)out) - 0.5f;
    float base = floorf(source), t = source - base;
    for (int i = 0; i < 4; i++) {
        long at = (long)base + i - 1;
        index[i] = at < 0 ? 0 : at >= (long)in ? in - 1 : (size_t)at;
        float d = fabsf(t - (float)(i - 1));
        weight[i] = d <= 1.0f ? ((a + 2.0f) * d - (a + 3.0f)) * d * d + 1.0f
                              : ((a * d - 5.0f * a) * d + 8.0f * a) * d - 4.0f * a;
    }
}

typedef struct patch_job {
    const model *m;
    const exec *ex;
    const float *input; /* [side + 6, side + 6, 3] */
    float *out;         /* [side / 4, side / 4, embed_dim] */
    uint8_t *scratch;   /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} patch_job;

/* Per-thread buffers of a row of tokens, in one of two precisions. */
typedef struct patch_buffers {
    float *position;                        /* [side, embed_dim] */
    float *blend;                           /* [background, embed_dim] */
    float *patches;                         /* [side, PATCH_FLOATS] */
    uint16_t *narrow_rows, *narrow_patches; /* [PATCH, input row], [side, pitch] */
} patch_buffers;

static size_t lay_out_patch(const model *m, arena cut, patch_buffers *b)
{
    size_t side = model_side(m, 4), dim = (size_t)m->config.embed_dim;
    const bool narrow = m->patch.packed_bf16 != NULL;
    b->position = arena_take(&cut, side * dim, sizeof *b->position);
    b->blend = arena_take(&cut, (size_t)m->config.background * dim, sizeof *b->blend);
    b->patches = arena_take(&cut, narrow ? 0 : side * PATCH_FLOATS, sizeof *b->patches);
    b->narrow_rows = arena_take(&cut, narrow ? PATCH * model_input_side(m) * 3 : 0, sizeof *b->narrow_rows);
    b->narrow_patches = arena_take(&cut, narrow ? side * ops_pitch_bf16(PATCH_FLOATS) : 0, sizeof *b->narrow_patches);
    return cut.peak;
}

/* Position embedding of one row of tokens: the coarse map enlarged, plus the window's tile. `blend` is [background,
 * embed_dim]. */
static void position_row(const model *m, size_t y, float *blend, float *out)
{
    size_t side = model_side(m, 4), dim = (size_t)m->config.embed_dim, b = (size_t)m->config.background,
           window = (size_t)m->config.window_spec[0];
    size_t index[4];
    float weight[4];
    cubic_taps(y, b, side, index, weight);
    for (size_t i = 0; i < b * dim; i++) {
        float v = 0.0f;
        for (int t = 0; t < 4; t++)
            v += weight[t] * m->pos_background[index[t] * b * dim + i];
        blend[i] = v;
    }
    for (size_t x = 0; x < side; x++) {
        cubic_taps(x, b, side, index, weight);
        const float *tile = m->pos_window + (y % window * window + x % window) * dim;
        for (size_t c = 0; c < dim; c++)
            out[x * dim + c] = weight[0] * blend[index[0] * dim + c] + weight[1] * blend[index[1] * dim + c] +
                               weight[2] * blend[index[2] * dim + c] + weight[3] * blend[index[3] * dim + c] + tile[c];
    }
}

/* Patches of one row of tokens: PATCH pieces of input rows each. */
#define GATHER(type, rows, patches, patch_pitch, side, pitch)                                                          \
    for (size_t x = 0; x < (side); x++)                                                                                \
        for (size_t ky = 0; ky < PATCH; ky++)                                                                          \
    memcpy((patches) + x * (patch_pitch) + ky * PATCH * 3, (rows) + ky * (pitch) + 4 * x * 3, PATCH * 3 * sizeof(type))

static void patch_item(void *context, size_t y, int worker)
{
    const patch_job *j = context;
    const model *m = j->m;
    const kernels *k = j->ex->k;
    size_t side = model_side(m, 4), dim = (size_t)m->config.embed_dim, pitch = model_input_side(m) * 3;
    const float *rows = j->input + 4 * y * pitch;
    float *out = j->out + y * side * dim;
    patch_buffers b;
    lay_out_patch(m, (arena){.base = j->scratch + (size_t)worker * j->scratch_bytes, .capacity = j->scratch_bytes}, &b);
    position_row(m, y, b.blend, b.position);
    if (!m->patch.packed_bf16) {
        GATHER(float, rows, b.patches, PATCH_FLOATS, side, pitch);
        ops_gemm(k, &m->patch, side, b.patches, PATCH_FLOATS, out, dim, NULL, ACT_NONE, b.position, dim, NULL);
        return;
    }
    k->f32_to_bf16(PATCH * pitch, rows, b.narrow_rows);
    GATHER(uint16_t, b.narrow_rows, b.narrow_patches, ops_pitch_bf16(PATCH_FLOATS), side, pitch);
    k->gemm_bf16(&(gemm_bf16_args){.m = side,
                                   .n = dim,
                                   .k = PATCH_FLOATS,
                                   .a = b.narrow_patches,
                                   .lda = ops_pitch_bf16(PATCH_FLOATS),
                                   .b = m->patch.packed_bf16,
                                   .b_stride = gemm_bf16_packed(1, PATCH_FLOATS),
                                   .c = out,
                                   .ldc = dim,
                                   .bias = m->patch.bias,
                                   .residual = b.position,
                                   .ldr = dim});
}

static void patch_embed(const model *m, const exec *ex, const float *input, float *out)
{
    size_t mark = arena_mark(ex->arena);
    patch_job j = {.m = m, .ex = ex, .input = input, .out = out};
    patch_buffers unused;
    j.scratch_bytes = lay_out_patch(m, (arena){0}, &unused);
    j.scratch = arena_take(ex->arena, (size_t)pool_threads(ex->pool), j.scratch_bytes);
    if (!exec_dry(ex))
        pool_run(ex->pool, patch_item, &j, model_side(m, 4));
    arena_reset(ex->arena, mark);
}

/* Block `index` for rows of the map, all of them where attention is global: x [height, side, dim_in] to y [height',
 * side', dim_out]; y is x but for pooling blocks. */
static void run_block(const model *m, const exec *ex, int index, size_t side, size_t height, float *x, float *y)
{
    const config_block *c = &m->config.blocks[index];
    const hiera_block *b = &m->blocks[index];
    if (c->window)
        op_window_attention(ex, &(window_args){.norm = &b->norm1,
                                               .qkv = &b->qkv,
                                               .proj = &b->proj,
                                               .shortcut = c->pool ? &b->shortcut : NULL,
                                               .heads = (size_t)c->heads,
                                               .window = (size_t)c->window,
                                               .pool = c->pool,
                                               .height = height,
                                               .width = side,
                                               .dim_in = (size_t)c->dim_in,
                                               .dim_out = (size_t)c->dim_out,
                                               .x = x,
                                               .y = y});
    else
        op_global_attention(ex, &(global_args){.norm = &b->norm1,
                                               .qkv = &b->qkv,
                                               .proj = &b->proj,
                                               .heads = (size_t)c->heads,
                                               .tokens = height * side,
                                               .x = x});
    size_t outputs = c->pool ? height * side / 4 : height * side;
    op_two_layers(ex, &b->norm2, &b->fc1, ACT_GELU, &b->fc2, outputs, y, y, y);
}

/* out2 += nearest enlargement of out3 (FpnNeck's top-down path). coarse [side / 2, side / 2, dim], fine [side, side,
 * dim]. */
static void add_top_down(const exec *ex, const float *coarse, float *fine, size_t side, size_t dim)
{
    if (exec_dry(ex))
        return;
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            const float *from = coarse + (y / 2 * (side / 2) + x / 2) * dim;
            float *to = fine + (y * side + x) * dim;
            for (size_t c = 0; c < dim; c++)
                to[c] += from[c];
        }
}

/* What follows the first two stages, of `rows` tokens from token `first` on: their part of the pyramid's fine level. x
 * [rows, stage dim]. */
static void run_fine(const model *m, const exec *ex, int stage, size_t first, size_t rows, const float *x,
                     const pyramid *out)
{
    const size_t mark = arena_mark(ex->arena), n = m->plain ? m->conv_s[stage].n : m->high_res[stage].n;
    void *const level = stage == 0 ? out->s0 : out->s1;
    const bool narrow = m->precision == SAM2_PRECISION_BF16;
    float *fine = narrow || exec_dry(ex) ? NULL : (float *)level + first * n;
    uint16_t *narrow_fine = narrow && !exec_dry(ex) ? (uint16_t *)level + first * n : NULL;
    if (m->plain) {
        float *wide = narrow ? arena_floats(ex->arena, rows * n) : fine;
        op_two_layers(ex, NULL, &m->lateral[stage], ACT_NONE, &m->conv_s[stage], rows, x, wide, NULL);
        if (narrow)
            op_to_bf16(ex, rows, n, wide, narrow_fine);
    } else if (narrow)
        op_linear_bf16(ex, &m->high_res[stage], rows, x, narrow_fine);
    else
        op_linear(ex, &m->high_res[stage], rows, x, m->high_res[stage].k, fine, n, ACT_NONE, NULL, 0);
    arena_reset(ex->arena, mark);
}

/* What follows the other two: the embedding. x [side, side, stage dim]. */
static void run_neck(const model *m, const exec *ex, int stage, size_t side, const float *x, const pyramid *out)
{
    size_t dim = (size_t)m->config.d_model, mark = arena_mark(ex->arena);
    if (stage == 2)
        op_linear(ex, &m->lateral[2], side * side, x, m->lateral[2].k, out->embedding, dim, ACT_NONE, NULL, 0);
    else if (m->config.top_down[2]) {
        float *coarse = arena_floats(ex->arena, side * side * dim);
        op_linear(ex, &m->lateral[3], side * side, x, m->lateral[3].k, coarse, dim, ACT_NONE, NULL, 0);
        add_top_down(ex, coarse, out->embedding, 2 * side, dim);
    }
    arena_reset(ex->arena, mark);
}

/* Tokens that go through blocks together, for every four threads. */
#define BAND_TOKENS 8192

/* Rows of a map that go together through blocks which keep to windows of this size: the maps of the first stages do not
 * stay in the caches from one block to the next, bands of them do. All rows of a map that is small or not cut so. */
static size_t band_rows(const exec *ex, size_t side, size_t window)
{
    const size_t tokens = BAND_TOKENS * (((size_t)pool_threads(ex->pool) + 3) / 4);
    if (window == 0 || side * side <= 2 * tokens)
        return side;
    return tokens / side < window ? window : tokens / side / window * window;
}

/* The end of the blocks from `index` on that have the same windows, do not pool, and are of one stage. */
static int end_of_blocks(const model_config *c, int index)
{
    const config_block *first = &c->blocks[index];
    int end = index + 1;
    while (first->window && !first->pool && !c->blocks[end - 1].stage_end && end < c->block_count &&
           c->blocks[end].window == first->window && !c->blocks[end].pool)
        end++;
    return end;
}

void encode_hiera(const model *m, const exec *ex, input_filler fill, void *fill_context, const pyramid *out, watcher *w)
{
    size_t side = model_side(m, 4), mark = arena_mark(ex->arena);
    bool watched = w && w->observe && !exec_dry(ex);
    /* Two buffers in turn: a stage has half of the floats of the one before. */
    float *maps[2] = {arena_floats(ex->arena, side * side * (size_t)m->config.embed_dim),
                      arena_floats(ex->arena, side * side * (size_t)m->config.embed_dim / 2)};
    size_t after_maps = arena_mark(ex->arena), input_side = model_input_side(m);
    float *input = arena_floats(ex->arena, input_side * input_side * 3);
    fill(fill_context, ex, input);
    if (watched)
        watch_input(w, m, input);
    exec_stage(ex, PROFILE_PATCH);
    patch_embed(m, ex, input, maps[0]);
    arena_reset(ex->arena, after_maps);
    int stage = 0;
    for (int i = 0, end; i < m->config.block_count; i = end) {
        end = end_of_blocks(&m->config, i);
        const config_block *c = &m->config.blocks[i];
        const bool ends = m->config.blocks[end - 1].stage_end;
        float *x = maps[(c->pool ? stage - 1 : stage) % 2], *y = maps[stage % 2];
        const size_t rows = c->pool ? side : band_rows(ex, side, (size_t)c->window), dim = (size_t)c->dim_out,
                     out_side = c->pool ? side / 2 : side;
        for (size_t row = 0; row < side; row += rows) {
            if (row && exec_dry(ex)) /* no band takes more memory than the first */
                break;
            const size_t height = side - row < rows ? side - row : rows, first = row * side;
            exec_stage(ex, PROFILE_TRUNK0 + stage);
            for (int block = i; block < end; block++)
                run_block(m, ex, block, side, height, x + first * (size_t)c->dim_in, y + first * dim);
            if (ends && stage < 2) {
                exec_stage(ex, PROFILE_NECK);
                run_fine(m, ex, stage, first, c->pool ? out_side * out_side : height * side, y + first * dim, out);
            }
        }
        side = out_side;
        if (ends) {
            if (stage >= 2) {
                exec_stage(ex, PROFILE_NECK);
                run_neck(m, ex, stage, side, y, out);
            }
            if (watched) {
                char name[24];
                snprintf(name, sizeof name, "trunk_stage%d", stage);
                watch_map(w, name, y, side, side, dim);
            }
            stage++;
        }
    }
    arena_reset(ex->arena, mark);
}
