/* Passes over the image for a few tokens.
 *
 * With T tokens and 8 heads of 16 channels, projecting the image to 128 channels and attending to or from T tokens
 * costs as much as products with 8 T columns that have the projection in them: (x Wq) . k = x . (Wq k). So the image is
 * never projected; one pass takes a block of pixels through image_to_token attention, normalisation and the next
 * token_to_image attention while it is in the cache. */
#include "model/decoder.h"

#include <math.h>
#include <string.h>

static size_t columns_pitch(void)
{
    return MOST_HEADS * FOLD_TOKENS;
}

static size_t pass_width(const image_pass *p)
{
    size_t dim = (size_t)p->m->config.d_model;
    return p->values ? dim / 2 : dim;
}

void pass_take(image_pass *p, pass_object *o)
{
    size_t columns = o->tokens * (size_t)p->m->config.decoder_heads;
    o->largest = arena_floats(p->ex->arena, p->items * columns);
    o->sum = arena_floats(p->ex->arena, p->items * columns);
    o->weighted = arena_floats(p->ex->arena, p->items * columns * pass_width(p));
}

/* x + positions of rows `row` ... */
static void with_positions(const image_pass *p, size_t row, size_t rows, const float *x, float *out)
{
    size_t dim = (size_t)p->m->config.d_model;
    p->ex->k->weigh_rows_f32(rows * dim, 2, (const float *const[]){x, p->m->dense_pe + row * dim},
                             (const float[]){1.0f, 1.0f}, out);
}

/* image_to_token attention of a block and the normalisation after it. */
static void update_block(const image_pass *p, const pass_object *o, size_t row, size_t rows, float *positioned,
                         float *scores)
{
    const kernels *k = p->ex->k;
    size_t dim = (size_t)p->m->config.d_model, heads = (size_t)p->m->config.decoder_heads, columns = heads * o->tokens,
           pitch = columns_pitch();
    const float *a = positioned;
    size_t depth = dim;
    if (p->scores_a) {
        depth = dim / 2;
        a = p->scores_a + row * depth;
    } else
        with_positions(p, row, rows, o->old + row * dim, positioned);
    k->gemm_f32(&(gemm_f32_args){.m = rows,
                                 .n = columns,
                                 .k = depth,
                                 .a = a,
                                 .lda = depth,
                                 .b = o->scores,
                                 .b_stride = depth * k->gemm_f32_nr,
                                 .c = scores,
                                 .ldc = pitch,
                                 .bias = o->scores_bias});
    k->softmax_groups_f32(rows, heads, o->tokens, scores, pitch);
    float *image = o->image + row * dim;
    k->gemm_f32(&(gemm_f32_args){.m = rows,
                                 .n = dim,
                                 .k = columns,
                                 .a = scores,
                                 .lda = pitch,
                                 .b = o->update,
                                 .b_stride = columns * k->gemm_f32_nr,
                                 .c = image,
                                 .ldc = dim,
                                 .bias = p->update_bias,
                                 .residual = o->old + row * dim,
                                 .ldr = dim});
    k->layernorm_f32(rows, dim, image, dim, p->norm->gamma, p->norm->beta, p->norm->eps, ACT_NONE, image, dim);
    with_positions(p, row, rows, image, positioned);
}

