#include "ops/bf16.h"

#include <string.h>

/* Elements in a panel of pairs. */
static size_t stored_panel(const linear *l)
{
    return gemm_bf16_packed(GEMM_BF16_NR, l->k);
}

linear ops_outputs(const linear *l, size_t first, size_t n)
{
    return (linear){.n = n,
                    .k = l->k,
                    .packed = l->packed ? l->packed + first * l->k : NULL,
                    .stored = l->stored ? l->stored + first / GEMM_BF16_NR * stored_panel(l) : NULL,
                    .bias = l->bias ? l->bias + first : NULL,
                    .many = l->many};
}

void ops_product(const kernels *k, const linear *l, size_t first, gemm_f32_args args)
{
    args.n = l->n;
    if (l->stored) {
        args.b_bf16 = l->stored + first * GEMM_BF16_NR;
        args.b_stride = stored_panel(l);
        (ops_splits(k, l) ? k->gemm_split : k->gemm_stored)(&args);
    } else {
        args.b = l->packed + first * k->gemm_f32_nr;
        args.b_stride = l->k * k->gemm_f32_nr;
        (ops_splits(k, l) ? k->gemm_split : k->gemm_f32)(&args);
    }
}

void ops_gemm(const kernels *k, const linear *l, size_t m, const float *a, size_t lda, float *c, size_t ldc,
              const uint32_t *c_rows, activation act, const float *residual, size_t ldr, void *scratch)
{
    ops_product(k, l, 0,
                (gemm_f32_args){.m = m,
                                .k = l->k,
                                .a = a,
                                .lda = lda,
                                .c = c,
                                .ldc = ldc,
                                .c_rows = c_rows,
                                .bias = l->bias,
                                .act = act,
                                .residual = residual,
                                .ldr = ldr,
                                .scratch = scratch});
}

/* How a product is cut: blocks of rows times groups of panels. */
typedef struct cut {
    size_t rows, row_blocks;   /* rows in a block */
    size_t panels, col_groups; /* panels in a group */
} cut;

/* Few rows (the decoder's tokens) are cut by columns too, but not below what a thread's wake-up costs. */
static cut cut_for(size_t rows, size_t n, size_t depth, size_t panel, size_t most)
{
    const size_t least_work = 1 << 19; /* multiply-adds worth a hand-over */
    size_t panels = (n + panel - 1) / panel;
    cut c = {.rows = rows < most ? rows : most};
    c.row_blocks = (rows + c.rows - 1) / c.rows;
    size_t items_wanted = c.row_blocks >= 16 ? 1 : 16 / c.row_blocks;
    size_t work_panel = c.rows * depth * panel;
    size_t least_panels = work_panel >= least_work ? 1 : (least_work + work_panel - 1) / work_panel;
    c.panels = (panels + items_wanted - 1) / items_wanted;
    if (c.panels < least_panels)
        c.panels = least_panels;
    c.col_groups = (panels + c.panels - 1) / c.panels;
    return c;
}

typedef struct linear_job {
    const exec *ex;
    const linear *l;
    const norm *norm;
    size_t rows;
    const float *x;
    size_t ldx;
    float *y;
    size_t ldy;
    activation act;
    const float *residual;
    size_t ldr;
    cut cut;
    float *scratch; /* [threads][rows of a block][k]: normalised rows */
    uint8_t *split; /* [threads][split_bytes] */
    size_t split_bytes;
} linear_job;

static void linear_item(void *context, size_t item, int worker)
{
    const linear_job *j = context;
    const kernels *k = j->ex->k;
    size_t row = item / j->cut.col_groups * j->cut.rows, group = item % j->cut.col_groups;
    size_t rows = j->rows - row < j->cut.rows ? j->rows - row : j->cut.rows;
    size_t n = j->cut.panels * ops_panel(k, j->l), first = group * n;
    if (n > j->l->n - first)
        n = j->l->n - first;
    const float *x = j->x + row * j->ldx;
    size_t ldx = j->ldx;
    if (j->norm) {
        float *normed = j->scratch + (size_t)worker * j->cut.rows * j->l->k;
        k->layernorm_f32(rows, j->l->k, x, ldx, j->norm->gamma, j->norm->beta, j->norm->eps, ACT_NONE, normed, j->l->k);
        x = normed;
        ldx = j->l->k;
    }
    linear part = ops_outputs(j->l, first, n);
    ops_gemm(k, &part, rows, x, ldx, j->y + row * j->ldy + first, j->ldy, NULL, j->act,
             j->residual ? j->residual + row * j->ldr + first : NULL, j->ldr,
             j->split + (size_t)worker * j->split_bytes);
}

static void run_linear(linear_job *j)
{
    if (!j->rows)
        return;
    if (j->l->packed_bf16) {
        bf16_linear(j->ex, &(bf16_linear_args){.norm = j->norm,
                                               .linear = j->l,
                                               .act = j->act,
                                               .rows = j->rows,
                                               .x = j->x,
                                               .ldx = j->ldx,
                                               .y = j->y,
                                               .ldy = j->ldy,
                                               .residual = j->residual,
                                               .ldr = j->ldr});
        return;
    }
    size_t mark = arena_mark(j->ex->arena);
    j->cut = cut_for(j->rows, j->l->n, j->l->k, ops_panel(j->ex->k, j->l), ops_rows(j->ex->k, j->l));
    if (j->norm)
        j->scratch = arena_floats(j->ex->arena, (size_t)pool_threads(j->ex->pool) * j->cut.rows * j->l->k);
    j->split_bytes = ops_scratch(j->ex->k, j->l, j->l->k);
    j->split = arena_take(j->ex->arena, (size_t)pool_threads(j->ex->pool), j->split_bytes);
    if (!exec_dry(j->ex))
        pool_run(j->ex->pool, linear_item, j, j->cut.row_blocks * j->cut.col_groups);
    arena_reset(j->ex->arena, mark);
}

void op_linear(const exec *ex, const linear *l, size_t rows, const float *x, size_t ldx, float *y, size_t ldy,
               activation act, const float *residual, size_t ldr)
{
    run_linear(&(linear_job){.ex = ex,
                             .l = l,
                             .rows = rows,
                             .x = x,
                             .ldx = ldx,
                             .y = y,
                             .ldy = ldy,
                             .act = act,
                             .residual = residual,
                             .ldr = ldr});
}

void op_linear_bf16(const exec *ex, const linear *l, size_t rows, const float *x, uint16_t *y)
{
    bf16_linear(ex, &(bf16_linear_args){.linear = l, .rows = rows, .x = x, .ldx = l->k, .y_bf16 = y, .ldy = l->n});
}

void op_norm_linear(const exec *ex, const norm *n, const linear *l, size_t rows, const float *x, float *y, size_t ldy)
{
    run_linear(&(linear_job){.ex = ex, .l = l, .norm = n, .rows = rows, .x = x, .ldx = l->k, .y = y, .ldy = ldy});
}
