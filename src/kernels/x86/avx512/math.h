/* Functions of 16 floats, inlined into the AVX-512 kernels. */
#ifndef KERNELS_X86_AVX512_MATH_H
#define KERNELS_X86_AVX512_MATH_H

#include "kernels/kernels.h"
#include "kernels/x86/avx512/gelu_table.h"
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

/* The largest of n values and `from`. */
static inline float row_max_f32(float from, size_t n, const float *x)
{
    const __m512 start = _mm512_set1_ps(from);
    __m512 m0 = start, m1 = start;
    size_t j = 0;
    for (; j + 32 <= n; j += 32) {
        m0 = _mm512_max_ps(m0, _mm512_loadu_ps(x + j));
        m1 = _mm512_max_ps(m1, _mm512_loadu_ps(x + j + 16));
    }
    for (; j < n; j += 16)
        m0 = _mm512_max_ps(m0, _mm512_mask_loadu_ps(start, lanes(n - j), x + j));
    return max_f32(_mm512_max_ps(m0, m1));
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

/* max(x, 0) - |x| Phi(-|x|); NaN stays NaN, what is below -GELU_END is taken for that. */
static inline __m512 gelu_f32(__m512 x)
{
    const __m512 scale = _mm512_set1_ps(GELU_SCALE), rounder = _mm512_set1_ps(ROUNDER);
#define PICK(c) _mm512_permutex2var_ps(_mm512_load_ps(gelu_table[c]), piece, _mm512_load_ps(gelu_table[c] + 16))
    __m512 a = _mm512_range_ps(x, _mm512_set1_ps(GELU_END), 0x0A); /* the smaller of both, without signs */
    __m512 shifted = _mm512_fmadd_ps(a, scale, rounder);
    __m512i piece = _mm512_castps_si512(shifted); /* its low five bits count */
    __m512 d = _mm512_fmsub_ps(a, scale, _mm512_sub_ps(shifted, rounder));
    __m512 e = PICK(4);
    e = _mm512_fmadd_ps(e, d, PICK(3));
    e = _mm512_fmadd_ps(e, d, PICK(2));
    e = _mm512_fmadd_ps(e, d, PICK(1));
    e = _mm512_fmadd_ps(e, d, PICK(0));
#undef PICK
    return _mm512_fnmadd_ps(a, e, _mm512_max_ps(_mm512_setzero_ps(), x));
}

/* To bfloat16, to nearest, ties to even; NaN becomes a quiet one. */
static inline __m256i to_bf16(__m512 x)
{
    __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(_mm512_srli_epi32(rounded, 16), nan, quiet));
}

static inline __m512 from_bf16(__mmask16 mask, const uint16_t *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16));
}

/* to_bf16 by the processor's own instruction where the file is compiled for it: subnormal numbers become 0. */
static inline __m256i to_bf16_fast(__m512 x)
{
#if defined(__AVX512BF16__)
    return (__m256i)_mm512_cvtneps_pbh(x);
#else
    return to_bf16(x);
#endif
}

/* 2^x within 7.5e-5 for x <= 0 or a little above, minus infinity included; 0 where that is below 2^-126, since a
 * subnormal result costs a hundred cycles and more on Intel's cores. */
static inline __m512 short_exp2_f32(__m512 x)
{
    const __mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126.0f), _CMP_GE_OQ);
    __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); /* x - floor(x) */
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(SHORT_EXP2_3), f, _mm512_set1_ps(SHORT_EXP2_2));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(SHORT_EXP2_1));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(SHORT_EXP2_0));
    return _mm512_maskz_scalef_ps(normal, p, x);
}

/* GELU within 5e-5; NaN stays NaN. */
static inline __m512 short_gelu_f32(__m512 x)
{
#define PICK(c) _mm512_permutexvar_ps(piece, _mm512_load_ps(short_gelu_table[c]))
    __m512 a = _mm512_range_ps(x, _mm512_set1_ps(SHORT_END), 0x0A); /* the smaller of both, without signs */
    /* The low four bits of the sum count. */
    __m512i piece = _mm512_castps_si512(_mm512_fmadd_ps(a, _mm512_set1_ps(SHORT_SCALE), _mm512_set1_ps(ROUNDER)));
    __m512 e = _mm512_fmadd_ps(PICK(2), a, PICK(1));
    e = _mm512_fmadd_ps(e, a, PICK(0));
#undef PICK
    return _mm512_fnmadd_ps(a, e, _mm512_max_ps(_mm512_setzero_ps(), x));
}

/* Asks for the 32 floats at x, to be read, or to be written. */
static inline void fetch_floats(const float *x)
{
    _mm_prefetch((const char *)x, _MM_HINT_T0);
    _mm_prefetch((const char *)((uintptr_t)x + 64), _MM_HINT_T0);
}
static inline void fetch_to_write(const float *x)
{
    __builtin_prefetch(x, 1);
    __builtin_prefetch((const void *)((uintptr_t)x + 64), 1);
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
