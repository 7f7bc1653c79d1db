/* Operators on rows: LayerNorm, softmax, division. */
#include "kernels/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t extent(size_t rows, size_t columns, size_t ld)
{
    return rows ? (rows - 1) * ld + columns : 0;
}

/* Operands [rows, columns] with ld floats from row to row; the floats between rows stay the operand's pattern. */
static float *matrix(size_t rows, size_t columns, size_t ld, float centre, float spread)
{
    float *x = operand_f32(extent(rows, columns, ld));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            x[i * ld + j] = centre + spread * random_float(-1.0f, 1.0f);
    return x;
}

/* The floats between rows are as they were. */
static void gaps_kept(const float *got, const float *before, size_t rows, size_t columns, size_t ld)
{
    for (size_t i = 0; i + 1 < rows; i++)
        same_bytes("the gap after a row", got + i * ld + columns, before + i * ld + columns, ld - columns, sizeof *got);
}

static float *heap_copy(const float *x, size_t count)
{
    float *y = malloc((count ? count : 1) * sizeof *y);
    if (!y)
        exit(2);
    if (count)
        memcpy(y, x, count * sizeof *y);
    return y;
}

/* ---- LayerNorm ---- */

/* The error that rounding leaves, in units of EPSILON: the mean is a sum of c terms near |mean| + deviation, whose
 * roundings wander with the root of the number of additions in a row (c for a plain sum, c / 32 and less for vectors),
 * and stays in every difference; the deviation's own error scales the result; then a handful of operations on |gamma x|
 * and |beta|. */
static void compare_layernorm(const check *t, const float *x, const float *gamma, const float *beta, size_t c,
                              double eps, activation act, const float *y)
{
    double mean = 0.0, var = 0.0;
    for (size_t j = 0; j < c; j++)
        mean += (double)x[j] / (double)c;
    for (size_t j = 0; j < c; j++)
        var += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)c;
    const double deviation = sqrt(var + eps), run = t->isa == CPU_REF ? (double)c : (double)c / 32.0;
    for (size_t j = 0; j < c; j++) {
        const double normal = ((double)x[j] - mean) / deviation, g = fabs((double)gamma[j]);
        double want = normal * (double)gamma[j] + (double)beta[j];
        double units = g * (fabs(mean) / deviation + 1.0) * (3.0 + 1.5 * sqrt(run)) +
                       g * fabs(normal) * (6.0 + 0.5 * sqrt(run)) + fabs(want) + fabs((double)beta[j]);
        double limit = units * EPSILON;
        if (act == ACT_RELU)
            want = want > 0.0 ? want : 0.0;
        if (act == ACT_GELU) {
            limit = 1.13 * limit + 2e-7 * fmax(1.0, fabs(want)); /* GELU's slope is at most 1.13 */
            want = gelu_f64(want);
        }
        if (!near_f32("y", j, y[j], want, limit))
            return;
    }
}

static void try_layernorm(const check *t, layernorm_f32_fn *fn, size_t rows, size_t c, float centre, float spread)
{
    static const float epsilons[] = {1e-6f, 1e-5f};
    const float eps = epsilons[random_below(2)];
    const activation act = (activation)random_below(3);
    const bool in_place = random_below(3) == 0;
    const size_t ldx = c + random_below(4), ldy = in_place ? ldx : c + random_below(4);
    describe("rows %zu c %zu ldx %zu ldy %zu act %d centre %g spread %g%s", rows, c, ldx, ldy, (int)act, (double)centre,
             (double)spread, in_place ? " in place" : "");
    float *x = matrix(rows, c, ldx, centre, spread), *y = in_place ? x : operand_f32(extent(rows, c, ldy));
    const float *gamma = matrix(1, c, c, 0.5f, 1.0f), *beta = matrix(1, c, c, 0.0f, 1.0f);
    const size_t count = extent(rows, c, ldy);
    float *before_x = heap_copy(x, extent(rows, c, ldx)), *before = heap_copy(y, count);
    fn(rows, c, x, ldx, gamma, beta, eps, act, y, ldy);
    for (size_t i = 0; i < rows && !given_up(); i++)
        compare_layernorm(t, before_x + i * ldx, gamma, beta, c, (double)eps, act, y + i * ldy);
    gaps_kept(y, before, rows, c, ldy);
    /* Row by row, the same bits. */
    float *whole = heap_copy(y, count);
    if (count)
        memcpy(y, before, count * sizeof *y);
    for (size_t i = 0; i < rows; i++)
        fn(1, c, x + i * ldx, ldx, gamma, beta, eps, act, y + i * ldy, ldy);
    same_f32("y row by row", y, whole, count);
    free(whole);
    free(before);
    free(before_x);
    operands_end();
}

