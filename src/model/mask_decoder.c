/* The mask decoder (sam2.modeling.sam.mask_decoder.MaskDecoder.predict_masks with sam.transformer.TwoWayTransformer).
 */
#include "model/model.h"

#include <math.h>
#include <string.h>

#define OUTPUT_TOKENS 6 /* object score, IoU, four masks */
#define MASKS 4

/* softmax(q(xq) k(xk)t) v(xv), projected: y [q_count, d_model] = ... + residual (NULL for none; may be y). */
static void attend(const model *m, const exec *ex, const attention_weights *a, size_t q_count, const float *xq,
                   size_t kv_count, const float *xk, const float *xv, const float *residual, float *y)
{
    size_t dim = (size_t)m->config.d_model, inner = a->q.n, heads = (size_t)m->config.decoder_heads,
           mark = arena_mark(ex->arena);
    float *q = arena_floats(ex->arena, q_count * inner), *k = arena_floats(ex->arena, kv_count * inner),
          *v = arena_floats(ex->arena, kv_count * inner), *attended = arena_floats(ex->arena, q_count * inner);
    op_linear(ex, &a->q, q_count, xq, dim, q, inner, ACT_NONE, NULL, 0);
    op_linear(ex, &a->k, kv_count, xk, dim, k, inner, ACT_NONE, NULL, 0);
    op_linear(ex, &a->v, kv_count, xv, dim, v, inner, ACT_NONE, NULL, 0);
    op_attention(ex, &(attention_args){.heads = heads,
                                       .dim = inner / heads,
                                       .q_count = q_count,
                                       .kv_count = kv_count,
                                       .q = q,
                                       .ldq = inner,
                                       .k = k,
                                       .v = v,
                                       .ldkv = inner,
                                       .y = attended,
                                       .ldy = inner});
    op_linear(ex, &a->out, q_count, attended, inner, y, dim, ACT_NONE, residual, dim);
    arena_reset(ex->arena, mark);
}

/* Tokens and image as they go through the transformer. */
typedef struct streams {
    size_t count, pixels;
    const float *tokens;     /* [count, d_model]: the original tokens, added to queries in every attention */
    float *q, *q_pe;         /* [count, d_model] */
    float *image, *image_pe; /* [pixels, d_model] */
} streams;

static void add_token_positions(const model *m, const exec *ex, const streams *s)
{
    op_add(ex, s->count, (size_t)m->config.d_model, s->q, NULL, s->tokens, s->q_pe);
}

static void add_image_positions(const model *m, const exec *ex, const streams *s)
{
    op_add(ex, s->pixels, (size_t)m->config.d_model, s->image, NULL, m->dense_pe, s->image_pe);
}

/* TwoWayAttentionBlock. */
static void two_way(const model *m, const exec *ex, const two_way_layer *l, bool first, const streams *s)
{
    size_t dim = (size_t)m->config.d_model;
    if (first) /* no positions, and the result replaces the tokens */
        attend(m, ex, &l->self, s->count, s->q, s->count, s->q, s->q, NULL, s->q);
    else {
        add_token_positions(m, ex, s);
        attend(m, ex, &l->self, s->count, s->q_pe, s->count, s->q_pe, s->q, s->q, s->q);
    }
    op_layernorm(ex, &l->norm1, s->count, dim, s->q, ACT_NONE, s->q);
    add_token_positions(m, ex, s);
    add_image_positions(m, ex, s);
    attend(m, ex, &l->token_to_image, s->count, s->q_pe, s->pixels, s->image_pe, s->image, s->q, s->q);
    op_layernorm(ex, &l->norm2, s->count, dim, s->q, ACT_NONE, s->q);
    op_two_layers(ex, NULL, &l->fc1, ACT_RELU, &l->fc2, s->count, s->q, s->q, s->q);
    op_layernorm(ex, &l->norm3, s->count, dim, s->q, ACT_NONE, s->q);
    add_token_positions(m, ex, s);
    attend(m, ex, &l->image_to_token, s->pixels, s->image_pe, s->count, s->q_pe, s->q, s->image, s->image);
    op_layernorm(ex, &l->norm4, s->pixels, dim, s->image, ACT_NONE, s->image);
}

/* Three layers with ReLU between: x [d_model] to y [layer[2].n]. */
static void run_mlp3(const exec *ex, const mlp3 *mlp, const float *x, float *y)
{
    size_t mark = arena_mark(ex->arena);
    float *a = arena_floats(ex->arena, mlp->layer[0].n), *b = arena_floats(ex->arena, mlp->layer[1].n);
    op_linear(ex, &mlp->layer[0], 1, x, mlp->layer[0].k, a, mlp->layer[0].n, ACT_RELU, NULL, 0);
    op_linear(ex, &mlp->layer[1], 1, a, mlp->layer[1].k, b, mlp->layer[1].n, ACT_RELU, NULL, 0);
    op_linear(ex, &mlp->layer[2], 1, b, mlp->layer[2].k, y, mlp->layer[2].n, ACT_NONE, NULL, 0);
    arena_reset(ex->arena, mark);
}

typedef struct upscale_job {
    const model *m;
    const exec *ex;
    const pyramid *features;
    const float *image; /* [side, side, d_model] */
    const float *hyper; /* [MASKS, d_model / 8] */
    float *masks;       /* [MASKS, 4 side, 4 side] */
    float *scratch;     /* [threads][scratch_floats] */
    size_t scratch_floats, side;
} upscale_job;

/* One row of tokens through both transposed convolutions to its four rows of all masks: nothing of the enlarged maps is
 * in memory whole. */
