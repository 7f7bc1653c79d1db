/* C = epilogue(A B) in register tiles of 14 rows and 32 columns: 28 sums, two vectors of B and one of A fill the 32
 * registers, and 28 multiply-adds a step of k hide their latency. B is of floats, or of bfloat16 pairs, which become
 * floats in a register: a shift or a mask for 14 multiply-adds. */
#include "kernels/x86/avx512/finish_f32.h"
#include "kernels/x86/avx512/tile_rows.h"
#include "kernels/x86/fetch.h"

#define MR 14
#define BLOCK_FLOATS (192 * 1024) /* of A: 768 KiB */
#define AHEAD 3072                /* bytes */

/* The compiler is not to widen the next row of B while this one is in use: the sums leave it no register for that. In
 * two halves, because a statement has at most 30 operands, of which each of these is two. */
#define KEEP_SUMS                                                                                                      \
    __asm__ volatile(""                                                                                                \
                     : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "+v"(s6), "+v"(s7), "+v"(s8),       \
                       "+v"(s9), "+v"(s10), "+v"(s11), "+v"(s12), "+v"(s13));                                          \
    __asm__ volatile(""                                                                                                \
                     : "+v"(t0), "+v"(t1), "+v"(t2), "+v"(t3), "+v"(t4), "+v"(t5), "+v"(t6), "+v"(t7), "+v"(t8),       \
                       "+v"(t9), "+v"(t10), "+v"(t11), "+v"(t12), "+v"(t13));

/* Rows of a tile from which on the compiler would mix steps so that sums go to memory: clang 14 always, gcc 12 where B
 * has to be widened. */
#ifdef __clang__
#define MIXED_FROM(stored) 4
#else
#define MIXED_FROM(stored) ((stored) ? 11 : MR + 1)
#endif

/* Bytes of B for one more k. */
#define STEP(stored) ((stored) ? NR * sizeof(uint16_t) : NR * sizeof(float))

/* Columns 16 v ... of row u of the panel at b. */
static inline __attribute__((always_inline)) __m512 columns(const bool stored, const uint8_t *b, size_t u, size_t v)
{
    if (!stored)
        return _mm512_loadu_ps(b + u * STEP(false) + v * 64);
    const uint8_t *pairs = b + u / 2 * 2 * STEP(true) + v * 64;
    return _mm512_castsi512_ps(u % 2 ? _mm512_maskz_loadu_epi16(0xaaaaaaaa, pairs) /* no register for a mask */
                                     : _mm512_slli_epi32(_mm512_loadu_si512(pairs), 16));
}

/* out[rows, NR] = A B + out (if `more`) + bias (or NULL) for one tile, `vecs` vectors of 16 columns wide, from a [rows,
 * k] and b [k, NR], or the pairs [k/2][NR][2] when `stored`; rows of out are ldo floats apart. What lies at address
 * `ahead`, `step` bytes for each of k, is prefetched. rows, vecs and stored are constants wherever this is inlined.
 * Each sum has a name of its own: not all compilers keep an array of them in registers. Four steps of k in one turn,
 * their distances in the instructions: pointers moved at every step would take a tenth of the slots that multiply-adds
 * need. */
