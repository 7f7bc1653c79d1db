/* What the AVX-512 level's float32 products do with their sums. */
#ifndef KERNELS_X86_AVX512_FINISH_F32_H
#define KERNELS_X86_AVX512_FINISH_F32_H

#include "kernels/x86/avx512/math.h"

#include <stdbool.h>

#define NR 32 /* as GEMM_BF16_NR: a panel of pairs is as wide as one of floats */

static inline __m512 load(bool whole, __mmask16 mask, const float *x)
{
    return whole ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps(mask, x);
}

static inline void store(bool whole, __mmask16 mask, float *y, __m512 x)
{
    if (whole)
        _mm512_storeu_ps(y, x);
    else
        _mm512_mask_storeu_ps(y, mask, x);
}

/* The epilogue of rows i0 ... and columns j0 ... of C from their sums [rows, NR]. What the constants know need not be
 * asked in the loop: `whole`, all 32 columns are there; `plain`, nothing is read from C or the residual. Without a bias
 * -0 is added, which changes nothing. */
static inline __attribute__((always_inline)) void finish(const bool whole, const bool plain, const activation act,
                                                         const gemm_f32_args *g, size_t i0, size_t rows, size_t j0,
                                                         const float *sum)
{
    const __mmask16 mask0 = lanes(g->n - j0), mask1 = g->n - j0 > 16 ? lanes(g->n - j0 - 16) : 0;
    const __m512 none = _mm512_set1_ps(-0.0f);
    const __m512 bias0 = g->bias ? _mm512_maskz_loadu_ps(mask0, g->bias + j0) : none;
    const __m512 bias1 = g->bias && mask1 ? _mm512_maskz_loadu_ps(mask1, g->bias + j0 + 16) : none;
    for (size_t i = 0; i < rows; i++, sum += NR) {
        const size_t r = g->c_rows ? g->c_rows[i0 + i] : i0 + i;
        float *c = g->c + r * g->ldc + j0;
        __m512 x0 = _mm512_load_ps(sum), x1 = whole || mask1 ? _mm512_load_ps(sum + 16) : _mm512_setzero_ps();
        if (!plain && g->accumulate) {
            const __m512 scale = _mm512_set1_ps(g->c_scale ? g->c_scale[i0 + i] : 1.0f);
            x0 = _mm512_fmadd_ps(scale, load(whole, mask0, c), x0);
            if (whole || mask1)
                x1 = _mm512_fmadd_ps(scale, load(whole, mask1, c + 16), x1);
        }
        x0 = act_f32(act, _mm512_add_ps(x0, bias0));
        x1 = act_f32(act, _mm512_add_ps(x1, bias1));
        if (!plain && g->residual) {
            const float *old = g->residual + r * g->ldr + j0;
            x0 = _mm512_add_ps(x0, load(whole, mask0, old));
            if (whole || mask1)
                x1 = _mm512_add_ps(x1, load(whole, mask1, old + 16));
        }
        store(whole, mask0, c, x0);
        if (whole || mask1)
            store(whole, mask1, c + 16, x1);
    }
}

typedef void finish_fn(const gemm_f32_args *g, size_t i0, size_t rows, size_t j0, const float *sum);
#define FINISH(name, whole, plain, act)                                                                                \
    static void name(const gemm_f32_args *g, size_t i0, size_t rows, size_t j0, const float *sum)                      \
    {                                                                                                                  \
        finish(whole, plain, act, g, i0, rows, j0, sum);                                                               \
    }
FINISH(finish_edge, false, false, g->act)
FINISH(finish_none, true, false, ACT_NONE)
FINISH(finish_relu, true, false, ACT_RELU)
FINISH(finish_gelu, true, false, ACT_GELU)
FINISH(finish_plain_none, true, true, ACT_NONE)
FINISH(finish_plain_relu, true, true, ACT_RELU)
FINISH(finish_plain_gelu, true, true, ACT_GELU)
static finish_fn *const finishes[2][3] = {{finish_none, finish_relu, finish_gelu},
                                          {finish_plain_none, finish_plain_relu, finish_plain_gelu}};

/* Asks for the lines of C and of what is added to them while the tile is multiplied: rows lie too far apart for the
 * processor to foresee them. */
static inline void fetch_rows(const gemm_f32_args *g, size_t i0, size_t rows, size_t j0)
{
    for (size_t i = i0; i < i0 + rows; i++) {
        const size_t r = g->c_rows ? g->c_rows[i] : i;
        if (g->residual)
            fetch_floats(g->residual + r * g->ldr + j0);
        fetch_to_write(g->c + r * g->ldc + j0);
    }
}

#endif
