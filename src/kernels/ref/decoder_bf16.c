/* Operators with bfloat16 results that the mask decoder has between its products. */
#include "kernels/ref/act.h"
#include "kernels/ref/bf16.h"

#include <math.h>

static void statistics(const float *x, size_t c, float eps, float *mean, float *scale)
{
    float sum = 0.0f, square = 0.0f;
    for (size_t j = 0; j < c; j++)
        sum += x[j];
    *mean = sum / (float)c;
    for (size_t j = 0; j < c; j++)
        square += (x[j] - *mean) * (x[j] - *mean);
    *scale = 1.0f / sqrtf(square / (float)c + eps);
}

void k_layernorm_add_bf16_ref(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                              float eps, const uint16_t *add, size_t ldadd, uint16_t *y, size_t ldy, uint16_t *z,
                              size_t ldz)
{
    for (size_t i = 0; i < rows; i++, x += ldx, add += ldadd, y += ldy, z += ldz) {
        float mean, scale;
        statistics(x, c, eps, &mean, &scale);
        for (size_t j = 0; j < c; j++) {
            float v = (x[j] - mean) * scale * gamma[j] + beta[j];
            y[j] = ref_to_bf16(v);
            z[j] = ref_to_bf16(v + ref_bf16(add[j]));
        }
    }
}

void k_layernorm_gelu_bf16_ref(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                               float eps, uint16_t *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        float mean, scale;
        statistics(x, c, eps, &mean, &scale);
        for (size_t j = 0; j < c; j++)
            y[j] = ref_to_bf16(ref_act(ACT_GELU, (x[j] - mean) * scale * gamma[j] + beta[j]));
    }
}

void k_softmax_groups_bf16_ref(size_t rows, size_t groups, size_t n, const float *s, size_t lds, uint16_t *p,
                               size_t ldp)
{
    for (size_t i = 0; i < rows; i++, s += lds, p += ldp)
        for (size_t g = 0; g < groups; g++) {
            float largest = s[g], sum = 0.0f;
            for (size_t j = 1; j < n; j++)
                largest = s[j * groups + g] > largest ? s[j * groups + g] : largest;
            for (size_t j = 0; j < n; j++)
                sum += expf(s[j * groups + g] - largest);
            for (size_t j = 0; j < n; j++)
                p[j * groups + g] = ref_to_bf16(expf(s[j * groups + g] - largest) / sum);
        }
}

void k_add_bf16_ref(size_t n, const uint16_t *x, const uint16_t *y, uint16_t *z)
{
    for (size_t j = 0; j < n; j++)
        z[j] = ref_to_bf16(ref_bf16(x[j]) + ref_bf16(y[j]));
}
