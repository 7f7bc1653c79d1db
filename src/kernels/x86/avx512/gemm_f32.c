/* C = epilogue(A B) in register tiles of 14 rows and 32 columns: 28 sums, two vectors of B and one of A fill the 32 registers,
 * and 28 multiply-adds a step of k hide their latency. */
#include "kernels/x86/avx512/math.h"

#define MR 14
#define NR 32

/* Rows of a tile, each with the pointer it is addressed from and its distance in rows. 14 pointers would not fit the registers; 5
 * and one stride do. */
#define EACH_ROW(X)                                                                                                    \
    X(0, p0, 0) X(1, p0, 1) X(2, p0, 2) X(3, p3, 0) X(4, p3, 1) X(5, p3, 2) X(6, p6, 0) X(7, p6, 1) X(8, p6, 2)        \
    X(9, p9, 0) X(10, p9, 1) X(11, p9, 2) X(12, p12, 0) X(13, p12, 1)

/* out[rows, NR] = A B for one tile, `vecs` vectors of 16 columns wide. rows and vecs are constants wherever this is
 * inlined. Each sum has a name of its own: not all compilers keep an array of them in registers. */
static inline __attribute__((always_inline)) void tile(const size_t rows, const size_t vecs, size_t k, const float *a, size_t lda, const float *b,
                                                       float *out)
{
#define CLEAR(i, p, step) __m512 s##i = _mm512_setzero_ps(), t##i = s##i;
#define MULTIPLY(i, p, step)                                                                                           \
    if (i < rows) {                                                                                                    \
        __m512 x = _mm512_set1_ps(p[step * lda]);                                                                      \
        s##i = _mm512_fmadd_ps(x, b0, s##i);                                                                           \
        if (vecs > 1)                                                                                                  \
            t##i = _mm512_fmadd_ps(x, b1, t##i);                                                                       \
    }
#define STORE(i, p, step)                                                                                              \
    if (i < rows) {                                                                                                    \
        _mm512_store_ps(out + i * NR, s##i);                                                                           \
        if (vecs > 1)                                                                                                  \
            _mm512_store_ps(out + i * NR + 16, t##i);                                                                  \
    }
    EACH_ROW(CLEAR)
    const float *p0 = a, *p3 = rows > 3 ? a + 3 * lda : a, *p6 = rows > 6 ? a + 6 * lda : a, *p9 = rows > 9 ? a + 9 * lda : a,
                *p12 = rows > 12 ? a + 12 * lda : a;
    for (const float *end = b + k * NR; b != end; b += NR) {
        __m512 b0 = _mm512_loadu_ps(b), b1 = vecs > 1 ? _mm512_loadu_ps(b + 16) : b0;
        EACH_ROW(MULTIPLY)
        p0++, p3++, p6++, p9++, p12++;
    }
    EACH_ROW(STORE)
}

#define TILE(rows)                                                                                                     \
    static void tile_##rows##x32(size_t k, const float *a, size_t lda, const float *b, float *out)                     \
    {                                                                                                                  \
        tile(rows, 2, k, a, lda, b, out);                                                                              \
    }                                                                                                                  \
    static void tile_##rows##x16(size_t k, const float *a, size_t lda, const float *b, float *out)                     \
    {                                                                                                                  \
        tile(rows, 1, k, a, lda, b, out);                                                                              \
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

typedef void tile_fn(size_t k, const float *a, size_t lda, const float *b, float *out);
static tile_fn *const tiles[MR][2] = {
    {tile_1x16, tile_1x32},   {tile_2x16, tile_2x32},   {tile_3x16, tile_3x32},   {tile_4x16, tile_4x32},
    {tile_5x16, tile_5x32},   {tile_6x16, tile_6x32},   {tile_7x16, tile_7x32},   {tile_8x16, tile_8x32},
    {tile_9x16, tile_9x32},   {tile_10x16, tile_10x32}, {tile_11x16, tile_11x32}, {tile_12x16, tile_12x32},
    {tile_13x16, tile_13x32}, {tile_14x16, tile_14x32},
};

/* The epilogue of rows i0 ... and columns j0 ... of C from their sums [rows, NR]. */
static void finish(const gemm_f32_args *g, size_t i0, size_t rows, size_t j0, const float *sum)
{
    size_t vecs = g->n - j0 > 16 ? 2 : 1;
    const __mmask16 mask[2] = {lanes(g->n - j0), vecs > 1 ? lanes(g->n - j0 - 16) : 0};
    __m512 bias[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    if (g->bias)
        for (size_t v = 0; v < vecs; v++)
            bias[v] = _mm512_maskz_loadu_ps(mask[v], g->bias + j0 + 16 * v);
    for (size_t i = 0; i < rows; i++) {
        size_t r = g->c_rows ? g->c_rows[i0 + i] : i0 + i;
        float *c = g->c + r * g->ldc + j0;
        for (size_t v = 0; v < vecs; v++) {
            __m512 x = _mm512_load_ps(sum + i * NR + 16 * v);
            if (g->accumulate) {
                __m512 scale = _mm512_set1_ps(g->c_scale ? g->c_scale[i0 + i] : 1.0f);
                x = _mm512_fmadd_ps(scale, _mm512_maskz_loadu_ps(mask[v], c + 16 * v), x);
            }
            if (g->bias)
                x = _mm512_add_ps(x, bias[v]);
            x = act_f32(g->act, x);
            if (g->residual)
                x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask[v], g->residual + r * g->ldr + j0 + 16 * v));
            _mm512_mask_storeu_ps(c + 16 * v, mask[v], x);
        }
    }
}

void k_gemm_f32_avx512(const gemm_f32_args *g)
{
    _Alignas(64) float sum[MR * NR];
    /* Tiles of equal height, give or take a row: a tile of few rows is bound by latency. */
    size_t count = (g->m + MR - 1) / MR;
    for (size_t j = 0; j < g->n; j += NR) {
        const float *b = g->b + j / NR * g->b_stride;
        size_t vecs = g->n - j > 16 ? 2 : 1;
        for (size_t t = 0, i = 0; t < count; t++) {
            size_t rows = (g->m - i) / (count - t);
            tiles[rows - 1][vecs - 1](g->k, g->a + i * g->lda, g->lda, b, sum);
            finish(g, i, rows, j, sum);
            i += rows;
        }
    }
}
