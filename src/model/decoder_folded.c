/* The two-way transformer (sam.transformer.TwoWayTransformer) for a few tokens, of several objects at once: everything
 * on the image's side is folded onto the tokens (decoder_pass.c). */
#include "model/decoder.h"

#include <math.h>
#include <string.h>

static size_t inner_dim(const model *m)
{
    return (size_t)m->config.d_model / 2;
}

/* ---- the picture's products ---- */

size_t image_product_bytes(const model *m)
{
    size_t pixels = model_side(m, 16) * model_side(m, 16), inner = inner_dim(m);
    if (decoder_narrow(m)) /* and what a product may read behind the last head's channels */
        return (gemm_bf16_packed(pixels, inner) + GEMM_BF16_NR * GEMM_BF16_K) * sizeof(uint16_t);
    size_t columns = ops_packed_floats(&m->kernels, pixels, inner),
           rows = ops_packed_floats(&m->kernels, inner, pixels);
    return (columns > rows ? columns : rows) * sizeof(float);
}

size_t image_product_panel(const model *m)
{
    return decoder_narrow(m) ? GEMM_BF16_NR : m->kernels.gemm_f32_nr;
}

typedef struct pack_job {
    const model *m;
    const exec *ex;
    const float *x;    /* [pixels, d_model / 2] */
    uint16_t *scratch; /* [threads][BLOCK_PIXELS, d_model / 2] in bfloat16 */
    size_t pixels;
    bool as_rows; /* pixels are rows of B, else its columns */
    void *out;
} pack_job;

static void pack_item(void *context, size_t item, int worker)
{
    const pack_job *j = context;
    const kernels *k = j->ex->k;
    size_t inner = inner_dim(j->m), row = item * BLOCK_PIXELS, left = j->pixels - row,
           rows = left < BLOCK_PIXELS ? left : BLOCK_PIXELS;
    const float *x = j->x + row * inner;
    if (decoder_narrow(j->m)) {
        uint16_t *narrow = j->scratch + (size_t)worker * BLOCK_PIXELS * inner, *out = j->out;
        k->f32_to_bf16(rows * inner, x, narrow);
        if (!j->as_rows)
            k->pack_nk_bf16(rows, inner, narrow, inner, out + gemm_bf16_packed(row, inner));
        for (size_t c = 0; c < inner && j->as_rows; c += GEMM_BF16_NR)
            k->pack_kn_bf16(rows, inner - c < GEMM_BF16_NR ? inner - c : GEMM_BF16_NR, narrow + c, inner,
                            out + gemm_bf16_packed(c, j->pixels) + row * GEMM_BF16_NR);
        return;
    }
    size_t nr = k->gemm_f32_nr;
    float *out = j->out;
    if (!j->as_rows)
        k->pack_nk_f32(rows, inner, x, inner, out + row * inner);
    for (size_t c = 0; c < inner && j->as_rows; c += nr)
        k->pack_kn_f32(rows, inner - c < nr ? inner - c : nr, x + c, inner, out + c * j->pixels + row * nr);
}

/* A projection of the image, packed whole: pixels are columns of length d_model / 2, of which a head is a part, or
 * `as_rows`. */
static void make_product(const model *m, const exec *ex, const linear *l, size_t pixels, const float *x, bool as_rows,
                         void *out)
{
    size_t dim = (size_t)m->config.d_model, inner = inner_dim(m), mark = arena_mark(ex->arena);
    pack_job j = {.m = m, .ex = ex, .pixels = pixels, .as_rows = as_rows, .out = out};
    float *wide = arena_floats(ex->arena, pixels * inner);
    j.x = wide;
    if (decoder_narrow(m))
        j.scratch = arena_take(ex->arena, (size_t)pool_threads(ex->pool) * BLOCK_PIXELS * inner, sizeof *j.scratch);
    op_linear(ex, l, pixels, x, dim, wide, inner, ACT_NONE, NULL, 0);
    if (!exec_dry(ex)) {
        pool_run(ex->pool, pack_item, &j, (pixels + BLOCK_PIXELS - 1) / BLOCK_PIXELS);
        if (decoder_narrow(m))
            memset((uint16_t *)out + gemm_bf16_packed(pixels, inner), 0, GEMM_BF16_NR * GEMM_BF16_K * sizeof(uint16_t));
    }
    arena_reset(ex->arena, mark);
}

