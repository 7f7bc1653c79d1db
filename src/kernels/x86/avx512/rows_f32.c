/* Operators on rows: LayerNorm, softmax, division, activation. A reduction takes its row in an order fixed by the row's
 * width. */
#include "kernels/x86/avx512/moments.h"

#include <math.h>

/* `count` of the four rows; a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void layernorm_four(const size_t count, const four *f, size_t c,
                                                                 const float *gamma, const float *beta,
                                                                 const activation act, float *y, size_t ldy)
{
    for (size_t j = 0; j < c; j += 16) {
        const __mmask16 mask = lanes(c - j);
        const __m512 g = _mm512_maskz_loadu_ps(mask, gamma + j), b = _mm512_maskz_loadu_ps(mask, beta + j);
        for (size_t r = 0; r < count; r++) {
            __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, f->at[r] + j), f->mean[r]);
            v = _mm512_fmadd_ps(_mm512_mul_ps(v, f->scale[r]), g, b);
            _mm512_mask_storeu_ps(y + f->row[r] * ldy + j, mask, act_f32(act, v));
        }
    }
}

void k_layernorm_f32_avx512(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                            float eps, activation act, float *y, size_t ldy)
{
    four turns[2];
    const four *f = four_begin(turns, rows, 0, c, x, ldx, eps), *next;
    for (size_t i = 0; i < rows; i += 4, f = next) {
        next = four_begin(turns, rows, i + 4, c, x, ldx, eps);
        if (rows - i >= 4)
            layernorm_four(4, f, c, gamma, beta, act, y, ldy);
        else /* y may be x: a row that stands for others is not taken twice */
            layernorm_four(rows - i, f, c, gamma, beta, act, y, ldy);
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
