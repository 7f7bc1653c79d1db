/* Storage types, to the bit as in the plain kernels, which take what is left over after whole vectors. */
#include "kernels/x86/avx2/math.h"

static inline __m128i load(const uint16_t *x)
{
    return _mm_loadu_si128((const __m128i *)x);
}

void k_bf16_to_f32_avx2(size_t n, const uint16_t *x, float *y)
{
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load(x + j)), 16);
        _mm256_storeu_ps(y + j, _mm256_castsi256_ps(bits));
    }
    k_bf16_to_f32_ref(n - j, x + j, y + j);
}

void k_f32_to_bf16_avx2(size_t n, const float *x, uint16_t *y)
{
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        __m256 v = _mm256_loadu_ps(x + j);
        __m256i bits = _mm256_castps_si256(v), high = _mm256_srli_epi32(bits, 16);
        __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
        __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
        __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
        __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        __m256i result = _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), quiet, nan);
        result = _mm256_permute4x64_epi64(_mm256_packus_epi32(result, result), 0x08); /* low quarters of both halves */
        _mm_storeu_si128((__m128i *)(y + j), _mm256_castsi256_si128(result));
    }
    k_f32_to_bf16_ref(n - j, x + j, y + j);
}
