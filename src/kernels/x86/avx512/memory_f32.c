/* What memory attention and the memory encoder need besides products. */
#include "kernels/x86/avx512/math.h"

void k_rotate_f32_avx512(size_t n, const float *x, const float *cosine, const float *sine, float *y)
{
    for (size_t i = 0; i < n / 2 * 2; i += 16) {
        const __mmask16 mask = lanes(n / 2 * 2 - i);
        __m512 v = _mm512_maskz_loadu_ps(mask, x + i), swapped = _mm512_permute_ps(v, 0xB1);
        __m512 turned = _mm512_mul_ps(swapped, _mm512_maskz_loadu_ps(mask, sine + i));
        _mm512_mask_storeu_ps(y + i, mask, _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(mask, cosine + i), turned));
    }
}

void k_depthwise_f32_avx512(size_t n, size_t taps, const float *const *x, const float *const *weight, const float *bias,
                            float *y)
{
    size_t c = 0;
    for (; c + 64 <= n; c += 64) {
        __m512 sum[4];
        for (int i = 0; i < 4; i++)
            sum[i] = _mm512_loadu_ps(bias + c + 16 * i);
        for (size_t t = 0; t < taps; t++)
            for (int i = 0; i < 4; i++)
                sum[i] = _mm512_fmadd_ps(_mm512_loadu_ps(weight[t] + c + 16 * i), _mm512_loadu_ps(x[t] + c + 16 * i),
                                         sum[i]);
        for (int i = 0; i < 4; i++)
            _mm512_storeu_ps(y + c + 16 * i, sum[i]);
    }
    for (; c < n; c += 16) {
        const __mmask16 mask = lanes(n - c);
        __m512 sum = _mm512_maskz_loadu_ps(mask, bias + c);
        for (size_t t = 0; t < taps; t++)
            sum =
                _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, weight[t] + c), _mm512_maskz_loadu_ps(mask, x[t] + c), sum);
        _mm512_mask_storeu_ps(y + c, mask, sum);
    }
}
