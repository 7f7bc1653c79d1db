/* The epilogue of gemm_bf16 for the levels that have AVX512-BF16. */
#ifndef KERNELS_X86_AVX512BF16_FINISH_H
#define KERNELS_X86_AVX512BF16_FINISH_H

#include "kernels/x86/avx512/math.h"

#include <stdbool.h>

static inline __attribute__((always_inline)) __m512 finish_vector(const bool plain, const activation act,
                                                                  const gemm_bf16_args *g, size_t i, size_t r, size_t j,
                                                                  __mmask16 mask, __m512 bias, __m512 x)
{
    if (!plain && g->add) {
        const __m512 scale = _mm512_set1_ps(g->add_scale ? g->add_scale[i] : 1.0f);
        x = _mm512_fmadd_ps(scale, _mm512_maskz_loadu_ps(mask, g->add + i * g->ldadd + j), x);
    }
    if (!plain && g->add_bf16)
        x = _mm512_add_ps(x, from_bf16(mask, g->add_bf16 + i * g->ldadd + j));
    if (!plain && g->row_scale)
        x = _mm512_mul_ps(x, _mm512_set1_ps(g->row_scale[i]));
    x = _mm512_add_ps(x, bias);
    if (act == ACT_RELU)
        x = _mm512_max_ps(x, _mm512_setzero_ps());
    if (act == ACT_GELU)
        x = short_gelu_f32(x);
    if (!plain && g->residual)
        x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, g->residual + r * g->ldr + j));
    return x;
}

/* Rows i0 ... and up to 32 columns j0 ... of C from their sums [rows, 32]. What the constants know need not be asked in
 * the loop: `plain`, only a bias is added; `narrow`, C is bfloat16. Without a bias -0 is added, which changes nothing.
 */
static inline __attribute__((always_inline)) void finish(const bool plain, const bool narrow, const activation act,
                                                         const gemm_bf16_args *g, size_t i0, size_t rows, size_t j0,
                                                         const float *sum)
{
    const size_t columns = g->n - j0;
    const __mmask16 mask0 = lanes(columns), mask1 = columns > 16 ? lanes(columns - 16) : 0;
    const __m512 none = _mm512_set1_ps(-0.0f);
    const __m512 bias0 = g->bias ? _mm512_maskz_loadu_ps(mask0, g->bias + j0) : none;
    const __m512 bias1 = g->bias && mask1 ? _mm512_maskz_loadu_ps(mask1, g->bias + j0 + 16) : none;
    for (size_t i = i0; i < i0 + rows; i++, sum += 32) {
        const size_t r = g->c_rows ? g->c_rows[i] : i, at = r * g->ldc + j0;
        const __m512 x0 = finish_vector(plain, act, g, i, r, j0, mask0, bias0, _mm512_load_ps(sum));
        __m512 x1 = x0;
        if (mask1)
            x1 = finish_vector(plain, act, g, i, r, j0 + 16, mask1, bias1, _mm512_load_ps(sum + 16));
        if (narrow && columns >= 32)
            _mm512_storeu_si512(g->c_bf16 + at, (__m512i)_mm512_cvtne2ps_pbh(x1, x0));
        else if (narrow) {
            _mm256_mask_storeu_epi16(g->c_bf16 + at, mask0, to_bf16_fast(x0));
            if (mask1)
                _mm256_mask_storeu_epi16(g->c_bf16 + at + 16, mask1, to_bf16_fast(x1));
        } else if (columns >= 32) {
            _mm512_storeu_ps(g->c + at, x0);
            _mm512_storeu_ps(g->c + at + 16, x1);
        } else {
            _mm512_mask_storeu_ps(g->c + at, mask0, x0);
            if (mask1)
                _mm512_mask_storeu_ps(g->c + at + 16, mask1, x1);
        }
    }
}

/* What the epilogue is known for: X(name, plain, narrow, act). */
#define EACH_EPILOGUE(X)                                                                                               \
    X(full_none, false, false, ACT_NONE)                                                                               \
    X(full_relu, false, false, ACT_RELU)                                                                               \
    X(full_gelu, false, false, ACT_GELU)                                                                               \
    X(full_none_bf16, false, true, ACT_NONE)                                                                           \
    X(full_relu_bf16, false, true, ACT_RELU)                                                                           \
    X(full_gelu_bf16, false, true, ACT_GELU)                                                                           \
    X(plain_none, true, false, ACT_NONE)                                                                               \
    X(plain_relu, true, false, ACT_RELU)                                                                               \
    X(plain_gelu, true, false, ACT_GELU)                                                                               \
    X(plain_none_bf16, true, true, ACT_NONE)                                                                           \
    X(plain_relu_bf16, true, true, ACT_RELU)                                                                           \
    X(plain_gelu_bf16, true, true, ACT_GELU)

/* Only a bias is added, if anything. */
static inline bool epilogue_is_plain(const gemm_bf16_args *g)
{
    return !g->add && !g->add_bf16 && !g->row_scale && !g->residual;
}

/* The place of a product's epilogue in that list. */
static inline size_t epilogue_index(const gemm_bf16_args *g)
{
    return (epilogue_is_plain(g) ? 6u : 0u) + (g->c_bf16 ? 3u : 0u) + (size_t)g->act;
}

#endif
