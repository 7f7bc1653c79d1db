/* C = epilogue(A B) in tile registers: 32 rows by 32 columns are four of them; two hold A's rows, read as they are, two
 * a panel's pairs. An instruction adds 16 pairs of products to a tile, even and odd ones apart and then together. */
#include "kernels/x86/amx/tiles.h"
#include "kernels/x86/avx512bf16/finish.h"

#define MR 32
#define NR 32
#define KR 32                     /* of A's columns in a tile */
#define BLOCK_ROWS 512            /* stay in the second-level cache while panel after panel goes over them */
#define PREFETCH_LINES (8 * 1024) /* 512 KiB of B: less stays in that cache by itself */

/* A tile whose sums wait for the epilogue: rows i + done ... i + height, columns j ... */
typedef struct waiting {
    size_t i, height, j, done;
    const float *sum;
} waiting;

/* What the epilogue need not ask for in its loop: see finish(). Constants wherever they are inlined. */
typedef struct epilogue {
    bool plain, narrow;
    activation act;
    bool direct; /* there is none: whole tiles are stored where they belong */
} epilogue;

static inline __attribute__((always_inline)) void finish_some(const epilogue e, const gemm_bf16_args *g, waiting *w,
                                                              size_t rows)
{
    const size_t left = w->height - w->done, n = rows < left ? rows : left;
    if (n)
        finish(e.plain, e.narrow, e.act, g, w->i + w->done, n, w->j, w->sum + w->done * NR);
    w->done += n;
}

/* What is done between the steps of a product, while the tile unit is busy and the vector units are not. */
typedef struct meanwhile {
    waiting last;           /* tile */
    size_t rows;            /* of it a step */
    uintptr_t ahead;        /* in the next panel: the line to prefetch next */
    size_t lines;           /* of it a step */
    size_t i, end, j, some; /* this tile's next row of C to prefetch, their end, its column; how many a step */
} meanwhile;

/* Lines that the epilogue of the tile at hand will read and write: they come from far where C or what is added is a
 * whole map, and a few of a row at a time. */
static inline __attribute__((always_inline)) void fetch_some(const epilogue e, const gemm_bf16_args *g,
                                                             meanwhile *other)
{
    const size_t end = other->end - other->i < other->some ? other->end : other->i + other->some;
    for (; other->i < end; other->i++) {
        const size_t r = g->c_rows ? g->c_rows[other->i] : other->i;
        if (!e.narrow) {
            const float *c = g->c + r * g->ldc + other->j;
            __builtin_prefetch(c, 1, 3);
            __builtin_prefetch((const void *)((uintptr_t)c + 64), 1, 3);
        }
        if (!e.plain && g->residual) {
            const float *x = g->residual + r * g->ldr + other->j;
            _mm_prefetch((const char *)x, _MM_HINT_T0);
            _mm_prefetch((const char *)((uintptr_t)x + 64), _MM_HINT_T0);
        }
        if (!e.plain && g->add_bf16)
            _mm_prefetch((const char *)(g->add_bf16 + other->i * g->ldadd + other->j), _MM_HINT_T0);
    }
}

/* The sums of one tile: `bottom` tells whether there are more than 16 rows. `tail` [MR][KR] has what is left of A's
 * rows after whole steps, filled up with zeros, or is NULL. */
static inline __attribute__((always_inline)) void multiply(const epilogue e, const bool bottom, const gemm_bf16_args *g,
                                                           size_t steps, const uint16_t *a, const uint16_t *b,
                                                           const uint16_t *tail, meanwhile *other)
{
    const size_t lda = g->lda, a_bytes = lda * sizeof *a, b_bytes = 2 * NR * sizeof *b;
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
    for (; steps; steps--, a += KR, b += KR * NR) {
        STEP(a, a + 16 * lda, a_bytes);
        for (size_t i = 0; i < other->lines; i++, other->ahead += 64)
            _mm_prefetch((const char *)other->ahead, _MM_HINT_T1);
        if (!e.direct && !(e.narrow && e.plain))
            fetch_some(e, g, other);
        finish_some(e, g, &other->last, other->rows);
    }
    if (tail)
        STEP(tail, tail + 16 * KR, KR * sizeof *tail);
    finish_some(e, g, &other->last, MR);
}

