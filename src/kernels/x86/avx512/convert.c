/* Storage types, to the bit as in the plain kernels. */
#include "kernels/x86/avx512/math.h"

static inline __m256i load(__mmask16 mask, const uint16_t *x)
{
    return _mm256_maskz_loadu_epi16(mask, x);
}

void k_bf16_to_f32_avx512(size_t n, const uint16_t *x, float *y)
{
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 mask = lanes(n - j);
        __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(load(mask, x + j)), 16);
        _mm512_mask_storeu_ps(y + j, mask, _mm512_castsi512_ps(bits));
    }
}

void k_f32_to_bf16_avx512(size_t n, const float *x, uint16_t *y)
{
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 mask = lanes(n - j);
        _mm256_mask_storeu_epi16(y + j, mask, to_bf16(_mm512_maskz_loadu_ps(mask, x + j)));
    }
}
