/* Operators on rows: LayerNorm, softmax, division, activation. A reduction takes its row in an order fixed by the row's
 * width. */
#include "kernels/x86/avx2/math.h"

#include <math.h>

static inline __m256 load(__m256i mask, const float *x)
{
    return _mm256_maskload_ps(x, mask);
}

/* Eight differences to the mean, 0 in lanes that are masked out. */
static inline __m256 differ(__m256i mask, const float *x, __m256 mean)
{
    return _mm256_and_ps(_mm256_castsi256_ps(mask), _mm256_sub_ps(load(mask, x), mean));
}

static inline __m256 normalise(__m256 x, __m256 mean, __m256 scale, __m256 gamma, __m256 beta)
{
    return _mm256_fmadd_ps(_mm256_mul_ps(_mm256_sub_ps(x, mean), scale), gamma, beta);
}

void k_layernorm_f32_avx2(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                          float eps, activation act, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
        size_t j = 0;
        for (; j + 32 <= c; j += 32) {
            s0 = _mm256_add_ps(s0, _mm256_loadu_ps(x + j));
            s1 = _mm256_add_ps(s1, _mm256_loadu_ps(x + j + 8));
            s2 = _mm256_add_ps(s2, _mm256_loadu_ps(x + j + 16));
            s3 = _mm256_add_ps(s3, _mm256_loadu_ps(x + j + 24));
        }
        for (; j < c; j += 8)
            s0 = _mm256_add_ps(s0, load(lanes(c - j), x + j));
        float total = sum_f32(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));

        const __m256 mean = _mm256_set1_ps(total / (float)c);
        s0 = s1 = s2 = s3 = _mm256_setzero_ps();
        for (j = 0; j + 32 <= c; j += 32) {
            __m256 d0 = _mm256_sub_ps(_mm256_loadu_ps(x + j), mean);
            __m256 d1 = _mm256_sub_ps(_mm256_loadu_ps(x + j + 8), mean);
            __m256 d2 = _mm256_sub_ps(_mm256_loadu_ps(x + j + 16), mean);
            __m256 d3 = _mm256_sub_ps(_mm256_loadu_ps(x + j + 24), mean);
            s0 = _mm256_fmadd_ps(d0, d0, s0);
            s1 = _mm256_fmadd_ps(d1, d1, s1);
            s2 = _mm256_fmadd_ps(d2, d2, s2);
            s3 = _mm256_fmadd_ps(d3, d3, s3);
        }
        for (; j < c; j += 8) {
            __m256 d = differ(lanes(c - j), x + j, mean);
            s0 = _mm256_fmadd_ps(d, d, s0);
        }
        float square = sum_f32(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));

        const __m256 scale = _mm256_set1_ps(1.0f / sqrtf(square / (float)c + eps));
        for (j = 0; j + 8 <= c; j += 8) {
            __m256 v =
                normalise(_mm256_loadu_ps(x + j), mean, scale, _mm256_loadu_ps(gamma + j), _mm256_loadu_ps(beta + j));
            _mm256_storeu_ps(y + j, act_f32(act, v));
        }
        if (j < c) {
            const __m256i mask = lanes(c - j);
            __m256 v = normalise(load(mask, x + j), mean, scale, load(mask, gamma + j), load(mask, beta + j));
            _mm256_maskstore_ps(y + j, mask, act_f32(act, v));
        }
    }
}