/* Rows i0 ... i0 + m, whole tiles or the last rows that make none; the tiles are configured for them. */
static inline __attribute__((always_inline)) void rows(const epilogue e, const gemm_bf16_args *g, size_t i0, size_t m)
{
    _Alignas(64) float sum[2][MR * NR];
    _Alignas(64) uint16_t tails[BLOCK_ROWS * KR];
    const size_t steps = g->k / KR, left = g->k % KR;
    if (left)
        for (size_t i = 0; i < m; i++)
            _mm512_store_si512(tails + i * KR,
                               _mm512_maskz_loadu_epi16((1u << left) - 1u, g->a + (i0 + i) * g->lda + steps * KR));
    /* The epilogue of a tile runs between the next tile's steps, a few rows at a time, and before its stores, whose
     * addresses would hold its loads up. With few steps it comes after them all in one piece. */
    const size_t share = steps ? (MR + steps - 1) / steps : 0; /* of a tile's rows, a step */
    meanwhile other = {.rows = steps >= 8 || e.act == ACT_GELU ? share : 0, .some = share};
    /* Weights that the second-level cache does not hold come a panel ahead, spread over the products with this one. */
    const size_t panel_lines = steps * KR * NR * sizeof *g->b / 64, tiles = (m + MR - 1) / MR;
    if (panel_lines * (g->n / NR) >= PREFETCH_LINES)
        other.lines = (panel_lines + tiles * steps - 1) / (tiles * steps);
    size_t turn = 0;
    for (size_t j = 0; j < g->n; j += NR) {
        const uint16_t *b = g->b + j / NR * g->b_stride;
        other.ahead = (uintptr_t)(b + g->b_stride);
        for (size_t i = 0; i < m; i += MR, turn ^= 1) {
            const size_t height = m - i < MR ? m - i : MR;
            const uint16_t *a = g->a + (i0 + i) * g->lda, *tail = left ? tails + i * KR : NULL;
            other.i = i0 + i, other.end = other.i + height, other.j = j;
            if (height > 16)
                multiply(e, true, g, steps, a, b, tail, &other);
            else
                multiply(e, false, g, steps, a, b, tail, &other);
            if (e.direct && g->n - j >= NR) {
                tiles_store(height > 16, g->c + (i0 + i) * g->ldc + j, g->ldc);
                continue;
            }
            tiles_store(height > 16, sum[turn], NR);
            other.last = (waiting){.i = i0 + i, .height = height, .j = j, .sum = sum[turn]};
        }
    }
    finish_some(e, g, &other.last, MR);
}

typedef void rows_fn(const gemm_bf16_args *g, size_t i0, size_t m);
#define ROWS(name, plain, narrow, act)                                                                                 \
    static void rows_##name(const gemm_bf16_args *g, size_t i0, size_t m)                                              \
    {                                                                                                                  \
        rows((epilogue){plain, narrow, act, false}, g, i0, m);                                                         \
    }
EACH_EPILOGUE(ROWS)
#define ROWS_NAME(name, plain, narrow, act) rows_##name,
static rows_fn *const rows_with[] = {EACH_EPILOGUE(ROWS_NAME)};

static void rows_direct(const gemm_bf16_args *g, size_t i0, size_t m)
{
    rows((epilogue){true, false, ACT_NONE, true}, g, i0, m);
}

static rows_fn *rows_for(const gemm_bf16_args *g)
{
    rows_fn *const found = rows_with[epilogue_index(g)];
    return found == rows_plain_none && !g->bias && !g->c_rows ? rows_direct : found;
}

void k_gemm_bf16_amx(const gemm_bf16_args *g)
{
    rows_fn *const some_rows = rows_for(g);
    const size_t whole = g->m / MR * MR, rest = g->m - whole;
    if (whole)
        tiles_configure(16, 16);
    for (size_t i = 0; i < whole; i += BLOCK_ROWS)
        some_rows(g, i, whole - i < BLOCK_ROWS ? whole - i : BLOCK_ROWS);
    if (rest) {
        tiles_configure(rest < 16 ? rest : 16, rest > 16 ? rest - 16 : 16);
        some_rows(g, whole, rest);
    }
    _tile_release();
}
