/* What LayerNorm needs to know of rows, four at a time. */
#ifndef KERNELS_X86_AVX512_MOMENTS_H
#define KERNELS_X86_AVX512_MOMENTS_H

#include "kernels/x86/avx512/math.h"

/* The sums of four vectors' lanes, each added as sum_f32 does. */
static inline __attribute__((always_inline)) __m128 four_sums(const __m512 s[4])
{
    __m128 z[4];
    for (int r = 0; r < 4; r++) {
        __m256 y = _mm256_add_ps(_mm512_castps512_ps256(s[r]), _mm512_extractf32x8_ps(s[r], 1));
        z[r] = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    }
    _MM_TRANSPOSE4_PS(z[0], z[1], z[2], z[3]);
    return _mm_add_ps(_mm_add_ps(z[0], z[2]), _mm_add_ps(z[1], z[3]));
}

static inline __attribute__((always_inline)) void spread_four(__m128 x, __m512 to[4])
{
    const __m512 all = _mm512_broadcast_f32x4(x);
    to[0] = _mm512_permute_ps(all, 0x00);
    to[1] = _mm512_permute_ps(all, 0x55);
    to[2] = _mm512_permute_ps(all, 0xAA);
    to[3] = _mm512_permute_ps(all, 0xFF);
}

/* Four rows' means, and one by their deviations: at a time, because a row's chain of operations is long. */
static inline __attribute__((always_inline)) void four_moments(const float *const x[4], size_t c, float eps,
                                                               __m512 mean[4], __m512 scale[4])
{
    const __m128 count = _mm_set1_ps((float)c);
    __m512 s[4], t[4];
    size_t j = 0;
    for (int r = 0; r < 4; r++)
        s[r] = t[r] = _mm512_setzero_ps();
    for (; j + 32 <= c; j += 32)
        for (int r = 0; r < 4; r++) {
            s[r] = _mm512_add_ps(s[r], _mm512_loadu_ps(x[r] + j));
            t[r] = _mm512_add_ps(t[r], _mm512_loadu_ps(x[r] + j + 16));
        }
    for (; j < c; j += 16)
        for (int r = 0; r < 4; r++)
            s[r] = _mm512_add_ps(s[r], _mm512_maskz_loadu_ps(lanes(c - j), x[r] + j));
    for (int r = 0; r < 4; r++)
        s[r] = _mm512_add_ps(s[r], t[r]);
    spread_four(_mm_div_ps(four_sums(s), count), mean);
    for (int r = 0; r < 4; r++)
        s[r] = t[r] = _mm512_setzero_ps();
    for (j = 0; j + 32 <= c; j += 32)
        for (int r = 0; r < 4; r++) {
            __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(x[r] + j), mean[r]),
                   d1 = _mm512_sub_ps(_mm512_loadu_ps(x[r] + j + 16), mean[r]);
            s[r] = _mm512_fmadd_ps(d0, d0, s[r]);
            t[r] = _mm512_fmadd_ps(d1, d1, t[r]);
        }
    for (; j < c; j += 16)
        for (int r = 0; r < 4; r++) {
            const __mmask16 mask = lanes(c - j);
            __m512 d = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, x[r] + j), mean[r]);
            s[r] = _mm512_fmadd_ps(d, d, s[r]);
        }
    for (int r = 0; r < 4; r++)
        s[r] = _mm512_add_ps(s[r], t[r]);
    const __m128 variance = _mm_add_ps(_mm_div_ps(four_sums(s), count), _mm_set1_ps(eps));
    spread_four(_mm_div_ps(_mm_set1_ps(1.0f), _mm_sqrt_ps(variance)), scale);
}

/* Four rows on their way: their numbers (the last one stands for those that are not there), and what four_moments finds
 * of them. Its chains of operations are so long that the next four rows are best begun before these are finished. */
typedef struct four {
    size_t row[4];
    const float *at[4];
    __m512 mean[4], scale[4];
} four;

/* Rows i to i + 3 of `rows`; returns them. */
static inline __attribute__((always_inline)) const four *four_begin(four turns[2], size_t rows, size_t i, size_t c,
                                                                    const float *x, size_t ldx, float eps)
{
    four *f = &turns[i / 4 % 2];
    if (i < rows) {
        for (size_t r = 0; r < 4; r++) {
            f->row[r] = i + r < rows ? i + r : rows - 1;
            f->at[r] = x + f->row[r] * ldx;
        }
        four_moments(f->at, c, eps, f->mean, f->scale);
    }
    return f;
}

#endif
