/* Rows and packing in bfloat16: against float64, and moves to the bit. */
#include "kernels/check.h"
#include "kernels/ref/bf16.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t extent(size_t rows, size_t columns, size_t ld)
{
    return rows ? (rows - 1) * ld + columns : 0;
}

static void *heap_copy(const void *x, size_t count, size_t size)
{
    void *y = malloc(count ? count * size : 1);
    if (!y)
        exit(2);
    if (count)
        memcpy(y, x, count * size);
    return y;
}

/* What rounding to bfloat16 may add to an error. */
static double half_ulp(double x)
{
    return 0x1.02p-8 * fabs(x) + 0x1p-126;
}

/* ---- packing ---- */

static void try_pack(pack_nk_bf16_fn *nk, pack_kn_bf16_fn *kn, size_t n, size_t k)
{
    const size_t nr = GEMM_BF16_NR, whole = (k + GEMM_BF16_K - 1) / GEMM_BF16_K * GEMM_BF16_K;
    const size_t columns = nk ? k : n, rows = nk ? n : k, ld = columns + random_below(4);
    describe("n %zu k %zu ldb %zu", n, k, ld);
    uint16_t *b = operand(extent(rows, columns, ld), sizeof *b), *out = operand(gemm_bf16_packed(n, k), sizeof *out);
    for (size_t i = 0; i < extent(rows, columns, ld); i++)
        b[i] = (uint16_t)random_bits();
    if (nk)
        nk(n, k, b, ld, out);
    else
        kn(k, n, b, ld, out);
    for (size_t j = 0; j < (n + nr - 1) / nr * nr; j++)
        for (size_t p = 0; p < whole && !given_up(); p++) {
            const uint16_t want = j >= n || p >= k ? 0 : nk ? b[j * ld + p] : b[p * ld + j];
            if (out[j / nr * nr * whole + (p / 2 * nr + j % nr) * 2 + p % 2] != want)
                fail("column %zu, row %zu differs", j, p);
        }
    operands_end();
}

static void check_pack(pack_nk_bf16_fn *nk, pack_kn_bf16_fn *kn)
{
    for (size_t n = 0; n <= 66 && !given_up(); n++)
        for (size_t k = 1; k < 67; k += 5)
            try_pack(nk, kn, n, k);
    for (int i = 0; i < 200 && !given_up(); i++)
        try_pack(nk, kn, random_from(1, 130), random_below(130));
}

void check_pack_nk_bf16(const check *t, pack_nk_bf16_fn *fn)
{
    (void)t;
    check_pack(fn, NULL);
}

void check_pack_kn_bf16(const check *t, pack_kn_bf16_fn *fn)
{
    (void)t;
    check_pack(NULL, fn);
}

/* ---- LayerNorm ---- */

/* As layernorm_f32's, with room for the last rounding. */
static void compare_layernorm(const float *x, const float *gamma, const float *beta, size_t c, double eps,
                              const uint16_t *y)
{
    double mean = 0.0, var = 0.0;
    for (size_t j = 0; j < c; j++)
        mean += (double)x[j] / (double)c;
    for (size_t j = 0; j < c; j++)
        var += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)c;
    const double deviation = sqrt(var + eps);
    for (size_t j = 0; j < c; j++) {
        const double normal = ((double)x[j] - mean) / deviation, g = fabs((double)gamma[j]);
        const double want = normal * (double)gamma[j] + (double)beta[j];
        const double units = g * (fabs(mean) / deviation + 1.0 + fabs(normal)) * (9.0 + 2.0 * sqrt((double)c)) +
                             fabs(want) + fabs((double)beta[j]);
        if (!near_f32("y", j, ref_bf16(y[j]), want, units * EPSILON + half_ulp(want)))
            return;
    }
}

