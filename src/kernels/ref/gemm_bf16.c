#include "kernels/ref/act.h"
#include "kernels/ref/bf16.h"

#include <string.h>

/* Column j's element p of packed B. */
static float packed_at(const gemm_bf16_args *g, size_t p, size_t j)
{
    const uint16_t *panel = g->b + j / GEMM_BF16_NR * g->b_stride;
    return ref_bf16(panel[(p / 2 * GEMM_BF16_NR + j % GEMM_BF16_NR) * 2 + p % 2]);
}

void k_gemm_bf16_ref(const gemm_bf16_args *g)
{
    for (size_t i = 0; i < g->m; i++) {
        const uint16_t *a = g->a + i * g->lda;
        const size_t r = g->c_rows ? g->c_rows[i] : i;
        for (size_t j = 0; j < g->n; j++) {
            float v = 0.0f;
            for (size_t p = 0; p < g->k; p++)
                v += ref_bf16(a[p]) * packed_at(g, p, j);
            if (g->add)
                v += (g->add_scale ? g->add_scale[i] : 1.0f) * g->add[i * g->ldadd + j];
            if (g->add_bf16)
                v += ref_bf16(g->add_bf16[i * g->ldadd + j]);
            if (g->row_scale)
                v *= g->row_scale[i];
            if (g->bias)
                v += g->bias[j];
            v = ref_act(g->act, v);
            if (g->residual)
                v += g->residual[r * g->ldr + j];
            if (g->c)
                g->c[r * g->ldc + j] = v;
            else
                g->c_bf16[r * g->ldc + j] = ref_to_bf16(v);
        }
    }
}

/* Both packings: element p of column j is b[p * step_k + j * step_n]. */
static void pack(size_t n, size_t k, const uint16_t *b, size_t step_n, size_t step_k, uint16_t *out)
{
    const size_t whole = (k + GEMM_BF16_K - 1) / GEMM_BF16_K * GEMM_BF16_K;
    for (size_t j0 = 0; j0 < n; j0 += GEMM_BF16_NR)
        for (size_t p = 0; p < whole; p += 2)
            for (size_t j = j0; j < j0 + GEMM_BF16_NR; j++)
                for (size_t q = p; q < p + 2; q++)
                    *out++ = j < n && q < k ? b[q * step_k + j * step_n] : 0;
}

void k_pack_nk_bf16_ref(size_t n, size_t k, const uint16_t *b, size_t ldb, uint16_t *out)
{
    pack(n, k, b, ldb, 1, out);
}

void k_pack_kn_bf16_ref(size_t k, size_t n, const uint16_t *b, size_t ldb, uint16_t *out)
{
    pack(n, k, b, 1, ldb, out);
}
