/* The mask decoder's operators with bfloat16 results, against float64. */
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

/* Half the distance of bfloat16 numbers at x, and the least one. */
static double half_step(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1.0, (exponent < -125 ? -125 : exponent) - 9);
}

static uint16_t *copy_of(const uint16_t *x, size_t count)
{
    uint16_t *y = malloc((count + 1) * sizeof *y);
    if (!y)
        exit(2);
    if (count)
        memcpy(y, x, count * sizeof *y);
    return y;
}

static void gaps_kept(const uint16_t *got, const uint16_t *before, size_t rows, size_t columns, size_t ld)
{
    for (size_t i = 0; i + 1 < rows; i++)
        same_bytes("the gap after a row", got + i * ld + columns, before + i * ld + columns, ld - columns, sizeof *got);
}

/* ---- LayerNorm, with something added or with GELU ---- */

typedef struct norm_fn {
    layernorm_add_bf16_fn *add;
    layernorm_gelu_bf16_fn *gelu;
} norm_fn;

static void try_norm(norm_fn fn, size_t rows, size_t c, float centre, float spread)
{
    const float eps = random_below(2) ? 1e-6f : 1e-5f;
    const size_t ldx = c + random_below(4), ldy = c + random_below(4), lda = c + random_below(4),
                 ldz = c + random_below(4);
    describe("rows %zu c %zu ldx %zu ldadd %zu ldy %zu ldz %zu centre %g spread %g", rows, c, ldx, lda, ldy, ldz,
             (double)centre, (double)spread);
    float *x = operand_f32(extent(rows, c, ldx)), *gamma = operand_f32(c), *beta = operand_f32(c);
    uint16_t *add = operand(extent(rows, c, lda), sizeof *add), *y = operand(extent(rows, c, ldy), sizeof *y),
             *z = operand(extent(rows, c, ldz), sizeof *z);
    for (size_t i = 0; i < extent(rows, c, ldx); i++)
        x[i] = centre + spread * random_float(-1.0f, 1.0f);
    for (size_t i = 0; i < extent(rows, c, lda); i++)
        add[i] = ref_to_bf16(random_float(-1.0f, 1.0f));
    for (size_t j = 0; j < c; j++)
        gamma[j] = random_float(-0.5f, 1.5f), beta[j] = random_float(-1.0f, 1.0f);
    uint16_t *before_y = copy_of(y, extent(rows, c, ldy)), *before_z = copy_of(z, extent(rows, c, ldz));
    if (fn.add)
        fn.add(rows, c, x, ldx, gamma, beta, eps, add, lda, y, ldy, z, ldz);
    else
        fn.gelu(rows, c, x, ldx, gamma, beta, eps, y, ldy);
    for (size_t i = 0; i < rows && !given_up(); i++) {
        double mean = 0.0, var = 0.0;
        for (size_t j = 0; j < c; j++)
            mean += (double)x[i * ldx + j] / (double)c;
        for (size_t j = 0; j < c; j++)
            var += ((double)x[i * ldx + j] - mean) * ((double)x[i * ldx + j] - mean) / (double)c;
        const double deviation = sqrt(var + (double)eps);
        for (size_t j = 0; j < c; j++) {
            const double normal = ((double)x[i * ldx + j] - mean) / deviation, g = fabs((double)gamma[j]);
            const double want = normal * (double)gamma[j] + (double)beta[j];
            const double limit =
                EPSILON * (g * (fabs(mean) / deviation + 1.0 + fabs(normal)) * (9.0 + 2.0 * sqrt((double)c)) +
                           fabs(want) + fabs((double)beta[j]));
            const double end = fn.add ? want : gelu_f64(want);
            const double bend = fn.add ? limit : 1.13 * limit + 5e-5 * fmax(1.0, fabs(want));
            near_f32("y", i * ldy + j, ref_bf16(y[i * ldy + j]), end, bend + half_step(fabs(end) + bend));
            const double sum = want + (double)ref_bf16(add[i * lda + j]);
            if (fn.add)
                near_f32("z", i * ldz + j, ref_bf16(z[i * ldz + j]), sum,
                         limit + EPSILON * fabs(sum) + half_step(fabs(sum) + limit));
        }
    }
    gaps_kept(y, before_y, rows, c, ldy);
    gaps_kept(z, before_z, rows, c, ldz);
    /* Row by row, the same bits. */
    uint16_t *whole_y = copy_of(y, extent(rows, c, ldy)), *whole_z = copy_of(z, extent(rows, c, ldz));
    for (size_t i = 0; i < rows; i++)
        if (fn.add)
            fn.add(1, c, x + i * ldx, ldx, gamma, beta, eps, add + i * lda, lda, y + i * ldy, ldy, z + i * ldz, ldz);
        else
            fn.gelu(1, c, x + i * ldx, ldx, gamma, beta, eps, y + i * ldy, ldy);
    same_bytes("y row by row", y, whole_y, extent(rows, c, ldy), sizeof *y);
    same_bytes("z row by row", z, whole_z, extent(rows, c, ldz), sizeof *z);
    free(before_y);
    free(before_z);
    free(whole_y);
    free(whole_z);
    operands_end();
}

static void check_norm(norm_fn fn)
{
    for (size_t c = 1; c <= 150 && !given_up(); c++)
        try_norm(fn, random_below(6), c, random_float(-1.0f, 1.0f), 1.0f);
    static const size_t widths[] = {64, 128, 256, 257, 1024};
    for (size_t i = 0; i < 40 && !given_up(); i++)
        try_norm(fn, random_from(1, 5), widths[i % 5], random_float(-3.0f, 3.0f), random_float(0.01f, 10.0f));
    try_norm(fn, 3, 96, 0.75f, 0.0f); /* all equal: eps alone divides */
}

