/* Operators on rows with bfloat16 results, for two levels: KERNEL_NAME(op) names the functions, and the conversion to
 * bfloat16 is the best that the including file is compiled for. */
#include "kernels/x86/avx512/moments.h"

#include <math.h>

/* Bytes from what is read to what will be: maps come from beyond the second-level cache, and a row is read faster than
 * the processor looks ahead by itself. */
#define AHEAD 4096

static inline void fetch_ahead(const float *x)
{
    _mm_prefetch((const char *)((uintptr_t)x + AHEAD), _MM_HINT_T0);
    _mm_prefetch((const char *)((uintptr_t)x + AHEAD + 64), _MM_HINT_T0);
}

/* 32 values at once. */
static inline void put_two_bf16(uint16_t *y, __m512 v0, __m512 v1)
{
#if defined(__AVX512BF16__)
    _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(v1, v0));
#else
    _mm256_storeu_si256((__m256i *)y, to_bf16(v0));
    _mm256_storeu_si256((__m256i *)(y + 16), to_bf16(v1));
#endif
}

void KERNEL_NAME(layernorm_bf16)(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma,
                                 const float *beta, float eps, uint16_t *y, size_t ldy)
{
    four turns[2];
    const four *f = four_begin(turns, rows, 0, c, x, ldx, eps), *next;
    for (size_t i = 0; i < rows; i += 4, f = next) {
        for (size_t j = 0; j < c; j += 32)
            for (int r = 0; r < 4; r++)
                fetch_ahead(f->at[r] + j);
        next = four_begin(turns, rows, i + 4, c, x, ldx, eps);
        size_t j = 0;
        for (; j + 32 <= c; j += 32) {
            const __m512 g0 = _mm512_loadu_ps(gamma + j), b0 = _mm512_loadu_ps(beta + j);
            const __m512 g1 = _mm512_loadu_ps(gamma + j + 16), b1 = _mm512_loadu_ps(beta + j + 16);
            for (int r = 0; r < 4; r++) {
                __m512 v0 = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(f->at[r] + j), f->mean[r]), f->scale[r]);
                __m512 v1 = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(f->at[r] + j + 16), f->mean[r]), f->scale[r]);
                put_two_bf16(y + f->row[r] * ldy + j, _mm512_fmadd_ps(v0, g0, b0), _mm512_fmadd_ps(v1, g1, b1));
            }
        }
        for (; j < c; j += 16) {
            const __mmask16 mask = lanes(c - j);
            const __m512 g = _mm512_maskz_loadu_ps(mask, gamma + j), b = _mm512_maskz_loadu_ps(mask, beta + j);
            for (int r = 0; r < 4; r++) {
                __m512 v =
                    _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, f->at[r] + j), f->mean[r]), f->scale[r]);
                _mm256_mask_storeu_epi16(y + f->row[r] * ldy + j, mask, to_bf16_fast(_mm512_fmadd_ps(v, g, b)));
            }
        }
    }
}

void KERNEL_NAME(softmax_step_bf16)(size_t rows, size_t n, const float *s, size_t lds, float factor, uint16_t *p,
                                    size_t ldp, float *max_, float *sum, float *scale)
{
    const __m512 step = _mm512_set1_ps(factor * LOG2_E);
    float next = rows ? row_max_f32(-INFINITY, n, s) : 0.0f;
    for (size_t i = 0; i < rows; i++, s += lds, p += ldp) {
        /* The next row's largest score before this one's exponentials, which it then need not wait for. */
        const float top = next, here = factor * top;
        if (i + 1 < rows)
            next = row_max_f32(-INFINITY, n, s + lds);
        size_t j;
        /* The difference is taken before the factor: one that is huge cancels without the rounding of a product. */
        const float largest = here > max_[i] ? here : max_[i];
        const __m512 least = _mm512_set1_ps(here > max_[i] ? top : largest / factor);
        __m512 t0 = _mm512_setzero_ps(), t1 = t0;
        for (j = 0; j + 32 <= n; j += 32) {
            __m512 e0 = short_exp2_f32(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(s + j), least), step));
            __m512 e1 = short_exp2_f32(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(s + j + 16), least), step));
            put_two_bf16(p + j, e0, e1);
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
