/* Packing for gemm_f32: panels of 16 columns. */
#include "kernels/x86/avx2/math.h"

#include <stdbool.h>

#define NR 16

/* 4 floats from row r of a block of `rows`, of which `columns` are there, zeros for the rest; `whole` when nothing can
 * be missing. */
static inline __attribute__((always_inline)) __m128 piece(const bool whole, const float *b, size_t ldb, size_t r,
                                                          size_t rows, size_t columns)
{
    if (whole)
        return _mm_loadu_ps(b + r * ldb);
    return r < rows ? _mm_maskload_ps(b + r * ldb, _mm256_castsi256_si128(lanes(columns))) : _mm_setzero_ps();
}

/* Rows r and r + 4 side by side. */
static inline __attribute__((always_inline)) __m256 pieces(const bool whole, const float *b, size_t ldb, size_t r,
                                                           size_t rows, size_t columns)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(piece(whole, b, ldb, r, rows, columns)),
                                piece(whole, b, ldb, r + 4, rows, columns), 1);
}

/* Transposes b[rows, columns] (rows <= 8, columns <= 4) to out[columns, NR], its first 8 columns. */
static inline __attribute__((always_inline)) void transpose(const bool whole, const float *b, size_t ldb, size_t rows,
                                                            size_t columns, float *out)
{
    __m256 r0 = pieces(whole, b, ldb, 0, rows, columns), r1 = pieces(whole, b, ldb, 1, rows, columns);
    __m256 r2 = pieces(whole, b, ldb, 2, rows, columns), r3 = pieces(whole, b, ldb, 3, rows, columns);
    __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1)), high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
    __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3)), high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
    _mm256_storeu_ps(out, _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23)));
    if (whole || columns > 1)
        _mm256_storeu_ps(out + NR, _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23)));
    if (whole || columns > 2)
        _mm256_storeu_ps(out + 2 * NR, _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23)));
    if (whole || columns > 3)
        _mm256_storeu_ps(out + 3 * NR, _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23)));
}

void k_pack_nk_f32_avx2(size_t n, size_t k, const float *b, size_t ldb, float *out)
{
    for (size_t j0 = 0; j0 < n; j0 += NR, out += k * NR)
        for (size_t half = 0; half < NR; half += 8) {
            const size_t j = j0 + half, rows = j >= n ? 0 : n - j < 8 ? n - j : 8;
            size_t p = 0;
            if (rows == 8)
                for (; p + 4 <= k; p += 4)
                    transpose(true, b + j * ldb + p, ldb, 8, 4, out + p * NR + half);
            for (; p < k; p += 4)
                transpose(false, rows ? b + j * ldb + p : b, ldb, rows, k - p < 4 ? k - p : 4, out + p * NR + half);
        }
}

void k_pack_kn_f32_avx2(size_t k, size_t n, const float *b, size_t ldb, float *out)
{
    size_t j = 0;
    for (; j + NR <= n; j += NR)
        for (size_t p = 0; p < k; p++, out += NR) {
            _mm256_storeu_ps(out, _mm256_loadu_ps(b + p * ldb + j));
            _mm256_storeu_ps(out + 8, _mm256_loadu_ps(b + p * ldb + j + 8));
        }
    if (j < n) {
        const bool wide = n - j > 8;
        const __m256i mask0 = lanes(n - j), mask1 = lanes(wide ? n - j - 8 : 0);
        for (size_t p = 0; p < k; p++, out += NR) {
            const float *row = b + p * ldb + j;
            _mm256_storeu_ps(out, _mm256_maskload_ps(row, mask0));
            _mm256_storeu_ps(out + 8, wide ? _mm256_maskload_ps(row + 8, mask1) : _mm256_setzero_ps());
        }
    }
}