void image_products_make(const model *m, const exec *ex, const pyramid *features, const float *dense, float *image,
                         const image_products *out)
{
    size_t dim = (size_t)m->config.d_model, pixels = model_side(m, 16) * model_side(m, 16);
    const two_way_layer *l = &m->layers[0];
    decoder_image(m, ex, features, dense, image);
    make_product(m, ex, &l->token_to_image.v, pixels, image, true, out->v);
    size_t mark = arena_mark(ex->arena);
    float *positioned = arena_floats(ex->arena, pixels * dim);
    op_add(ex, pixels, dim, image, NULL, m->dense_pe, positioned);
    make_product(m, ex, &l->token_to_image.k, pixels, positioned, false, out->k);
    make_product(m, ex, &l->image_to_token.q, pixels, positioned, false, out->q);
    arena_reset(ex->arena, mark);
}

/* ---- self-attention of tokens ---- */

typedef struct self_job {
    const model *m;
    const exec *ex;
    const token_rows *t;
    const float *q, *k, *v; /* [rows, d_model] */
    float *y;
    float *scratch; /* [threads][scratch_floats] */
    size_t scratch_floats;
} self_job;

static void self_item(void *context, size_t object, int worker)
{
    const self_job *j = context;
    const kernels *k = j->ex->k;
    size_t dim = (size_t)j->m->config.d_model, heads = (size_t)j->m->config.decoder_heads, head_dim = dim / heads,
           count = j->t->count[object], first = j->t->first[object] * dim;
    float *keys = j->scratch + (size_t)worker * j->scratch_floats;
    float *values = keys + ops_packed_floats(k, FOLD_TOKENS, head_dim);
    float *scores = values + ops_packed_floats(k, head_dim, FOLD_TOKENS);
    float largest[FOLD_TOKENS], sum[FOLD_TOKENS], rescale[FOLD_TOKENS], scale = 1.0f / sqrtf((float)head_dim);
    for (size_t h = 0; h < heads; h++) {
        size_t at = first + h * head_dim;
        k->pack_nk_f32(count, head_dim, j->k + at, dim, keys);
        k->pack_kn_f32(count, head_dim, j->v + at, dim, values);
        k->gemm_f32(&(gemm_f32_args){.m = count,
                                     .n = count,
                                     .k = head_dim,
                                     .a = j->q + at,
                                     .lda = dim,
                                     .b = keys,
                                     .b_stride = head_dim * k->gemm_f32_nr,
                                     .c = scores,
                                     .ldc = FOLD_TOKENS});
        for (size_t i = 0; i < count; i++) {
            for (size_t c = 0; c < count; c++)
                scores[i * FOLD_TOKENS + c] *= scale;
            largest[i] = -INFINITY;
            sum[i] = 0.0f;
        }
        k->softmax_step_f32(count, count, scores, FOLD_TOKENS, largest, sum, rescale);
        k->gemm_f32(&(gemm_f32_args){.m = count,
                                     .n = head_dim,
                                     .k = count,
                                     .a = scores,
                                     .lda = FOLD_TOKENS,
                                     .b = values,
                                     .b_stride = count * k->gemm_f32_nr,
                                     .c = j->y + at,
                                     .ldc = dim});
        k->divide_rows_f32(count, head_dim, j->y + at, dim, sum, j->y + at, dim);
    }
}

/* q = attention(xq, xq, q), projected, + residual (NULL for none). */
static void attend_self(const model *m, const exec *ex, const attention_weights *a, const token_rows *t,
                        const float *xq, const float *residual)
{
    size_t dim = (size_t)m->config.d_model, rows = t->rows, mark = arena_mark(ex->arena);
    float *q = arena_floats(ex->arena, rows * dim), *k = arena_floats(ex->arena, rows * dim),
          *v = arena_floats(ex->arena, rows * dim), *y = arena_floats(ex->arena, rows * dim);
    self_job j = {.m = m, .ex = ex, .t = t, .q = q, .k = k, .v = v, .y = y};
    size_t head_dim = dim / (size_t)m->config.decoder_heads;
    j.scratch_floats = ops_packed_floats(ex->k, FOLD_TOKENS, head_dim) +
                       ops_packed_floats(ex->k, head_dim, FOLD_TOKENS) + FOLD_TOKENS * FOLD_TOKENS;
    j.scratch = arena_floats(ex->arena, (size_t)pool_threads(ex->pool) * j.scratch_floats);
    op_linear(ex, &a->q, rows, xq, dim, q, dim, ACT_NONE, NULL, 0);
    op_linear(ex, &a->k, rows, xq, dim, k, dim, ACT_NONE, NULL, 0);
    op_linear(ex, &a->v, rows, t->q, dim, v, dim, ACT_NONE, NULL, 0);
    if (!exec_dry(ex))
        pool_run(ex->pool, self_item, &j, t->objects);
    op_linear(ex, &a->out, rows, y, dim, t->q, dim, ACT_NONE, residual, dim);
    arena_reset(ex->arena, mark);
}

