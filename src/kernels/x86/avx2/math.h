/* Functions of 8 floats, inlined into the AVX2 kernels. */
#ifndef KERNELS_X86_AVX2_MATH_H
#define KERNELS_X86_AVX2_MATH_H

#include "kernels/kernels.h"
#include "kernels/x86/coefficients.h"

#include <immintrin.h>

/* A mask of the first n lanes; all for n >= 8. */
static inline __m256i lanes(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The sum of all lanes: lane i meets i + 4, then i + 2, i + 1. */
static inline float sum_f32(__m256 x)
{
    __m128 z = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    z = _mm_add_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}

/* The largest lane. */
static inline float max_f32(__m256 x)
{
    __m128 z = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    z = _mm_max_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

/* p 2^n, for a result that is normal; `rounded` is n + ROUNDER, whose low bits are n. */
static inline __m256 scale_f32(__m256 p, __m256 rounded)
{
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(rounded), 23)));
}

/* exp(x) for x <= 0, minus infinity included, within 1 ULP; 0 where that is below 2^-126. */
static inline __m256 exp_f32(__m256 x)
{
    const __m256 rounder = _mm256_set1_ps(ROUNDER);
    __m256 normal = _mm256_cmp_ps(x, _mm256_set1_ps(EXP_LEAST), _CMP_GE_OQ);
    __m256 rounded = _mm256_fmadd_ps(x, _mm256_set1_ps(LOG2_E), rounder);
    __m256 n = _mm256_sub_ps(rounded, rounder);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN_2_HIGH), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(LN_2_LOW), r);
    __m256 p = _mm256_set1_ps(EXP_6);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    return _mm256_and_ps(normal, scale_f32(p, rounded));
}

/* max(x, 0) - |x| Phi(-|x|); NaN stays NaN, what is below -TAIL_END is taken for that. */
static inline __m256 gelu_f32(__m256 x)
{
    const __m256 rounder = _mm256_set1_ps(ROUNDER);
    __m256 a = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    a = _mm256_min_ps(_mm256_set1_ps(TAIL_END), a); /* in this order NaN passes, in max too */
    /* Even and odd powers apart: two short chains of multiply-adds in place of a long one. */
    __m256 square = _mm256_mul_ps(a, a), q = _mm256_set1_ps(TAIL_10), odd = _mm256_set1_ps(TAIL_9);
    q = _mm256_fmadd_ps(q, square, _mm256_set1_ps(TAIL_8));
    odd = _mm256_fmadd_ps(odd, square, _mm256_set1_ps(TAIL_7));
    q = _mm256_fmadd_ps(q, square, _mm256_set1_ps(TAIL_6));
    odd = _mm256_fmadd_ps(odd, square, _mm256_set1_ps(TAIL_5));
    q = _mm256_fmadd_ps(q, square, _mm256_set1_ps(TAIL_4));
    odd = _mm256_fmadd_ps(odd, square, _mm256_set1_ps(TAIL_3));
    q = _mm256_fmadd_ps(q, square, _mm256_set1_ps(TAIL_2));
    odd = _mm256_fmadd_ps(odd, square, _mm256_set1_ps(TAIL_1));
    q = _mm256_fmadd_ps(q, square, _mm256_set1_ps(TAIL_0));
    q = _mm256_fmadd_ps(odd, a, q);
    __m256 rounded = _mm256_add_ps(q, rounder);
    __m256 f = _mm256_sub_ps(q, _mm256_sub_ps(rounded, rounder));
    __m256 p = _mm256_set1_ps(EXP2_5);
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(EXP2_4));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(EXP2_3));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(EXP2_2));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(EXP2_1));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f));
    return _mm256_fnmadd_ps(a, scale_f32(p, rounded), _mm256_max_ps(_mm256_setzero_ps(), x));
}

static inline __m256 act_f32(activation act, __m256 x)
{
    switch (act) {
    case ACT_RELU:
        return _mm256_max_ps(x, _mm256_setzero_ps()); /* in this order NaN gives 0, as in the plain kernel */
    case ACT_GELU:
        return gelu_f32(x);
    case ACT_NONE:
        break;
    }
    return x;
}

#endif
