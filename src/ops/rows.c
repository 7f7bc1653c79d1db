/* Operators on rows alone: normalisation, addition. */
#include "ops/ops.h"

#define ROWS_AN_ITEM 256

typedef struct rows_job {
    const exec *ex;
    const norm *norm;
    size_t rows, channels;
    const float *x, *row, *other;
    activation act;
    float *y;
    uint16_t *narrow;
} rows_job;

static void layernorm_item(void *context, size_t item, int worker)
{
    (void)worker;
    const rows_job *j = context;
    size_t row = item * ROWS_AN_ITEM, n = j->rows - row < ROWS_AN_ITEM ? j->rows - row : ROWS_AN_ITEM;
    j->ex->k->layernorm_f32(n, j->channels, j->x + row * j->channels, j->channels, j->norm->gamma, j->norm->beta,
                            j->norm->eps, j->act, j->y + row * j->channels, j->channels);
}

static void add_item(void *context, size_t item, int worker)
{
    (void)worker;
    const rows_job *j = context;
    size_t first = item * ROWS_AN_ITEM, last = first + ROWS_AN_ITEM < j->rows ? first + ROWS_AN_ITEM : j->rows;
    for (size_t r = first; r < last; r++) {
        const float *x = j->x + r * j->channels, *other = j->other ? j->other + r * j->channels : NULL;
        float *y = j->y + r * j->channels;
        if (j->row && other)
            for (size_t c = 0; c < j->channels; c++)
                y[c] = x[c] + j->row[c] + other[c];
        else if (j->row)
            for (size_t c = 0; c < j->channels; c++)
                y[c] = x[c] + j->row[c];
        else if (other)
            for (size_t c = 0; c < j->channels; c++)
                y[c] = x[c] + other[c];
    }
}

static void narrow_item(void *context, size_t item, int worker)
{
    (void)worker;
    const rows_job *j = context;
    size_t row = item * ROWS_AN_ITEM, n = j->rows - row < ROWS_AN_ITEM ? j->rows - row : ROWS_AN_ITEM;
    j->ex->k->f32_to_bf16(n * j->channels, j->x + row * j->channels, j->narrow + row * j->channels);
}

static size_t items(size_t rows)
{
    return (rows + ROWS_AN_ITEM - 1) / ROWS_AN_ITEM;
}

void op_layernorm(const exec *ex, const norm *n, size_t rows, size_t channels, const float *x, activation act, float *y)
{
    rows_job j = {.ex = ex, .norm = n, .rows = rows, .channels = channels, .x = x, .act = act, .y = y};
    if (!exec_dry(ex))
        pool_run(ex->pool, layernorm_item, &j, items(rows));
}

void op_add(const exec *ex, size_t rows, size_t channels, const float *x, const float *row, const float *other,
            float *y)
{
    rows_job j = {.ex = ex, .rows = rows, .channels = channels, .x = x, .row = row, .other = other, .y = y};
    if (!exec_dry(ex))
        pool_run(ex->pool, add_item, &j, items(rows));
}

void op_to_bf16(const exec *ex, size_t rows, size_t channels, const float *x, uint16_t *y)
{
    rows_job j = {.ex = ex, .rows = rows, .channels = channels, .x = x, .narrow = y};
    if (!exec_dry(ex))
        pool_run(ex->pool, narrow_item, &j, items(rows));
}