/* ---- folding ---- */

/* x [rows, inner] = a projection of tokens, scaled for attention where `scale` is not 1. */
static const float *project(const model *m, const exec *ex, const token_rows *t, const linear *l, const float *from,
                            float scale)
{
    size_t inner = inner_dim(m);
    float *x = arena_floats(ex->arena, t->rows * inner);
    op_linear(ex, l, t->rows, from, (size_t)m->config.d_model, x, inner, ACT_NONE, NULL, 0);
    if (!exec_dry(ex) && scale != 1.0f)
        for (size_t i = 0; i < t->rows * inner; i++)
            x[i] *= scale;
    return x;
}

/* Rows through a projection, each head's channels apart: out [rows * heads, d_model] from x [rows, d_model / 2] by a
 * matrix packed by rows of inputs, whose panels are d_model / 2 long. */
typedef struct heads_rows {
    const float *x, *packed;
    float *out;
} heads_rows;

typedef struct through_job {
    const model *m;
    const exec *ex;
    size_t rows;
    const heads_rows *parts;
} through_job;

static void through_item(void *context, size_t item, int worker)
{
    (void)worker;
    const through_job *j = context;
    size_t dim = (size_t)j->m->config.d_model, inner = inner_dim(j->m), heads = (size_t)j->m->config.decoder_heads,
           head_dim = inner / heads, nr = j->ex->k->gemm_f32_nr, h = item % heads;
    const heads_rows *part = &j->parts[item / heads];
    j->ex->k->gemm_f32(&(gemm_f32_args){.m = j->rows,
                                        .n = dim,
                                        .k = head_dim,
                                        .a = part->x + h * head_dim,
                                        .lda = inner,
                                        .b = part->packed + h * head_dim * nr,
                                        .b_stride = inner * nr,
                                        .c = part->out + h * dim,
                                        .ldc = heads * dim});
}

static void through_heads(const model *m, const exec *ex, size_t rows, heads_rows *parts, size_t count)
{
    size_t heads = (size_t)m->config.decoder_heads;
    for (size_t i = 0; i < count; i++)
        parts[i].out = arena_floats(ex->arena, rows * heads * (size_t)m->config.d_model);
    if (!exec_dry(ex))
        pool_run(ex->pool, through_item, &(through_job){m, ex, rows, parts}, heads * count);
}

/* What the tokens' side gives to products with the image, of all objects: made together, before the pass. */
typedef enum operand_kind {
    OPERAND_A,       /* rows [n, k] as they are */
    OPERAND_COLUMNS, /* B, packed, with rows [n, k] as columns */
    OPERAND_ROWS     /* B, packed, with rows [k, n] as rows */
} operand_kind;

typedef struct operand {
    operand_kind kind;
    size_t n, k;
    const float *rows;
    uint16_t *narrow; /* rows in bfloat16 */
    void *out;
} operand;

typedef struct operands {
    const model *m;
    const exec *ex;
    size_t count;
    operand list[3 * DECODE_OBJECTS];
} operands;

/* The rows of one object's first tokens from [tokens of all, width]: `each` rows a token. */
static const void *operand_of(operands *all, operand_kind kind, const token_rows *t, size_t object, size_t tokens,
                              size_t each, const float *rows, size_t width)
{
    const exec *ex = all->ex;
    const bool narrow = decoder_narrow(all->m);
    size_t count = tokens * each;
    operand o = {.kind = kind,
                 .n = kind == OPERAND_ROWS ? width : count,
                 .k = kind == OPERAND_ROWS ? count : width,
                 .rows = exec_dry(ex) ? NULL : rows + t->first[object] * each * width};
    if (narrow)
        o.narrow = arena_take(ex->arena, count * width, sizeof *o.narrow);
    if (kind == OPERAND_A)
        return narrow ? (all->list[all->count++] = o).narrow : (const void *)o.rows;
    o.out = narrow ? arena_take(ex->arena, gemm_bf16_packed(o.n, o.k), sizeof(uint16_t))
                   : arena_floats(ex->arena, ops_packed_floats(ex->k, o.n, o.k));
    return (all->list[all->count++] = o).out;
}

