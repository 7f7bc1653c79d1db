/* Packing for gemm_bf16: pairs along k in panels of 32 columns. A pair is moved as one 32-bit number. */
#include "kernels/x86/avx512/math.h"

#define NR 32

/* Transposes 16 rows of 16 pairs; row j of the result goes to out + j * NR pairs. */
static inline void transpose(__m512i r[16], uint16_t *out)
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    /* Each 128-bit lane of r[4 g + c] now becomes column c of the lane's four, rows 4 g ... 4 g + 3. */
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        /* Lanes are gathered: even and odd ones of two groups, then of all four. */
        __m512i even01 = _mm512_shuffle_i32x4(r[c], r[c + 4], 0x88), odd01 = _mm512_shuffle_i32x4(r[c], r[c + 4], 0xDD);
        __m512i even23 = _mm512_shuffle_i32x4(r[c + 8], r[c + 12], 0x88),
                odd23 = _mm512_shuffle_i32x4(r[c + 8], r[c + 12], 0xDD);
        _mm512_storeu_si512(out + (size_t)(c * NR * 2), _mm512_shuffle_i32x4(even01, even23, 0x88));
        _mm512_storeu_si512(out + (size_t)((c + 8) * NR * 2), _mm512_shuffle_i32x4(even01, even23, 0xDD));
        _mm512_storeu_si512(out + (size_t)((c + 4) * NR * 2), _mm512_shuffle_i32x4(odd01, odd23, 0x88));
        _mm512_storeu_si512(out + (size_t)((c + 12) * NR * 2), _mm512_shuffle_i32x4(odd01, odd23, 0xDD));
    }
}

static inline __mmask32 lanes32(size_t n)
{
    return n >= 32 ? 0xFFFFFFFFu : (1u << n) - 1u;
}

void k_pack_nk_bf16_avx512(size_t n, size_t k, const uint16_t *b, size_t ldb, uint16_t *out)
{
    for (size_t j0 = 0; j0 < n; j0 += NR)
        for (size_t p = 0; p < k; p += 32, out += 32 * NR)
            for (size_t half = 0; half < NR; half += 16) {
                const size_t j = j0 + half, rows = j >= n ? 0 : n - j < 16 ? n - j : 16;
                __m512i r[16];
#pragma GCC unroll 16
                for (size_t i = 0; i < 16; i++)
                    r[i] = i < rows ? _mm512_maskz_loadu_epi16(lanes32(k - p), b + (j + i) * ldb + p)
                                    : _mm512_setzero_si512();
                transpose(r, out + half * 2);
            }
}

void k_pack_kn_bf16_avx512(size_t k, size_t n, const uint16_t *b, size_t ldb, uint16_t *out)
{
    const size_t whole = (k + 31) / 32 * 32;
    for (size_t j = 0; j < n; j += NR) {
        const __mmask16 mask[2] = {lanes(n - j), n - j > 16 ? lanes(n - j - 16) : 0};
        for (size_t p = 0; p < whole; p += 2, out += 2 * NR)
            for (size_t half = 0; half < 2; half++) {
                const uint16_t *at = b + p * ldb + j + 16 * half;
                __m256i low = p < k && mask[half] ? _mm256_maskz_loadu_epi16(mask[half], at) : _mm256_setzero_si256();
                __m256i high =
                    p + 1 < k && mask[half] ? _mm256_maskz_loadu_epi16(mask[half], at + ldb) : _mm256_setzero_si256();
                __m512i pairs =
                    _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
                _mm512_storeu_si512(out + 32 * half, pairs);
            }
    }
}
