/* bfloat16. */
#include "kernels/ref/bf16.h"

void k_bf16_to_f32_ref(size_t n, const uint16_t *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = ref_bf16(x[i]);
}

void k_f32_to_bf16_ref(size_t n, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = ref_to_bf16(x[i]);
}
