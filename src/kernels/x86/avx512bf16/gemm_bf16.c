/* C = epilogue(A B) in register tiles of 14 rows and 32 columns, as gemm_f32 for AVX-512, with two products a step: a
 * broadcast pair of A's row by a vector of B's pairs. */
#include "kernels/x86/avx512bf16/finish.h"

#include <string.h>

#define MR 14
#define NR 32
#define BLOCK_ELEMENTS (384 * 1024) /* of A: 768 KiB */

static inline __m512bh broadcast_pair(const uint16_t *a)
{
    int pair;
    memcpy(&pair, a, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

/* Rows of a tile, each with the pointer it is addressed from and its distance in rows. */
/* clang-format off */
#define EACH_ROW(X)                                                                                                    \
    X(0, p0, 0) X(1, p0, 1) X(2, p0, 2)                                                                                \
    X(3, p3, 0) X(4, p3, 1) X(5, p3, 2)                                                                                \
    X(6, p6, 0) X(7, p6, 1) X(8, p6, 2)                                                                                \
    X(9, p9, 0) X(10, p9, 1) X(11, p9, 2)                                                                              \
    X(12, p12, 0) X(13, p12, 1)
/* clang-format on */

/* out[rows, NR] = A B for one tile; an odd k ends with half a pair. `rows` is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void tile(const size_t rows, size_t k, const uint16_t *a, size_t lda,
                                                       const uint16_t *b, float *out)
{
#define CLEAR(i, p, step) __m512 s##i = _mm512_setzero_ps(), t##i = s##i;
#define MULTIPLY(i, p, step)                                                                                           \
    if (i < rows) {                                                                                                    \
        const __m512bh x = broadcast_pair(p + step * lda);                                                             \
        s##i = _mm512_dpbf16_ps(s##i, x, b0);                                                                          \
        t##i = _mm512_dpbf16_ps(t##i, x, b1);                                                                          \
    }
#define MULTIPLY_LAST(i, p, step)                                                                                      \
    if (i < rows) {                                                                                                    \
        const __m512bh x = (__m512bh)_mm512_set1_epi32(p[step * lda]);                                                 \
        s##i = _mm512_dpbf16_ps(s##i, x, b0);                                                                          \
        t##i = _mm512_dpbf16_ps(t##i, x, b1);                                                                          \
    }
#define STORE(i, p, step)                                                                                              \
    if (i < rows) {                                                                                                    \
        _mm512_store_ps(out + i * NR, s##i);                                                                           \
        _mm512_store_ps(out + i * NR + 16, t##i);                                                                      \
    }
    EACH_ROW(CLEAR)
    const uint16_t *p0 = a, *p3 = rows > 3 ? a + 3 * lda : a, *p6 = rows > 6 ? a + 6 * lda : a,
                   *p9 = rows > 9 ? a + 9 * lda : a, *p12 = rows > 12 ? a + 12 * lda : a;
    for (const uint16_t *end = b + k / 2 * (2 * NR); b != end; b += 2 * NR) {
        const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 32);
        EACH_ROW(MULTIPLY)
        p0 += 2, p3 += 2, p6 += 2, p9 += 2, p12 += 2;
    }
    if (k % 2) {
        const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 32);
        EACH_ROW(MULTIPLY_LAST)
    }
    EACH_ROW(STORE)
}

typedef void tile_fn(size_t k, const uint16_t *a, size_t lda, const uint16_t *b, float *out);
#define TILE(rows)                                                                                                     \
    static void tile_##rows(size_t k, const uint16_t *a, size_t lda, const uint16_t *b, float *out)                    \
    {                                                                                                                  \
        tile(rows, k, a, lda, b, out);                                                                                 \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
TILE(13)
TILE(14)
static tile_fn *const tiles[MR] = {tile_1, tile_2, tile_3,  tile_4,  tile_5,  tile_6,  tile_7,
                                   tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14};

typedef void finish_fn(const gemm_bf16_args *g, size_t i0, size_t rows, size_t j0, const float *sum);
#define FINISH(name, plain, narrow, act)                                                                               \
    static void finish_##name(const gemm_bf16_args *g, size_t i0, size_t rows, size_t j0, const float *sum)            \
    {                                                                                                                  \
        finish(plain, narrow, act, g, i0, rows, j0, sum);                                                              \
    }
EACH_EPILOGUE(FINISH)
#define FINISH_NAME(name, plain, narrow, act) finish_##name,
static finish_fn *const finishes[] = {EACH_EPILOGUE(FINISH_NAME)};

void k_gemm_bf16_avx512bf16(const gemm_bf16_args *g)
{
    _Alignas(64) float sum[MR * NR];
    finish_fn *const finish_tile = finishes[epilogue_index(g)];
    const size_t block = g->k ? BLOCK_ELEMENTS / g->k / MR * MR + MR : MR;
    for (size_t i0 = 0; i0 < g->m; i0 += block) {
        const size_t m = g->m - i0 < block ? g->m - i0 : block, tiles_left = (m + MR - 1) / MR;
        for (size_t j = 0; j < g->n; j += NR) {
            const uint16_t *b = g->b + j / NR * g->b_stride;
            for (size_t left = tiles_left, i = i0; left; left--) {
                const size_t rows = (i0 + m - i) / left;
                tiles[rows - 1](g->k, g->a + i * g->lda, g->lda, b, sum);
                finish_tile(g, i, rows, j, sum);
                i += rows;
            }
        }
    }
}
