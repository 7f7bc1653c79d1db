/* A pass over the image with bfloat16 operands, an item of pixels at a time. */
#include "base/checked.h"
#include "model/decoder.h"

#define COLUMNS (MOST_HEADS * FOLD_TOKENS)

typedef struct buffers {
    float *sums;          /* [BLOCK_PIXELS, d_model] */
    float *scores;        /* [BLOCK_PIXELS, columns rounded up] */
    float *turned;        /* [columns, BLOCK_PIXELS] */
    float *rescale;       /* [columns] */
    uint16_t *weights;    /* [BLOCK_PIXELS, columns rounded up], or [columns, BLOCK_PIXELS] */
    uint16_t *packed;     /* [BLOCK_PIXELS, d_model] */
    uint16_t *positioned; /* [BLOCK_PIXELS, d_model]: the image with positions */
} buffers;

static size_t lay_out(const image_pass *p, arena cut, buffers *b)
{
    size_t dim = (size_t)p->m->config.d_model;
    *b = (buffers){0};
    b->sums = arena_floats(&cut, BLOCK_PIXELS * dim);
    b->scores = arena_floats(&cut, BLOCK_PIXELS * COLUMNS);
    b->turned = arena_floats(&cut, BLOCK_PIXELS * COLUMNS);
    b->rescale = arena_floats(&cut, COLUMNS);
    b->weights = arena_take(&cut, BLOCK_PIXELS * (COLUMNS + 64), sizeof(uint16_t));
    b->packed = arena_take(&cut, gemm_bf16_packed(dim, BLOCK_PIXELS), sizeof(uint16_t));
    b->positioned = arena_take(&cut, BLOCK_PIXELS * dim, sizeof(uint16_t));
    return cut.peak;
}

size_t pass_bf16_bytes(const image_pass *p)
{
    buffers unused;
    return lay_out(p, (arena){0}, &unused);
}

/* Scores of x [tokens, d_model / 2] with a product's columns, head by head: for row `row` of the image and those after
 * it, turned[h * head_step + t * token_step][row]. Of `values`, or NULL, what is read next is fetched. */
static void head_scores(const image_pass *p, size_t tokens, const void *x, const void *product, size_t row, size_t rows,
                        size_t head_step, size_t token_step, float *turned, const uint16_t *values)
{
    size_t inner = (size_t)p->m->config.d_model / 2, heads = (size_t)p->m->config.decoder_heads, dim = inner / heads;
    for (size_t h = 0; h < heads; h++) {
        gemm_bf16_args g = {.m = tokens,
                            .n = rows,
                            .k = dim,
                            .a = (const uint16_t *)x + h * dim,
                            .lda = inner,
                            .b = (const uint16_t *)product + gemm_bf16_packed(row, inner) + h * dim * GEMM_BF16_NR,
                            .b_stride = gemm_bf16_packed(1, inner),
                            .c = turned + h * head_step * BLOCK_PIXELS,
                            .ldc = token_step * BLOCK_PIXELS};
        if (values) {
            const head_columns at = pass_head(p, h);
            g.fetch = values + gemm_bf16_packed(at.first, p->pixels) + row * GEMM_BF16_NR + at.skip * rows;
            g.fetch_bytes = dim * rows * sizeof *values;
        }
        p->ex->k->gemm_bf16(&g);
    }
}

/* image_to_token attention of a block and the normalisation after it: new rows of the image, and b->positioned. */
static void update_block(const image_pass *p, const pass_block *at, const buffers *b)
{
    const kernels *k = p->ex->k;
    const pass_object *o = at->o;
    const size_t row = at->row, rows = at->rows;
    size_t dim = (size_t)p->m->config.d_model, heads = (size_t)p->m->config.decoder_heads, columns = heads * o->tokens,
           pitch = round_up(columns, 16), narrow_pitch = ops_pitch_bf16(columns);
    uint16_t *image = (uint16_t *)o->image + row * dim;
    const uint16_t *positions = p->m->dense_pe_bf16 + row * dim;
    if (p->queried) {
        head_scores(p, o->tokens, o->keys, p->queried->q, row, rows, 1, heads, b->turned, NULL);
        k->transpose_f32(columns, rows, b->turned, BLOCK_PIXELS, b->scores, pitch);
    } else {
        k->add_bf16(rows * dim, image, positions, b->positioned);
        k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                       .n = columns,
                                       .k = dim,
                                       .a = b->positioned,
                                       .lda = dim,
                                       .b = o->keys,
                                       .b_stride = gemm_bf16_packed(1, dim),
                                       .c = b->scores,
                                       .ldc = pitch,
                                       .bias = o->scores_bias});
    }
    k->softmax_groups_bf16(rows, heads, o->tokens, b->scores, pitch, b->weights, narrow_pitch);
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
                                   .residual = o->old ? o->old + row * dim : NULL,
                                   .ldr = dim,
                                   .add_bf16 = o->old ? NULL : image,
                                   .ldadd = dim,
                                   .fetch = p->queried ? positions : NULL, /* read just now otherwise */
                                   .fetch_bytes = rows * dim * sizeof *positions});
    k->layernorm_add_bf16(rows, dim, b->sums, dim, p->norm->gamma, p->norm->beta, p->norm->eps, positions, dim, image,
                          dim, b->positioned, dim);
}

