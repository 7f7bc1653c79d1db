/* Arithmetic on sizes from outside: true when the result is exact, false (and *out unspecified) when it would wrap. */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool checked_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* True when [offset, offset + length) lies within [0, size). */
static inline bool checked_range(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

/* value rounded up to a multiple of `step` (a power of two). */
static inline size_t round_up(size_t value, size_t step)
{
    return (value + step - 1) & ~(step - 1);
}

#endif
