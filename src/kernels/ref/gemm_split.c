#include "kernels/kernels.h"
#include "kernels/ref/act.h"
#include "kernels/ref/bf16.h"

#define NR 8
#define PARTS 3
#define PIECE 32 /* of k, summed apart */

/* x as a sum of bfloat16 numbers, the largest first. */
static void split(float x, float part[PARTS])
{
    for (size_t i = 0; i < PARTS; i++) {
        part[i] = ref_bf16(ref_to_bf16(x));
        x -= part[i];
    }
}

static float b_at(const gemm_f32_args *g, size_t p, size_t j)
{
    if (g->b)
        return g->b[j / NR * g->b_stride + p * NR + j % NR];
    return ref_bf16(g->b_bf16[j / GEMM_BF16_NR * g->b_stride + (p / 2 * GEMM_BF16_NR + j % GEMM_BF16_NR) * 2 + p % 2]);
}

void k_gemm_split_ref(const gemm_f32_args *g)
{
    for (size_t i = 0; i < g->m; i++) {
        const size_t r = g->c_rows ? g->c_rows[i] : i;
        for (size_t j = 0; j < g->n; j++) {
            float sum = 0.0f, piece = 0.0f, *const c = g->c + r * g->ldc + j;
            for (size_t p = 0; p < g->k; p++) {
                float a[PARTS], b[PARTS], small = 0.0f;
                split(g->a[i * g->lda + p], a);
                split(b_at(g, p, j), b);
                small += a[2] * b[0] + a[1] * b[1] + a[0] * b[2];
                small += a[1] * b[0] + a[0] * b[1];
                piece += small + a[0] * b[0];
                if ((p + 1) % PIECE == 0 || p + 1 == g->k) {
                    sum += piece;
                    piece = 0.0f;
                }
            }
            if (g->accumulate)
                sum += (g->c_scale ? g->c_scale[i] : 1.0f) * *c;
            if (g->bias)
                sum += g->bias[j];
            sum = ref_act(g->act, sum);
            if (g->residual)
                sum += g->residual[r * g->ldr + j];
            *c = sum;
        }
    }
}
