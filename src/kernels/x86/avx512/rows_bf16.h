/* Operators on rows with bfloat16 results, for two levels: KERNEL_NAME(op) names the functions, and the conversion to
 * bfloat16 is the best that the including file is compiled for. */
#include "kernels/x86/avx512/math.h"

#include <math.h>

/* Bytes from what is read to what will be: maps come from beyond the second-level cache, and a row is read faster than
 * the processor looks ahead by itself. */
#define AHEAD 4096

static inline void fetch_ahead(const float *x)
{
    _mm_prefetch((const char *)((uintptr_t)x + AHEAD), _MM_HINT_T0);
    _mm_prefetch((const char *)((uintptr_t)x + AHEAD + 64), _MM_HINT_T0);
}

void KERNEL_NAME(layernorm_bf16)(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma,
                                 const float *beta, float eps, uint16_t *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        __m512 s0 = _mm512_setzero_ps(), s1 = s0;
        size_t j = 0;
        for (; j + 32 <= c; j += 32) {
            s0 = _mm512_add_ps(s0, _mm512_loadu_ps(x + j));
            s1 = _mm512_add_ps(s1, _mm512_loadu_ps(x + j + 16));
            fetch_ahead(x + j);
        }
        for (; j < c; j += 16)
            s0 = _mm512_add_ps(s0, _mm512_maskz_loadu_ps(lanes(c - j), x + j));
        const __m512 mean = _mm512_set1_ps(sum_f32(_mm512_add_ps(s0, s1)) / (float)c);
        s0 = s1 = _mm512_setzero_ps();
        for (j = 0; j + 32 <= c; j += 32) {
            __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(x + j), mean),
                   d1 = _mm512_sub_ps(_mm512_loadu_ps(x + j + 16), mean);
            s0 = _mm512_fmadd_ps(d0, d0, s0);
            s1 = _mm512_fmadd_ps(d1, d1, s1);
        }
        for (; j < c; j += 16) {
            __m512 d = _mm512_maskz_sub_ps(lanes(c - j), _mm512_maskz_loadu_ps(lanes(c - j), x + j), mean);
            s0 = _mm512_fmadd_ps(d, d, s0);
        }
        const __m512 scale = _mm512_set1_ps(1.0f / sqrtf(sum_f32(_mm512_add_ps(s0, s1)) / (float)c + eps));
        for (j = 0; j + 16 <= c; j += 16) {
            __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + j), mean), scale);
            v = _mm512_fmadd_ps(v, _mm512_loadu_ps(gamma + j), _mm512_loadu_ps(beta + j));
            _mm256_storeu_si256((__m256i *)(y + j), to_bf16_fast(v));
        }
        if (j < c) {
            const __mmask16 mask = lanes(c - j);
            __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + j), mean), scale);
            v = _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(mask, gamma + j), _mm512_maskz_loadu_ps(mask, beta + j));
            _mm256_mask_storeu_epi16(y + j, mask, to_bf16_fast(v));
        }
    }
}

void KERNEL_NAME(softmax_step_bf16)(size_t rows, size_t n, const float *s, size_t lds, float factor, uint16_t *p,
                                    size_t ldp, float *max_, float *sum, float *scale)
{
    const __m512 lowest = _mm512_set1_ps(-INFINITY), step = _mm512_set1_ps(factor * LOG2_E);
    for (size_t i = 0; i < rows; i++, s += lds, p += ldp) {
        __m512 m0 = lowest, m1 = lowest;
        size_t j = 0;
        for (; j + 32 <= n; j += 32) {
            m0 = _mm512_max_ps(m0, _mm512_loadu_ps(s + j));
            m1 = _mm512_max_ps(m1, _mm512_loadu_ps(s + j + 16));
        }
        for (; j < n; j += 16)
            m0 = _mm512_max_ps(m0, _mm512_mask_loadu_ps(lowest, lanes(n - j), s + j));
        /* The difference is taken before the factor: one that is huge cancels without the rounding of a product. */
        const float top = max_f32(_mm512_max_ps(m0, m1)), here = factor * top;
        const float largest = here > max_[i] ? here : max_[i];
        const __m512 least = _mm512_set1_ps(here > max_[i] ? top : largest / factor);
        __m512 t0 = _mm512_setzero_ps(), t1 = t0;
        for (j = 0; j + 32 <= n; j += 32) {
            __m512 e0 = short_exp2_f32(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(s + j), least), step));
            __m512 e1 = short_exp2_f32(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(s + j + 16), least), step));
            _mm256_storeu_si256((__m256i *)(p + j), to_bf16_fast(e0));
            _mm256_storeu_si256((__m256i *)(p + j + 16), to_bf16_fast(e1));
            t0 = _mm512_add_ps(t0, e0);
            t1 = _mm512_add_ps(t1, e1);
        }
        for (; j < n; j += 16) {
            const __mmask16 mask = lanes(n - j);
            __m512 e = short_exp2_f32(_mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, s + j), least), step));
            _mm256_mask_storeu_epi16(p + j, mask, to_bf16_fast(e));
            t0 = _mm512_mask_add_ps(t0, mask, t0, e);
        }
        scale[i] = _mm512_cvtss_f32(exp_f32(_mm512_set1_ps(max_[i] - largest)));
        sum[i] = sum[i] * scale[i] + sum_f32(_mm512_add_ps(t0, t1));
        max_[i] = largest;
    }
}
