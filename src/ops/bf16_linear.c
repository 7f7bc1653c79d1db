/* Linear layers in bfloat16: one, and two in a row. */
#include "base/checked.h"
#include "ops/bf16.h"

#include <string.h>

typedef struct linear_job {
    const exec *ex;
    const bf16_linear_args *a;
    size_t block, pitch;
    size_t groups, columns; /* of columns, and how many each has */
    uint16_t *scratch;      /* [threads][block][pitch] */
} linear_job;

static void linear_item(void *context, size_t item, int worker)
{
    const linear_job *j = context;
    const bf16_linear_args *a = j->a;
    const kernels *k = j->ex->k;
    size_t row = item / j->groups * j->block, rows = a->rows - row < j->block ? a->rows - row : j->block,
           first = item % j->groups * j->columns;
    uint16_t *x = j->scratch + (size_t)worker * j->block * j->pitch;
    bf16_rows(k, a->norm, rows, a->linear->k, a->x + row * a->ldx, a->ldx, x, j->pitch);
    gemm_bf16_args g = bf16_product(a->linear, rows, x, j->pitch);
    g.n = a->linear->n - first < j->columns ? a->linear->n - first : j->columns;
    g.b += first / GEMM_BF16_NR * g.b_stride;
    g.bias = g.bias ? g.bias + first : NULL;
    g.c = a->y ? a->y + row * a->ldy + first : NULL;
    g.c_bf16 = a->y ? NULL : a->y_bf16 + row * a->ldy + first;
    g.ldc = a->ldy;
    g.act = a->act;
    g.residual = a->residual ? a->residual + row * a->ldr + first : NULL;
    g.ldr = a->ldr;
    k->gemm_bf16(&g);
}

/* Few rows (the decoder's tokens) are cut by columns too, where a thread's part is worth its wake-up: what is read of
 * the weights takes the time then. */
static void cut_columns(linear_job *j)
{
    const size_t least = 1 << 16; /* weights for a thread */
    const size_t n = j->a->linear->n, row_blocks = (j->a->rows + j->block - 1) / j->block,
                 threads = (size_t)pool_threads(j->ex->pool);
    size_t groups = row_blocks && row_blocks < threads ? (threads + row_blocks - 1) / row_blocks : 1;
    const size_t most = n * j->a->linear->k / least;
    groups = groups < most ? groups : most ? most : 1;
    j->columns = round_up((n + groups - 1) / groups, GEMM_BF16_NR);
    j->groups = (n + j->columns - 1) / j->columns;
}

void bf16_linear(const exec *ex, const bf16_linear_args *args)
{
    linear_job j = {.ex = ex,
                    .a = args,
                    .block = bf16_block(ex, args->rows, ex->k->gemm_bf16_rows),
                    .pitch = ops_pitch_bf16(args->linear->k)};
    size_t mark = arena_mark(ex->arena);
    j.scratch = arena_take(ex->arena, (size_t)pool_threads(ex->pool) * j.block * j.pitch, sizeof *j.scratch);
    cut_columns(&j);
    if (!exec_dry(ex))
        pool_run(ex->pool, linear_item, &j, (args->rows + j.block - 1) / j.block * j.groups);
    arena_reset(ex->arena, mark);
}

typedef struct two_layers_job {
    const exec *ex;
    const bf16_two_layers_args *a;
    size_t block, pitch, hidden, hidden_pitch;
    uint16_t *rows;   /* [threads][block][pitch] */
    uint16_t *middle; /* [threads][block][hidden_pitch] */
    float *sum;       /* [threads][block][second->n]: partial sums, where the hidden layer is computed in pieces */
} two_layers_job;

static void two_layers_item(void *context, size_t item, int worker)
{
    const two_layers_job *j = context;
    const bf16_two_layers_args *a = j->a;
    const kernels *k = j->ex->k;
    const linear *l1 = a->first, *l2 = a->second;
    size_t row = item * j->block, rows = a->rows - row < j->block ? a->rows - row : j->block;
    uint16_t *x = j->rows + (size_t)worker * j->block * j->pitch;
    uint16_t *middle = j->middle + (size_t)worker * j->block * j->hidden_pitch;
    float *sum = j->sum + (size_t)worker * j->block * l2->n;
    bf16_rows(k, a->norm, rows, l1->k, a->x + row * l1->k, l1->k, x, j->pitch);
    for (size_t h = 0; h < l1->n; h += j->hidden) {
        gemm_bf16_args g1 = bf16_product(l1, rows, x, j->pitch);
        g1.n = l1->n - h < j->hidden ? l1->n - h : j->hidden;
        g1.b += h / GEMM_BF16_NR * g1.b_stride;
        g1.bias = l1->bias ? l1->bias + h : NULL;
        g1.act = a->act;
        g1.c_bf16 = middle;
        g1.ldc = j->hidden_pitch;
        k->gemm_bf16(&g1);
        gemm_bf16_args g2 = bf16_product(l2, rows, middle, j->hidden_pitch);
        const bool last = h + g1.n == l1->n;
        g2.k = g1.n;
        g2.b += h * GEMM_BF16_NR;
        g2.add = h ? sum : NULL;
        g2.ldadd = g2.ldc = l2->n;
        g2.c = last ? a->y + row * l2->n : sum;
        g2.bias = last ? l2->bias : NULL;
        g2.residual = last && a->residual ? a->residual + row * l2->n : NULL;
        g2.ldr = l2->n;
        k->gemm_bf16(&g2);
    }
}

void bf16_two_layers(const exec *ex, const bf16_two_layers_args *args)
{
    two_layers_job j = {.ex = ex, .a = args, .block = bf16_block(ex, args->rows, ex->k->gemm_bf16_rows)};
    const size_t threads = (size_t)pool_threads(ex->pool), mark = arena_mark(ex->arena);
    j.hidden = ops_hidden(args->first->n);
    j.pitch = ops_pitch_bf16(args->first->k);
    j.hidden_pitch = ops_pitch_bf16(j.hidden);
    j.rows = arena_take(ex->arena, threads * j.block * j.pitch, sizeof *j.rows);
    j.middle = arena_take(ex->arena, threads * j.block * j.hidden_pitch, sizeof *j.middle);
    j.sum = arena_floats(ex->arena, j.hidden < args->first->n ? threads * j.block * args->second->n : 0);
    if (!exec_dry(ex))
        pool_run(ex->pool, two_layers_item, &j, (args->rows + j.block - 1) / j.block);
    arena_reset(ex->arena, mark);
}
