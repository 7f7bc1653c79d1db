/* Operators on rows: LayerNorm, softmax, division, activation. A reduction takes its row in an order fixed by the row's
 * width. */
#include "kernels/x86/avx512/math.h"

#include <math.h>

void k_layernorm_f32_avx512(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                            float eps, activation act, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
        size_t j = 0;
        for (; j + 64 <= c; j += 64) {
            s0 = _mm512_add_ps(s0, _mm512_loadu_ps(x + j));
            s1 = _mm512_add_ps(s1, _mm512_loadu_ps(x + j + 16));
            s2 = _mm512_add_ps(s2, _mm512_loadu_ps(x + j + 32));
            s3 = _mm512_add_ps(s3, _mm512_loadu_ps(x + j + 48));
        }
        for (; j < c; j += 16)
            s0 = _mm512_add_ps(s0, _mm512_maskz_loadu_ps(lanes(c - j), x + j));
        float total = sum_f32(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));

        const __m512 mean = _mm512_set1_ps(total / (float)c);
        s0 = s1 = s2 = s3 = _mm512_setzero_ps();
        for (j = 0; j + 64 <= c; j += 64) {
            __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(x + j), mean),
                   d1 = _mm512_sub_ps(_mm512_loadu_ps(x + j + 16), mean);
            __m512 d2 = _mm512_sub_ps(_mm512_loadu_ps(x + j + 32), mean),
                   d3 = _mm512_sub_ps(_mm512_loadu_ps(x + j + 48), mean);
            s0 = _mm512_fmadd_ps(d0, d0, s0);
            s1 = _mm512_fmadd_ps(d1, d1, s1);
            s2 = _mm512_fmadd_ps(d2, d2, s2);
            s3 = _mm512_fmadd_ps(d3, d3, s3);
        }
        for (; j < c; j += 16) {
            __m512 d = _mm512_maskz_sub_ps(lanes(c - j), _mm512_maskz_loadu_ps(lanes(c - j), x + j), mean);
            s0 = _mm512_fmadd_ps(d, d, s0);
        }
        float square = sum_f32(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));

        const __m512 scale = _mm512_set1_ps(1.0f / sqrtf(square / (float)c + eps));
        for (j = 0; j < c; j += 16) {
            const __mmask16 mask = lanes(c - j);
            __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + j), mean), scale);
            v = _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(mask, gamma + j), _mm512_maskz_loadu_ps(mask, beta + j));
            _mm512_mask_storeu_ps(y + j, mask, act_f32(act, v));
        }
    }
}

void k_softmax_step_f32_avx512(size_t rows, size_t n, float *s, size_t lds, float *max_, float *sum, float *scale)
{
    for (size_t i = 0; i < rows; i++, s += lds) {
        const __m512 largest = _mm512_set1_ps(row_max_f32(max_[i], n, s));
        size_t j;
        __m512 t0 = _mm512_setzero_ps(), t1 = t0;
        for (j = 0; j + 32 <= n; j += 32) {
            __m512 e0 = exp_f32(_mm512_sub_ps(_mm512_loadu_ps(s + j), largest));
            __m512 e1 = exp_f32(_mm512_sub_ps(_mm512_loadu_ps(s + j + 16), largest));
            _mm512_storeu_ps(s + j, e0);
            _mm512_storeu_ps(s + j + 16, e1);
            t0 = _mm512_add_ps(t0, e0);
            t1 = _mm512_add_ps(t1, e1);
        }
        for (; j < n; j += 16) {
            const __mmask16 mask = lanes(n - j);
            __m512 e = exp_f32(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, s + j), largest));
            _mm512_mask_storeu_ps(s + j, mask, e);
            t0 = _mm512_mask_add_ps(t0, mask, t0, e);
        }
        scale[i] = _mm512_cvtss_f32(exp_f32(_mm512_sub_ps(_mm512_set1_ps(max_[i]), largest)));
        sum[i] = sum[i] * scale[i] + sum_f32(_mm512_add_ps(t0, t1));
        max_[i] = _mm512_cvtss_f32(largest);
    }
}

void k_add_relative_f32_avx512(size_t rows, size_t first, size_t n, size_t side, const float *vertical, size_t ldv,
                               const float *horizontal, size_t ldh, float *s, size_t lds)
{
    for (size_t i = 0; i < rows; i++, s += lds, vertical += ldv, horizontal += ldh) {
        size_t y = first / side, x = first % side, part;
        for (size_t at = 0; at < n; at += part, x = 0, y++) { /* a row of the map at a time */
            part = side - x < n - at ? side - x : n - at;
            const float *h = horizontal + x;
            float *to = s + at;
            const __m512 v = _mm512_set1_ps(vertical[y]);
            for (size_t j = 0; j < part; j += 16) {
                const __mmask16 mask = lanes(part - j);
                const __m512 both = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, h + j));
                _mm512_mask_storeu_ps(to + j, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to + j), both));
            }
        }
    }
}

void k_divide_rows_f32_avx512(size_t rows, size_t n, const float *x, size_t ldx, const float *divisor, float *y,
                              size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        const __m512 d = _mm512_set1_ps(divisor[i]);
        for (size_t j = 0; j < n; j += 16) {
            const __mmask16 mask = lanes(n - j);
            _mm512_mask_storeu_ps(y + j, mask, _mm512_maskz_div_ps(mask, _mm512_maskz_loadu_ps(mask, x + j), d));
        }
    }
}

void k_activate_f32_avx512(size_t n, activation act, const float *x, float *y)
{
    size_t j = 0;
    for (; j + 32 <= n; j += 32) {
        __m512 a = act_f32(act, _mm512_loadu_ps(x + j)), b = act_f32(act, _mm512_loadu_ps(x + j + 16));
        _mm512_storeu_ps(y + j, a);
        _mm512_storeu_ps(y + j + 16, b);
    }
    for (; j < n; j += 16)
        _mm512_mask_storeu_ps(y + j, lanes(n - j), act_f32(act, _mm512_maskz_loadu_ps(lanes(n - j), x + j)));
}
