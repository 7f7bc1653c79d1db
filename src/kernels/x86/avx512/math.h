/* Functions of 16 floats, inlined into the AVX-512 kernels. */
#ifndef KERNELS_X86_AVX512_MATH_H
#define KERNELS_X86_AVX512_MATH_H

#include "kernels/kernels.h"
#include "kernels/x86/coefficients.h"

#include <immintrin.h>

/* A mask of the first n lanes; all for n >= 16. */
static inline __mmask16 lanes(size_t n)
{
    return n >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << n) - 1u);
}

/* The sum of all lanes: halves are added to each other, so that lane i meets i + 8, then i + 4, i + 2, i + 1. */
static inline float sum_f32(__m512 x)
{
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 z = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    z = _mm_add_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}

/* The largest lane. */
static inline float max_f32(__m512 x)
{
    __m256 y = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 z = _mm_max_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    z = _mm_max_ps(z, _mm_movehl_ps(z, z));
    return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

/* exp(x) for x <= 0, minus infinity included, within 1 ULP; 0 where that is below 2^-126. */
static inline __m512 exp_f32(__m512 x)
{
    const __m512 rounder = _mm512_set1_ps(ROUNDER);
    __mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(EXP_LEAST), _CMP_GE_OQ);
    __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(LOG2_E), rounder), rounder);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LN_2_HIGH), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LN_2_LOW), r);
    __m512 p = _mm512_set1_ps(EXP_6);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(EXP_5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(EXP_4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(EXP_3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(EXP_2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(normal, p, n);
}

/* max(x, 0) - |x| Phi(-|x|); NaN stays NaN, what is below -TAIL_END is taken for that. */
static inline __m512 gelu_f32(__m512 x)
{
    const __m512 rounder = _mm512_set1_ps(ROUNDER);
    __m512 a = _mm512_range_ps(x, _mm512_set1_ps(TAIL_END), 0x0A); /* the smaller of both, without signs */
    /* Even and odd powers apart: two short chains of multiply-adds in place of a long one. */
    __m512 square = _mm512_mul_ps(a, a), q = _mm512_set1_ps(TAIL_10), odd = _mm512_set1_ps(TAIL_9);
    q = _mm512_fmadd_ps(q, square, _mm512_set1_ps(TAIL_8));
    odd = _mm512_fmadd_ps(odd, square, _mm512_set1_ps(TAIL_7));
    q = _mm512_fmadd_ps(q, square, _mm512_set1_ps(TAIL_6));
    odd = _mm512_fmadd_ps(odd, square, _mm512_set1_ps(TAIL_5));
    q = _mm512_fmadd_ps(q, square, _mm512_set1_ps(TAIL_4));
    odd = _mm512_fmadd_ps(odd, square, _mm512_set1_ps(TAIL_3));
    q = _mm512_fmadd_ps(q, square, _mm512_set1_ps(TAIL_2));
    odd = _mm512_fmadd_ps(odd, square, _mm512_set1_ps(TAIL_1));
    q = _mm512_fmadd_ps(q, square, _mm512_set1_ps(TAIL_0));
    q = _mm512_fmadd_ps(odd, a, q);
    __m512 n = _mm512_sub_ps(_mm512_add_ps(q, rounder), rounder);
    __m512 f = _mm512_sub_ps(q, n);
    __m512 p = _mm512_set1_ps(EXP2_5);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(EXP2_4));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(EXP2_3));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(EXP2_2));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(EXP2_1));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
    return _mm512_fnmadd_ps(a, _mm512_scalef_ps(p, n), _mm512_max_ps(_mm512_setzero_ps(), x));
}

static inline __m512 act_f32(activation act, __m512 x)
{
    switch (act) {
    case ACT_RELU:
        return _mm512_max_ps(x, _mm512_setzero_ps()); /* in this order NaN gives 0, as in the plain kernel */
    case ACT_GELU:
        return gelu_f32(x);
    case ACT_NONE:
        break;
    }
    return x;
}

#endif