void check_layernorm_f32(const check *t, layernorm_f32_fn *fn)
{
    for (size_t c = 1; c <= 150 && !given_up(); c++)
        try_layernorm(t, fn, random_below(6), c, random_float(-1.0f, 1.0f), 1.0f);
    static const size_t widths[] = {192, 256, 384, 576, 768, 1152, 1153};
    for (size_t i = 0; i < 60 && !given_up(); i++)
        try_layernorm(t, fn, random_from(1, 5), widths[i % 7], random_float(-3.0f, 3.0f), random_float(0.01f, 10.0f));
    for (size_t i = 0; i < 20 && !given_up(); i++) {
        try_layernorm(t, fn, 3, random_from(1, 300), 0.75f, 0.0f);  /* all equal: eps alone divides */
        try_layernorm(t, fn, 3, random_from(1, 300), 100.0f, 1.0f); /* a mean far above the deviation */
        try_layernorm(t, fn, 3, random_from(1, 300), 0.0f, 1e-4f);  /* a deviation below eps */
        try_layernorm(t, fn, 3, random_from(1, 300), 0.0f, 1e15f);
    }
}

/* ---- softmax ---- */

/* Scores that reach from 0 down to -range, further down with single ones. */
static float score(float range)
{
    const float s = -range * random_float(0.0f, 1.0f);
    switch (random_below(32)) {
    case 0:
        return -random_float(80.0f, 110.0f); /* around the least float */
    case 1:
        return -1e30f;
    default:
        return s;
    }
}

/* Within 2 ULP, but 0 is right for everything that is not above 2^-126 (to the last bits of the exponent's input). */
static bool near_exp(const char *what, size_t index, float got, double want)
{
    return (got == 0.0f && want < 0x1.0001p-126) || near_f32(what, index, got, want, 2.0 * ulp(want));
}

static void try_softmax(softmax_step_f32_fn *fn, size_t rows, size_t n, float range, float centre)
{
    const size_t lds = n + random_below(4), count = extent(rows, n, lds);
    describe("rows %zu n %zu lds %zu range %g centre %g", rows, n, lds, (double)range, (double)centre);
    float *s = operand_f32(count), *max_ = operand_f32(rows), *sum = operand_f32(rows), *scale = operand_f32(rows);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < n; j++)
            s[i * lds + j] = centre + score(range);
        static const float starts[] = {-INFINITY, 0.0f, 1.0f, -5.0f, -200.0f, 100.0f};
        max_[i] = starts[random_below(6)];
        if (i % 2)
            max_[i] = -INFINITY;
        sum[i] = max_[i] == -INFINITY ? 0.0f : random_float(1.0f, 50.0f);
    }
    float *before = heap_copy(s, count), *before_max = heap_copy(max_, rows), *before_sum = heap_copy(sum, rows);
    fn(rows, n, s, lds, max_, sum, scale);
    for (size_t i = 0; i < rows && !given_up(); i++) {
        float largest = before_max[i];
        for (size_t j = 0; j < n; j++)
            largest = fmaxf(largest, before[i * lds + j]);
        same_bytes("max", &max_[i], &largest, 1, sizeof largest);
        double total = 0.0;
        for (size_t j = 0; j < n; j++) {
            const float got = s[i * lds + j], x = before[i * lds + j] - largest;
            const double want = exp((double)x);
            if (!near_exp("s", i * lds + j, got, want))
                break;
            total += (double)got;
        }
        const double down = before_max[i] == -INFINITY ? 0.0 : exp((double)(before_max[i] - largest));
        near_exp("scale", i, scale[i], down);
        /* From the exponentials as they are: n additions of positive numbers, whose roundings wander. */
        total += (double)before_sum[i] * (double)scale[i];
        near_f32("sum", i, sum[i], total, EPSILON * total * (3.0 + sqrt((double)n)));
    }
    gaps_kept(s, before, rows, n, lds);
    /* Row by row, the same bits. */
    float *whole = heap_copy(s, count), *whole_sum = heap_copy(sum, rows);
    if (count)
        memcpy(s, before, count * sizeof *s);
    for (size_t i = 0; i < rows; i++) {
        max_[i] = before_max[i], sum[i] = before_sum[i];
        fn(1, n, s + i * lds, lds, max_ + i, sum + i, scale + i);
    }
    same_f32("s row by row", s, whole, count);
    same_f32("sum row by row", sum, whole_sum, rows);
    free(before);
    free(before_max);
    free(before_sum);
    free(whole);
    free(whole_sum);
    operands_end();
}

