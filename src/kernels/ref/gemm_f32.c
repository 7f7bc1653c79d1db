#include "kernels/kernels.h"
#include "kernels/ref/act.h"

#define NR 8

void k_gemm_f32_ref(const gemm_f32_args *g)
{
    for (size_t i = 0; i < g->m; i++) {
        const float *a = g->a + i * g->lda;
        size_t r = g->c_rows ? g->c_rows[i] : i;
        float *c = g->c + r * g->ldc;
        for (size_t j0 = 0; j0 < g->n; j0 += NR) {
            const float *b = g->b + j0 / NR * g->b_stride;
            float sum[NR] = {0};
            for (size_t p = 0; p < g->k; p++)
                for (size_t j = 0; j < NR; j++)
                    sum[j] += a[p] * b[p * NR + j];
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
