/* Storage types: every input of 16 bits, and floats around every rounding, to the bit. */
#include "kernels/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 65536 };

/* The value of a number with a sign, `exponent_bits` and `fraction_bits`; an infinity or a NaN as the float that
 * extends it. */
static float decode(uint32_t x, int exponent_bits, int fraction_bits)
{
    const uint32_t fraction = x & ((1u << fraction_bits) - 1u);
    const uint32_t exponent = x >> fraction_bits & ((1u << exponent_bits) - 1u), top = (1u << exponent_bits) - 1u;
    const bool negative = x >> (exponent_bits + fraction_bits) & 1u;
    if (exponent == top) {
        /* bfloat16 is the upper half of a float as it is; from float16, NaN becomes quiet */
        uint32_t bits = (uint32_t)negative << 31 | 0x7F800000u | fraction << (23 - fraction_bits);
        if (fraction && exponent_bits != 8)
            bits |= 0x400000u;
        float f;
        memcpy(&f, &bits, sizeof f);
        return f;
    }
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const double significand = exponent ? (double)(fraction + (1u << fraction_bits)) : (double)fraction;
    const double value = ldexp(significand, (exponent ? (int)exponent : 1) - bias - fraction_bits);
    return (float)(negative ? -value : value);
}

static void check_decode(bf16_to_f32_fn *fn, int exponent_bits, int fraction_bits)
{
    float *want = malloc(ALL * sizeof *want);
    if (!want)
        exit(2);
    for (uint32_t i = 0; i < ALL; i++)
        want[i] = decode(i, exponent_bits, fraction_bits);
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

void check_bf16_to_f32(const check *t, bf16_to_f32_fn *fn)
{
    (void)t;
    check_decode(fn, 8, 7);
}

void check_f16_to_f32(const check *t, f16_to_f32_fn *fn)
{
    (void)t;
    check_decode(fn, 5, 10);
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
    const double below = (double)decode(low, 8, 7);
    const double above = (high & 0x7FFF) == 0x7F80 ? copysign(0x1p128, below) : (double)decode(high, 8, 7);
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

/* ---- timing ---- */

enum { COUNT = 16384 };
typedef struct job {
    bf16_to_f32_fn *from;
    f32_to_bf16_fn *to;
    float *wide;
    uint16_t *narrow;
} job;

static void run(void *arg)
{
    const job *j = arg;
    if (j->from)
        j->from(COUNT, j->narrow, j->wide);
    else
        j->to(COUNT, j->wide, j->narrow);
}

static void bench_convert(const check *t, bf16_to_f32_fn *from, f32_to_bf16_fn *to)
{
    job j = {from, to, calloc(COUNT, sizeof(float)), calloc(COUNT, sizeof(uint16_t))};
    if (!j.wide || !j.narrow)
        exit(2);
    bench(t, "16384 in cache", 6.0 * COUNT, "GB/s", run, &j);
    free(j.wide);
    free(j.narrow);
}

void bench_bf16_to_f32(const check *t, bf16_to_f32_fn *fn)
{
    bench_convert(t, fn, NULL);
}

void bench_f16_to_f32(const check *t, f16_to_f32_fn *fn)
{
    bench_convert(t, fn, NULL);
}

void bench_f32_to_bf16(const check *t, f32_to_bf16_fn *fn)
{
    bench_convert(t, NULL, fn);
}
