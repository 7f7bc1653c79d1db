/* SAM 1's image encoder (segment_anything.modeling.image_encoder.ImageEncoderViT): a plain ViT on patches of 16 x 16,
 * most of whose blocks attend inside of windows, and a neck of two convolutions. */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

#define PATCH ((size_t)16)
#define PATCH_FLOATS (PATCH * PATCH * 3)

typedef struct row_job {
    const model *m;
    const exec *ex;
    const float *input; /* the picture [side * PATCH, side * PATCH, 3], or a map [side, side, d_model] */
    const uint16_t *narrow;
    float *out;
    uint8_t *scratch; /* [threads][scratch_bytes] */
    size_t scratch_bytes, side;
} row_job;

/* One row of tokens: patches [side, l->k] of floats, or [side, ops_pitch_bf16(l->k)] of bfloat16, through a layer. */
static void multiply_row(const row_job *j, const linear *l, const void *patches, float *out, const float *residual)
{
    const kernels *k = j->ex->k;
    if (!l->packed_bf16) {
        ops_gemm(k, l, j->side, patches, l->k, out, l->n, NULL, ACT_NONE, residual, l->n, NULL);
        return;
    }
    k->gemm_bf16(&(gemm_bf16_args){.m = j->side,
                                   .n = l->n,
                                   .k = l->k,
                                   .a = patches,
                                   .lda = ops_pitch_bf16(l->k),
                                   .b = l->packed_bf16,
                                   .b_stride = gemm_bf16_packed(1, l->k),
                                   .c = out,
                                   .ldc = l->n,
                                   .bias = l->bias,
                                   .residual = residual,
                                   .ldr = l->n});
}

static void run_rows(const exec *ex, row_job *j, pool_task item)
{
    const size_t mark = arena_mark(ex->arena);
    j->scratch = arena_take(ex->arena, (size_t)pool_threads(ex->pool), j->scratch_bytes);
    if (!exec_dry(ex))
        pool_run(ex->pool, item, j, j->side);
    arena_reset(ex->arena, mark);
}

/* ---- patch embedding ---- */

/* A row of tokens is PATCH rows of the picture; a patch is a piece of each. */
#define GATHER(type, rows, patches, pitch)                                                                             \
    for (size_t x = 0; x < j->side; x++)                                                                               \
        for (size_t ky = 0; ky < PATCH; ky++)                                                                          \
    memcpy((patches) + x * (pitch) + ky * PATCH * 3, (rows) + (ky * j->side + x) * PATCH * 3, PATCH * 3 * sizeof(type))

static void patch_item(void *context, size_t y, int worker)
{
    const row_job *j = context;
    const linear *l = &j->m->patch;
    const size_t row = j->side * PATCH_FLOATS;
    const float *rows = j->input + y * row;
    void *scratch = j->scratch + (size_t)worker * j->scratch_bytes;
    if (l->packed_bf16) {
        uint16_t *narrow = scratch, *patches = narrow + row;
        j->ex->k->f32_to_bf16(row, rows, narrow);
        GATHER(uint16_t, narrow, patches, ops_pitch_bf16(PATCH_FLOATS));
        scratch = patches;
    } else {
        float *patches = scratch;
        GATHER(float, rows, patches, PATCH_FLOATS);
    }
    multiply_row(j, l, scratch, j->out + y * j->side * l->n, j->m->position + y * j->side * l->n);
}

static void patch_embed(const model *m, const exec *ex, size_t side, const float *input, float *out)
{
    row_job j = {.m = m, .ex = ex, .input = input, .out = out, .side = side};
    j.scratch_bytes = m->patch.packed_bf16 ? side * (PATCH_FLOATS + ops_pitch_bf16(PATCH_FLOATS)) * sizeof(uint16_t)
                                           : side * PATCH_FLOATS * sizeof(float);
    run_rows(ex, &j, patch_item);
}

/* ---- blocks ---- */

static void run_block(const model *m, const exec *ex, int index, size_t side, float *x)
{
    const config_block *c = &m->config.blocks[index];
    const hiera_block *b = &m->blocks[index];
    const size_t dim = (size_t)c->dim_out;
    if (c->window)
        op_window_attention(ex, &(window_args){.norm = &b->norm1,
                                               .qkv = &b->qkv,
                                               .proj = &b->proj,
                                               .heads = (size_t)c->heads,
                                               .window = (size_t)c->window,
                                               .relative = &b->relative,
                                               .height = side,
                                               .width = side,
                                               .dim_in = dim,
                                               .dim_out = dim,
                                               .x = x,
                                               .y = x});
    else
        op_global_attention(ex, &(global_args){.norm = &b->norm1,
                                               .qkv = &b->qkv,
                                               .proj = &b->proj,
                                               .heads = (size_t)c->heads,
                                               .tokens = side * side,
                                               .relative = &b->relative,
                                               .side = side,
                                               .x = x});
    op_two_layers(ex, &b->norm2, &b->fc1, ACT_GELU, &b->fc2, side * side, x, x, x);
}

