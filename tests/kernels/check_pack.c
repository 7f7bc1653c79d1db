/* Packing: moves, to the bit. */
#include "kernels/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* b [rows, ld] of any bits. */
static uint32_t *make(size_t rows, size_t columns, size_t ld)
{
    const size_t count = rows ? (rows - 1) * ld + columns : 0;
    uint32_t *b = operand(count, sizeof *b);
    for (size_t i = 0; i < count; i++)
        b[i] = (uint32_t)random_bits();
    return b;
}

static void try(const check *t, pack_nk_f32_fn *nk, pack_kn_f32_fn *kn, size_t n, size_t k)
{
    const size_t nr = t->table.gemm_f32_nr, panels = (n + nr - 1) / nr, ld = (nk ? k : n) + random_below(4);
    describe("n %zu k %zu ldb %zu", n, k, ld);
    const uint32_t *b = nk ? make(n, k, ld) : make(k, n, ld);
    float *out = operand_f32(panels * k * nr);
    if (nk)
        nk(n, k, (const float *)b, ld, out);
    else
        kn(k, n, (const float *)b, ld, out);
    for (size_t j = 0; j < panels * nr; j++)
        for (size_t p = 0; p < k && !given_up(); p++) {
            const uint32_t want = j >= n ? 0 : nk ? b[j * ld + p] : b[p * ld + j];
            if (memcmp(&out[j / nr * nr * k + p * nr + j % nr], &want, sizeof want) != 0)
                fail("column %zu, row %zu differs", j, p);
        }
    operands_end();
}

static void check_pack(const check *t, pack_nk_f32_fn *nk, pack_kn_f32_fn *kn)
{
    const size_t nr = t->table.gemm_f32_nr;
    for (size_t n = 0; n <= 2 * nr + 1 && !given_up(); n++)
        for (size_t k = 1; k < 10; k++)
            try(t, nk, kn, n, k);
    for (int i = 0; i < 200 && !given_up(); i++)
        try(t, nk, kn, random_from(1, 4 * nr), random_from(0, 100));
}

void check_pack_nk_f32(const check *t, pack_nk_f32_fn *fn)
{
    check_pack(t, fn, NULL);
}

void check_pack_kn_f32(const check *t, pack_kn_f32_fn *fn)
{
    check_pack(t, NULL, fn);
}

/* ---- timing ---- */

typedef struct job {
    pack_nk_f32_fn *nk;
    pack_kn_f32_fn *kn;
    size_t n, k;
    const float *b;
    float *out;
} job;

static void run(void *arg)
{
    const job *j = arg;
    if (j->nk)
        j->nk(j->n, j->k, j->b, j->k, j->out);
    else
        j->kn(j->k, j->n, j->b, j->n, j->out);
}

static void bench_pack(const check *t, pack_nk_f32_fn *nk, pack_kn_f32_fn *kn)
{
    static const size_t shapes[][2] = {{512, 96}, {4096, 64}, {64, 512}, {96, 196}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t n = shapes[s][0], k = shapes[s][1], nr = t->table.gemm_f32_nr;
        float *b = calloc(n * k, sizeof *b), *out = calloc((n + nr) * k, sizeof *out);
        if (!b || !out)
            exit(2);
        job j = {nk, kn, n, k, b, out};
        char text[64];
        snprintf(text, sizeof text, "n %zu k %zu", n, k);
        bench(t, text, 8.0 * (double)n * (double)k, "GB/s", run, &j);
        free(b);
        free(out);
    }
}

void bench_pack_nk_f32(const check *t, pack_nk_f32_fn *fn)
{
    bench_pack(t, fn, NULL);
}

void bench_pack_kn_f32(const check *t, pack_kn_f32_fn *fn)
{
    bench_pack(t, NULL, fn);
}
