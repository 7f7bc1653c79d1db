/* Operators with bfloat16 results that the mask decoder has between its products, for two levels as rows_bf16.h. */
#include "kernels/x86/avx512/math.h"

#include <math.h>

/* A row's mean, and one by its deviation. */
static inline __m512 row_mean(const float *x, size_t c)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0;
    size_t j = 0;
    for (; j + 32 <= c; j += 32) {
        s0 = _mm512_add_ps(s0, _mm512_loadu_ps(x + j));
        s1 = _mm512_add_ps(s1, _mm512_loadu_ps(x + j + 16));
    }
    for (; j < c; j += 16)
        s0 = _mm512_add_ps(s0, _mm512_maskz_loadu_ps(lanes(c - j), x + j));
    return _mm512_set1_ps(sum_f32(_mm512_add_ps(s0, s1)) / (float)c);
}

static inline __m512 row_scale(const float *x, size_t c, __m512 mean, float eps)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0;
    size_t j = 0;
    for (; j + 32 <= c; j += 32) {
        __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(x + j), mean), d1 = _mm512_sub_ps(_mm512_loadu_ps(x + j + 16), mean);
        s0 = _mm512_fmadd_ps(d0, d0, s0);
        s1 = _mm512_fmadd_ps(d1, d1, s1);
    }
    for (; j < c; j += 16) {
        __m512 d = _mm512_maskz_sub_ps(lanes(c - j), _mm512_maskz_loadu_ps(lanes(c - j), x + j), mean);
        s0 = _mm512_fmadd_ps(d, d, s0);
    }
    return _mm512_set1_ps(1.0f / sqrtf(sum_f32(_mm512_add_ps(s0, s1)) / (float)c + eps));
}

static inline __m512 normalise(__mmask16 mask, const float *x, __m512 mean, __m512 scale, const float *gamma,
                               const float *beta)
{
    __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x), mean), scale);
    return _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(mask, gamma), _mm512_maskz_loadu_ps(mask, beta));
}

void KERNEL_NAME(layernorm_add_bf16)(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma,
                                     const float *beta, float eps, const uint16_t *add, size_t ldadd, uint16_t *y,
                                     size_t ldy, uint16_t *z, size_t ldz)
{
    for (size_t i = 0; i < rows; i++, x += ldx, add += ldadd, y += ldy, z += ldz) {
        const __m512 mean = row_mean(x, c), scale = row_scale(x, c, mean, eps);
        for (size_t j = 0; j < c; j += 16) {
            const __mmask16 mask = lanes(c - j);
            __m512 v = normalise(mask, x + j, mean, scale, gamma + j, beta + j);
            _mm256_mask_storeu_epi16(y + j, mask, to_bf16_fast(v));
            v = _mm512_add_ps(v, from_bf16(mask, add + j));
            _mm256_mask_storeu_epi16(z + j, mask, to_bf16_fast(v));
        }
    }
}

void KERNEL_NAME(layernorm_gelu_bf16)(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma,
                                      const float *beta, float eps, uint16_t *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        const __m512 mean = row_mean(x, c), scale = row_scale(x, c, mean, eps);
        for (size_t j = 0; j < c; j += 16) {
            const __mmask16 mask = lanes(c - j);
            __m512 v = normalise(mask, x + j, mean, scale, gamma + j, beta + j);
            _mm256_mask_storeu_epi16(y + j, mask, to_bf16_fast(short_gelu_f32(v)));
        }
    }
}

/* Groups of eight lie two members to a vector, others one; halves are joined where `both`. */
static inline __attribute__((always_inline)) void group_row(const bool both, size_t width, size_t count, size_t step,
                                                            const float *s, uint16_t *p)
{
    const __m512 lowest = _mm512_set1_ps(-INFINITY), log2_e = _mm512_set1_ps(LOG2_E);
    __m512 largest = lowest, sum = _mm512_setzero_ps();
    for (size_t j = 0; j < count; j += step)
        largest = _mm512_max_ps(largest, _mm512_mask_loadu_ps(lowest, lanes(both ? count - j : width), s + j));
    if (both)
        largest = _mm512_max_ps(largest, _mm512_shuffle_f32x4(largest, largest, 0x4E));
    for (size_t j = 0; j < count; j += step) {
        const __mmask16 mask = lanes(both ? count - j : width);
        __m512 d = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, s + j), largest);
        sum = _mm512_mask_add_ps(sum, mask, sum, short_exp2_f32(_mm512_mul_ps(d, log2_e)));
    }
    if (both)
        sum = _mm512_add_ps(sum, _mm512_shuffle_f32x4(sum, sum, 0x4E));
    const __m512 inverse = _mm512_div_ps(_mm512_set1_ps(1.0f), sum);
    for (size_t j = 0; j < count; j += step) {
        const __mmask16 mask = lanes(both ? count - j : width);
        __m512 d = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, s + j), largest);
        __m512 e = _mm512_mul_ps(short_exp2_f32(_mm512_mul_ps(d, log2_e)), inverse);
        _mm256_mask_storeu_epi16(p + j, mask, to_bf16_fast(e));
    }
}

void KERNEL_NAME(softmax_groups_bf16)(size_t rows, size_t groups, size_t n, const float *s, size_t lds, uint16_t *p,
                                      size_t ldp)
{
    for (size_t i = 0; i < rows; i++, s += lds, p += ldp)
        if (groups == 8)
            group_row(true, 16, 8 * n, 16, s, p);
        else
            for (size_t g = 0; g < groups; g += 16)
                group_row(false, groups - g, n * groups, groups, s + g, p + g);
}
