/* Operators across the columns of rows: transposition, softmax of interleaved groups. */
#include "kernels/x86/avx2/math.h"

/* Eight rows and four columns. */
static void transpose_8x4(const float *x, size_t ldx, float *y, size_t ldy)
{
#define ROWS(r)                                                                                                        \
    _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x + (r)*ldx)), _mm_loadu_ps(x + (r + 4) * ldx), 1)
    __m256 r0 = ROWS(0), r1 = ROWS(1), r2 = ROWS(2), r3 = ROWS(3);
    __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1)), high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
    __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3)), high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
    _mm256_storeu_ps(y, _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23)));
    _mm256_storeu_ps(y + ldy, _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23)));
    _mm256_storeu_ps(y + 2 * ldy, _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23)));
    _mm256_storeu_ps(y + 3 * ldy, _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23)));
}

void k_transpose_f32_avx2(size_t rows, size_t columns, const float *x, size_t ldx, float *y, size_t ldy)
{
    const size_t whole_rows = rows - rows % 8, whole_columns = columns - columns % 4;
    for (size_t i = 0; i < whole_rows; i += 8)
        for (size_t j = 0; j < whole_columns; j += 4)
            transpose_8x4(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = i < whole_rows ? whole_columns : 0; j < columns; j++)
            y[j * ldy + i] = x[i * ldx + j];
}

void k_softmax_groups_f32_avx2(size_t rows, size_t groups, size_t n, float *s, size_t lds)
{
    for (size_t i = 0; i < rows; i++, s += lds)
        for (size_t g = 0; g < groups; g += 8) {
            const __m256i mask = lanes(groups - g);
            __m256 largest = _mm256_maskload_ps(s + g, mask), sum = _mm256_setzero_ps();
            for (size_t j = 1; j < n; j++)
                largest = _mm256_max_ps(largest, _mm256_maskload_ps(s + j * groups + g, mask));
            for (size_t j = 0; j < n; j++) {
                __m256 e = exp_f32(_mm256_sub_ps(_mm256_maskload_ps(s + j * groups + g, mask), largest));
                _mm256_maskstore_ps(s + j * groups + g, mask, e);
                sum = _mm256_add_ps(sum, e);
            }
            const __m256 inverse = _mm256_div_ps(_mm256_set1_ps(1.0f), sum);
            for (size_t j = 0; j < n; j++)
                _mm256_maskstore_ps(s + j * groups + g, mask,
                                    _mm256_mul_ps(_mm256_maskload_ps(s + j * groups + g, mask), inverse));
        }
}
