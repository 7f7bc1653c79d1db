#include "ops/bf16.h"

#include <string.h>

typedef struct two_layers_job {
    const exec *ex;
    const norm *norm;
    const linear *first, *second;
    activation act;
    size_t rows, block, hidden; /* rows of an item, hidden channels computed at a time */
    const float *x, *residual;
    float *y;
    float *scratch; /* [threads][block * (first->k + hidden + second->n)] */
    uint8_t *split; /* [threads][split_bytes] */
    size_t split_bytes;
} two_layers_job;

static void two_layers_item(void *context, size_t item, int worker)
{
    const two_layers_job *j = context;
    const kernels *k = j->ex->k;
    const linear *l1 = j->first, *l2 = j->second;
    size_t row = item * j->block, rows = j->rows - row < j->block ? j->rows - row : j->block;
    float *normed = j->scratch + (size_t)worker * j->block * (l1->k + j->hidden + l2->n);
    float *hidden = normed + j->block * l1->k, *sum = hidden + j->block * j->hidden;
    void *split = j->split + (size_t)worker * j->split_bytes;
    const float *x = j->x + row * l1->k;
    if (j->norm) {
        k->layernorm_f32(rows, l1->k, x, l1->k, j->norm->gamma, j->norm->beta, j->norm->eps, ACT_NONE, normed, l1->k);
        x = normed;
    }
    /* Partial sums over pieces of the hidden layer stay in the cache; y may be x, so it is written once, at the end. */
    float *out = l1->n <= j->hidden ? j->y + row * l2->n : sum;
    for (size_t h = 0; h < l1->n; h += j->hidden) {
        size_t n = l1->n - h < j->hidden ? l1->n - h : j->hidden;
        bool last = h + n == l1->n;
        linear part = ops_outputs(l1, h, n);
        ops_gemm(k, &part, rows, x, l1->k, hidden, j->hidden, NULL, j->act, NULL, 0, split);
        ops_product(k, l2, h,
                    (gemm_f32_args){.m = rows,
                                    .k = n,
                                    .a = hidden,
                                    .lda = j->hidden,
                                    .c = out,
                                    .ldc = l2->n,
                                    .accumulate = h > 0,
                                    .bias = last ? l2->bias : NULL,
                                    .residual = last && j->residual ? j->residual + row * l2->n : NULL,
                                    .ldr = l2->n,
                                    .scratch = split});
    }
    if (out == sum)
        memcpy(j->y + row * l2->n, sum, rows * l2->n * sizeof *sum);
}

void op_two_layers(const exec *ex, const norm *n, const linear *first, activation act, const linear *second,
                   size_t rows, const float *x, float *y, const float *residual)
{
    if (first->packed_bf16) {
        bf16_two_layers(ex, &(bf16_two_layers_args){n, first, second, act, rows, x, residual, y});
        return;
    }
    two_layers_job j = {.ex = ex,
                        .norm = n,
                        .first = first,
                        .second = second,
                        .act = act,
                        .rows = rows,
                        .x = x,
                        .residual = residual,
                        .y = y,
                        .hidden = ops_hidden(first->n)};
    /* Small maps are cut finer, so that all threads have work. */
    const size_t most = ops_rows(ex->k, first);
    j.block = rows >= 8 * most ? most : most / 2;
    size_t mark = arena_mark(ex->arena);
    j.scratch = arena_floats(ex->arena, (size_t)pool_threads(ex->pool) * j.block * (first->k + j.hidden + second->n));
    const size_t split1 = ops_scratch(ex->k, first, first->k), split2 = ops_scratch(ex->k, second, j.hidden);
    j.split_bytes = split1 > split2 ? split1 : split2;
    j.split = arena_take(ex->arena, (size_t)pool_threads(ex->pool), j.split_bytes);
    if (!exec_dry(ex))
        pool_run(ex->pool, two_layers_item, &j, (rows + j.block - 1) / j.block);
    arena_reset(ex->arena, mark);
}