void check_softmax_step_f32(const check *t, softmax_step_f32_fn *fn)
{
    (void)t;
    for (size_t n = 1; n <= 100 && !given_up(); n++)
        try_softmax(fn, random_below(5), n, random_float(0.1f, 20.0f), random_float(-50.0f, 50.0f));
    for (int i = 0; i < 100 && !given_up(); i++)
        try_softmax(fn, random_from(1, 4), random_from(1, 700), random_float(0.0f, 90.0f), 0.0f);
    try_softmax(fn, 2, 4099, 5.0f, 0.0f);
}

/* ---- division ---- */

void check_divide_rows_f32(const check *t, divide_rows_f32_fn *fn)
{
    (void)t;
    for (int i = 0; i < 300 && !given_up(); i++) {
        const size_t rows = random_below(5), n = random_below(100), ldx = n + random_below(4);
        const bool in_place = random_below(3) == 0;
        const size_t ldy = in_place ? ldx : n + random_below(4), count = extent(rows, n, ldy);
        describe("rows %zu n %zu ldx %zu ldy %zu%s", rows, n, ldx, ldy, in_place ? " in place" : "");
        float *x = operand_f32(extent(rows, n, ldx)), *y = in_place ? x : operand_f32(count), *d = operand_f32(rows);
        float *want = heap_copy(y, count);
        for (size_t r = 0; r < rows; r++) {
            d[r] = random_value(VALUES_SPECIAL);
            for (size_t j = 0; j < n; j++) {
                x[r * ldx + j] = random_value(i % 2 ? VALUES_SPECIAL : VALUES_WIDE);
                want[r * ldy + j] = x[r * ldx + j] / d[r];
            }
            if (r + 1 < rows && in_place)
                memcpy(want + r * ldy + n, x + r * ldx + n, (ldx - n) * sizeof *x);
        }
        fn(rows, n, x, ldx, d, y, ldy);
        same_f32("y", y, want, count);
        free(want);
        operands_end();
    }
}

/* ---- relative positions ---- */

