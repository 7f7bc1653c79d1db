/* Operators across the columns of rows: transposition, softmax of interleaved groups. */
#include "kernels/x86/avx512/math.h"

#include <math.h>

/* Rows r, r + 4, r + 8 and r + 12 side by side, four columns each. */
static inline __m512 pieces(const float *x, size_t ldx, size_t r)
{
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(x + r * ldx));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(x + (r + 4) * ldx), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(x + (r + 8) * ldx), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(x + (r + 12) * ldx), 3);
}

static inline void transpose_16x4(const float *x, size_t ldx, float *y, size_t ldy)
{
    __m512 r0 = pieces(x, ldx, 0), r1 = pieces(x, ldx, 1), r2 = pieces(x, ldx, 2), r3 = pieces(x, ldx, 3);
    __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1)), high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
    __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3)), high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
    _mm512_storeu_ps(y, _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23)));
    _mm512_storeu_ps(y + ldy, _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23)));
    _mm512_storeu_ps(y + 2 * ldy, _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23)));
    _mm512_storeu_ps(y + 3 * ldy, _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23)));
}

void k_transpose_f32_avx512(size_t rows, size_t columns, const float *x, size_t ldx, float *y, size_t ldy)
{
    const size_t whole_rows = rows - rows % 16, whole_columns = columns - columns % 4;
    for (size_t i = 0; i < whole_rows; i += 16)
        for (size_t j = 0; j < whole_columns; j += 4)
            transpose_16x4(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = i < whole_rows ? whole_columns : 0; j < columns; j++)
            y[j * ldy + i] = x[i * ldx + j];
}

/* Groups of eight: two members of all groups in a vector. A sum is that of the members with even numbers plus that of
 * those with odd ones. */
static void eight_groups(size_t rows, size_t n, float *s, size_t lds)
{
    const __m512 lowest = _mm512_set1_ps(-INFINITY);
    const size_t count = 8 * n;
    for (size_t i = 0; i < rows; i++, s += lds) {
        __m512 largest = lowest, sum = _mm512_setzero_ps();
        for (size_t j = 0; j < count; j += 16)
            largest = _mm512_max_ps(largest, _mm512_mask_loadu_ps(lowest, lanes(count - j), s + j));
        largest = _mm512_max_ps(largest, _mm512_shuffle_f32x4(largest, largest, 0x4E));
        for (size_t j = 0; j < count; j += 16) {
            __m512 e = exp_f32(_mm512_sub_ps(_mm512_mask_loadu_ps(lowest, lanes(count - j), s + j), largest));
            _mm512_mask_storeu_ps(s + j, lanes(count - j), e);
            sum = _mm512_add_ps(sum, e);
        }
        sum = _mm512_add_ps(sum, _mm512_shuffle_f32x4(sum, sum, 0x4E));
        const __m512 inverse = _mm512_div_ps(_mm512_set1_ps(1.0f), sum);
        for (size_t j = 0; j < count; j += 16) {
            const __mmask16 mask = lanes(count - j);
            _mm512_mask_storeu_ps(s + j, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, s + j), inverse));
        }
    }
}

void k_softmax_groups_f32_avx512(size_t rows, size_t groups, size_t n, float *s, size_t lds)
{
    if (groups == 8) {
        eight_groups(rows, n, s, lds);
        return;
    }
    for (size_t i = 0; i < rows; i++, s += lds)
        for (size_t g = 0; g < groups; g += 16) {
            const __mmask16 mask = lanes(groups - g);
            __m512 largest = _mm512_maskz_loadu_ps(mask, s + g), sum = _mm512_setzero_ps();
            for (size_t j = 1; j < n; j++)
                largest = _mm512_max_ps(largest, _mm512_maskz_loadu_ps(mask, s + j * groups + g));
            for (size_t j = 0; j < n; j++) {
                __m512 e = exp_f32(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, s + j * groups + g), largest));
                _mm512_mask_storeu_ps(s + j * groups + g, mask, e);
                sum = _mm512_add_ps(sum, e);
            }
            const __m512 inverse = _mm512_div_ps(_mm512_set1_ps(1.0f), sum);
            for (size_t j = 0; j < n; j++)
                _mm512_mask_storeu_ps(s + j * groups + g, mask,
                                      _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, s + j * groups + g), inverse));
        }
}
