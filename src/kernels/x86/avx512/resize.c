/* Resizing. Products and sums are rounded one by one, as in the plain kernels: the results are the same bits. */
#include "kernels/x86/avx512/math.h"

void k_weigh_rows_f32_avx512(size_t n, size_t taps, const float *const *row, const float *weight, float *out)
{
    size_t j = 0;
    for (; j + 64 <= n; j += 64) {
        __m512 w = _mm512_set1_ps(weight[0]);
        __m512 v0 = _mm512_mul_ps(w, _mm512_loadu_ps(row[0] + j));
        __m512 v1 = _mm512_mul_ps(w, _mm512_loadu_ps(row[0] + j + 16));
        __m512 v2 = _mm512_mul_ps(w, _mm512_loadu_ps(row[0] + j + 32));
        __m512 v3 = _mm512_mul_ps(w, _mm512_loadu_ps(row[0] + j + 48));
        for (size_t t = 1; t < taps; t++) {
            w = _mm512_set1_ps(weight[t]);
            v0 = _mm512_add_ps(v0, _mm512_mul_ps(w, _mm512_loadu_ps(row[t] + j)));
            v1 = _mm512_add_ps(v1, _mm512_mul_ps(w, _mm512_loadu_ps(row[t] + j + 16)));
            v2 = _mm512_add_ps(v2, _mm512_mul_ps(w, _mm512_loadu_ps(row[t] + j + 32)));
            v3 = _mm512_add_ps(v3, _mm512_mul_ps(w, _mm512_loadu_ps(row[t] + j + 48)));
        }
        _mm512_storeu_ps(out + j, v0);
        _mm512_storeu_ps(out + j + 16, v1);
        _mm512_storeu_ps(out + j + 32, v2);
        _mm512_storeu_ps(out + j + 48, v3);
    }
    for (; j < n; j += 16) {
        const __mmask16 mask = lanes(n - j);
        __m512 v = _mm512_mul_ps(_mm512_set1_ps(weight[0]), _mm512_maskz_loadu_ps(mask, row[0] + j));
        for (size_t t = 1; t < taps; t++)
            v = _mm512_add_ps(v, _mm512_mul_ps(_mm512_set1_ps(weight[t]), _mm512_maskz_loadu_ps(mask, row[t] + j)));
        _mm512_mask_storeu_ps(out + j, mask, v);
    }
}

/* (1 - u) a + u b */
static inline __m512 blend(__m512 u, __m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_mul_ps(_mm512_sub_ps(_mm512_set1_ps(1.0f), u), a), _mm512_mul_ps(u, b));
}

static inline __m512 gather(__mmask16 mask, __m512i index, const float *x)
{
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, index, x, 4);
}

/* Both neighbours' values, of indices that lie within 16 of each other: from one vector instead of by gathers. */
static inline void pick(__mmask16 readable, __m512i l, __m512i r, const float *x, __m512 *a, __m512 *b)
{
    const __m512 near = _mm512_maskz_loadu_ps(readable, x);
    *a = _mm512_permutexvar_ps(l, near);
    *b = _mm512_permutexvar_ps(r, near);
}

void k_bilinear_row_f32_avx512(size_t n, const float *top, const float *bottom, const uint32_t *left,
                               const uint32_t *right, const float *t, float v, float *out)
{
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 mask = lanes(n - j);
        /* Gathers take indices as signed: a row is shorter than 2^31. */
        __m512i l = _mm512_maskz_loadu_epi32(mask, left + j), r = _mm512_maskz_loadu_epi32(mask, right + j);
        __m512 u = _mm512_maskz_loadu_ps(mask, t + j), a, b, x, y;
        /* Enlarging rows, 16 neighbours need a few values from the first one's on. */
        const uint32_t first = left[j], last = right[j + 15 < n ? j + 15 : n - 1], span = last - first;
        const __m512i start = _mm512_set1_epi32((int)first), l0 = _mm512_sub_epi32(l, start),
                      r0 = _mm512_sub_epi32(r, start), end = _mm512_set1_epi32((int)span);
        if (span < 16 && _mm512_mask_cmpgt_epu32_mask(mask, l0, end) == 0 &&
            _mm512_mask_cmpgt_epu32_mask(mask, r0, end) == 0) {
            const __mmask16 readable = lanes(span + 1);
            pick(readable, l0, r0, top + first, &a, &b);
            x = y = blend(u, a, b);
            if (bottom == top && v == 0.0f) { /* what the other blend does then */
                _mm512_mask_storeu_ps(out + j, mask, _mm512_fmadd_ps(_mm512_setzero_ps(), x, x));
                continue;
            }
            if (bottom != top) {
                pick(readable, l0, r0, bottom + first, &a, &b);
                y = blend(u, a, b);
            }
        } else {
            x = blend(u, gather(mask, l, top), gather(mask, r, top));
            y = bottom == top ? x : blend(u, gather(mask, l, bottom), gather(mask, r, bottom));
        }
        _mm512_mask_storeu_ps(out + j, mask, blend(_mm512_set1_ps(v), x, y));
    }
}

void k_blend_threshold_f32_avx512(size_t n, const float *x, const float *y, float v, uint8_t inside, uint8_t *out)
{
    const __m512 vv = _mm512_set1_ps(v), zero = _mm512_setzero_ps();
    const __m128i value = _mm_set1_epi8((char)inside);
    const __m512i values = _mm512_set1_epi8((char)inside);
    size_t j = 0;
    for (; j + 64 <= n; j += 64) { /* a line of the result at a time */
        uint64_t in = 0;
        for (size_t i = 0; i < 4; i++) {
            const __m512 z = blend(vv, _mm512_loadu_ps(x + j + 16 * i), _mm512_loadu_ps(y + j + 16 * i));
            in |= (uint64_t)_mm512_cmp_ps_mask(z, zero, _CMP_GT_OQ) << 16 * i;
        }
        _mm512_storeu_si512(out + j, _mm512_maskz_mov_epi8(in, values));
    }
    for (; j < n; j += 16) {
        const __mmask16 mask = lanes(n - j);
        __m512 z = blend(vv, _mm512_maskz_loadu_ps(mask, x + j), _mm512_maskz_loadu_ps(mask, y + j));
        __mmask16 in = _mm512_cmp_ps_mask(z, _mm512_setzero_ps(), _CMP_GT_OQ);
        _mm_mask_storeu_epi8(out + j, mask, _mm_maskz_mov_epi8(in, value));
    }
}
