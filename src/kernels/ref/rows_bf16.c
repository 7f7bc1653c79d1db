/* Operators on rows with bfloat16 results. */
#include "kernels/ref/bf16.h"

#include <math.h>

void k_layernorm_bf16_ref(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                          float eps, uint16_t *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        float sum = 0.0f, square = 0.0f;
        for (size_t j = 0; j < c; j++)
            sum += x[j];
        float mean = sum / (float)c;
        for (size_t j = 0; j < c; j++)
            square += (x[j] - mean) * (x[j] - mean);
        float scale = 1.0f / sqrtf(square / (float)c + eps);
        for (size_t j = 0; j < c; j++)
            y[j] = ref_to_bf16((x[j] - mean) * scale * gamma[j] + beta[j]);
    }
}

void k_softmax_step_bf16_ref(size_t rows, size_t n, const float *s, size_t lds, float factor, uint16_t *p, size_t ldp,
                             float *max_, float *sum, float *scale)
{
    for (size_t i = 0; i < rows; i++, s += lds, p += ldp) {
        float largest = s[0], total = 0.0f;
        for (size_t j = 1; j < n; j++)
            if (s[j] > largest)
                largest = s[j];
        largest *= factor;
        if (largest < max_[i])
            largest = max_[i];
        for (size_t j = 0; j < n; j++) {
            float e = expf(factor * s[j] - largest);
            p[j] = ref_to_bf16(e);
            total += e;
        }
        scale[i] = expf(max_[i] - largest); /* expf(-infinity) is 0 */
        sum[i] = sum[i] * scale[i] + total;
        max_[i] = largest;
    }
}