static void operand_item(void *context, size_t item, int worker)
{
    (void)worker;
    const operands *all = context;
    const operand *o = &all->list[item];
    const kernels *k = all->ex->k;
    if (o->narrow)
        k->f32_to_bf16(o->n * o->k, o->rows, o->narrow);
    if (o->kind == OPERAND_COLUMNS && o->narrow)
        k->pack_nk_bf16(o->n, o->k, o->narrow, o->k, o->out);
    else if (o->kind == OPERAND_COLUMNS)
        k->pack_nk_f32(o->n, o->k, o->rows, o->k, o->out);
    else if (o->kind == OPERAND_ROWS && o->narrow)
        k->pack_kn_bf16(o->k, o->n, o->narrow, o->n, o->out);
    else if (o->kind == OPERAND_ROWS)
        k->pack_kn_f32(o->k, o->n, o->rows, o->n, o->out);
}

static void operands_make(operands *all)
{
    if (!exec_dry(all->ex))
        pool_run(all->ex->pool, operand_item, all, all->count);
}

/* What the image's projection's bias adds to scores: bias . x of each token and head. */
static const float *bias_scores(const model *m, const exec *ex, const token_rows *t, const float *bias, const float *x)
{
    size_t inner = inner_dim(m), heads = (size_t)m->config.decoder_heads, head_dim = inner / heads;
    float *out = arena_floats(ex->arena, t->rows * heads);
    for (size_t i = 0; i < t->rows * heads && !exec_dry(ex); i++) {
        const float *b = bias + i % heads * head_dim, *row = x + i * head_dim;
        out[i] = 0.0f;
        for (size_t c = 0; c < head_dim; c++)
            out[i] += b[c] * row[c];
    }
    return out;
}

/* ---- layers ---- */

static void add_positions(const model *m, const exec *ex, const token_rows *t)
{
    op_add(ex, t->rows, (size_t)m->config.d_model, t->q, NULL, t->tokens, t->q_pe);
}

/* The first half of a layer up to the tokens that ask the image. */
static void begin_layer(const model *m, const exec *ex, const two_way_layer *l, bool first, const token_rows *t)
{
    size_t dim = (size_t)m->config.d_model;
    if (first) /* no positions, and the result replaces the tokens */
        attend_self(m, ex, &l->self, t, t->q, NULL);
    else
        attend_self(m, ex, &l->self, t, t->q_pe, t->q);
    op_layernorm(ex, &l->norm1, t->rows, dim, t->q, ACT_NONE, t->q);
    add_positions(m, ex, t);
}

/* Takes what the tokens got from the image through projection and normalisation. */
static void take_attended(const model *m, const exec *ex, const attention_weights *a, const norm *n,
                          const token_rows *t, const float *attended)
{
    size_t dim = (size_t)m->config.d_model;
    op_linear(ex, &a->out, t->rows, attended, inner_dim(m), t->q, dim, ACT_NONE, t->q, dim);
    op_layernorm(ex, n, t->rows, dim, t->q, ACT_NONE, t->q);
}

static void run_mlp(const model *m, const exec *ex, const two_way_layer *l, const token_rows *t)
{
    size_t dim = (size_t)m->config.d_model, mark = arena_mark(ex->arena);
    float *hidden = arena_floats(ex->arena, t->rows * l->fc1.n);
    op_linear(ex, &l->fc1, t->rows, t->q, dim, hidden, l->fc1.n, ACT_RELU, NULL, 0);
    op_linear(ex, &l->fc2, t->rows, hidden, l->fc1.n, t->q, dim, ACT_NONE, t->q, dim);
    op_layernorm(ex, &l->norm3, t->rows, dim, t->q, ACT_NONE, t->q);
    add_positions(m, ex, t);
    arena_reset(ex->arena, mark);
}

/* The tokens' side of image_to_token attention: what columns give to scores, and to the image. With `products` the
 * image's queries are projected already. */
static void fold_answers(const model *m, const exec *ex, const token_rows *t, const two_way_layer *l,
                         const image_products *products, void *const *image, operands *made, image_pass *p)
{
    const attention_weights *a = &l->image_to_token;
    size_t dim = (size_t)m->config.d_model, heads = (size_t)m->config.decoder_heads;
    const float *key = project(m, ex, t, &a->k, t->q_pe, p->scale), *value = project(m, ex, t, &a->v, t->q, 1.0f);
    heads_rows parts[2] = {{.x = value, .packed = a->out.packed}, {.x = key, .packed = a->image_side}};
    through_heads(m, ex, t->rows, parts, products ? 1 : 2);
    const float *bias = products ? NULL : bias_scores(m, ex, t, a->q.bias, key);
    p->norm = &l->norm4;
    p->update_bias = products ? products->update_bias : a->out.bias;
    p->queried = products;
    for (size_t i = 0; i < t->objects; i++) {
        pass_object *o = &p->object[i];
        o->keys = products ? operand_of(made, OPERAND_A, t, i, o->tokens, 1, key, dim / 2)
                           : operand_of(made, OPERAND_COLUMNS, t, i, o->tokens, heads, parts[1].out, dim);
        o->scores_bias = bias ? bias + t->first[i] * heads : NULL;
        o->update = operand_of(made, OPERAND_ROWS, t, i, o->tokens, heads, parts[0].out, dim);
        o->old = products ? products->image : NULL;
        o->image = image[i];
    }
}

