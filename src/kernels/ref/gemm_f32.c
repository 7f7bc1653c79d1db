#include "kernels/kernels.h"
#include "kernels/ref/act.h"

#include <string.h>

#define NR 8

/* Columns j0 ... of row p of B, from pairs. */
static void widen(const gemm_f32_args *g, size_t j0, size_t p, float row[NR])
{
    const uint16_t *pairs = g->b_bf16 + j0 / GEMM_BF16_NR * g->b_stride + p / 2 * 2 * GEMM_BF16_NR;
    for (size_t j = 0; j < NR; j++) {
        const uint32_t bits = (uint32_t)pairs[(j0 % GEMM_BF16_NR + j) * 2 + p % 2] << 16;
        memcpy(&row[j], &bits, sizeof bits);
    }
}

static void multiply(const gemm_f32_args *g)
{
    const size_t piece = gemm_f32_piece(g->k);
    for (size_t i = 0; i < g->m; i++) {
        const float *a = g->a + i * g->lda;
        size_t r = g->c_rows ? g->c_rows[i] : i;
        float *c = g->c + r * g->ldc;
        for (size_t j0 = 0; j0 < g->n; j0 += NR) {
            const float *b = g->b ? g->b + j0 / NR * g->b_stride : NULL;
            float sum[NR] = {0}, part[NR] = {0}, wide[NR];
            for (size_t p = 0; p < g->k; p++) {
                if (!b)
                    widen(g, j0, p, wide);
                const float *row = b ? b + p * NR : wide;
                for (size_t j = 0; j < NR; j++)
                    part[j] += a[p] * row[j];
                if ((p + 1) % piece == 0 || p + 1 == g->k)
                    for (size_t j = 0; j < NR; j++) {
                        sum[j] = p < piece ? part[j] : sum[j] + part[j];
                        part[j] = 0.0f;
                    }
            }
            for (size_t j = 0; j < NR && j0 + j < g->n; j++) {
                float v = sum[j];
                if (g->accumulate)
                    v += (g->c_scale ? g->c_scale[i] : 1.0f) * c[j0 + j];
                if (g->bias)
                    v += g->bias[j0 + j];
                v = ref_act(g->act, v);
                if (g->residual)
                    v += g->residual[r * g->ldr + j0 + j];
                c[j0 + j] = v;
            }
        }
    }
}

void k_gemm_f32_ref(const gemm_f32_args *g)
{
    multiply(g);
}

void k_gemm_stored_ref(const gemm_f32_args *g)
{
    multiply(g);
}

void k_pack_nk_f32_ref(size_t n, size_t k, const float *b, size_t ldb, float *out)
{
    for (size_t j0 = 0; j0 < n; j0 += NR)
        for (size_t p = 0; p < k; p++)
            for (size_t j = 0; j < NR; j++)
                *out++ = j0 + j < n ? b[(j0 + j) * ldb + p] : 0.0f;
}

void k_pack_kn_f32_ref(size_t k, size_t n, const float *b, size_t ldb, float *out)
{
    for (size_t j0 = 0; j0 < n; j0 += NR)
        for (size_t p = 0; p < k; p++)
            for (size_t j = 0; j < NR; j++)
                *out++ = j0 + j < n ? b[p * ldb + j0 + j] : 0.0f;
}
