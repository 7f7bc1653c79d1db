/* C = epilogue(A B) in register tiles of 6 rows and 16 columns: 12 sums, two vectors of B and one of A in 16 registers.
 * B is of floats, or of bfloat16 pairs, which become floats in a register: a shift or a mask for 12 multiply-adds. */
#include "kernels/x86/avx2/math.h"
#include "kernels/x86/fetch.h"

#include <stdbool.h>

#define MR 6
#define NR 16
#define BLOCK_FLOATS (96 * 1024) /* of A: 384 KiB */
#define AHEAD 3072               /* bytes */

/* Rows of a tile, each with the pointer it is addressed from and its distance in rows: fewer registers than 6 pointers.
 */
#define EACH_ROW(X) X(0, p0, 0) X(1, p0, 1) X(2, p0, 2) X(3, p3, 0) X(4, p3, 1) X(5, p3, 2)

/* The compiler is not to know that one step's addresses differ from the next one's by a constant: it would keep a
 * pointer for each row, more than there are registers. */
#define KEEP_POINTERS __asm__ volatile("" : "+r"(p0), "+r"(p3));

/* Nor is it to widen the next row of B while this one is in use: the sums leave it no register for that. */
#define KEEP_SUMS                                                                                                      \
    __asm__ volatile(""                                                                                                \
                     : "+x"(s0), "+x"(s1), "+x"(s2), "+x"(s3), "+x"(s4), "+x"(s5), "+x"(t0), "+x"(t1), "+x"(t2),       \
                       "+x"(t3), "+x"(t4), "+x"(t5));

/* Bytes of B for one more k: a row of a panel; of a panel of pairs, which has the columns of two tiles. */
#define STEP(stored) ((stored) ? GEMM_BF16_NR * sizeof(uint16_t) : NR * sizeof(float))

/* Columns 8 vec ... of row u of B: from the row of a panel, or from the pair that it is in, the second half of which is
 * the upper one. */
static inline __attribute__((always_inline)) __m256 columns(const bool stored, const uint8_t *b, size_t u, size_t vec)
{
    if (!stored)
        return _mm256_loadu_ps((const float *)(const void *)b + u * NR + vec * 8);
    const __m256i pairs = _mm256_loadu_si256((const __m256i *)(const void *)(b + u / 2 * 2 * STEP(true) + vec * 32));
    return _mm256_castsi256_ps(u % 2 ? _mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000u))
                                     : _mm256_slli_epi32(pairs, 16));
}

/* out[rows, NR] = A B + out (if `more`) + bias (or NULL) for one tile, `vecs` vectors of 8 columns wide, from a [rows,
 * k] and b [k, NR]; rows of out are ldo floats apart. What lies at address `ahead`, `step` bytes for each of k, is
 * prefetched. rows and vecs are constants wherever this is inlined. Each sum has a name of its own: not all compilers
 * keep an array of them in registers. Four steps of k in one turn, their distances in the instructions: pointers moved
 * at every step would take slots that multiply-adds need. */