static void try_layernorm(layernorm_bf16_fn *fn, size_t rows, size_t c, float centre, float spread)
{
    const float eps = random_below(2) ? 1e-6f : 1e-5f;
    const size_t ldx = c + random_below(4), ldy = c + random_below(4), count = extent(rows, c, ldy);
    describe("rows %zu c %zu ldx %zu ldy %zu centre %g spread %g", rows, c, ldx, ldy, (double)centre, (double)spread);
    float *x = operand_f32(extent(rows, c, ldx)), *gamma = operand_f32(c), *beta = operand_f32(c);
    uint16_t *y = operand(count, sizeof *y);
    for (size_t i = 0; i < extent(rows, c, ldx); i++)
        x[i] = centre + spread * random_float(-1.0f, 1.0f);
    for (size_t j = 0; j < c; j++)
        gamma[j] = random_float(-0.5f, 1.5f), beta[j] = random_float(-1.0f, 1.0f);
    uint16_t *before = heap_copy(y, count, sizeof *y);
    fn(rows, c, x, ldx, gamma, beta, eps, y, ldy);
    for (size_t i = 0; i < rows && !given_up(); i++)
        compare_layernorm(x + i * ldx, gamma, beta, c, (double)eps, y + i * ldy);
    for (size_t i = 0; i + 1 < rows; i++)
        same_bytes("the gap after a row", y + i * ldy + c, before + i * ldy + c, ldy - c, sizeof *y);
    uint16_t *whole = heap_copy(y, count, sizeof *y);
    for (size_t i = 0; i < rows; i++)
        fn(1, c, x + i * ldx, ldx, gamma, beta, eps, y + i * ldy, ldy);
    same_bytes("y row by row", y, whole, count, sizeof *y);
    free(whole);
    free(before);
    operands_end();
}

void check_layernorm_bf16(const check *t, layernorm_bf16_fn *fn)
{
    (void)t;
    for (size_t c = 1; c <= 150 && !given_up(); c++)
        try_layernorm(fn, random_below(6), c, random_float(-1.0f, 1.0f), 1.0f);
    static const size_t widths[] = {192, 256, 384, 576, 768, 1152, 1153};
    for (size_t i = 0; i < 60 && !given_up(); i++)
        try_layernorm(fn, random_from(1, 5), widths[i % 7], random_float(-3.0f, 3.0f), random_float(0.01f, 10.0f));
    try_layernorm(fn, 3, 96, 0.75f, 0.0f); /* all equal: eps alone divides */
    try_layernorm(fn, 3, 96, 100.0f, 1.0f);
}

/* ---- softmax ---- */

static void try_softmax(softmax_step_bf16_fn *fn, size_t rows, size_t n, float range, float factor)
{
    const size_t lds = n + random_below(4), ldp = n + random_below(4), count = extent(rows, n, ldp);
    describe("rows %zu n %zu lds %zu ldp %zu range %g factor %g", rows, n, lds, ldp, (double)range, (double)factor);
    float *s = operand_f32(extent(rows, n, lds)), *max_ = operand_f32(rows), *sum = operand_f32(rows),
          *scale = operand_f32(rows);
    uint16_t *p = operand(count, sizeof *p);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < n; j++)
            s[i * lds + j] = random_below(32) ? random_float(-range, range) : -1e30f;
        static const float starts[] = {0.0f, 1.0f, -5.0f, -200.0f, 100.0f};
        max_[i] = i % 2 ? -INFINITY : starts[random_below(5)];
        sum[i] = i % 2 ? 0.0f : random_float(1.0f, 50.0f);
    }
    float *before_max = heap_copy(max_, rows, sizeof *max_), *before_sum = heap_copy(sum, rows, sizeof *sum);
    uint16_t *before = heap_copy(p, count, sizeof *p);
    fn(rows, n, s, lds, factor, p, ldp, max_, sum, scale);
    for (size_t i = 0; i < rows && !given_up(); i++) {
        double largest = (double)before_max[i], total = 0.0;
        for (size_t j = 0; j < n; j++)
            largest = fmax(largest, (double)factor * (double)s[i * lds + j]);
        near_f32("max", i, max_[i], largest, ulp(largest));
        /* Rounded exponents: 2 ULP of the scores' size. */
        const double rounding = 4.0 * EPSILON * (fabs(largest) + (double)factor * (double)range + 1.0);
        for (size_t j = 0; j < n; j++) {
            const double want = exp((double)factor * (double)s[i * lds + j] - largest);
            const double limit = want * (1e-4 + rounding);
            if (!near_f32("p", i * ldp + j, ref_bf16(p[i * ldp + j]), want, limit + half_ulp(want)))
                break;
            total += want;
        }
        const double down = i % 2 ? 0.0 : exp((double)before_max[i] - (double)max_[i]);
        near_f32("scale", i, scale[i], down, down * (1e-6 + rounding) + 0x1p-126);
        total += (double)before_sum[i] * (double)scale[i];
        near_f32("sum", i, sum[i], total, total * (1e-4 + rounding + EPSILON * (3.0 + sqrt((double)n))));
    }
    for (size_t i = 0; i + 1 < rows; i++)
        same_bytes("the gap after a row", p + i * ldp + n, before + i * ldp + n, ldp - n, sizeof *p);
    uint16_t *whole = heap_copy(p, count, sizeof *p);
    float *whole_sum = heap_copy(sum, rows, sizeof *sum);
    for (size_t i = 0; i < rows; i++) {
        max_[i] = before_max[i], sum[i] = before_sum[i];
        fn(1, n, s + i * lds, lds, factor, p + i * ldp, ldp, max_ + i, sum + i, scale + i);
    }
    same_bytes("p row by row", p, whole, count, sizeof *p);
    same_f32("sum row by row", sum, whole_sum, rows);
    free(before_max);
    free(before_sum);
    free(before);
    free(whole);
    free(whole_sum);
    operands_end();
}

