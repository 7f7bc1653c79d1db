/* What memory attention and the memory encoder need besides products. */
#include "kernels/kernels.h"

#include <immintrin.h>

void k_rotate_f32_avx2(size_t n, const float *x, const float *cosine, const float *sine, float *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i), swapped = _mm256_permute_ps(v, 0xB1);
        __m256 turned = _mm256_mul_ps(swapped, _mm256_loadu_ps(sine + i));
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(v, _mm256_loadu_ps(cosine + i), turned));
    }
    for (; i + 2 <= n; i += 2) {
        float a = x[i], b = x[i + 1];
        y[i] = __builtin_fmaf(a, cosine[i], b * sine[i]);
        y[i + 1] = __builtin_fmaf(b, cosine[i + 1], a * sine[i + 1]);
    }
}

void k_depthwise_f32_avx2(size_t n, size_t taps, const float *const *x, const float *const *weight, const float *bias,
                          float *y)
{
    size_t c = 0;
    for (; c + 32 <= n; c += 32) {
        __m256 sum[4];
        for (int i = 0; i < 4; i++)
            sum[i] = _mm256_loadu_ps(bias + c + 8 * i);
        for (size_t t = 0; t < taps; t++)
            for (int i = 0; i < 4; i++)
                sum[i] =
                    _mm256_fmadd_ps(_mm256_loadu_ps(weight[t] + c + 8 * i), _mm256_loadu_ps(x[t] + c + 8 * i), sum[i]);
        for (int i = 0; i < 4; i++)
            _mm256_storeu_ps(y + c + 8 * i, sum[i]);
    }
    for (; c < n; c++) {
        float sum = bias[c];
        for (size_t t = 0; t < taps; t++)
            sum = __builtin_fmaf(weight[t][c], x[t][c], sum);
        y[c] = sum;
    }
}
