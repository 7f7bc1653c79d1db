/* Resizing. Products and sums are rounded one by one, as in the plain kernels: the results are the same bits. */
#include "kernels/x86/avx2/math.h"

#include <stdbool.h>
#include <string.h>

void k_weigh_rows_f32_avx2(size_t n, size_t taps, const float *const *row, const float *weight, float *out)
{
    size_t j = 0;
    for (; j + 32 <= n; j += 32) {
        __m256 w = _mm256_set1_ps(weight[0]);
        __m256 v0 = _mm256_mul_ps(w, _mm256_loadu_ps(row[0] + j));
        __m256 v1 = _mm256_mul_ps(w, _mm256_loadu_ps(row[0] + j + 8));
        __m256 v2 = _mm256_mul_ps(w, _mm256_loadu_ps(row[0] + j + 16));
        __m256 v3 = _mm256_mul_ps(w, _mm256_loadu_ps(row[0] + j + 24));
        for (size_t t = 1; t < taps; t++) {
            w = _mm256_set1_ps(weight[t]);
            v0 = _mm256_add_ps(v0, _mm256_mul_ps(w, _mm256_loadu_ps(row[t] + j)));
            v1 = _mm256_add_ps(v1, _mm256_mul_ps(w, _mm256_loadu_ps(row[t] + j + 8)));
            v2 = _mm256_add_ps(v2, _mm256_mul_ps(w, _mm256_loadu_ps(row[t] + j + 16)));
            v3 = _mm256_add_ps(v3, _mm256_mul_ps(w, _mm256_loadu_ps(row[t] + j + 24)));
        }
        _mm256_storeu_ps(out + j, v0);
        _mm256_storeu_ps(out + j + 8, v1);
        _mm256_storeu_ps(out + j + 16, v2);
        _mm256_storeu_ps(out + j + 24, v3);
    }
    for (; j < n; j += 8) {
        const __m256i mask = lanes(n - j);
        __m256 v = _mm256_mul_ps(_mm256_set1_ps(weight[0]), _mm256_maskload_ps(row[0] + j, mask));
        for (size_t t = 1; t < taps; t++)
            v = _mm256_add_ps(v, _mm256_mul_ps(_mm256_set1_ps(weight[t]), _mm256_maskload_ps(row[t] + j, mask)));
        _mm256_maskstore_ps(out + j, mask, v);
    }
}

/* sum + w * (the low three bytes of pixel / 255) */
static inline __m128 add_pixel(__m128 sum, float w, uint32_t pixel)
{
    __m128 v = _mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)pixel)));
    return _mm_add_ps(sum, _mm_mul_ps(_mm_set1_ps(w), _mm_div_ps(v, _mm_set1_ps(255.0f))));
}

static inline uint32_t load_pixel(const uint8_t *p)
{
    uint32_t pixel;
    memcpy(&pixel, p, sizeof pixel);
    return pixel;
}

/* One pixel of `channels` bytes (a constant wherever this is inlined). Four bytes are read at a time; the last of three
 * may be the end of the picture, so it is read with the byte before it. */