static inline __attribute__((always_inline)) void tile(const size_t rows, const size_t vecs, const bool stored,
                                                       size_t k, const float *a, size_t lda, const uint8_t *b,
                                                       uintptr_t ahead, size_t step, const float *bias, bool more,
                                                       float *out, size_t ldo)
{
#define CLEAR(i, p, step) __m512 s##i = _mm512_setzero_ps(), t##i = s##i;
#define MULTIPLY(i, p, step)                                                                                           \
    if (i < rows) {                                                                                                    \
        __m512 x = _mm512_set1_ps(p[step * lda + u]);                                                                  \
        s##i = _mm512_fmadd_ps(x, b0, s##i);                                                                           \
        if (vecs > 1)                                                                                                  \
            t##i = _mm512_fmadd_ps(x, b1, t##i);                                                                       \
    }
#define ADD_OLD(i, p, step)                                                                                            \
    if (i < rows) {                                                                                                    \
        s##i = _mm512_add_ps(s##i, _mm512_loadu_ps(out + i * ldo));                                                    \
        if (vecs > 1)                                                                                                  \
            t##i = _mm512_add_ps(t##i, _mm512_loadu_ps(out + i * ldo + 16));                                           \
    }
#define ADD(i, p, step)                                                                                                \
    s##i = _mm512_add_ps(s##i, b0);                                                                                    \
    t##i = _mm512_add_ps(t##i, b1);
#define STORE(i, p, step)                                                                                              \
    if (i < rows) {                                                                                                    \
        _mm512_storeu_ps(out, s##i);                                                                                   \
        if (vecs > 1)                                                                                                  \
            _mm512_storeu_ps(out + 16, t##i);                                                                          \
        out += ldo;                                                                                                    \
    }
    EACH_ROW(CLEAR)
    const float *p0 = a, *p3 = rows > 3 ? a + 3 * lda : a, *p6 = rows > 6 ? a + 6 * lda : a,
                *p9 = rows > 9 ? a + 9 * lda : a, *p12 = rows > 12 ? a + 12 * lda : a;
    const uint8_t *const end4 = b + k / 4 * 4 * STEP(stored);
    while (b != end4) {
#pragma GCC unroll 4
        for (size_t u = 0; u < 4; u++) {
            __m512 b0 = columns(stored, b, u, 0), b1 = vecs > 1 ? columns(stored, b, u, 1) : b0;
            EACH_ROW(MULTIPLY)
            if (rows >= MIXED_FROM(stored)) {
                KEEP_SUMS
            }
            KEEP_POINTERS
        }
        _mm_prefetch((const char *)ahead, _MM_HINT_T0);
        _mm_prefetch((const char *)(ahead + 64), _MM_HINT_T0);
        if (step > 32)
#pragma GCC unroll 6
            for (uintptr_t line = 128; line < 512; line += 64)
                _mm_prefetch((const char *)(ahead + line), _MM_HINT_T0);
        ahead += 4 * step;
        b += 4 * STEP(stored);
        p0 += 4, p3 += 4, p6 += 4, p9 += 4, p12 += 4;
    }
    for (size_t u = 0; u < k % 4; u++) {
        __m512 b0 = columns(stored, b, u, 0), b1 = vecs > 1 ? columns(stored, b, u, 1) : b0;
        EACH_ROW(MULTIPLY)
    }
    if (more) {
        EACH_ROW(ADD_OLD)
    }
    if (bias) {
        const __m512 b0 = _mm512_loadu_ps(bias), b1 = vecs > 1 ? _mm512_loadu_ps(bias + 16) : b0;
        EACH_ROW(ADD)
    }
    EACH_ROW(STORE)
}

typedef void tile_fn(size_t k, const float *a, size_t lda, const uint8_t *b, uintptr_t ahead, size_t step,
                     const float *bias, bool more, float *out, size_t ldo);

#define TILE(name, rows, vecs, stored)                                                                                 \
    static void name(size_t k, const float *a, size_t lda, const uint8_t *b, uintptr_t ahead, size_t step,             \
                     const float *bias, bool more, float *out, size_t ldo)                                             \
    {                                                                                                                  \
        tile(rows, vecs, stored, k, a, lda, b, ahead, step, bias, more, out, ldo);                                     \
    }
#define TILES(rows)                                                                                                    \
    TILE(tile_##rows##x16, rows, 1, false)                                                                             \
    TILE(tile_##rows##x32, rows, 2, false)                                                                             \
    TILE(stored_##rows##x16, rows, 1, true)                                                                            \
    TILE(stored_##rows##x32, rows, 2, true)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
TILES(13)
TILES(14)

#define BOTH(kind, rows)                                                                                               \
    {                                                                                                                  \
        kind##_##rows##x16, kind##_##rows##x32                                                                         \
    }
#define EACH(kind)                                                                                                     \
    {                                                                                                                  \
        BOTH(kind, 1), BOTH(kind, 2), BOTH(kind, 3), BOTH(kind, 4), BOTH(kind, 5), BOTH(kind, 6), BOTH(kind, 7),       \
            BOTH(kind, 8), BOTH(kind, 9), BOTH(kind, 10), BOTH(kind, 11), BOTH(kind, 12), BOTH(kind, 13),              \
            BOTH(kind, 14)                                                                                             \
    }
static tile_fn *const tiles[2][MR][2] = {EACH(tile), EACH(stored)};

/* Where the panel of column j begins. */
static const uint8_t *panel_of(const gemm_f32_args *g, bool stored, size_t j)
{
    return stored ? (const uint8_t *)(g->b_bf16 + j / NR * g->b_stride)
                  : (const uint8_t *)(g->b + j / NR * g->b_stride);
}

/* A tile's sums over all of k, piece by piece; the arguments are those of `tile`. */
static void sum_pieces(const gemm_f32_args *g, bool stored, tile_fn *fn, size_t piece, const float *a, const uint8_t *b,
                       uintptr_t ahead, size_t step, const float *bias, float *out, size_t ldo)
{
    size_t p = 0;
    for (; g->k - p > piece; p += piece)
        fn(piece, a + p, g->lda, b + p * STEP(stored), ahead + p * step, step, NULL, p > 0, out, ldo);
    fn(g->k - p, a + p, g->lda, b + p * STEP(stored), ahead + p * step, step, bias, p > 0, out, ldo);
}

static void multiply(const gemm_f32_args *g, const bool stored)
{
    _Alignas(64) float sum[MR * NR];
    const bool plain = !g->accumulate && !g->residual;
    finish_fn *const finish_whole = finishes[plain][g->act];
    /* Whole tiles that need a bias at most go from the registers to C. */
    const bool direct = plain && g->act == ACT_NONE && !g->c_rows;
    /* Rows in blocks that stay in L2 while panel after panel goes over them; in a block, tiles of equal height, give or
     * take a row, because a tile of few rows is bound by latency. */
    const size_t block = g->k ? BLOCK_FLOATS / g->k / MR * MR + MR : MR;
    const size_t piece = gemm_f32_piece(g->k);
    const size_t wanted_step = fetch_step(g->fetch_bytes, g->m, MR, g->n, NR, g->k);
    uintptr_t fetched = (uintptr_t)g->fetch;
    for (size_t i0 = 0; i0 < g->m; i0 += block) {
        const size_t m = g->m - i0 < block ? g->m - i0 : block, tiles_left = (m + MR - 1) / MR;
        for (size_t j = 0; j < g->n; j += NR) {
            const size_t wide = g->n - j;
            const uint8_t *b = panel_of(g, stored, j);
            /* The next panel comes into the cache piece by piece while this one is used; one that is used only once,
             * from a little ahead; or what the caller wants. Prefetching past the end of B does no harm. */
            size_t step = tiles_left == 1 || wide > NR ? (STEP(stored) + tiles_left - 1) / tiles_left : 0;
            uintptr_t ahead = tiles_left == 1 ? (uintptr_t)b + AHEAD
                              : wide > NR     ? (uintptr_t)panel_of(g, stored, j + NR)
                                              : (uintptr_t)b;
            if (g->fetch)
                step = wanted_step, ahead = fetched;
            for (size_t left = tiles_left, i = i0; left; left--) {
                const size_t rows = (i0 + m - i) / left;
                tile_fn *const fn = tiles[stored][rows - 1][wide > 16];
                const float *a = g->a + i * g->lda;
                fetch_rows(g, i, rows, j);
                if (direct && (wide >= NR || wide == 16))
                    sum_pieces(g, stored, fn, piece, a, b, ahead, step, g->bias ? g->bias + j : NULL,
                               g->c + i * g->ldc + j, g->ldc);
                else {
                    sum_pieces(g, stored, fn, piece, a, b, ahead, step, NULL, sum, NR);
                    (wide >= NR ? finish_whole : finish_edge)(g, i, rows, j, sum);
                }
                i += rows;
                ahead += step * g->k;
            }
            fetched += wanted_step * g->k * tiles_left;
        }
    }
}

void k_gemm_f32_avx512(const gemm_f32_args *g)
{
    multiply(g, false);
}

void k_gemm_stored_avx512(const gemm_f32_args *g)
{
    multiply(g, true);
}