/* The tokens' side of token_to_image attention `a`, and what it answers: attended [rows, inner]. With `products` the
 * image's keys and values are projected already. The keys' bias adds the same to all scores of a column: it is left
 * out. */
static void fold_questions(const model *m, const exec *ex, const token_rows *t, const attention_weights *a,
                           const image_products *products, float *attended, operands *made, image_pass *p)
{
    size_t dim = (size_t)m->config.d_model, heads = (size_t)m->config.decoder_heads;
    const float *query = project(m, ex, t, &a->q, t->q_pe, p->scale);
    heads_rows part = {.x = query, .packed = a->image_side};
    p->asked = products;
    p->value_projection = &a->v;
    if (!products)
        through_heads(m, ex, t->rows, &part, 1);
    for (size_t i = 0; i < t->objects; i++) {
        pass_object *o = &p->object[i];
        o->queries = products ? operand_of(made, OPERAND_A, t, i, o->asking, 1, query, dim / 2)
                              : operand_of(made, OPERAND_COLUMNS, t, i, o->asking, heads, part.out, dim);
        o->attended = exec_dry(ex) ? NULL : attended + t->first[i] * inner_dim(m);
        pass_take(p, o);
    }
}

static image_pass new_pass(const model *m, const exec *ex, const token_rows *t)
{
    size_t pixels = model_side(m, 16) * model_side(m, 16), heads = (size_t)m->config.decoder_heads;
    image_pass p = {.m = m, .ex = ex, .objects = t->objects, .pixels = pixels};
    p.threads = (size_t)pool_threads(ex->pool);
    p.items = (pixels + ITEM_PIXELS - 1) / ITEM_PIXELS;
    p.scale = 1.0f / sqrtf((float)(inner_dim(m) / heads));
    for (size_t i = 0; i < t->objects; i++)
        p.object[i].tokens = p.object[i].asking = t->count[i];
    return p;
}

void transform_folded(const model *m, const exec *ex, const token_rows *t, const image_products *products,
                      void *const *image)
{
    const two_way_layer *l = m->layers;
    size_t mark = arena_mark(ex->arena);
    float *attended = arena_floats(ex->arena, t->rows * inner_dim(m));
    begin_layer(m, ex, &l[0], true, t);
    image_pass p = new_pass(m, ex, t);
    operands made = {.m = m, .ex = ex};
    fold_questions(m, ex, t, &l[0].token_to_image, products, attended, &made, &p);
    operands_make(&made);
    pass_run(&p);
    take_attended(m, ex, &l[0].token_to_image, &l[0].norm2, t, attended);
    run_mlp(m, ex, &l[0], t);
    /* The image's update by a layer does not change its tokens: the next layer's, or the final ones, ask the new image
     * in the same pass. Of the final ones those that a head reads: what the prompt's would become is not asked for. */
    for (int i = 0; i < MODEL_DECODER_DEPTH; i++) {
        const two_way_layer *next = i + 1 < MODEL_DECODER_DEPTH ? &l[i + 1] : NULL;
        const attention_weights *asks = next ? &next->token_to_image : &m->final;
        size_t start = arena_mark(ex->arena);
        p = new_pass(m, ex, t);
        made.count = 0;
        for (size_t o = 0; o < t->objects && !next; o++)
            p.object[o].asking = output_tokens(m);
        fold_answers(m, ex, t, &l[i], i == 0 ? products : NULL, image, &made, &p);
        if (next)
            begin_layer(m, ex, next, false, t);
        fold_questions(m, ex, t, asks, NULL, attended, &made, &p);
        operands_make(&made);
        pass_run(&p);
        take_attended(m, ex, asks, next ? &next->norm2 : &m->final_norm, t, attended);
        if (next)
            run_mlp(m, ex, next, t);
        arena_reset(ex->arena, start);
    }
    arena_reset(ex->arena, mark);
}
