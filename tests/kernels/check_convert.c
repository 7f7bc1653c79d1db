/* bfloat16: every input of 16 bits, and floats around every rounding, to the bit. */
#include "kernels/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 65536 };

/* The value of a bfloat16: 8 bits of exponent, 7 of fraction; an infinity or a NaN as the float whose upper half it is.
 */
static float decode(uint32_t x)
{
    const uint32_t fraction = x & 127u, exponent = x >> 7 & 255u;
    const bool negative = x >> 15 & 1u;
    if (exponent == 255u) {
        const uint32_t bits = x << 16;
        float f;
        memcpy(&f, &bits, sizeof f);
        return f;
    }
    const double significand = exponent ? (double)(fraction + 128u) : (double)fraction;
    const double value = ldexp(significand, (exponent ? (int)exponent : 1) - 127 - 7);
    return (float)(negative ? -value : value);
}

void check_bf16_to_f32(const check *t, bf16_to_f32_fn *fn)
{
    (void)t;
    float *want = malloc(ALL * sizeof *want);
    if (!want)
        exit(2);
    for (uint32_t i = 0; i < ALL; i++)
        want[i] = decode(i);
    describe("all values");
    uint16_t *x = operand(ALL, sizeof *x);
    float *y = operand_f32(ALL);
    for (uint32_t i = 0; i < ALL; i++)
        x[i] = (uint16_t)i;
    fn(ALL, x, y);
    same_bytes("y", y, want, ALL, sizeof *y);
    operands_end();
    for (size_t n = 0; n <= 70 && !given_up(); n++) {
        describe("n %zu", n);
        uint16_t *part = operand(n, sizeof *part);
        float *out = operand_f32(n), expected[70];
        for (size_t i = 0; i < n; i++) {
            part[i] = (uint16_t)random_bits();
            expected[i] = want[part[i]];
        }
        fn(n, part, out);
        same_bytes("y", out, expected, n, sizeof *out);
        operands_end();
    }
    free(want);
}

/* The nearest bfloat16, found by comparing distances to both neighbours. */
static uint16_t encode_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint16_t low = (uint16_t)(bits >> 16);
    if (isnan(x))
        return (uint16_t)(low | 0x40);
    if (isinf(x))
        return low;
    /* The next number away from 0; after the largest comes 2^128, which stands for infinity. */
    const uint16_t high = (uint16_t)(low + 1);
    const double below = (double)decode(low);
    const double above = (high & 0x7FFF) == 0x7F80 ? copysign(0x1p128, below) : (double)decode(high);
    const double to_below = fabs((double)x - below), to_above = fabs(above - (double)x);
    return to_below < to_above || (to_below == to_above && low % 2 == 0) ? low : high;
}

void check_f32_to_bf16(const check *t, f32_to_bf16_fn *fn)
{
    (void)t;
    static const uint32_t lower[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
    for (size_t l = 0; l < 7 && !given_up(); l++) {
        describe("all upper halves, lower half %zu", l);
        float *x = operand_f32(ALL);
        uint16_t *y = operand(ALL, sizeof *y);
        for (uint32_t i = 0; i < ALL; i++) {
            const uint32_t bits = i << 16 | (l < 6 ? lower[l] : (uint32_t)random_bits() & 0xFFFF);
            memcpy(&x[i], &bits, sizeof bits);
        }
        fn(ALL, x, y);
        for (uint32_t i = 0; i < ALL && !given_up(); i++) {
            const uint16_t want = encode_bf16(x[i]);
            if (y[i] != want)
                fail("%a becomes %#x, not %#x", (double)x[i], (unsigned)y[i], (unsigned)want);
        }
        operands_end();
    }
    for (size_t n = 0; n <= 70 && !given_up(); n++) {
        describe("n %zu", n);
        float *x = operand_f32(n);
        uint16_t *y = operand(n, sizeof *y), want[70];
        for (size_t i = 0; i < n; i++) {
            x[i] = random_value(VALUES_SPECIAL);
            want[i] = encode_bf16(x[i]);
        }
        fn(n, x, y);
        same_bytes("y", y, want, n, sizeof *y);
        operands_end();
    }
}

void check_add_bf16(const check *t, add_bf16_fn *fn)
{
    (void)t;
    for (size_t i = 0; i < 300 && !given_up(); i++) {
        const size_t n = i < 80 ? i : random_below(600);
        describe("n %zu", n);
        uint16_t *x = operand(n, sizeof *x), *y = operand(n, sizeof *y), *z = i % 3 ? operand(n, sizeof *z) : x,
                 want[600];
        for (size_t j = 0; j < n; j++) {
            x[j] = encode_bf16(random_value(i % 2 ? VALUES_WIDE : VALUES_PLAIN));
            y[j] = encode_bf16(random_value(VALUES_PLAIN));
            const float sum = decode(x[j]) + decode(y[j]);
            /* A sum that cancels may be subnormal, which may count as 0. */
            want[j] = fabsf(sum) < 0x1p-126f ? 0 : encode_bf16(sum);
        }
        fn(n, x, y, z);
        for (size_t j = 0; j < n && !given_up(); j++)
            if (z[j] != want[j] && !(want[j] == 0 && fabsf(decode(z[j])) < 0x1p-126f))
                fail("z[%zu] is %#x, not %#x", j, (unsigned)z[j], (unsigned)want[j]);
        operands_end();
    }
}

/* ---- timing ---- */

enum { COUNT = 16384 };
typedef struct job {
    bf16_to_f32_fn *from;
    f32_to_bf16_fn *to;
    add_bf16_fn *add;
    float *wide;
    uint16_t *narrow;
} job;

static void run(void *arg)
{
    const job *j = arg;
    if (j->add)
        j->add(COUNT, j->narrow, j->narrow, j->narrow);
    else if (j->from)
        j->from(COUNT, j->narrow, j->wide);
    else
        j->to(COUNT, j->wide, j->narrow);
}

static void bench_convert(const check *t, bf16_to_f32_fn *from, f32_to_bf16_fn *to, add_bf16_fn *add)
{
    job j = {from, to, add, calloc(COUNT, sizeof(float)), calloc(COUNT, sizeof(uint16_t))};
    if (!j.wide || !j.narrow)
        exit(2);
    bench(t, "16384 in cache", 6.0 * COUNT, "GB/s", run, &j);
    free(j.wide);
    free(j.narrow);
}

void bench_bf16_to_f32(const check *t, bf16_to_f32_fn *fn)
{
    bench_convert(t, fn, NULL, NULL);
}

void bench_f32_to_bf16(const check *t, f32_to_bf16_fn *fn)
{
    bench_convert(t, NULL, fn, NULL);
}

void bench_add_bf16(const check *t, add_bf16_fn *fn)
{
    bench_convert(t, NULL, NULL, fn);
}
