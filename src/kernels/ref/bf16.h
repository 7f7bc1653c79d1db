/* bfloat16, one number at a time. */
#ifndef KERNELS_REF_BF16_H
#define KERNELS_REF_BF16_H

#include "kernels/kernels.h"

#include <string.h>

static inline float ref_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

/* To nearest, ties to even; NaN becomes a quiet one, so that cutting its fraction leaves a NaN. */
static inline uint16_t ref_to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

#endif