static void upscale_row(void *context, size_t y, int worker)
{
    const upscale_job *j = context;
    const model *m = j->m;
    const kernels *k = j->ex->k;
    size_t side = j->side, dim = (size_t)m->config.d_model, c1 = dim / 4, c0 = dim / 8;
    float *half = j->scratch + (size_t)worker * j->scratch_floats; /* [2 side, c1] */
    float *full = half + 2 * side * c1;                            /* [4 side, c0] */
    float *packed = full + 4 * side * c0;
    for (size_t dy = 0; dy < 2; dy++) {
        size_t row1 = 2 * y + dy;
        ops_gemm(k, &m->up0[dy], side, j->image + y * side * dim, dim, half, 2 * c1, NULL, ACT_NONE,
                 j->features->s1 + row1 * 2 * side * c1, 2 * c1);
        k->layernorm_f32(2 * side, c1, half, c1, m->up0_norm.gamma, m->up0_norm.beta, m->up0_norm.eps, ACT_GELU, half,
                         c1);
        for (size_t dz = 0; dz < 2; dz++) {
            size_t row0 = 2 * row1 + dz;
            ops_gemm(k, &m->up1[dz], 2 * side, half, c1, full, 2 * c0, NULL, ACT_NONE,
                     j->features->s0 + row0 * 4 * side * c0, 2 * c0);
            k->activate_f32(4 * side * c0, ACT_GELU, full, full);
            /* Pixels as columns: the product with the masks' vectors comes out as rows of masks. */
            k->pack_nk_f32(4 * side, c0, full, c0, packed);
            k->gemm_f32(&(gemm_f32_args){.m = MASKS,
                                         .n = 4 * side,
                                         .k = c0,
                                         .a = j->hyper,
                                         .lda = c0,
                                         .b = packed,
                                         .b_stride = c0 * k->gemm_f32_nr,
                                         .c = j->masks + row0 * 4 * side,
                                         .ldc = 16 * side * side});
        }
    }
}

static void upscale(const model *m, const exec *ex, const pyramid *features, const float *image, const float *hyper,
                    float *masks)
{
    size_t side = model_side(m, 16), dim = (size_t)m->config.d_model, mark = arena_mark(ex->arena);
    upscale_job j = {
        .m = m, .ex = ex, .features = features, .image = image, .hyper = hyper, .masks = masks, .side = side};
    j.scratch_floats = 2 * side * (dim / 4) + 4 * side * (dim / 8) + ops_packed_floats(ex->k, 4 * side, dim / 8);
    j.scratch = arena_floats(ex->arena, (size_t)pool_threads(ex->pool) * j.scratch_floats);
    if (!exec_dry(ex))
        pool_run(ex->pool, upscale_row, &j, side);
    arena_reset(ex->arena, mark);
}

static float *token(float *base, const exec *ex, size_t index, size_t dim)
{
    return exec_dry(ex) ? NULL : base + index * dim;
}

void decode_masks(const model *m, const exec *ex, const pyramid *features, const float *sparse, size_t sparse_count,
                  const float *dense, decoded *out)
{
    size_t dim = (size_t)m->config.d_model, pixels = model_side(m, 16) * model_side(m, 16),
           count = OUTPUT_TOKENS + sparse_count, mark = arena_mark(ex->arena);
    exec_stage(ex, PROFILE_DECODER);
    float *tokens = arena_floats(ex->arena, count * dim);
    streams s = {.count = count, .pixels = pixels, .tokens = tokens};
    s.q = arena_floats(ex->arena, count * dim);
    s.q_pe = arena_floats(ex->arena, count * dim);
    s.image = arena_floats(ex->arena, pixels * dim);
    s.image_pe = arena_floats(ex->arena, pixels * dim);
    float *hyper = arena_floats(ex->arena, MASKS * (dim / 8));
    if (!exec_dry(ex)) {
        memcpy(tokens, m->output_tokens, OUTPUT_TOKENS * dim * sizeof *tokens);
        if (sparse_count)
            memcpy(tokens + OUTPUT_TOKENS * dim, sparse, sparse_count * dim * sizeof *tokens);
        memcpy(s.q, tokens, count * dim * sizeof *tokens);
    }
    /* The image predictor's embedding has no_mem_embed, for there is no memory; then the dense prompt. */
    op_add(ex, pixels, dim, features->embedding, m->no_mem_embed, dense, s.image);
    if (!dense)
        op_add(ex, pixels, dim, s.image, m->no_mask, NULL, s.image);
    for (int l = 0; l < MODEL_DECODER_DEPTH; l++)
        two_way(m, ex, &m->layers[l], l == 0, &s);
    add_token_positions(m, ex, &s);
    add_image_positions(m, ex, &s);
    attend(m, ex, &m->final, count, s.q_pe, pixels, s.image_pe, s.image, s.q, s.q);
    op_layernorm(ex, &m->final_norm, count, dim, s.q, ACT_NONE, s.q);
    for (size_t i = 0; i < MASKS; i++)
        run_mlp3(ex, &m->hyper[i], token(s.q, ex, 2 + i, dim), token(hyper, ex, i, dim / 8));
    exec_stage(ex, PROFILE_UPSCALE);
    upscale(m, ex, features, s.image, hyper, out->masks);
    exec_stage(ex, PROFILE_DECODER);
    run_mlp3(ex, &m->iou, token(s.q, ex, 1, dim), out->iou);
    run_mlp3(ex, &m->object, token(s.q, ex, 0, dim), &out->object_score);
    if (!exec_dry(ex))
        for (int i = 0; i < MASKS; i++) /* iou_prediction_use_sigmoid, in both releases */
            out->iou[i] = 1.0f / (1.0f + expf(-out->iou[i]));
    arena_reset(ex->arena, mark);
}