void check_softmax_step_bf16(const check *t, softmax_step_bf16_fn *fn)
{
    (void)t;
    for (size_t n = 1; n <= 100 && !given_up(); n++)
        try_softmax(fn, random_below(5), n, random_float(0.1f, 20.0f), random_float(0.05f, 2.0f));
    for (int i = 0; i < 100 && !given_up(); i++)
        try_softmax(fn, random_from(1, 4), random_from(1, 700), random_float(0.0f, 90.0f), 1.0f);
    try_softmax(fn, 2, 4099, 5.0f, 0.125f);
}

/* ---- timing ---- */

typedef struct job {
    layernorm_bf16_fn *layernorm;
    softmax_step_bf16_fn *softmax;
    pack_nk_bf16_fn *nk;
    pack_kn_bf16_fn *kn;
    size_t rows, n;
    float *x, *a, *b, *c;
    uint16_t *y;
} job;

static void run(void *arg)
{
    const job *j = arg;
    if (j->layernorm)
        j->layernorm(j->rows, j->n, j->x, j->n, j->a, j->b, 1e-6f, j->y, j->n);
    else if (j->nk)
        j->nk(j->rows, j->n, (const uint16_t *)j->x, j->n, j->y);
    else if (j->kn)
        j->kn(j->rows, j->n, (const uint16_t *)j->x, j->n, j->y);
    else {
        for (size_t i = 0; i < j->rows; i++)
            j->a[i] = -INFINITY, j->b[i] = 0.0f;
        j->softmax(j->rows, j->n, j->x, j->n, 0.1f, j->y, j->n, j->a, j->b, j->c);
    }
}

static void bench_rows(const check *t, job j, size_t rows, size_t n)
{
    const size_t count = rows * n, side = rows > n ? rows : n;
    j.rows = rows, j.n = n;
    j.x = calloc(count, sizeof(float)), j.y = calloc((rows + 32) * (n + 32), sizeof(uint16_t));
    j.a = calloc(side, sizeof(float)), j.b = calloc(side, sizeof(float)), j.c = calloc(side, sizeof(float));
    if (!j.x || !j.y || !j.a || !j.b || !j.c)
        exit(2);
    for (size_t i = 0; i < count; i++)
        j.x[i] = random_float(-4.0f, 4.0f);
    char text[64];
    snprintf(text, sizeof text, "rows %zu n %zu", rows, n);
    bench(t, text, (j.nk || j.kn ? 4.0 : 6.0) * (double)count, "GB/s", run, &j);
    free(j.x);
    free(j.y);
    free(j.a);
    free(j.b);
    free(j.c);
}

void bench_layernorm_bf16(const check *t, layernorm_bf16_fn *fn)
{
    static const size_t widths[] = {96, 192, 256, 384, 768, 1152};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        bench_rows(t, (job){.layernorm = fn}, 128, widths[i]);
}

void bench_softmax_step_bf16(const check *t, softmax_step_bf16_fn *fn)
{
    static const size_t widths[] = {16, 64, 196, 512, 4096};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        bench_rows(t, (job){.softmax = fn}, 112, widths[i]);
}

void bench_pack_nk_bf16(const check *t, pack_nk_bf16_fn *fn)
{
    bench_rows(t, (job){.nk = fn}, 512, 96);
    bench_rows(t, (job){.nk = fn}, 196, 72);
}

void bench_pack_kn_bf16(const check *t, pack_kn_bf16_fn *fn)
{
    bench_rows(t, (job){.kn = fn}, 512, 96);
    bench_rows(t, (job){.kn = fn}, 196, 72);
}