static inline __m128 resample(const int channels, size_t count, const float *w, const uint8_t *p)
{
    __m128 sum = _mm_setzero_ps();
    if (count == 0)
        return sum;
    const size_t last = count - 1;
    if (channels == 1) {
        for (size_t t = 0; t < count; t++)
            sum = add_pixel(sum, w[t], p[t] * 0x010101u);
        return sum;
    }
    for (size_t t = 0; t < last; t++, p += channels)
        sum = add_pixel(sum, w[t], load_pixel(p));
    if (channels == 4)
        return add_pixel(sum, w[last], load_pixel(p));
    return add_pixel(sum, w[last],
                     last ? load_pixel(p - 1) >> 8 : (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16);
}

void k_resample_row_u8_avx2(size_t n, size_t taps, const uint32_t *first, const uint32_t *count, const float *weight,
                            const uint8_t *pixels, int channels, float *out)
{
    for (size_t i = 0; i < n; i++, weight += taps, out += 3) {
        const uint8_t *p = pixels + (size_t)first[i] * (size_t)channels;
        __m128 sum = channels == 3   ? resample(3, count[i], weight, p)
                     : channels == 4 ? resample(4, count[i], weight, p)
                                     : resample(1, count[i], weight, p);
        if (i + 1 < n)
            _mm_storeu_ps(out, sum); /* the fourth float is overwritten by the next pixel */
        else
            _mm_maskstore_ps(out, _mm256_castsi256_si128(lanes(3)), sum);
    }
}

/* (1 - u) a + u b */
static inline __m256 blend(__m256 u, __m256 a, __m256 b)
{
    return _mm256_add_ps(_mm256_mul_ps(_mm256_sub_ps(_mm256_set1_ps(1.0f), u), a), _mm256_mul_ps(u, b));
}

static inline __m256 gather(__m256 mask, __m256i index, const float *x)
{
    return _mm256_mask_i32gather_ps(_mm256_setzero_ps(), x, index, mask, 4);
}

void k_bilinear_row_f32_avx2(size_t n, const float *top, const float *bottom, const uint32_t *left,
                             const uint32_t *right, const float *t, float v, float *out)
{
    for (size_t j = 0; j < n; j += 8) {
        const __m256i lane = lanes(n - j);
        const __m256 mask = _mm256_castsi256_ps(lane);
        /* Gathers take indices as signed: a row is shorter than 2^31. */
        __m256i l = _mm256_maskload_epi32((const int *)left + j, lane);
        __m256i r = _mm256_maskload_epi32((const int *)right + j, lane);
        __m256 u = _mm256_maskload_ps(t + j, lane);
        __m256 x = blend(u, gather(mask, l, top), gather(mask, r, top));
        __m256 y = bottom == top ? x : blend(u, gather(mask, l, bottom), gather(mask, r, bottom));
        _mm256_maskstore_ps(out + j, lane, blend(_mm256_set1_ps(v), x, y));
    }
}

/* As for AVX-512: where 8 outputs take from, and whether one vector from the first of them on has it all. */
void k_stretch_rows_f32_avx2(size_t rows, size_t n, const float *x, size_t ldx, const uint32_t *left,
                             const uint32_t *right, const float *t, float *out, size_t ldo)
{
    const size_t ahead = rows * ldx * sizeof *x;
    for (size_t j = 0; j < n; j += 8) {
        const __m256i lane = lanes(n - j);
        const __m256 mask = _mm256_castsi256_ps(lane);
        const __m256i l = _mm256_maskload_epi32((const int *)left + j, lane),
                      r = _mm256_maskload_epi32((const int *)right + j, lane);
        const __m256 u = _mm256_maskload_ps(t + j, lane);
        const uint32_t first = left[j], span = right[j + 7 < n ? j + 7 : n - 1] - first;
        const __m256i start = _mm256_set1_epi32((int)first), end = _mm256_set1_epi32((int)span),
                      l0 = _mm256_and_si256(_mm256_sub_epi32(l, start), lane),
                      r0 = _mm256_and_si256(_mm256_sub_epi32(r, start), lane);
        /* Unsigned l0 <= span and r0 <= span: the greater of each and span is span. */
        const __m256i within = _mm256_cmpeq_epi32(_mm256_max_epu32(_mm256_max_epu32(l0, r0), end), end);
        const bool near = span < 8 && _mm256_movemask_epi8(within) == -1;
        const __m256i readable = lanes(near ? span + 1 : 0);
        for (size_t i = 0; i < rows; i++) {
            const float *const row = x + i * ldx;
            __m256 z;
            if (near) {
                const __m256 some = _mm256_maskload_ps(row + first, readable);
                z = blend(u, _mm256_permutevar8x32_ps(some, l0), _mm256_permutevar8x32_ps(some, r0));
            } else
                z = blend(u, gather(mask, l, row), gather(mask, r, row));
            _mm_prefetch((const char *)((uintptr_t)(row + first) + ahead), _MM_HINT_T0);
            /* What the other blend does with v = 0. */
            _mm256_maskstore_ps(out + i * ldo + j, lane, _mm256_fmadd_ps(_mm256_setzero_ps(), z, z));
        }
    }
}

void k_blend_threshold_f32_avx2(size_t n, const float *x, const float *y, float v, uint8_t inside, uint8_t *out)
{
    const __m256 zero = _mm256_setzero_ps(), vv = _mm256_set1_ps(v);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7), value = _mm256_set1_epi8((char)inside);
    size_t j = 0;
    for (; j + 32 <= n; j += 32) {
        __m256i part[4];
#pragma GCC unroll 4
        for (size_t q = 0; q < 4; q++) {
            __m256 z = blend(vv, _mm256_loadu_ps(x + j + 8 * q), _mm256_loadu_ps(y + j + 8 * q));
            part[q] = _mm256_castps_si256(_mm256_cmp_ps(z, zero, _CMP_GT_OQ));
        }
        __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(part[0], part[1]), _mm256_packs_epi32(part[2], part[3]));
        bytes = _mm256_permutevar8x32_epi32(bytes, order);
        _mm256_storeu_si256((__m256i *)(out + j), _mm256_and_si256(bytes, value));
    }
    for (; j < n; j++)
        out[j] = (1.0f - v) * x[j] + v * y[j] > 0.0f ? inside : 0;
}
