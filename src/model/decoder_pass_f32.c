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

typedef struct buffers {
    float *positioned; /* [BLOCK_PIXELS, d_model] */
    float *scores;     /* [BLOCK_PIXELS, PITCH] */
    float *weights;    /* [columns, BLOCK_PIXELS] */
    float *packed;     /* [BLOCK_PIXELS, d_model] */
    float *rescale;    /* [columns] */
} buffers;

static size_t lay_out(const image_pass *p, arena cut, buffers *b)
{
    size_t dim = (size_t)p->m->config.d_model;
    *b = (buffers){0};
    b->positioned = arena_floats(&cut, BLOCK_PIXELS * dim);
    b->scores = arena_floats(&cut, BLOCK_PIXELS * PITCH);
    b->weights = arena_floats(&cut, PITCH * BLOCK_PIXELS);
    b->packed = arena_floats(&cut, ops_packed_floats(p->ex->k, dim, BLOCK_PIXELS));
    b->rescale = arena_floats(&cut, PITCH);
    return cut.peak;
}

size_t pass_f32_bytes(const image_pass *p)
{
    buffers unused;
    return lay_out(p, (arena){0}, &unused);
}

/* Scores of x [tokens, d_model / 2] with a product's columns, head by head: for row `row` of the image and those after
 * it, turned[h * head_step + t * token_step][row]. Of `values`, or NULL, what is read next is fetched. */
static void head_scores(const image_pass *p, size_t tokens, const void *x, const void *product, size_t row, size_t rows,
                        size_t head_step, size_t token_step, float *turned, const float *values)
{
    const kernels *k = p->ex->k;
    size_t inner = (size_t)p->m->config.d_model / 2, heads = (size_t)p->m->config.decoder_heads, dim = inner / heads;
    for (size_t h = 0; h < heads; h++) {
        const head_columns at = pass_head(p, h);
        k->gemm_f32(&(gemm_f32_args){
            .m = tokens,
            .n = rows,
            .k = dim,
            .a = (const float *)x + h * dim,
            .lda = inner,
            .b = (const float *)product + row * inner + h * dim * k->gemm_f32_nr,
            .b_stride = inner * k->gemm_f32_nr,
            .c = turned + h * head_step * BLOCK_PIXELS,
            .ldc = token_step * BLOCK_PIXELS,
            .fetch = values ? values + at.first * p->pixels + row * k->gemm_f32_nr + at.skip * rows : NULL,
            .fetch_bytes = dim * rows * sizeof *values});
    }
}

/* image_to_token attention of a block and the normalisation after it. Each product fetches the rows that the next steps
 * read. */
static void update_block(const image_pass *p, const pass_block *at, const buffers *b)
{
    const kernels *k = p->ex->k;
    const pass_object *o = at->o;
    const size_t row = at->row, rows = at->rows;
    size_t dim = (size_t)p->m->config.d_model, heads = (size_t)p->m->config.decoder_heads, columns = heads * o->tokens;
    float *image = (float *)o->image + row * dim;
    const float *old = o->old ? o->old + row * dim : image, *positions = p->m->dense_pe + row * dim;
    if (p->queried) {
        head_scores(p, o->tokens, o->keys, p->queried->q, row, rows, 1, heads, b->weights, NULL);
        k->transpose_f32(columns, rows, b->weights, BLOCK_PIXELS, b->scores, PITCH);
    } else {
        with_positions(p, row, rows, old, b->positioned);
        k->gemm_f32(&(gemm_f32_args){.m = rows,
                                     .n = columns,
                                     .k = dim,
                                     .a = b->positioned,
                                     .lda = dim,
                                     .b = o->keys,
                                     .b_stride = dim * k->gemm_f32_nr,
                                     .c = b->scores,
                                     .ldc = PITCH,
                                     .bias = o->scores_bias});
    }
    k->softmax_groups_f32(rows, heads, o->tokens, b->scores, PITCH);
    k->gemm_f32(&(gemm_f32_args){.m = rows,
                                 .n = dim,
                                 .k = columns,
                                 .a = b->scores,
                                 .lda = PITCH,
                                 .b = o->update,
                                 .b_stride = columns * k->gemm_f32_nr,
                                 .c = image,
                                 .ldc = dim,
                                 .bias = p->update_bias,
                                 .residual = old,
                                 .ldr = dim,
                                 .fetch = p->queried ? positions : NULL, /* read just now otherwise */
                                 .fetch_bytes = rows * dim * sizeof *positions});
    k->layernorm_f32(rows, dim, image, dim, p->norm->gamma, p->norm->beta, p->norm->eps, ACT_NONE, image, dim);
    with_positions(p, row, rows, image, b->positioned);
}

