/* Packing for gemm_f32: panels of 32 columns. */
#include "kernels/x86/avx512/math.h"

#include <stdbool.h>

#define NR 32

/* 4 floats from row r of a block of `rows` (those in `mask`), zeros for a row that is not there; `whole` when nothing
 * can be missing. */
static inline __attribute__((always_inline)) __m128 piece(const bool whole, const float *b, size_t ldb, size_t r,
                                                          size_t rows, __mmask8 mask)
{
    if (whole)
        return _mm_loadu_ps(b + r * ldb);
    return r < rows ? _mm_maskz_loadu_ps(mask, b + r * ldb) : _mm_setzero_ps();
}

/* Rows r, r + 4, r + 8 and r + 12 side by side. */
static inline __attribute__((always_inline)) __m512 pieces(const bool whole, const float *b, size_t ldb, size_t r,
                                                           size_t rows, __mmask8 mask)
{
    __m512 x = _mm512_castps128_ps512(piece(whole, b, ldb, r, rows, mask));
    x = _mm512_insertf32x4(x, piece(whole, b, ldb, r + 4, rows, mask), 1);
    x = _mm512_insertf32x4(x, piece(whole, b, ldb, r + 8, rows, mask), 2);
    return _mm512_insertf32x4(x, piece(whole, b, ldb, r + 12, rows, mask), 3);
}

/* Transposes b[rows, columns] (rows <= 16, columns <= 4) to out[columns, NR], its first 16 columns. */
static inline __attribute__((always_inline)) void transpose(const bool whole, const float *b, size_t ldb, size_t rows,
                                                            size_t columns, float *out)
{
    const __mmask8 mask = (__mmask8)((1u << columns) - 1u);
    __m512 r0 = pieces(whole, b, ldb, 0, rows, mask), r1 = pieces(whole, b, ldb, 1, rows, mask);
    __m512 r2 = pieces(whole, b, ldb, 2, rows, mask), r3 = pieces(whole, b, ldb, 3, rows, mask);
    __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1)), high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
    __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3)), high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
    const __m512d column[4] = {_mm512_unpacklo_pd(low01, low23), _mm512_unpackhi_pd(low01, low23),
                               _mm512_unpacklo_pd(high01, high23), _mm512_unpackhi_pd(high01, high23)};
#pragma GCC unroll 4
    for (size_t p = 0; p < 4; p++)
        if (whole || p < columns)
            _mm512_storeu_ps(out + p * NR, _mm512_castpd_ps(column[p]));
}

void k_pack_nk_f32_avx512(size_t n, size_t k, const float *b, size_t ldb, float *out)
{
    for (size_t j0 = 0; j0 < n; j0 += NR, out += k * NR)
        for (size_t half = 0; half < NR; half += 16) {
            const size_t j = j0 + half, rows = j >= n ? 0 : n - j < 16 ? n - j : 16;
            size_t p = 0;
            if (rows == 16)
                for (; p + 4 <= k; p += 4)
                    transpose(true, b + j * ldb + p, ldb, 16, 4, out + p * NR + half);
            for (; p < k; p += 4)
                transpose(false, rows ? b + j * ldb + p : b, ldb, rows, k - p < 4 ? k - p : 4, out + p * NR + half);
        }
}

void k_pack_kn_f32_avx512(size_t k, size_t n, const float *b, size_t ldb, float *out)
{
    for (size_t j = 0; j < n; j += NR) {
        const __mmask16 mask0 = lanes(n - j), mask1 = n - j > 16 ? lanes(n - j - 16) : 0;
        for (size_t p = 0; p < k; p++, out += NR) {
            const float *row = b + p * ldb + j;
            _mm512_storeu_ps(out, _mm512_maskz_loadu_ps(mask0, row));
            _mm512_storeu_ps(out + 16, mask1 ? _mm512_maskz_loadu_ps(mask1, row + 16) : _mm512_setzero_ps());
        }
    }
}