/* token_to_image attention over the picture's products, a head at a time. */
static void ask_products(const image_pass *p, const pass_block *at, const pass_block *next, const pass_part *part,
                         const buffers *b)
{
    const kernels *k = p->ex->k;
    const size_t tokens = at->o->asking, row = at->row, rows = at->rows;
    size_t inner = (size_t)p->m->config.d_model / 2, heads = (size_t)p->m->config.decoder_heads, width = pass_width(p);
    const uint16_t *keys = p->asked->k, *values = p->asked->v;
    head_scores(p, tokens, at->o->queries, keys, row, rows, tokens, 1, b->turned, values);
    k->softmax_step_bf16(tokens * heads, rows, b->turned, BLOCK_PIXELS, 1.0f, b->weights, BLOCK_PIXELS, part->largest,
                         part->sum, b->rescale);
    const size_t share = gemm_bf16_packed(rows, inner) / heads; /* of the next block's keys */
    for (size_t h = 0; h < heads; h++) {
        const head_columns own = pass_head(p, h);
        const size_t column = h * tokens;
        k->gemm_bf16(&(gemm_bf16_args){.m = tokens,
                                       .n = own.n,
                                       .k = rows,
                                       .a = b->weights + column * BLOCK_PIXELS,
                                       .lda = BLOCK_PIXELS,
                                       .b = values + gemm_bf16_packed(own.first, p->pixels) + row * GEMM_BF16_NR,
                                       .b_stride = gemm_bf16_packed(1, p->pixels),
                                       .c = part->weighted + column * width,
                                       .ldc = width,
                                       .add = part->first ? NULL : part->weighted + column * width,
                                       .ldadd = width,
                                       .add_scale = b->rescale + column,
                                       .fetch = keys + gemm_bf16_packed(next->row, inner) + h * share,
                                       .fetch_bytes = share * sizeof *keys});
    }
}

/* The same over the image itself. Products fetch what block `next` begins with. */
static void ask_image(const image_pass *p, const pass_block *at, const pass_block *next, const pass_part *part,
                      const buffers *b)
{
    const kernels *k = p->ex->k;
    const pass_object *o = at->o;
    size_t dim = (size_t)p->m->config.d_model, columns = pass_columns(p, o), pitch = round_up(columns, 16),
           rows = at->rows, ahead = next->row * dim;
    const uint16_t *image = (const uint16_t *)o->image + at->row * dim;
    k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                   .n = columns,
                                   .k = dim,
                                   .a = b->positioned,
                                   .lda = dim,
                                   .b = o->queries,
                                   .b_stride = gemm_bf16_packed(1, dim),
                                   .c = b->scores,
                                   .ldc = pitch,
                                   .fetch = (const uint16_t *)next->o->image + ahead,
                                   .fetch_bytes = rows * dim * sizeof *image});
    k->transpose_f32(rows, columns, b->scores, pitch, b->turned, BLOCK_PIXELS);
    k->softmax_step_bf16(columns, rows, b->turned, BLOCK_PIXELS, 1.0f, b->weights, BLOCK_PIXELS, part->largest,
                         part->sum, b->rescale);
    k->pack_kn_bf16(rows, dim, image, dim, b->packed);
    k->gemm_bf16(&(gemm_bf16_args){.m = columns,
                                   .n = dim,
                                   .k = rows,
                                   .a = b->weights,
                                   .lda = BLOCK_PIXELS,
                                   .b = b->packed,
                                   .b_stride = gemm_bf16_packed(1, rows),
                                   .c = part->weighted,
                                   .ldc = dim,
                                   .add = part->first ? NULL : part->weighted,
                                   .ldadd = dim,
                                   .add_scale = b->rescale,
                                   .fetch = o->old ? (const void *)(o->old + ahead) : p->m->dense_pe_bf16 + ahead,
                                   .fetch_bytes = rows * dim * (o->old ? sizeof *o->old : sizeof *image)});
}

void pass_block_bf16(const image_pass *p, const pass_block *at, const pass_block *next, const pass_part *part,
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