/* ---- neck ---- */

/* Copies the 3 x 3 tokens around each of row y, `size` bytes a token, zeros outside of the map. */
static void gather_around(size_t side, size_t y, size_t size, const uint8_t *map, uint8_t *patches, size_t pitch)
{
    for (size_t x = 0; x < side; x++)
        for (size_t t = 0; t < 9; t++) {
            const size_t from_y = y + t / 3, from_x = x + t % 3; /* one more than the place */
            uint8_t *to = patches + x * pitch + t * size;
            if (from_y < 1 || from_y > side || from_x < 1 || from_x > side)
                memset(to, 0, size);
            else
                memcpy(to, map + ((from_y - 1) * side + from_x - 1) * size, size);
        }
}

static void mix_item(void *context, size_t y, int worker)
{
    const row_job *j = context;
    const linear *l = &j->m->neck_mix;
    const size_t dim = l->k / 9;
    uint8_t *patches = j->scratch + (size_t)worker * j->scratch_bytes;
    if (l->packed_bf16)
        gather_around(j->side, y, dim * sizeof(uint16_t), (const uint8_t *)j->narrow, patches,
                      ops_pitch_bf16(l->k) * sizeof(uint16_t));
    else
        gather_around(j->side, y, dim * sizeof(float), (const uint8_t *)j->input, patches, l->k * sizeof(float));
    multiply_row(j, l, patches, j->out + y * j->side * l->n, NULL);
}

static void run_neck(const model *m, const exec *ex, size_t side, const float *x, float *out)
{
    const linear *mix = &m->neck_mix;
    const size_t tokens = side * side, dim = (size_t)m->config.d_model, mark = arena_mark(ex->arena);
    float *map = arena_floats(ex->arena, tokens * dim);
    row_job j = {.m = m, .ex = ex, .input = map, .out = out, .side = side};
    op_linear(ex, &m->neck_project, tokens, x, m->neck_project.k, map, dim, ACT_NONE, NULL, 0);
    op_layernorm(ex, &m->neck_norm[0], tokens, dim, map, ACT_NONE, map);
    if (mix->packed_bf16) {
        uint16_t *narrow = arena_take(ex->arena, tokens * dim, sizeof *narrow);
        op_to_bf16(ex, tokens, dim, map, narrow);
        j.narrow = narrow;
        j.scratch_bytes = side * ops_pitch_bf16(mix->k) * sizeof(uint16_t);
    } else
        j.scratch_bytes = side * mix->k * sizeof(float);
    run_rows(ex, &j, mix_item);
    op_layernorm(ex, &m->neck_norm[1], tokens, dim, out, ACT_NONE, out);
    arena_reset(ex->arena, mark);
}

void encode_vit(const model *m, const exec *ex, input_filler fill, void *fill_context, const pyramid *out, watcher *w)
{
    const size_t side = model_side(m, 16), dim = (size_t)m->config.embed_dim, mark = arena_mark(ex->arena);
    const bool watched = w && w->observe && !exec_dry(ex);
    float *x = arena_floats(ex->arena, side * side * dim);
    const size_t after = arena_mark(ex->arena);
    float *input = arena_floats(ex->arena, side * side * PATCH_FLOATS);
    fill(fill_context, ex, input);
    if (watched)
        watch_input(w, m, input);
    exec_stage(ex, PROFILE_PATCH);
    patch_embed(m, ex, side, input, x);
    arena_reset(ex->arena, after);
    int stage = PROFILE_TRUNK0;
    for (int i = 0; i < m->config.block_count; i++) {
        exec_stage(ex, (profile_stage)stage);
        run_block(m, ex, i, side, x);
        stage += m->config.blocks[i].stage_end && stage < PROFILE_TRUNK3;
        if (watched) {
            char name[24];
            snprintf(name, sizeof name, "block%d", i);
            watch_map(w, name, x, side, side, dim);
        }
    }
    exec_stage(ex, PROFILE_NECK);
    run_neck(m, ex, side, x, out->embedding);
    arena_reset(ex->arena, mark);
}
