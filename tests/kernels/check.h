/* What the checks of kernels share: random numbers, operands between guard pages, comparison, timing. The program is
 * single-threaded and keeps its state in check.c. */
#ifndef TESTS_KERNELS_CHECK_H
#define TESTS_KERNELS_CHECK_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The variant at hand. */
typedef struct check {
    const char *op;
    cpu_isa isa;
    kernels table; /* all kernels of this level and below: its block sizes, its packing */
} check;

/* Every operation of the registry has a check and a benchmark; a kernel without them does not link. */
#define OP(op)                                                                                                         \
    void check_##op(const check *t, op##_fn *fn);                                                                      \
    void bench_##op(const check *t, op##_fn *fn);
#define KERNEL(op, isa)
#define BLOCK_NAME(name)
#define BLOCK(name, isa, value)
#include "kernels/registry.inc"

/* ---- random numbers ---- */

void random_seed(uint64_t seed);
uint64_t random_bits(void);
size_t random_below(size_t n);          /* 0 ... n - 1 */
size_t random_from(size_t a, size_t b); /* a ... b */
float random_float(float low, float high);

typedef enum values {
    VALUES_PLAIN,  /* -1 to 1 */
    VALUES_WIDE,   /* magnitudes 2^-20 to 2^20 */
    VALUES_SPECIAL /* plain ones with zeros, subnormal numbers, infinities, NaN and the largest numbers among them */
} values;
float random_value(values kind);

/* ---- operands ---- */

/* Room for `count` elements of `size` bytes, until the next operands_end(): it ends right before an unreadable page,
 * begins right after one, or lies at an odd number of elements from a multiple of 64 bytes, by chance. Its bytes are a
 * pattern that is a NaN as a float. */
void *operand(size_t count, size_t size);
float *operand_f32(size_t count);

/* The same from a copy of `from`. */
void *operand_copy(const void *from, size_t count, size_t size);

/* Checks that nothing around the operands has changed, and takes them all back. */
void operands_end(void);

/* ---- results ---- */

/* What is being tried, printed with every failure and after a crash. */
void describe(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The kernel at hand has failed often enough that more would only hide the first. */
bool given_up(void);

/* got is want, to the bit. */
bool same_bytes(const char *what, const void *got, const void *want, size_t count, size_t size);

/* got is want to the bit, any NaN for any other. */
bool same_f32(const char *what, const float *got, const float *want, size_t count);

/* |got - want| <= limit, or both are NaN, or the same infinity. */
bool near_f32(const char *what, size_t index, float got, double want, double limit);

/* The distance of neighbouring floats at x. */
double ulp(double x);

#define EPSILON 0x1p-24 /* half an ULP of 1: the largest relative error of one rounding */

/* x/2 erfc(-x / sqrt 2) */
double gelu_f64(double x);

/* ---- timing ---- */

double now(void); /* seconds */

/* Multiply-adds in registers: this core's GFLOP/s at a level, measured anew. */
double peak_gflops(cpu_isa isa);

/* Times calls of run(arg) and prints the median with `work` units (in FLOP for "GFLOP/s", beside the peak; bytes for
 * "GB/s") a call. */
void bench(const check *t, const char *shape, double work, const char *unit, void (*run)(void *arg), void *arg);

#endif
