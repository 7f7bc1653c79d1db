/* Storage types. */
#include "kernels/ref/bf16.h"

#include <string.h>

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

void k_bf16_to_f32_ref(size_t n, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = ref_bf16(x[i]);
}

void k_f16_to_f32_ref(size_t n, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t sign = (uint32_t)(x[i] & 0x8000) << 16, exponent = x[i] >> 10 & 31, fraction = x[i] & 1023;
        if (exponent == 31) /* infinity; NaN, made quiet as by the processors' own conversion */
            y[i] = from_bits(sign | 0x7F800000u | fraction << 13 | (fraction ? 0x400000u : 0u));
        else if (exponent) /* normal: the bias goes from 15 to 127 */
            y[i] = from_bits(sign | (exponent + 112) << 23 | fraction << 13);
        else { /* zero, subnormal: a multiple of 2^-24 */
            float magnitude = (float)fraction * 0x1p-24f;
            y[i] = sign ? -magnitude : magnitude;
        }
    }
}

void k_f32_to_bf16_ref(size_t n, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = ref_to_bf16(x[i]);
}
