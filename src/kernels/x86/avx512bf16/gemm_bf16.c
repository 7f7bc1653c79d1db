/* C = epilogue(A B) in register tiles of 14 rows and 32 columns, as gemm_f32 for AVX-512, with two products a step: a
 * broadcast pair of A's row by a vector of B's pairs. The last columns are taken by quads where that wastes fewer
 * lanes. */
#include "kernels/x86/avx512/tile_rows.h"
#include "kernels/x86/avx512bf16/finish.h"
#include "kernels/x86/avx512bf16/quads.h"
#include "kernels/x86/fetch.h"

#include <string.h>

#define MR 14
#define NR 32
#define BLOCK_ELEMENTS (384 * 1024) /* of A: 768 KiB */
#define AHEAD 3072                  /* bytes */

static inline __m512bh broadcast_pair(const uint16_t *a)
{
    int pair;
    memcpy(&pair, a, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

/* Where a tile's sums go. */
typedef enum target {
    TO_SUMS,   /* float32, as they are */
    TO_C,      /* float32, with the bias */
    TO_C_BF16, /* bfloat16, with the bias */
    TO_LINES   /* float32, with the bias and what the lines below have */
} target;

/* A tile's rows of C, and of what is added to them: NULL or one for each. */
typedef struct lines {
    float *c[MR];
    const float *add[MR], *residual[MR];
} lines;

/* One tile of A B, `vecs` vectors of 16 columns wide; an odd k ends with half a pair. Rows of `out` are ldo elements
 * apart, or `out` is the lines. What lies at address `ahead`, `step` bytes for each pair, is prefetched. rows, vecs and
 * to are constants wherever this is inlined. Four pairs in one turn, as in gemm_f32. */
static inline __attribute__((always_inline)) void tile(const size_t rows, const size_t vecs, const target to, size_t k,
                                                       const uint16_t *a, size_t lda, const uint16_t *b,
                                                       uintptr_t ahead, size_t step, const float *bias, void *out,
                                                       size_t ldo)
{
#define CLEAR(i, p, step) __m512 s##i = _mm512_setzero_ps(), t##i = s##i;
#define MULTIPLY(i, p, step)                                                                                           \
    if (i < rows) {                                                                                                    \
        const __m512bh x = broadcast_pair(p + step * lda + 2 * u);                                                     \
        s##i = _mm512_dpbf16_ps(s##i, x, b0);                                                                          \
        if (vecs > 1)                                                                                                  \
            t##i = _mm512_dpbf16_ps(t##i, x, b1);                                                                      \
    }
#define MULTIPLY_LAST(i, p, step)                                                                                      \
    if (i < rows) {                                                                                                    \
        const __m512bh x = (__m512bh)_mm512_set1_epi32(p[step * lda]);                                                 \
        s##i = _mm512_dpbf16_ps(s##i, x, b0);                                                                          \
        if (vecs > 1)                                                                                                  \
            t##i = _mm512_dpbf16_ps(t##i, x, b1);                                                                      \
    }
#define ADD(i, p, step)                                                                                                \
    s##i = _mm512_add_ps(s##i, b0);                                                                                    \
    t##i = _mm512_add_ps(t##i, b1);
#define FINISH_LINE(i, p, step)                                                                                        \
    if (i < rows) {                                                                                                    \
        if (add) {                                                                                                     \
            s##i = _mm512_add_ps(s##i, _mm512_loadu_ps(line->add[i]));                                                 \
            if (vecs > 1)                                                                                              \
                t##i = _mm512_add_ps(t##i, _mm512_loadu_ps(line->add[i] + 16));                                        \
        }                                                                                                              \
        if (bias) {                                                                                                    \
            s##i = _mm512_add_ps(s##i, b0);                                                                            \
            t##i = _mm512_add_ps(t##i, b1);                                                                            \
        }                                                                                                              \
        if (residual) {                                                                                                \
            s##i = _mm512_add_ps(s##i, _mm512_loadu_ps(line->residual[i]));                                            \
            if (vecs > 1)                                                                                              \
                t##i = _mm512_add_ps(t##i, _mm512_loadu_ps(line->residual[i] + 16));                                   \
        }                                                                                                              \
        _mm512_storeu_ps(line->c[i], s##i);                                                                            \
        if (vecs > 1)                                                                                                  \
            _mm512_storeu_ps(line->c[i] + 16, t##i);                                                                   \
    }
#define STORE(i, p, step)                                                                                              \
    if (i < rows && to == TO_C_BF16) {                                                                                 \
        uint16_t *const y = (uint16_t *)out + i * ldo;                                                                 \
        if (vecs > 1)                                                                                                  \
            _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(t##i, s##i));                                          \
        else                                                                                                           \
            _mm256_storeu_si256((__m256i *)y, to_bf16_fast(s##i));                                                     \
    } else if (i < rows) {                                                                                             \
        float *const y = (float *)out + i * ldo;                                                                       \
        _mm512_storeu_ps(y, s##i);                                                                                     \
        if (vecs > 1)                                                                                                  \
            _mm512_storeu_ps(y + 16, t##i);                                                                            \
    }
#define LOAD_B(u)                                                                                                      \
    const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b + (u)*2 * NR),                                                  \
                   b1 = vecs > 1 ? (__m512bh)_mm512_loadu_si512(b + (u)*2 * NR + NR) : b0;
    EACH_ROW(CLEAR)
    const uint16_t *p0 = a, *p3 = rows > 3 ? a + 3 * lda : a, *p6 = rows > 6 ? a + 6 * lda : a,
                   *p9 = rows > 9 ? a + 9 * lda : a, *p12 = rows > 12 ? a + 12 * lda : a;
    const lines *const line = out;
    const uint16_t *const end4 = b + k / 8 * (8 * NR), *const end = b + k / 2 * (2 * NR);
    while (b != end4) {
#pragma GCC unroll 4
        for (size_t u = 0; u < 4; u++) {
            LOAD_B(u)
            EACH_ROW(MULTIPLY)
            KEEP_POINTERS
        }
        _mm_prefetch((const char *)ahead, _MM_HINT_T0);
        _mm_prefetch((const char *)(ahead + 64), _MM_HINT_T0);
        if (step > 32)
#pragma GCC unroll 6
            for (uintptr_t line = 128; line < 512; line += 64)
                _mm_prefetch((const char *)(ahead + line), _MM_HINT_T0);
        ahead += 4 * step;
        b += 8 * NR;
        p0 += 8, p3 += 8, p6 += 8, p9 += 8, p12 += 8;
    }
    for (const size_t u = 0; b != end; b += 2 * NR) {
        LOAD_B(0)
        EACH_ROW(MULTIPLY)
        p0 += 2, p3 += 2, p6 += 2, p9 += 2, p12 += 2;
    }
    if (k % 2) {
        LOAD_B(0)
        EACH_ROW(MULTIPLY_LAST)
    }
    if (to == TO_LINES) {
        const bool add = line->add[0] != NULL, residual = line->residual[0] != NULL;
        const __m512 b0 = bias ? _mm512_loadu_ps(bias) : _mm512_setzero_ps(),
                     b1 = bias && vecs > 1 ? _mm512_loadu_ps(bias + 16) : b0;
        EACH_ROW(FINISH_LINE)
        return;
    }
    if (to != TO_SUMS && bias) {
        const __m512 b0 = _mm512_loadu_ps(bias), b1 = vecs > 1 ? _mm512_loadu_ps(bias + 16) : b0;
        EACH_ROW(ADD)
    }
    EACH_ROW(STORE)
}

typedef void tile_fn(size_t k, const uint16_t *a, size_t lda, const uint16_t *b, uintptr_t ahead, size_t step,
                     const float *bias, void *out, size_t ldo);
#define TILE_KIND(name, rows, vecs, to)                                                                                \
    static void name(size_t k, const uint16_t *a, size_t lda, const uint16_t *b, uintptr_t ahead, size_t step,         \
                     const float *bias, void *out, size_t ldo)                                                         \
    {                                                                                                                  \
        tile(rows, vecs, to, k, a, lda, b, ahead, step, bias, out, ldo);                                               \
    }
#define TILE(rows)                                                                                                     \
    TILE_KIND(sums_##rows##x16, rows, 1, TO_SUMS)                                                                      \
    TILE_KIND(sums_##rows##x32, rows, 2, TO_SUMS)                                                                      \
    TILE_KIND(c_##rows##x16, rows, 1, TO_C)                                                                            \
    TILE_KIND(c_##rows##x32, rows, 2, TO_C)                                                                            \
    TILE_KIND(c_bf16_##rows##x16, rows, 1, TO_C_BF16)                                                                  \
    TILE_KIND(c_bf16_##rows##x32, rows, 2, TO_C_BF16)                                                                  \
    TILE_KIND(lines_##rows##x16, rows, 1, TO_LINES)                                                                    \
    TILE_KIND(lines_##rows##x32, rows, 2, TO_LINES)
#define TILES(rows)                                                                                                    \
    {                                                                                                                  \
        {sums_##rows##x16, sums_##rows##x32}, {c_##rows##x16, c_##rows##x32},                                          \
            {c_bf16_##rows##x16, c_bf16_##rows##x32},                                                                  \
        {                                                                                                              \
            lines_##rows##x16, lines_##rows##x32                                                                       \
        }                                                                                                              \
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
static tile_fn *const tiles[MR][4][2] = {TILES(1), TILES(2), TILES(3),  TILES(4),  TILES(5),  TILES(6),  TILES(7),
                                         TILES(8), TILES(9), TILES(10), TILES(11), TILES(12), TILES(13), TILES(14)};

typedef void finish_fn(const gemm_bf16_args *g, size_t i0, size_t rows, size_t j0, const float *sum);
#define FINISH(name, plain, narrow, act)                                                                               \
    static void finish_##name(const gemm_bf16_args *g, size_t i0, size_t rows, size_t j0, const float *sum)            \
    {                                                                                                                  \
        finish(plain, narrow, act, g, i0, rows, j0, sum);                                                              \
    }
EACH_EPILOGUE(FINISH)
#define FINISH_NAME(name, plain, narrow, act) finish_##name,
static finish_fn *const finishes[] = {EACH_EPILOGUE(FINISH_NAME)};

/* Asks for the lines of C and of what is added to them while the tile is multiplied: rows lie too far apart for the
 * processor to foresee them. */
static inline void fetch_rows(const gemm_bf16_args *g, size_t i0, size_t rows, size_t j0)
{
    for (size_t i = i0; i < i0 + rows; i++) {
        const size_t r = g->c_rows ? g->c_rows[i] : i;
        if (g->residual)
            fetch_floats(g->residual + r * g->ldr + j0);
        if (g->add)
            fetch_floats(g->add + i * g->ldadd + j0);
        if (g->add_bf16)
            _mm_prefetch((const char *)(g->add_bf16 + i * g->ldadd + j0), _MM_HINT_T0);
        if (g->c_bf16)
            __builtin_prefetch(g->c_bf16 + r * g->ldc + j0, 1);
        else
            fetch_to_write(g->c + r * g->ldc + j0);
    }
}

/* The same where they are written from the registers, which need to know them. */
static inline void find_lines(const gemm_bf16_args *g, size_t i0, size_t rows, size_t j0, lines *line)
{
    for (size_t i = 0; i < rows; i++) {
        const size_t r = g->c_rows ? g->c_rows[i0 + i] : i0 + i;
        line->c[i] = g->c + r * g->ldc + j0;
        line->add[i] = g->add ? g->add + (i0 + i) * g->ldadd + j0 : NULL;
        line->residual[i] = g->residual ? g->residual + r * g->ldr + j0 : NULL;
        fetch_to_write(line->c[i]);
        if (line->add[i])
            fetch_floats(line->add[i]);
        if (line->residual[i])
            fetch_floats(line->residual[i]);
    }
}

/* Whole tiles go from the registers to C where they need no more than one of the targets has. */
static target target_of(const gemm_bf16_args *g)
{
    if (epilogue_is_plain(g) && g->act == ACT_NONE && !g->c_rows)
        return g->c_bf16 ? TO_C_BF16 : TO_C;
    return g->c && g->act == ACT_NONE && !g->add_scale && !g->row_scale && !g->add_bf16 ? TO_LINES : TO_SUMS;
}

void k_gemm_bf16_avx512bf16(const gemm_bf16_args *g)
{
    _Alignas(64) float sum[MR * NR];
    finish_fn *const finish_tile = finishes[epilogue_index(g)];
    const target kind = target_of(g);
    const size_t block = g->k ? BLOCK_ELEMENTS / g->k / MR * MR + MR : MR;
    const size_t wanted_step = fetch_step(g->fetch_bytes, g->m, MR, g->n, NR, g->k / 2);
    uintptr_t fetched = (uintptr_t)g->fetch;
    for (size_t i0 = 0; i0 < g->m; i0 += block) {
        const size_t m = g->m - i0 < block ? g->m - i0 : block;
        for (size_t j = 0; j < g->n; j += NR) {
            const size_t columns = g->n - j;
            const bool by_quads = quads_fit(columns);
            const size_t mr = by_quads ? quads_rows(columns) : MR, tiles_left = (m + mr - 1) / mr;
            const uint16_t *b = g->b + j / NR * g->b_stride;
            const float *const bias = g->bias ? g->bias + j : NULL;
            const bool whole = columns >= NR || columns == 16;
            const target to = whole ? kind : TO_SUMS;
            lines line;
            /* What is prefetched: as in gemm_f32, or what the caller wants. */
            size_t step = tiles_left == 1 || columns > NR ? (2 * NR * sizeof *b + tiles_left - 1) / tiles_left : 0;
            uintptr_t ahead = (uintptr_t)b + (tiles_left == 1 ? AHEAD : columns > NR ? g->b_stride * sizeof *b : 0);
            if (g->fetch)
                step = wanted_step, ahead = fetched;
            for (size_t left = tiles_left, i = i0; left; left--) {
                const size_t rows = (i0 + m - i) / left;
                tile_fn *const fn = tiles[rows - 1][to][columns > 16];
                const uint16_t *a = g->a + i * g->lda;
                if (to == TO_LINES)
                    find_lines(g, i, rows, j, &line);
                else
                    fetch_rows(g, i, rows, j);
                if (by_quads) {
                    quads_tile(rows, columns, g->k, a, g->lda, b, ahead, step, sum);
                    finish_tile(g, i, rows, j, sum);
                } else if (to == TO_SUMS) {
                    fn(g->k, a, g->lda, b, ahead, step, NULL, sum, NR);
                    finish_tile(g, i, rows, j, sum);
                } else if (to == TO_LINES)
                    fn(g->k, a, g->lda, b, ahead, step, bias, &line, 0);
                else
                    fn(g->k, a, g->lda, b, ahead, step, bias,
                       to == TO_C ? (void *)(g->c + i * g->ldc + j) : (void *)(g->c_bf16 + i * g->ldc + j), g->ldc);
                i += rows;
                ahead += step * (g->k / 2);
            }
            fetched += wanted_step * (g->k / 2) * tiles_left;
        }
    }
}