static void pass_item(void *context, size_t index, int worker)
{
    const image_pass *p = context;
    const kernels *k = p->ex->k;
    /* Objects in turn, so that neighbouring items share the rows of the picture. */
    const pass_object *o = &p->object[index % p->objects];
    size_t item = index / p->objects, dim = (size_t)p->m->config.d_model, width = pass_width(p),
           pitch = columns_pitch(), columns = (size_t)p->m->config.decoder_heads * o->tokens;
    float *positioned = p->scratch + (size_t)worker * p->scratch_floats;
    float *scores = positioned + BLOCK_PIXELS * dim, *weights = scores + BLOCK_PIXELS * pitch;
    float *packed = weights + pitch * BLOCK_PIXELS, *rescale = packed + ops_packed_floats(k, dim, BLOCK_PIXELS);
    float *largest = o->largest + item * columns, *sum = o->sum + item * columns;
    float *weighted = o->weighted + item * columns * width;
    for (size_t c = 0; c < columns; c++) {
        largest[c] = -INFINITY;
        sum[c] = 0.0f;
    }
    size_t from = item * ITEM_PIXELS, to = from + ITEM_PIXELS < p->pixels ? from + ITEM_PIXELS : p->pixels;
    for (size_t row = from; row < to; row += BLOCK_PIXELS) {
        size_t rows = to - row < BLOCK_PIXELS ? to - row : BLOCK_PIXELS, depth = p->queries_a ? dim / 2 : dim;
        if (p->norm)
            update_block(p, o, row, rows, positioned, scores);
        k->gemm_f32(&(gemm_f32_args){.m = rows,
                                     .n = columns,
                                     .k = depth,
                                     .a = p->queries_a ? p->queries_a + row * depth : positioned,
                                     .lda = depth,
                                     .b = o->queries,
                                     .b_stride = depth * k->gemm_f32_nr,
                                     .c = scores,
                                     .ldc = pitch});
        k->transpose_f32(rows, columns, scores, pitch, weights, BLOCK_PIXELS);
        k->softmax_step_f32(columns, rows, weights, BLOCK_PIXELS, largest, sum, rescale);
        k->pack_kn_f32(rows, width, p->values ? p->values + row * width : o->image + row * dim, width, packed);
        k->gemm_f32(&(gemm_f32_args){.m = columns,
                                     .n = width,
                                     .k = rows,
                                     .a = weights,
                                     .lda = BLOCK_PIXELS,
                                     .b = packed,
                                     .b_stride = rows * k->gemm_f32_nr,
                                     .c = weighted,
                                     .ldc = width,
                                     .accumulate = row > from,
                                     .c_scale = rescale});
    }
}

/* One token: joins the items' parts, and takes each head's channels. */
static void join_token(const image_pass *p, const pass_object *o, size_t token)
{
    const kernels *k = p->ex->k;
    size_t heads = (size_t)p->m->config.decoder_heads, columns = heads * o->tokens, width = pass_width(p),
           inner = (size_t)p->m->config.d_model / 2, head_dim = inner / heads;
    float joined[MOST_HEADS * MOST_DIM], projected[MOST_HEADS * MOST_DIM / 2];
    for (size_t h = 0; h < heads; h++) {
        const float *row[MOST_ITEMS];
        float share[MOST_ITEMS], largest = -INFINITY, total = 0.0f;
        size_t column = token * heads + h;
        for (size_t i = 0; i < p->items; i++)
            largest = fmaxf(largest, o->largest[i * columns + column]);
        for (size_t i = 0; i < p->items; i++) {
            row[i] = o->weighted + (i * columns + column) * width;
            share[i] = expf(o->largest[i * columns + column] - largest);
            total += share[i] * o->sum[i * columns + column];
        }
        for (size_t i = 0; i < p->items; i++)
            share[i] /= total;
        k->weigh_rows_f32(width, p->items, row, share, joined + h * width);
    }
    const float *from = joined;
    if (!p->values) { /* shares add up to 1: the projection, bias and all, may come after the weighing */
        ops_gemm(k, p->value_projection, heads, joined, width, projected, inner, NULL, ACT_NONE, NULL, 0);
        from = projected;
    }
    for (size_t h = 0; h < heads; h++)
        memcpy(o->attended + token * inner + h * head_dim, from + h * inner + h * head_dim, head_dim * sizeof *from);
}

static void join_item(void *context, size_t index, int worker)
{
    (void)worker;
    const image_pass *p = context;
    size_t object = 0;
    for (; index >= p->object[object].tokens; object++)
        index -= p->object[object].tokens;
    join_token(p, &p->object[object], index);
}

void pass_run(image_pass *p)
{
    size_t dim = (size_t)p->m->config.d_model, mark = arena_mark(p->ex->arena), tokens = 0;
    p->scratch_floats =
        BLOCK_PIXELS * (dim + 2 * columns_pitch()) + ops_packed_floats(p->ex->k, dim, BLOCK_PIXELS) + columns_pitch();
    p->scratch = arena_floats(p->ex->arena, (size_t)pool_threads(p->ex->pool) * p->scratch_floats);
    for (size_t i = 0; i < p->objects; i++)
        tokens += p->object[i].tokens;
    if (!exec_dry(p->ex)) {
        pool_run(p->ex->pool, pass_item, p, p->items * p->objects);
        pool_run(p->ex->pool, join_item, p, tokens);
    }
    arena_reset(p->ex->arena, mark);
}
