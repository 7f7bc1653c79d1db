/* Activations. */
#include "kernels/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* GELU within 2e-7 max(1, |x|) of float64, and relative to the result: 4 ULP for x > 0, where nothing cancels. For x <
 * 0 the plain form loses digits (1 + erf cancels); the others keep 17 bits or are within 4e-8 down to x = -5. */
static void compare_gelu(const check *t, const float *x, const float *y, size_t n)
{
    for (size_t j = 0; j < n && !given_up(); j++) {
        const double v = (double)x[j], want = gelu_f64(v), size = fabs(v);
        describe("gelu(%a)", v);
        if (v < -10.0) {
            if (!(fabs((double)y[j]) < 1e-8) && !(v == -INFINITY && isnan(y[j]))) /* NaN is the plain form's answer */
                fail("y[%zu] is %g", j, (double)y[j]);
            continue;
        }
        double limit = 2e-7 * (size > 1.0 ? size : 1.0);
        if (v > 0.0)
            limit = fmin(limit, 4.0 * ulp(want));
        else if (t->isa != CPU_REF && v > -5.0)
            limit = fmin(limit, fmax(0x1p-17 * fabs(want), 4e-8));
        near_f32("y", j, y[j], want, limit);
    }
}

static void try(const check *t, activate_f32_fn *fn, activation act, size_t n, float low, float high, values kind)
{
    const bool in_place = random_below(3) == 0;
    float *x = operand_f32(n), *y = in_place ? x : operand_f32(n);
    float *before = malloc((n + 1) * sizeof *before), *want = malloc((n + 1) * sizeof *want);
    if (!before || !want)
        exit(2);
    for (size_t j = 0; j < n; j++) {
        x[j] = kind == VALUES_PLAIN ? random_float(low, high) : random_value(kind);
        before[j] = x[j];
        want[j] = act == ACT_RELU ? x[j] > 0.0f ? x[j] : 0.0f : x[j];
    }
    fn(n, act, x, y);
    describe("act %d n %zu", (int)act, n);
    if (act == ACT_GELU)
        compare_gelu(t, before, y, n);
    else
        same_f32("y", y, want, n);
    /* In two calls, the same bits. */
    float *whole = want;
    const size_t half = random_below(n + 1);
    if (n)
        memcpy(whole, y, n * sizeof *y), memcpy(x, before, n * sizeof *x);
    fn(half, act, x, y);
    fn(n - half, act, x + half, y + half);
    describe("act %d n %zu cut at %zu", (int)act, n, half);
    same_f32("y of two calls", y, whole, n);
    free(before);
    free(want);
    operands_end();
}

void check_activate_f32(const check *t, activate_f32_fn *fn)
{
    for (size_t n = 0; n <= 70 && !given_up(); n++)
        for (int act = ACT_NONE; act <= ACT_GELU; act++) {
            try(t, fn, (activation)act, n, -8.0f, 8.0f, VALUES_PLAIN);
            try(t, fn, (activation)act, n, 0.0f, 0.0f, VALUES_SPECIAL);
        }
    static const float ends[] = {16.0f, 7.0f, 5.5f, 2.0f, 1.0f, 0.1f, 1e-3f, 1e-6f};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        try(t, fn, ACT_GELU, 20000, -ends[i], ends[i], VALUES_PLAIN);
    try(t, fn, ACT_GELU, 20000, 0.0f, 0.0f, VALUES_WIDE);
}

/* ---- timing ---- */

enum { COUNT = 8192 };
typedef struct job {
    activate_f32_fn *fn;
    activation act;
    float *x, *y;
} job;

static void run(void *arg)
{
    const job *j = arg;
    j->fn(COUNT, j->act, j->x, j->y);
}

void bench_activate_f32(const check *t, activate_f32_fn *fn)
{
    job j = {fn, ACT_GELU, malloc(COUNT * sizeof(float)), malloc(COUNT * sizeof(float))};
    if (!j.x || !j.y)
        exit(2);
    for (size_t i = 0; i < COUNT; i++)
        j.x[i] = random_float(-4.0f, 4.0f);
    bench(t, "gelu, 8192 in cache", 8.0 * COUNT, "GB/s", run, &j);
    j.act = ACT_RELU;
    bench(t, "relu, 8192 in cache", 8.0 * COUNT, "GB/s", run, &j);
    free(j.x);
    free(j.y);
}
