/* Max pooling. */
#include "kernels/x86/avx512/math.h"

void k_max4_f32_avx512(size_t n, const float *const x[4], float *y)
{
    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 mask = lanes(n - j);
        __m512 top = _mm512_max_ps(_mm512_maskz_loadu_ps(mask, x[0] + j), _mm512_maskz_loadu_ps(mask, x[1] + j));
        __m512 bottom = _mm512_max_ps(_mm512_maskz_loadu_ps(mask, x[2] + j), _mm512_maskz_loadu_ps(mask, x[3] + j));
        _mm512_mask_storeu_ps(y + j, mask, _mm512_max_ps(top, bottom));
    }
}

/* bfloat16 to integers that are ordered like them, and back. */
static inline __m512i ordered(__m512i x)
{
    return _mm512_xor_si512(x, _mm512_srli_epi16(_mm512_srai_epi16(x, 15), 1));
}

static inline __m512i load(__mmask32 mask, const uint16_t *x)
{
    return ordered(_mm512_maskz_loadu_epi16(mask, x));
}

void k_max4_bf16_avx512(size_t n, const uint16_t *const x[4], uint16_t *y)
{
    for (size_t j = 0; j < n; j += 32) {
        const __mmask32 mask = n - j >= 32 ? 0xFFFFFFFFu : (1u << (n - j)) - 1u;
        __m512i top = _mm512_max_epi16(load(mask, x[0] + j), load(mask, x[1] + j));
        __m512i bottom = _mm512_max_epi16(load(mask, x[2] + j), load(mask, x[3] + j));
        _mm512_mask_storeu_epi16(y + j, mask, ordered(_mm512_max_epi16(top, bottom)));
    }
}
