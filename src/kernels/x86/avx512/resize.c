/* Resizing. Products and sums are rounded one by one, as in the plain kernels: the results are the same bits. */
#include "kernels/x86/avx512/math.h"

#include <stdbool.h>

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

/* Where 16 outputs take from, by indices from `first` on. */
typedef struct neighbours {
    __m512i left, right, left0, right0; /* those of the row, and those from `first` on */
    uint32_t first;
    __mmask16 mask, readable; /* readable: the values from `first` on that are taken */
    bool near;                /* they are 16 at most, as where a row is enlarged: one vector has them */
} neighbours;

static inline neighbours find_neighbours(size_t n, const uint32_t *left, const uint32_t *right)
{
    neighbours to = {.first = left[0], .mask = lanes(n)};
    /* Gathers take indices as signed: a row is shorter than 2^31. */
    to.left = _mm512_maskz_loadu_epi32(to.mask, left);
    to.right = _mm512_maskz_loadu_epi32(to.mask, right);
    const uint32_t span = right[n < 16 ? n - 1 : 15] - to.first;
    const __m512i start = _mm512_set1_epi32((int)to.first), end = _mm512_set1_epi32((int)span);
    to.left0 = _mm512_sub_epi32(to.left, start);
    to.right0 = _mm512_sub_epi32(to.right, start);
    to.near = span < 16 && _mm512_mask_cmpgt_epu32_mask(to.mask, to.left0, end) == 0 &&
              _mm512_mask_cmpgt_epu32_mask(to.mask, to.right0, end) == 0;
    to.readable = to.near ? lanes(span + 1) : 0;
    return to;
}

static inline __m512 between(const neighbours *to, __m512 u, const float *x)
{
    if (!to->near)
        return blend(u, gather(to->mask, to->left, x), gather(to->mask, to->right, x));
    const __m512 some = _mm512_maskz_loadu_ps(to->readable, x + to->first);
    return blend(u, _mm512_permutexvar_ps(to->left0, some), _mm512_permutexvar_ps(to->right0, some));
}

void k_bilinear_row_f32_avx512(size_t n, const float *top, const float *bottom, const uint32_t *left,
                               const uint32_t *right, const float *t, float v, float *out)
{
    for (size_t j = 0; j < n; j += 16) {
        const neighbours to = find_neighbours(n - j, left + j, right + j);
        const __m512 u = _mm512_maskz_loadu_ps(to.mask, t + j), x = between(&to, u, top),
                     y = bottom == top ? x : between(&to, u, bottom);
        _mm512_mask_storeu_ps(out + j, to.mask, blend(_mm512_set1_ps(v), x, y));
    }
}

void k_stretch_rows_f32_avx512(size_t rows, size_t n, const float *x, size_t ldx, const uint32_t *left,
                               const uint32_t *right, const float *t, float *out, size_t ldo)
{
    const size_t ahead = rows * ldx * sizeof *x;
    for (size_t j = 0; j < n; j += 16) {
        const neighbours to = find_neighbours(n - j, left + j, right + j);
        const __m512 u = _mm512_maskz_loadu_ps(to.mask, t + j);
        for (size_t i = 0; i < rows; i++) {
            const float *const row = x + i * ldx;
            const __m512 z = between(&to, u, row);
            _mm_prefetch((const char *)((uintptr_t)(row + to.first) + ahead), _MM_HINT_T0);
            /* What the other blend does with v = 0. */
            _mm512_mask_storeu_ps(out + i * ldo + j, to.mask, _mm512_fmadd_ps(_mm512_setzero_ps(), z, z));
        }
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