void check_add_relative_f32(const check *t, add_relative_f32_fn *fn)
{
    (void)t;
    for (int i = 0; i < 300 && !given_up(); i++) {
        const size_t rows = random_below(4), side = random_from(1, i % 3 ? 20 : 70), first = random_below(3 * side),
                     n = random_below(5 * side), lds = n + random_below(4), height = (first + n + side - 1) / side,
                     ldv = height + random_below(3), ldh = side + random_below(3), count = extent(rows, n, lds);
        describe("rows %zu first %zu n %zu side %zu lds %zu ldv %zu ldh %zu", rows, first, n, side, lds, ldv, ldh);
        float *s = operand_f32(count), *v = operand_f32(extent(rows, height, ldv)),
              *h = operand_f32(extent(rows, side, ldh)), *want = NULL;
        for (size_t r = 0; r < rows; r++) {
            for (size_t j = 0; j < n; j++)
                s[r * lds + j] = random_value(VALUES_WIDE);
            for (size_t j = 0; j < height; j++)
                v[r * ldv + j] = random_value(VALUES_WIDE);
            for (size_t j = 0; j < side; j++)
                h[r * ldh + j] = random_value(VALUES_WIDE);
        }
        want = heap_copy(s, count);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < n; j++)
                want[r * lds + j] += v[r * ldv + (first + j) / side] + h[r * ldh + (first + j) % side];
        fn(rows, first, n, side, v, ldv, h, ldh, s, lds);
        same_f32("s", s, want, count);
        free(want);
        operands_end();
    }
}

/* ---- timing ---- */

typedef struct job {
    layernorm_f32_fn *layernorm;
    softmax_step_f32_fn *softmax;
    divide_rows_f32_fn *divide;
    add_relative_f32_fn *relative;
    size_t rows, n;
    activation act;
    float *x, *y, *a, *b, *c;
} job;

static void run(void *arg)
{
    const job *j = arg;
    if (j->layernorm)
        j->layernorm(j->rows, j->n, j->x, j->n, j->a, j->b, 1e-6f, j->act, j->y, j->n);
    else if (j->softmax) {
        for (size_t i = 0; i < j->rows; i++)
            j->a[i] = -INFINITY, j->b[i] = 0.0f;
        j->softmax(j->rows, j->n, j->y, j->n, j->a, j->b, j->c);
    } else if (j->relative)
        j->relative(j->rows, 0, j->n, 14, j->a, 0, j->b, 0, j->y, j->n);
    else
        j->divide(j->rows, j->n, j->x, j->n, j->a, j->y, j->n);
}

static void bench_rows(const check *t, job j, size_t rows, size_t n, const char *suffix)
{
    const size_t count = rows * n, side = rows > n ? rows : n;
    j.rows = rows, j.n = n;
    j.x = calloc(count, sizeof(float)), j.y = calloc(count, sizeof(float));
    j.a = calloc(side, sizeof(float)), j.b = calloc(side, sizeof(float)), j.c = calloc(side, sizeof(float));
    if (!j.x || !j.y || !j.a || !j.b || !j.c)
        exit(2);
    for (size_t i = 0; i < count; i++)
        j.x[i] = j.y[i] = random_float(-4.0f, 4.0f);
    for (size_t i = 0; i < side; i++)
        j.a[i] = j.b[i] = random_float(0.5f, 1.0f);
    char text[64];
    snprintf(text, sizeof text, "rows %zu n %zu%s", rows, n, suffix);
    bench(t, text, 8.0 * (double)count, "GB/s", run, &j);
    free(j.x);
    free(j.y);
    free(j.a);
    free(j.b);
    free(j.c);
}

void bench_layernorm_f32(const check *t, layernorm_f32_fn *fn)
{
    static const size_t widths[] = {64, 96, 192, 256, 384, 768, 1152};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        bench_rows(t, (job){.layernorm = fn}, 128, widths[i], "");
    bench_rows(t, (job){.layernorm = fn, .act = ACT_GELU}, 128, 64, " gelu");
}

void bench_softmax_step_f32(const check *t, softmax_step_f32_fn *fn)
{
    static const size_t widths[] = {9, 64, 196, 512, 4096};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        bench_rows(t, (job){.softmax = fn}, 112, widths[i], "");
}

void bench_divide_rows_f32(const check *t, divide_rows_f32_fn *fn)
{
    bench_rows(t, (job){.divide = fn}, 112, 96, "");
}

void bench_add_relative_f32(const check *t, add_relative_f32_fn *fn)
{
    bench_rows(t, (job){.relative = fn}, 196, 196, "");
}
