/* Max pooling, to the bit; a zero's sign is any. */
#include "kernels/check.h"
#include "kernels/ref/bf16.h"

#include <stdlib.h>

static float largest(const float x[4])
{
    float best = x[0];
    for (int i = 1; i < 4; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

/* Numbers of every size, with infinities and zeros, without NaN. */
static float number(void)
{
    float x = random_value(random_below(2) ? VALUES_SPECIAL : VALUES_PLAIN);
    return x == x ? x : -2.0f;
}

void check_max4_f32(const check *t, max4_f32_fn *fn)
{
    (void)t;
    for (size_t n = 0; n < 100 && !given_up(); n++) {
        describe("n %zu", n);
        float *x[4], *y = operand_f32(n);
        for (int i = 0; i < 4; i++) {
            x[i] = operand_f32(n);
            for (size_t j = 0; j < n; j++)
                x[i][j] = number();
        }
        fn(n, (const float *const *)x, y);
        for (size_t j = 0; j < n; j++)
            near_f32("y", j, y[j], (double)largest((float[4]){x[0][j], x[1][j], x[2][j], x[3][j]}), 0.0);
        operands_end();
    }
}

void check_max4_bf16(const check *t, max4_bf16_fn *fn)
{
    (void)t;
    for (size_t n = 0; n < 100 && !given_up(); n++) {
        describe("n %zu", n);
        uint16_t *x[4], *y = operand(n, sizeof *y);
        for (int i = 0; i < 4; i++) {
            x[i] = operand(n, sizeof *x[i]);
            for (size_t j = 0; j < n; j++)
                x[i][j] = ref_to_bf16(number());
        }
        fn(n, (const uint16_t *const *)x, y);
        for (size_t j = 0; j < n; j++) {
            float four[4];
            for (int i = 0; i < 4; i++)
                four[i] = ref_bf16(x[i][j]);
            near_f32("y", j, ref_bf16(y[j]), (double)largest(four), 0.0);
        }
        operands_end();
    }
}

/* ---- timing ---- */

typedef struct job {
    max4_f32_fn *f32;
    max4_bf16_fn *bf16;
    float *x, *y;
} job;

#define WIDTH ((size_t)192)

static void run(void *arg)
{
    const job *j = arg;
    const float *const x[4] = {j->x, j->x + WIDTH, j->x + 2 * WIDTH, j->x + 3 * WIDTH};
    if (j->f32)
        j->f32(WIDTH, x, j->y);
    else
        j->bf16(WIDTH, (const uint16_t *const *)x, (uint16_t *)j->y);
}

static void bench_max4(const check *t, job j, double size)
{
    j.x = calloc(4 * WIDTH, sizeof(float)), j.y = calloc(WIDTH, sizeof(float));
    if (!j.x || !j.y)
        exit(2);
    bench(t, "n 192", 5.0 * size * (double)WIDTH, "GB/s", run, &j);
    free(j.x);
    free(j.y);
}

void bench_max4_f32(const check *t, max4_f32_fn *fn)
{
    bench_max4(t, (job){.f32 = fn}, 4.0);
}

void bench_max4_bf16(const check *t, max4_bf16_fn *fn)
{
    bench_max4(t, (job){.bf16 = fn}, 2.0);
}
