/* C = epilogue(A B) in tile registers: 32 rows by 32 columns are four of them; two hold A's rows, read as they are, two
 * a panel's pairs. An instruction adds 16 pairs of products to a tile, even and odd ones apart and then together. */
#include "kernels/x86/avx512bf16/finish.h"

#include <string.h>

#define MR 32
#define NR 32
#define KR 32          /* of A's columns in a tile */
#define BLOCK_ROWS 256 /* stay in the second-level cache while panel after panel goes over them */

/* What _tile_loadconfig reads. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* Tiles 0 to 3 are sums (top left, top right, bottom left, bottom right), 4 and 5 rows of A, 6 and 7 halves of a panel.
 */
static void configure(size_t top, size_t bottom)
{
    tile_config c;
    memset(&c, 0, sizeof c);
    c.palette = 1;
    const size_t rows[8] = {top, top, bottom, bottom, top, bottom, 16, 16};
    for (int t = 0; t < 8; t++) {
        c.rows[t] = (uint8_t)rows[t];
        c.row_bytes[t] = 64;
    }
    _tile_loadconfig(&c);
}

/* The sums of one tile: `bottom` tells whether there are more than 16 rows. `tail` [MR][KR] has what is left of A's
 * rows after whole steps, filled up with zeros, or is NULL. */
static inline __attribute__((always_inline)) void multiply(const bool bottom, size_t steps, const uint16_t *a,
                                                           size_t lda, const uint16_t *b, const uint16_t *tail)
{
    const size_t a_bytes = lda * sizeof *a, b_bytes = 2 * NR * sizeof *b;
    _tile_zero(0);
    _tile_zero(1);
    if (bottom) {
        _tile_zero(2);
        _tile_zero(3);
    }
#define STEP(a0, a1, stride)                                                                                           \
    do {                                                                                                               \
        _tile_loadd(6, b, b_bytes);                                                                                    \
        _tile_loadd(4, a0, stride);                                                                                    \
        _tile_dpbf16ps(0, 4, 6);                                                                                       \
        _tile_loadd(7, b + NR, b_bytes);                                                                               \
        _tile_dpbf16ps(1, 4, 7);                                                                                       \
        if (bottom) {                                                                                                  \
            _tile_loadd(5, a1, stride);                                                                                \
            _tile_dpbf16ps(2, 5, 6);                                                                                   \
            _tile_dpbf16ps(3, 5, 7);                                                                                   \
        }                                                                                                              \
    } while (0)
    for (; steps; steps--, a += KR, b += KR * NR)
        STEP(a, a + 16 * lda, a_bytes);
    if (tail)
        STEP(tail, tail + 16 * KR, KR * sizeof *tail);
}

static inline void store(bool bottom, float *sum)
{
    _tile_stored(0, sum, NR * sizeof *sum);
    _tile_stored(1, sum + 16, NR * sizeof *sum);
    if (bottom) {
        _tile_stored(2, sum + 16 * NR, NR * sizeof *sum);
        _tile_stored(3, sum + 16 * NR + 16, NR * sizeof *sum);
    }
}

/* Rows i0 ... i0 + m, whole tiles or the last rows that make none; the tiles are configured for them. */
static void rows(const gemm_bf16_args *g, size_t i0, size_t m, finish_fn *finish_tile)
{
    _Alignas(64) float sum[2][MR * NR];
    _Alignas(64) uint16_t tails[BLOCK_ROWS * KR];
    const size_t steps = g->k / KR, left = g->k % KR;
    if (left)
        for (size_t i = 0; i < m; i++)
            _mm512_store_si512(tails + i * KR,
                               _mm512_maskz_loadu_epi16((1u << left) - 1u, g->a + (i0 + i) * g->lda + steps * KR));
    /* The epilogue of a tile comes after the next tile's products, which keep the tile unit busy and the vector units
     * not, and before its stores, whose addresses would hold its loads up. */
    struct {
        size_t i, height, j;
    } last = {0};
    size_t turn = 0;
    for (size_t j = 0; j < g->n; j += NR) {
        const uint16_t *b = g->b + j / NR * g->b_stride;
        for (size_t i = 0; i < m; i += MR, turn ^= 1) {
            const size_t height = m - i < MR ? m - i : MR;
            const uint16_t *a = g->a + (i0 + i) * g->lda, *tail = left ? tails + i * KR : NULL;
            if (height > 16)
                multiply(true, steps, a, g->lda, b, tail);
            else
                multiply(false, steps, a, g->lda, b, tail);
            if (last.height)
                finish_tile(g, last.i, last.height, last.j, sum[turn ^ 1]);
            store(height > 16, sum[turn]);
            last.i = i0 + i, last.height = height, last.j = j;
        }
    }
    if (last.height)
        finish_tile(g, last.i, last.height, last.j, sum[turn ^ 1]);
}

void k_gemm_bf16_amx(const gemm_bf16_args *g)
{
    finish_fn *const finish_tile = finish_for(g);
    const size_t whole = g->m / MR * MR, rest = g->m - whole;
    if (whole)
        configure(16, 16);
    for (size_t i = 0; i < whole; i += BLOCK_ROWS)
        rows(g, i, whole - i < BLOCK_ROWS ? whole - i : BLOCK_ROWS, finish_tile);
    if (rest) {
        configure(rest < 16 ? rest : 16, rest > 16 ? rest - 16 : 16);
        rows(g, whole, rest, finish_tile);
    }
    _tile_release();
}