void check_layernorm_add_bf16(const check *t, layernorm_add_bf16_fn *fn)
{
    (void)t;
    check_norm((norm_fn){fn, NULL});
}

void check_layernorm_gelu_bf16(const check *t, layernorm_gelu_bf16_fn *fn)
{
    (void)t;
    check_norm((norm_fn){NULL, fn});
}

/* ---- softmax of groups ---- */

static void try_groups(softmax_groups_bf16_fn *fn, size_t rows, size_t groups, size_t n, float range)
{
    const size_t columns = n * groups, lds = columns + random_below(4), ldp = columns + random_below(4),
                 count = extent(rows, columns, ldp);
    describe("rows %zu groups %zu n %zu lds %zu ldp %zu range %g", rows, groups, n, lds, ldp, (double)range);
    float *s = operand_f32(extent(rows, columns, lds));
    uint16_t *p = operand(count, sizeof *p), *before = copy_of(p, count);
    for (size_t i = 0; i < extent(rows, columns, lds); i++)
        s[i] = range * random_float(-1.0f, 1.0f);
    fn(rows, groups, n, s, lds, p, ldp);
    for (size_t i = 0; i < rows; i++)
        for (size_t g = 0; g < groups && !given_up(); g++) {
            const float *row = s + i * lds + g;
            double largest = -INFINITY, sum = 0.0;
            for (size_t j = 0; j < n; j++)
                largest = fmax(largest, (double)row[j * groups]);
            for (size_t j = 0; j < n; j++)
                sum += exp((double)row[j * groups] - largest);
            for (size_t j = 0; j < n; j++) {
                /* Two exponentials within 1e-4, of differences up to twice the range that are rounded twice. */
                const double want = exp((double)row[j * groups] - largest) / sum;
                const double limit = want * (2e-4 + EPSILON * (8.0 * (double)range + 16.0));
                const float got = ref_bf16(p[i * ldp + j * groups + g]);
                if (!(got == 0.0f && want < 0x1p-120))
                    near_f32("p", i * ldp + j * groups + g, got, want, limit + half_step(want + limit));
            }
        }
    gaps_kept(p, before, rows, columns, ldp);
    uint16_t *whole = copy_of(p, count);
    for (size_t i = 0; i < rows; i++)
        fn(1, groups, n, s + i * lds, lds, p + i * ldp, ldp);
    same_bytes("p row by row", p, whole, count, sizeof *p);
    free(before);
    free(whole);
    operands_end();
}

void check_softmax_groups_bf16(const check *t, softmax_groups_bf16_fn *fn)
{
    (void)t;
    for (size_t n = 1; n <= 40 && !given_up(); n++) {
        try_groups(fn, random_below(6), 8, n, random_float(0.1f, 20.0f));
        try_groups(fn, random_below(6), random_from(1, 40), n, random_float(0.1f, 20.0f));
    }
    for (size_t i = 0; i < 40 && !given_up(); i++)
        try_groups(fn, random_from(1, 20), 8, random_from(1, 40), 100.0f);
}

/* ---- timing: a block of 128 pixels ---- */

enum { ROWS = 128, WIDEST = 256 };

typedef struct job {
    norm_fn norm;
    softmax_groups_bf16_fn *softmax;
    size_t c;
    float x[ROWS * WIDEST], gamma[WIDEST], beta[WIDEST];
    uint16_t add[ROWS * WIDEST], y[ROWS * WIDEST], z[ROWS * WIDEST];
} job;

static void run(void *arg)
{
    job *j = arg;
    if (j->norm.add)
        j->norm.add(ROWS, j->c, j->x, j->c, j->gamma, j->beta, 1e-5f, j->add, j->c, j->y, j->c, j->z, j->c);
    else if (j->norm.gelu)
        j->norm.gelu(ROWS, j->c, j->x, j->c, j->gamma, j->beta, 1e-5f, j->y, j->c);
    else
        j->softmax(ROWS, 8, j->c / 8, j->x, j->c, j->y, j->c);
}

static void bench_job(const check *t, norm_fn norm, softmax_groups_bf16_fn *softmax, size_t c, double bytes)
{
    job *j = calloc(1, sizeof *j);
    if (!j)
        exit(2);
    j->norm = norm, j->softmax = softmax, j->c = c;
    for (size_t i = 0; i < ROWS * WIDEST; i++)
        j->x[i] = random_float(-4.0f, 4.0f);
    char text[64];
    snprintf(text, sizeof text, "rows %d c %zu", ROWS, c);
    bench(t, text, bytes * ROWS * (double)c, "GB/s", run, j);
    free(j);
}

void bench_layernorm_add_bf16(const check *t, layernorm_add_bf16_fn *fn)
{
    bench_job(t, (norm_fn){fn, NULL}, NULL, 256, 10.0);
}

void bench_layernorm_gelu_bf16(const check *t, layernorm_gelu_bf16_fn *fn)
{
    bench_job(t, (norm_fn){NULL, fn}, NULL, 64, 6.0);
}

void bench_softmax_groups_bf16(const check *t, softmax_groups_bf16_fn *fn)
{
    bench_job(t, (norm_fn){NULL, NULL}, fn, 64, 6.0);
    bench_job(t, (norm_fn){NULL, NULL}, fn, 72, 6.0);
}
