/* The two-way transformer (sam.transformer.TwoWayTransformer) for any number of tokens, of one object: the image is
 * projected, as in the official code. */
#include "model/decoder.h"

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
    const float *tokens;     /* as token_rows */
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

void transform_plain(const model *m, const exec *ex, const token_rows *t, const pyramid *features, const float *dense,
                     void *image)
{
    size_t dim = (size_t)m->config.d_model, pixels = model_side(m, 16) * model_side(m, 16),
           mark = arena_mark(ex->arena);
    streams s = {.count = t->rows, .pixels = pixels, .tokens = t->tokens, .q = t->q, .q_pe = t->q_pe};
    s.image = decoder_narrow(m) ? arena_floats(ex->arena, pixels * dim) : image;
    s.image_pe = arena_floats(ex->arena, pixels * dim);
    decoder_image(m, ex, features, dense, s.image);
    for (int l = 0; l < MODEL_DECODER_DEPTH; l++)
        two_way(m, ex, &m->layers[l], l == 0, &s);
    add_token_positions(m, ex, &s);
    add_image_positions(m, ex, &s);
    attend(m, ex, &m->final, s.count, s.q_pe, pixels, s.image_pe, s.image, s.q, s.q);
    op_layernorm(ex, &m->final_norm, s.count, dim, s.q, ACT_NONE, s.q);
    if (decoder_narrow(m))
        op_to_bf16(ex, pixels, dim, s.image, image);
    arena_reset(ex->arena, mark);
}
