/* A pass over the image in float32, an item of pixels at a time. */
#include "model/decoder.h"

#define PITCH (MOST_HEADS * FOLD_TOKENS) /* floats from row to row of scores */

/* x + positions of rows `row` ... */
static void with_positions(const image_pass *p, size_t row, size_t rows, const float *x, float *out)
{
    size_t dim = (size_t)p->m->config.d_model;
    p->ex->k->weigh_rows_f32(rows * dim, 2, (const float *const[]){x, p->m->dense_pe + row * dim},
                             (const float[]){1.0f, 1.0f}, out);
}

/* image_to_token attention of a block and the normalisation after it. Each product fetches the rows that the next steps
 * read. */
static void update_block(const image_pass *p, const pass_object *o, size_t row, size_t rows, float *positioned,
                         float *scores)
{
    const kernels *k = p->ex->k;
    size_t dim = (size_t)p->m->config.d_model, heads = (size_t)p->m->config.decoder_heads, columns = pass_columns(p, o);
    float *image = (float *)o->image + row * dim;
    const float *a = positioned, *old = o->old ? o->old + row * dim : image, *positions = p->m->dense_pe + row * dim;
    size_t depth = dim;
    if (p->scores_a) {
        depth = dim / 2;
        a = (const float *)p->scores_a + row * depth;
    } else
        with_positions(p, row, rows, old, positioned);
    k->gemm_f32(&(gemm_f32_args){.m = rows,
                                 .n = columns,
                                 .k = depth,
                                 .a = a,
                                 .lda = depth,
                                 .b = o->scores,
                                 .b_stride = depth * k->gemm_f32_nr,
                                 .c = scores,
                                 .ldc = PITCH,
                                 .bias = o->scores_bias,
                                 .fetch = p->scores_a ? old : NULL, /* read just now otherwise */
                                 .fetch_bytes = rows * dim * sizeof *old});
    k->softmax_groups_f32(rows, heads, o->tokens, scores, PITCH);
    k->gemm_f32(&(gemm_f32_args){.m = rows,
                                 .n = dim,
                                 .k = columns,
                                 .a = scores,
                                 .lda = PITCH,
                                 .b = o->update,
                                 .b_stride = columns * k->gemm_f32_nr,
                                 .c = image,
                                 .ldc = dim,
                                 .bias = p->update_bias,
                                 .residual = old,
                                 .ldr = dim,
                                 .fetch = p->scores_a ? positions : NULL,
                                 .fetch_bytes = rows * dim * sizeof *positions});
    k->layernorm_f32(rows, dim, image, dim, p->norm->gamma, p->norm->beta, p->norm->eps, ACT_NONE, image, dim);
    with_positions(p, row, rows, image, positioned);
}

void pass_item_f32(const image_pass *p, const pass_object *o, size_t item, uint8_t *scratch)
{
    const kernels *k = p->ex->k;
    size_t dim = (size_t)p->m->config.d_model, width = pass_width(p), columns = pass_columns(p, o);
    float *positioned = (float *)scratch, *scores = positioned + BLOCK_PIXELS * dim;
    float *weights = scores + BLOCK_PIXELS * PITCH, *packed = weights + PITCH * BLOCK_PIXELS;
    float *rescale = packed + ops_packed_floats(k, dim, BLOCK_PIXELS);
    float *largest = o->largest + item * columns, *sum = o->sum + item * columns;
    float *weighted = o->weighted + item * columns * width;
    size_t from = item * ITEM_PIXELS, to = from + ITEM_PIXELS < p->pixels ? from + ITEM_PIXELS : p->pixels;
    for (size_t row = from; row < to; row += BLOCK_PIXELS) {
        size_t rows = to - row < BLOCK_PIXELS ? to - row : BLOCK_PIXELS, depth = p->queries_a ? dim / 2 : dim;
        const float *values = (p->values ? (const float *)p->values : (const float *)o->image) + row * width;
        if (p->norm)
            update_block(p, o, row, rows, positioned, scores);
        k->gemm_f32(&(gemm_f32_args){.m = rows,
                                     .n = columns,
                                     .k = depth,
                                     .a = p->queries_a ? (const float *)p->queries_a + row * depth : positioned,
                                     .lda = depth,
                                     .b = o->queries,
                                     .b_stride = depth * k->gemm_f32_nr,
                                     .c = scores,
                                     .ldc = PITCH,
                                     .fetch = p->norm ? NULL : values,
                                     .fetch_bytes = rows * width * sizeof *values});
        k->transpose_f32(rows, columns, scores, PITCH, weights, BLOCK_PIXELS);
        k->softmax_step_f32(columns, rows, weights, BLOCK_PIXELS, largest, sum, rescale);
        k->pack_kn_f32(rows, width, values, width, packed);
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

size_t pass_item_f32_bytes(const image_pass *p)
{
    size_t dim = (size_t)p->m->config.d_model;
    return (BLOCK_PIXELS * (dim + 2 * PITCH) + ops_packed_floats(p->ex->k, dim, BLOCK_PIXELS) + PITCH) * sizeof(float);
}