void k_softmax_step_f32_avx2(size_t rows, size_t n, float *s, size_t lds, float *max_, float *sum, float *scale)
{
    for (size_t i = 0; i < rows; i++, s += lds) {
        const __m256 before = _mm256_set1_ps(max_[i]);
        const __m256i rest = lanes(n % 8);
        const size_t whole = n - n % 8;
        __m256 m0 = before, m1 = before;
        size_t j = 0;
        for (; j + 16 <= n; j += 16) {
            m0 = _mm256_max_ps(m0, _mm256_loadu_ps(s + j));
            m1 = _mm256_max_ps(m1, _mm256_loadu_ps(s + j + 8));
        }
        if (j < whole)
            m0 = _mm256_max_ps(m0, _mm256_loadu_ps(s + j));
        if (whole < n)
            m1 = _mm256_max_ps(m1, _mm256_blendv_ps(before, load(rest, s + whole), _mm256_castsi256_ps(rest)));
        const __m256 largest = _mm256_set1_ps(max_f32(_mm256_max_ps(m0, m1)));

        __m256 t0 = _mm256_setzero_ps(), t1 = t0;
        for (j = 0; j + 16 <= n; j += 16) {
            __m256 e0 = exp_f32(_mm256_sub_ps(_mm256_loadu_ps(s + j), largest));
            __m256 e1 = exp_f32(_mm256_sub_ps(_mm256_loadu_ps(s + j + 8), largest));
            _mm256_storeu_ps(s + j, e0);
            _mm256_storeu_ps(s + j + 8, e1);
            t0 = _mm256_add_ps(t0, e0);
            t1 = _mm256_add_ps(t1, e1);
        }
        if (j < whole) {
            __m256 e = exp_f32(_mm256_sub_ps(_mm256_loadu_ps(s + j), largest));
            _mm256_storeu_ps(s + j, e);
            t0 = _mm256_add_ps(t0, e);
        }
        if (whole < n) {
            __m256 e = exp_f32(_mm256_sub_ps(load(rest, s + whole), largest));
            _mm256_maskstore_ps(s + whole, rest, e);
            t1 = _mm256_add_ps(t1, _mm256_and_ps(_mm256_castsi256_ps(rest), e));
        }
        scale[i] = _mm256_cvtss_f32(exp_f32(_mm256_sub_ps(before, largest)));
        sum[i] = sum[i] * scale[i] + sum_f32(_mm256_add_ps(t0, t1));
        max_[i] = _mm256_cvtss_f32(largest);
    }
}

void k_add_relative_f32_avx2(size_t rows, size_t first, size_t n, size_t side, const float *vertical, size_t ldv,
                             const float *horizontal, size_t ldh, float *s, size_t lds)
{
    for (size_t i = 0; i < rows; i++, s += lds, vertical += ldv, horizontal += ldh) {
        size_t y = first / side, x = first % side, part;
        for (size_t at = 0; at < n; at += part, x = 0, y++) { /* a row of the map at a time */
            part = side - x < n - at ? side - x : n - at;
            const float *h = horizontal + x;
            float *to = s + at;
            const __m256 v = _mm256_set1_ps(vertical[y]);
            size_t j = 0;
            for (; j + 8 <= part; j += 8) {
                const __m256 both = _mm256_add_ps(v, _mm256_loadu_ps(h + j));
                _mm256_storeu_ps(to + j, _mm256_add_ps(_mm256_loadu_ps(to + j), both));
            }
            for (; j < part; j++)
                to[j] += vertical[y] + h[j];
        }
    }
}

void k_divide_rows_f32_avx2(size_t rows, size_t n, const float *x, size_t ldx, const float *divisor, float *y,
                            size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        const __m256 d = _mm256_set1_ps(divisor[i]);
        size_t j = 0;
        for (; j + 8 <= n; j += 8)
            _mm256_storeu_ps(y + j, _mm256_div_ps(_mm256_loadu_ps(x + j), d));
        for (; j < n; j++)
            y[j] = x[j] / divisor[i];
    }
}

void k_activate_f32_avx2(size_t n, activation act, const float *x, float *y)
{
    size_t j = 0;
    for (; j + 8 <= n; j += 8)
        _mm256_storeu_ps(y + j, act_f32(act, _mm256_loadu_ps(x + j)));
    if (j < n)
        _mm256_maskstore_ps(y + j, lanes(n - j), act_f32(act, load(lanes(n - j), x + j)));
}
