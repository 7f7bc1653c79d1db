/* Rotation of pairs and depthwise convolution, against float64. */
#include "kernels/check.h"

#include <math.h>
#include <stdlib.h>

static float *plain(size_t n)
{
    float *x = operand_f32(n);
    for (size_t i = 0; i < n; i++)
        x[i] = random_value(VALUES_PLAIN);
    return x;
}

void check_rotate_f32(const check *t, rotate_f32_fn *fn)
{
    (void)t;
    for (size_t n = 0; n < 140 && !given_up(); n += 2)
        for (int in_place = 0; in_place < 2; in_place++) {
            describe("n %zu%s", n, in_place ? ", in place" : "");
            float *x = plain(n), *cosine = plain(n), *sine = plain(n), *y = in_place ? x : operand_f32(n);
            double *want = calloc(n + 1, sizeof *want);
            if (!want)
                exit(2);
            for (size_t i = 0; i < n; i++)
                want[i] = (double)x[i] * (double)cosine[i] + (double)x[i ^ 1] * (double)sine[i];
            fn(n, x, cosine, sine, y);
            for (size_t i = 0; i < n; i++) /* two products below 1, each rounded at most twice */
                near_f32("y", i, y[i], want[i], 6.0 * EPSILON);
            free(want);
            operands_end();
        }
}

void check_depthwise_f32(const check *t, depthwise_f32_fn *fn)
{
    (void)t;
    for (int round = 0; round < 200 && !given_up(); round++) {
        const size_t n = random_below(200), taps = random_below(50);
        describe("n %zu, %zu taps", n, taps);
        const float *x[50], *weight[50], *bias = plain(n);
        const float *pixels = plain(taps * n), *kernel = plain(taps * n);
        for (size_t i = 0; i < taps; i++)
            x[i] = pixels + i * n, weight[i] = kernel + i * n;
        float *y = operand_f32(n);
        fn(n, taps, x, weight, bias, y);
        for (size_t c = 0; c < n; c++) {
            double want = (double)bias[c], size = fabs(want);
            for (size_t i = 0; i < taps; i++) {
                double product = (double)x[i][c] * (double)weight[i][c];
                want += product;
                size += fabs(product);
            }
            near_f32("y", c, y[c], want, (double)(taps + 2) * EPSILON * size + 1e-30);
        }
        operands_end();
    }
}

/* ---- timing ---- */

#define WIDTH ((size_t)256)
#define TAPS ((size_t)49)

typedef struct job {
    rotate_f32_fn *rotate;
    depthwise_f32_fn *depthwise;
    float *x;
} job;

static void run(void *arg)
{
    const job *j = arg;
    const float *x[TAPS], *weight[TAPS];
    if (j->rotate) {
        j->rotate(WIDTH, j->x, j->x + WIDTH, j->x + 2 * WIDTH, j->x + 3 * WIDTH);
        return;
    }
    for (size_t i = 0; i < TAPS; i++)
        x[i] = j->x + i * WIDTH, weight[i] = j->x + (TAPS + i) * WIDTH;
    j->depthwise(WIDTH, TAPS, x, weight, j->x, j->x + 2 * TAPS * WIDTH);
}

static void bench_job(const check *t, job j, const char *shape, double work, const char *unit)
{
    j.x = calloc((2 * TAPS + 1) * WIDTH, sizeof *j.x);
    if (!j.x)
        exit(2);
    bench(t, shape, work, unit, run, &j);
    free(j.x);
}

void bench_rotate_f32(const check *t, rotate_f32_fn *fn)
{
    bench_job(t, (job){.rotate = fn}, "n 256", 16.0 * (double)WIDTH, "GB/s");
}

void bench_depthwise_f32(const check *t, depthwise_f32_fn *fn)
{
    bench_job(t, (job){.depthwise = fn}, "n 256, 49 taps", 2.0 * (double)(WIDTH * TAPS), "GFLOP/s");
}
