/* Operators across columns: transposition (a move, to the bit) and softmax of interleaved groups. */
#include "kernels/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t extent(size_t rows, size_t columns, size_t ld)
{
    return rows ? (rows - 1) * ld + columns : 0;
}

/* ---- transposition ---- */

static void try_transpose(transpose_f32_fn *fn, size_t rows, size_t columns)
{
    const size_t ldx = columns + random_below(4), ldy = rows + random_below(4);
    const size_t count_x = extent(rows, columns, ldx), count_y = extent(columns, rows, ldy);
    describe("rows %zu columns %zu ldx %zu ldy %zu", rows, columns, ldx, ldy);
    uint32_t *x = operand(count_x, sizeof *x), *y = operand(count_y, sizeof *y), pattern = 0;
    if (count_y)
        memcpy(&pattern, y, sizeof pattern);
    for (size_t i = 0; i < count_x; i++)
        x[i] = (uint32_t)random_bits();
    fn(rows, columns, (const float *)x, ldx, (float *)y, ldy);
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < ldy && !given_up(); i++) {
            if (i < rows && y[j * ldy + i] != x[i * ldx + j])
                fail("column %zu of row %zu differs", j, i);
            if (i >= rows && j + 1 < columns && y[j * ldy + i] != pattern)
                fail("the gap after row %zu is written", j);
        }
    operands_end();
}

void check_transpose_f32(const check *t, transpose_f32_fn *fn)
{
    (void)t;
    for (size_t rows = 0; rows <= 34 && !given_up(); rows++)
        for (size_t columns = 0; columns < 11; columns++)
            try_transpose(fn, rows, columns);
    for (int i = 0; i < 100 && !given_up(); i++)
        try_transpose(fn, random_from(1, 140), random_from(1, 140));
}

/* ---- softmax ---- */

static void try_groups(softmax_groups_f32_fn *fn, size_t rows, size_t groups, size_t n, float range)
{
    const size_t columns = n * groups, lds = columns + random_below(4), count = extent(rows, columns, lds);
    describe("rows %zu groups %zu n %zu lds %zu range %g", rows, groups, n, lds, (double)range);
    float *s = operand_f32(count), *before = malloc((count + 1) * sizeof *before), gap = 0.0f;
    if (!before)
        exit(2);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            s[i * lds + j] = range * random_float(-1.0f, 1.0f);
    if (count)
        memcpy(before, s, count * sizeof *s);
    fn(rows, groups, n, s, lds);
    for (size_t i = 0; i < rows; i++) {
        for (size_t g = 0; g < groups && !given_up(); g++) {
            const float *old = before + i * lds + g;
            float largest = -INFINITY;
            double sum = 0.0;
            for (size_t j = 0; j < n; j++)
                largest = fmaxf(largest, old[j * groups]);
            for (size_t j = 0; j < n; j++)
                sum += exp((double)(old[j * groups] - largest));
            for (size_t j = 0; j < n; j++) {
                /* An exponential within 2 ULP, a sum of n of them, a division, a product; below 2^-126 it may be 0. */
                const double want = exp((double)(old[j * groups] - largest)) / sum;
                const float got = s[i * lds + j * groups + g];
                if (!(got == 0.0f && want < 0x1p-120))
                    near_f32("s", i * lds + j * groups + g, got, want, EPSILON * want * (12.0 + (double)n) + 0x1p-148);
            }
        }
        for (size_t j = columns; j < lds && i + 1 < rows; j++)
            same_bytes("the gap after a row", &s[i * lds + j], &before[i * lds + j], 1, sizeof gap);
    }
    /* Row by row, the same bits. */
    float *whole = malloc((count + 1) * sizeof *whole);
    if (!whole)
        exit(2);
    if (count) {
        memcpy(whole, s, count * sizeof *s);
        memcpy(s, before, count * sizeof *s);
    }
    for (size_t i = 0; i < rows; i++)
        fn(1, groups, n, s + i * lds, lds);
    same_f32("s row by row", s, whole, count);
    free(whole);
    free(before);
    operands_end();
}

void check_softmax_groups_f32(const check *t, softmax_groups_f32_fn *fn)
{
    (void)t;
    for (size_t n = 1; n <= 40 && !given_up(); n++) {
        try_groups(fn, random_below(6), 8, n, random_float(0.1f, 20.0f));
        try_groups(fn, random_below(6), random_from(1, 40), n, random_float(0.1f, 20.0f));
    }
    for (size_t i = 0; i < 40 && !given_up(); i++)
        try_groups(fn, random_from(1, 20), 8, random_from(1, 40), 100.0f);
}

/* ---- timing: the scores of 128 pixels ---- */

enum { ROWS = 128, GROUPS = 8, TOKENS = 16 };

typedef struct job {
    transpose_f32_fn *transpose;
    softmax_groups_f32_fn *softmax;
    size_t tokens;
    float s[ROWS * GROUPS * TOKENS], y[ROWS * GROUPS * TOKENS];
} job;

static void run(void *arg)
{
    job *j = arg;
    if (j->transpose)
        j->transpose(ROWS, GROUPS * j->tokens, j->s, GROUPS * j->tokens, j->y, ROWS);
    else
        j->softmax(ROWS, GROUPS, j->tokens, j->s, GROUPS * j->tokens);
}

static void bench_columns(const check *t, transpose_f32_fn *transpose, softmax_groups_f32_fn *softmax)
{
    static const size_t tokens[] = {8, 9, 16};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        job *j = calloc(1, sizeof *j);
        if (!j)
            exit(2);
        j->transpose = transpose, j->softmax = softmax, j->tokens = tokens[i];
        for (size_t e = 0; e < ROWS * GROUPS * TOKENS; e++)
            j->s[e] = random_float(-4.0f, 4.0f);
        char text[64];
        snprintf(text, sizeof text, "rows %d groups %d n %zu", ROWS, GROUPS, tokens[i]);
        bench(t, text, 8.0 * ROWS * GROUPS * (double)tokens[i], "GB/s", run, j);
        free(j);
    }
}

void bench_transpose_f32(const check *t, transpose_f32_fn *fn)
{
    bench_columns(t, fn, NULL);
}

void bench_softmax_groups_f32(const check *t, softmax_groups_f32_fn *fn)
{
    bench_columns(t, NULL, fn);
}
