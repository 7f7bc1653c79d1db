/* A pass over the image with bfloat16 operands, an item of pixels at a time. */
#include "base/checked.h"
#include "model/decoder.h"

#define COLUMNS (MOST_HEADS * FOLD_TOKENS)

typedef struct buffers {
    float *sums;       /* [BLOCK_PIXELS, d_model] */
    float *old;        /* [BLOCK_PIXELS, d_model] */
    float *scores;     /* [BLOCK_PIXELS, columns rounded up] */
    float *turned;     /* [columns, BLOCK_PIXELS] */
    float *rescale;    /* [columns] */
    uint16_t *weights; /* [BLOCK_PIXELS, columns rounded up], or [columns, BLOCK_PIXELS] */
    uint16_t *packed;  /* [BLOCK_PIXELS, d_model] */
} buffers;

static size_t lay_out(const image_pass *p, arena cut, buffers *b)
{
    size_t dim = (size_t)p->m->config.d_model;
    *b = (buffers){0};
    b->sums = arena_floats(&cut, BLOCK_PIXELS * dim);
    b->old = arena_floats(&cut, BLOCK_PIXELS * dim);
    b->scores = arena_floats(&cut, BLOCK_PIXELS * COLUMNS);
    b->turned = arena_floats(&cut, BLOCK_PIXELS * COLUMNS);
    b->rescale = arena_floats(&cut, COLUMNS);
    b->weights = arena_take(&cut, BLOCK_PIXELS * (COLUMNS + 64), sizeof(uint16_t));
    b->packed = arena_take(&cut, gemm_bf16_packed(dim, BLOCK_PIXELS), sizeof(uint16_t));
    return cut.peak;
}

size_t pass_item_bf16_bytes(const image_pass *p)
{
    buffers unused;
    return lay_out(p, (arena){0}, &unused);
}

/* image_to_token attention of a block and the normalisation after it: new rows of the image, without and with
 * positions. Each product fetches the rows that the next steps read. */
static void update_block(const image_pass *p, const pass_object *o, size_t row, size_t rows, const buffers *b,
                         uint16_t *image, uint16_t *positioned)
{
    const kernels *k = p->ex->k;
    size_t dim = (size_t)p->m->config.d_model, columns = pass_columns(p, o), depth = p->scores_a ? dim / 2 : dim,
           pitch = round_up(columns, 16), narrow_pitch = ops_pitch_bf16(columns);
    const uint16_t *positions = p->m->dense_pe_bf16 + row * dim;
    const float *old = o->old ? o->old + row * dim : b->old;
    k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                   .n = columns,
                                   .k = depth,
                                   .a = p->scores_a ? (const uint16_t *)p->scores_a + row * depth : positioned,
                                   .lda = depth,
                                   .b = o->scores,
                                   .b_stride = gemm_bf16_packed(1, depth),
                                   .c = b->scores,
                                   .ldc = pitch,
                                   .bias = o->scores_bias,
                                   .fetch = o->old ? (const void *)old : image,
                                   .fetch_bytes = rows * dim * (o->old ? sizeof *old : sizeof *image)});
    k->softmax_groups_bf16(rows, (size_t)p->m->config.decoder_heads, o->tokens, b->scores, pitch, b->weights,
                           narrow_pitch);
    if (!o->old)
        k->bf16_to_f32(rows * dim, image, b->old);
    k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                   .n = dim,
                                   .k = columns,
                                   .a = b->weights,
                                   .lda = narrow_pitch,
                                   .b = o->update,
                                   .b_stride = gemm_bf16_packed(1, columns),
                                   .c = b->sums,
                                   .ldc = dim,
                                   .bias = p->update_bias,
                                   .residual = old,
                                   .ldr = dim,
                                   .fetch = positions,
                                   .fetch_bytes = rows * dim * sizeof *positions});
    k->layernorm_add_bf16(rows, dim, b->sums, dim, p->norm->gamma, p->norm->beta, p->norm->eps, positions, dim, image,
                          dim, positioned, dim);
}

void pass_item_bf16(const image_pass *p, const pass_object *o, size_t item, uint8_t *scratch)
{
    const kernels *k = p->ex->k;
    size_t dim = (size_t)p->m->config.d_model, width = pass_width(p), columns = pass_columns(p, o),
           pitch = round_up(columns, 16);
    float *largest = o->largest + item * columns, *sum = o->sum + item * columns;
    float *weighted = o->weighted + item * columns * width;
    buffers b;
    lay_out(p, (arena){.base = scratch, .capacity = p->scratch_bytes}, &b);
    size_t from = item * ITEM_PIXELS, to = from + ITEM_PIXELS < p->pixels ? from + ITEM_PIXELS : p->pixels;
    for (size_t row = from; row < to; row += BLOCK_PIXELS) {
        size_t rows = to - row < BLOCK_PIXELS ? to - row : BLOCK_PIXELS;
        const uint16_t *keys, *values;
        if (p->norm) {
            uint16_t *image = (uint16_t *)o->image + row * dim, *positioned = image + p->pixels * dim;
            update_block(p, o, row, rows, &b, image, positioned);
            keys = positioned;
            values = image;
        } else {
            keys = (const uint16_t *)p->queries_a + row * width;
            values = (const uint16_t *)p->values + row * width;
        }
        k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                       .n = columns,
                                       .k = width,
                                       .a = keys,
                                       .lda = width,
                                       .b = o->queries,
                                       .b_stride = gemm_bf16_packed(1, width),
                                       .c = b.scores,
                                       .ldc = pitch,
                                       .fetch = p->norm ? NULL : values,
                                       .fetch_bytes = rows * width * sizeof *values});
        k->transpose_f32(rows, columns, b.scores, pitch, b.turned, BLOCK_PIXELS);
        k->softmax_step_bf16(columns, rows, b.turned, BLOCK_PIXELS, 1.0f, b.weights, BLOCK_PIXELS, largest, sum,
                             b.rescale);
        k->pack_kn_bf16(rows, width, values, width, b.packed);
        k->gemm_bf16(&(gemm_bf16_args){.m = columns,
                                       .n = width,
                                       .k = rows,
                                       .a = b.weights,
                                       .lda = BLOCK_PIXELS,
                                       .b = b.packed,
                                       .b_stride = gemm_bf16_packed(1, rows),
                                       .c = weighted,
                                       .ldc = width,
                                       .add = row > from ? weighted : NULL,
                                       .ldadd = width,
                                       .add_scale = b.rescale});
    }
}