/* token_to_image attention over the picture's products, a head at a time. */
static void ask_products(const image_pass *p, const pass_block *at, const pass_block *next, const pass_part *part,
                         const buffers *b)
{
    const kernels *k = p->ex->k;
    const size_t tokens = at->o->asking, row = at->row, rows = at->rows;
    size_t heads = (size_t)p->m->config.decoder_heads, width = pass_width(p), nr = k->gemm_f32_nr;
    const float *keys = p->asked->k, *values = p->asked->v;
    const size_t inner = (size_t)p->m->config.d_model / 2, share = rows * inner / heads;
    head_scores(p, tokens, at->o->queries, keys, row, rows, tokens, 1, b->weights, values);
    k->softmax_step_f32(tokens * heads, rows, b->weights, BLOCK_PIXELS, part->largest, part->sum, b->rescale);
    for (size_t h = 0; h < heads; h++) {
        const head_columns own = pass_head(p, h);
        const size_t column = h * tokens;
        k->gemm_f32(&(gemm_f32_args){.m = tokens,
                                     .n = own.n,
                                     .k = rows,
                                     .a = b->weights + column * BLOCK_PIXELS,
                                     .lda = BLOCK_PIXELS,
                                     .b = values + own.first * p->pixels + row * nr,
                                     .b_stride = p->pixels * nr,
                                     .c = part->weighted + column * width,
                                     .ldc = width,
                                     .accumulate = !part->first,
                                     .c_scale = b->rescale + column,
                                     .fetch = keys + next->row * inner + h * share,
                                     .fetch_bytes = share * sizeof *keys});
    }
}

/* The same over the image itself. Products fetch what block `next` begins with. */
static void ask_image(const image_pass *p, const pass_block *at, const pass_block *next, const pass_part *part,
                      const buffers *b)
{
    const kernels *k = p->ex->k;
    const pass_object *o = at->o;
    size_t dim = (size_t)p->m->config.d_model, columns = pass_columns(p, o), rows = at->rows,
           bytes = rows * dim * sizeof(float);
    k->gemm_f32(&(gemm_f32_args){.m = rows,
                                 .n = columns,
                                 .k = dim,
                                 .a = b->positioned,
                                 .lda = dim,
                                 .b = o->queries,
                                 .b_stride = dim * k->gemm_f32_nr,
                                 .c = b->scores,
                                 .ldc = PITCH,
                                 .fetch = (const float *)next->o->image + next->row * dim,
                                 .fetch_bytes = bytes});
    k->transpose_f32(rows, columns, b->scores, PITCH, b->weights, BLOCK_PIXELS);
    k->softmax_step_f32(columns, rows, b->weights, BLOCK_PIXELS, part->largest, part->sum, b->rescale);
    k->pack_kn_f32(rows, dim, (const float *)o->image + at->row * dim, dim, b->packed);
    k->gemm_f32(&(gemm_f32_args){.m = columns,
                                 .n = dim,
                                 .k = rows,
                                 .a = b->weights,
                                 .lda = BLOCK_PIXELS,
                                 .b = b->packed,
                                 .b_stride = rows * k->gemm_f32_nr,
                                 .c = part->weighted,
                                 .ldc = dim,
                                 .accumulate = !part->first,
                                 .c_scale = b->rescale,
                                 .fetch = (o->old ? o->old : p->m->dense_pe) + next->row * dim,
                                 .fetch_bytes = bytes});
}

void pass_block_f32(const image_pass *p, const pass_block *at, const pass_block *next, const pass_part *part,
                    uint8_t *scratch)
{
    buffers b;
    lay_out(p, (arena){.base = scratch, .capacity = p->scratch_bytes}, &b);
    if (p->norm)
        update_block(p, at, &b);
    if (p->asked)
        ask_products(p, at, next, part, &b);
    else
        ask_image(p, at, next, part, &b);
}