static inline __attribute__((always_inline)) void tile(const size_t rows, const size_t vecs, const bool stored,
                                                       size_t k, const float *a, size_t lda, const uint8_t *b,
                                                       uintptr_t ahead, size_t step, const float *bias, bool more,
                                                       float *out, size_t ldo)
{
#define CLEAR(i, p, step) __m256 s##i = _mm256_setzero_ps(), t##i = s##i;
#define MULTIPLY(i, p, step)                                                                                           \
    if (i < rows) {                                                                                                    \
        __m256 x = _mm256_set1_ps(p[step * lda + u]);                                                                  \
        s##i = _mm256_fmadd_ps(x, b0, s##i);                                                                           \
        if (vecs > 1)                                                                                                  \
            t##i = _mm256_fmadd_ps(x, b1, t##i);                                                                       \
    }
#define ADD_OLD(i, p, step)                                                                                            \
    if (i < rows) {                                                                                                    \
        s##i = _mm256_add_ps(s##i, _mm256_loadu_ps(out + i * ldo));                                                    \
        if (vecs > 1)                                                                                                  \
            t##i = _mm256_add_ps(t##i, _mm256_loadu_ps(out + i * ldo + 8));                                            \
    }
#define ADD(i, p, step)                                                                                                \
    s##i = _mm256_add_ps(s##i, b0);                                                                                    \
    t##i = _mm256_add_ps(t##i, b1);
#define STORE(i, p, step)                                                                                              \
    if (i < rows) {                                                                                                    \
        _mm256_storeu_ps(out, s##i);                                                                                   \
        if (vecs > 1)                                                                                                  \
            _mm256_storeu_ps(out + 8, t##i);                                                                           \
        out += ldo;                                                                                                    \
    }
    EACH_ROW(CLEAR)
    const float *p0 = a, *p3 = rows > 3 ? a + 3 * lda : a;
    const uint8_t *const end4 = b + k / 4 * 4 * STEP(stored);
    while (b != end4) {
#pragma GCC unroll 4
        for (size_t u = 0; u < 4; u++) {
            __m256 b0 = columns(stored, b, u, 0), b1 = vecs > 1 ? columns(stored, b, u, 1) : b0;
            EACH_ROW(MULTIPLY)
            if (rows > 4)
                KEEP_SUMS
            KEEP_POINTERS
        }
        _mm_prefetch((const char *)ahead, _MM_HINT_T0);
        if (step > 16)
#pragma GCC unroll 3
            for (uintptr_t line = 64; line < 256; line += 64)
                _mm_prefetch((const char *)(ahead + line), _MM_HINT_T0);
        ahead += 4 * step;
        b += 4 * STEP(stored);
        p0 += 4, p3 += 4;
    }
    for (size_t u = 0; u < k % 4; u++) {
        __m256 b0 = columns(stored, b, u, 0), b1 = vecs > 1 ? columns(stored, b, u, 1) : b0;
        EACH_ROW(MULTIPLY)
    }
    if (more) {
        EACH_ROW(ADD_OLD)
    }
    if (bias) {
        const __m256 b0 = _mm256_loadu_ps(bias), b1 = vecs > 1 ? _mm256_loadu_ps(bias + 8) : b0;
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
    TILE(tile_##rows##x8, rows, 1, false)                                                                              \
    TILE(tile_##rows##x16, rows, 2, false)                                                                             \
    TILE(stored_##rows##x8, rows, 1, true)                                                                             \
    TILE(stored_##rows##x16, rows, 2, true)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)

#define BOTH(kind, rows)                                                                                               \
    {                                                                                                                  \
        kind##_##rows##x8, kind##_##rows##x16                                                                          \
    }
static tile_fn *const tiles[2][MR][2] = {
    {BOTH(tile, 1), BOTH(tile, 2), BOTH(tile, 3), BOTH(tile, 4), BOTH(tile, 5), BOTH(tile, 6)},
    {BOTH(stored, 1), BOTH(stored, 2), BOTH(stored, 3), BOTH(stored, 4), BOTH(stored, 5), BOTH(stored, 6)},
};

static inline __m256 load(bool whole, __m256i mask, const float *x)
{
    return whole ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, mask);
}

static inline void store(bool whole, __m256i mask, float *y, __m256 x)
{
    if (whole)
        _mm256_storeu_ps(y, x);
    else
        _mm256_maskstore_ps(y, mask, x);
}

/* The epilogue of rows i0 ... and columns j0 ... of C from their sums [rows, NR]. What the constants know need not be
 * asked in the loop: `whole`, all 16 columns are there; `plain`, nothing is read from C or the residual. Without a bias
 * -0 is added, which changes nothing. */
static inline __attribute__((always_inline)) void finish(const bool whole, const bool plain, const activation act,
                                                         const gemm_f32_args *g, size_t i0, size_t rows, size_t j0,
                                                         const float *sum)
{
    const bool wide = whole || g->n - j0 > 8;
    const __m256i mask0 = lanes(g->n - j0), mask1 = lanes(wide ? g->n - j0 - 8 : 0);
    const __m256 none = _mm256_set1_ps(-0.0f);
    const __m256 bias0 = g->bias ? load(whole, mask0, g->bias + j0) : none;
    const __m256 bias1 = g->bias && wide ? load(whole, mask1, g->bias + j0 + 8) : none;
    for (size_t i = 0; i < rows; i++, sum += NR) {
        const size_t r = g->c_rows ? g->c_rows[i0 + i] : i0 + i;
        float *c = g->c + r * g->ldc + j0;
        __m256 x0 = _mm256_load_ps(sum), x1 = wide ? _mm256_load_ps(sum + 8) : _mm256_setzero_ps();
        if (!plain && g->accumulate) {
            const __m256 scale = _mm256_set1_ps(g->c_scale ? g->c_scale[i0 + i] : 1.0f);
            x0 = _mm256_fmadd_ps(scale, load(whole, mask0, c), x0);
            if (wide)
                x1 = _mm256_fmadd_ps(scale, load(whole, mask1, c + 8), x1);
        }
        x0 = act_f32(act, _mm256_add_ps(x0, bias0));
        x1 = act_f32(act, _mm256_add_ps(x1, bias1));
        if (!plain && g->residual) {
            const float *old = g->residual + r * g->ldr + j0;
            x0 = _mm256_add_ps(x0, load(whole, mask0, old));
            if (wide)
                x1 = _mm256_add_ps(x1, load(whole, mask1, old + 8));
        }
        store(whole, mask0, c, x0);
        if (wide)
            store(whole, mask1, c + 8, x1);
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

/* Where the panel of column j begins; of a panel of pairs, its half. */
static const uint8_t *panel_of(const gemm_f32_args *g, bool stored, size_t j)
{
    if (!stored)
        return (const uint8_t *)(g->b + j / NR * g->b_stride);
    return (const uint8_t *)(g->b_bf16 + j / GEMM_BF16_NR * g->b_stride + j % GEMM_BF16_NR * 2);
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
    _Alignas(32) float sum[MR * NR];
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
                tile_fn *const fn = tiles[stored][rows - 1][wide > 8];
                const float *a = g->a + i * g->lda;
                if (direct && (wide >= NR || wide == 8))
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

void k_gemm_f32_avx2(const gemm_f32_args *g)
{
    multiply(g, false);
}

void k_gemm_stored_avx2(const gemm_f32_args *g)
{
    multiply(g, true);
}
