/* Operators with bfloat16 results that the mask decoder has between its products, for two levels as rows_bf16.h. */
#include "kernels/x86/avx512/moments.h"

#include <math.h>

/* Stores 16 values, or the lanes of a mask; whole vectors without one, which is a little faster (3 to 7 % of these
 * operators on a Zen 5). */
static inline void put_bf16(uint16_t *y, __mmask16 mask, __m512 v)
{
    if (mask == 0xFFFF)
        _mm256_storeu_si256((__m256i *)y, to_bf16_fast(v));
    else
        _mm256_mask_storeu_epi16(y, mask, to_bf16_fast(v));
}

static inline __m512 normalise(__mmask16 mask, const float *x, __m512 mean, __m512 scale, __m512 gamma, __m512 beta)
{
    return _mm512_fmadd_ps(_mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x), mean), scale), gamma, beta);
}

void KERNEL_NAME(layernorm_add_bf16)(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma,
                                     const float *beta, float eps, const uint16_t *add, size_t ldadd, uint16_t *y,
                                     size_t ldy, uint16_t *z, size_t ldz)
{
    four turns[2];
    const four *f = four_begin(turns, rows, 0, c, x, ldx, eps), *next;
    for (size_t i = 0; i < rows; i += 4, f = next) {
        next = four_begin(turns, rows, i + 4, c, x, ldx, eps);
        for (size_t j = 0; j < c; j += 16) {
            const __mmask16 mask = lanes(c - j);
            const __m512 g = _mm512_maskz_loadu_ps(mask, gamma + j), b = _mm512_maskz_loadu_ps(mask, beta + j);
            for (int r = 0; r < 4; r++) {
                __m512 v = normalise(mask, f->at[r] + j, f->mean[r], f->scale[r], g, b);
                put_bf16(y + f->row[r] * ldy + j, mask, v);
                v = _mm512_add_ps(v, from_bf16(mask, add + f->row[r] * ldadd + j));
                put_bf16(z + f->row[r] * ldz + j, mask, v);
            }
        }
    }
}

void KERNEL_NAME(layernorm_gelu_bf16)(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma,
                                      const float *beta, float eps, uint16_t *y, size_t ldy)
{
    four turns[2];
    const four *f = four_begin(turns, rows, 0, c, x, ldx, eps), *next;
    for (size_t i = 0; i < rows; i += 4, f = next) {
        next = four_begin(turns, rows, i + 4, c, x, ldx, eps);
        for (size_t j = 0; j < c; j += 16) {
            const __mmask16 mask = lanes(c - j);
            const __m512 g = _mm512_maskz_loadu_ps(mask, gamma + j), b = _mm512_maskz_loadu_ps(mask, beta + j);
            for (int r = 0; r < 4; r++) {
                const __m512 v = normalise(mask, f->at[r] + j, f->mean[r], f->scale[r], g, b);
                put_bf16(y + f->row[r] * ldy + j, mask, short_gelu_f32(v));
            }
        }
    }
}

#define GROUP_VECTORS 8 /* of exponentials that are kept until their sum is known */

/* Groups of eight lie two members to a vector, others one; halves are joined where `both`. */
static inline __attribute__((always_inline)) void group_row(const bool both, size_t width, size_t count, size_t step,
                                                            const float *s, uint16_t *p)
{
    const __m512 lowest = _mm512_set1_ps(-INFINITY), log2_e = _mm512_set1_ps(LOG2_E);
    __m512 largest = lowest, sum = _mm512_setzero_ps(), kept[GROUP_VECTORS];
    for (size_t j = 0; j < count; j += step)
        largest = _mm512_max_ps(largest, _mm512_mask_loadu_ps(lowest, lanes(both ? count - j : width), s + j));
    if (both)
        largest = _mm512_max_ps(largest, _mm512_shuffle_f32x4(largest, largest, 0x4E));
    for (size_t j = 0, i = 0; j < count; j += step, i++) {
        const __mmask16 mask = lanes(both ? count - j : width);
        __m512 d = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, s + j), largest);
        d = short_exp2_f32(_mm512_mul_ps(d, log2_e));
        sum = _mm512_mask_add_ps(sum, mask, sum, d);
        if (i < GROUP_VECTORS)
            kept[i] = d;
    }
    if (both)
        sum = _mm512_add_ps(sum, _mm512_shuffle_f32x4(sum, sum, 0x4E));
    const __m512 inverse = _mm512_div_ps(_mm512_set1_ps(1.0f), sum);
    for (size_t j = 0, i = 0; j < count; j += step, i++) {
        const __mmask16 mask = lanes(both ? count - j : width);
        __m512 e;
        if (i < GROUP_VECTORS)
            e = kept[i];
        else {
            __m512 d = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, s + j), largest);
            e = short_exp2_f32(_mm512_mul_ps(d, log2_e));
        }
        put_bf16(p + j, mask, _mm512_mul_ps(e, inverse));
    }
}

void KERNEL_NAME(softmax_groups_bf16)(size_t rows, size_t groups, size_t n, const float *s, size_t lds, uint16_t *p,
                                      size_t ldp)
{
    for (size_t i = 0; i < rows; i++, s += lds, p += ldp)
        if (groups == 8)
            group_row(true, 16, 8 * n, 16, s, p);
        else
            for (size_t g = 0; g < groups; g += 16)
                group_row(false, groups - g, n * groups, groups, s + g, p + g);
}

void KERNEL_NAME(add_bf16)(size_t n, const uint16_t *x, const uint16_t *y, uint16_t *z)
{
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 mask = lanes(n - j);
        put_bf16(z + j, mask, _mm512_add_ps(from_bf16(mask, x + j), from_bf16(mask, y + j)));
    }
}
