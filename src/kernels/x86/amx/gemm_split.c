/* Float32 products in tile registers, which multiply bfloat16 alone: a float is the sum of three bfloat16 numbers, and
 * of the nine products of two such sums the three smallest, below 2^-24 of the whole, are left out. Six products in
 * place of one are still faster here than multiply-adds, and nearer the exact result: an instruction adds 32 terms
 * apart from the sum so far, so that this is rounded once for them. */
#include "kernels/x86/amx/tiles.h"
#include "kernels/x86/avx512/finish_f32.h"

#define MR 32
#define KR 32          /* of A's columns in a tile */
#define TILE (16 * 32) /* elements */
#define PART 3         /* planes of a float, the largest first */
#define AHEAD 4096     /* bytes of a panel that are asked for before they are split */

/* The float nearest x of those whose lower half is 0. What two of these leave of a float has an empty lower half. */
static inline __m512 upper(__m512 x)
{
    const __m512i bits = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
    return _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32((int)0xffff0000)));
}

/* x and y, which have an empty lower half, in pairs. */
static inline __m512i pairs(__m512 x, __m512 y)
{
    return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(x), 16), _mm512_castps_si512(y));
}

/* The upper halves of x and then y. */
static inline __m512i uppers(__m512 x, __m512 y)
{
    const __m512i odd = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25,
                                         23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(_mm512_castps_si512(x), odd, _mm512_castps_si512(y));
}

/* Rows of A on their way to planes, [16 rows][step][PART] tiles; columns from k on are 0. Rows that make no whole tile
 * leave the rest of the last one as it is. */
typedef struct tile_rows {
    const float *from;
    size_t lda, k, rows, steps;
    uint16_t *to;
} tile_rows;

/* Columns `step` KR ... of rows first ... end. */
static inline void split_rows(const tile_rows *t, size_t step, size_t first, size_t end)
{
    const size_t left = t->k - step * KR;
    const __mmask16 low = lanes(left), high = left > 16 ? lanes(left - 16) : 0;
    for (size_t i = first; i < end; i++) {
        const float *a = t->from + i * t->lda + step * KR;
        uint16_t *o = t->to + (i / 16 * t->steps + step) * PART * TILE + i % 16 * KR;
        __m512 x = _mm512_maskz_loadu_ps(low, a), y = _mm512_maskz_loadu_ps(high, a + 16);
        for (size_t p = 0; p < PART - 1; p++) {
            const __m512 x0 = upper(x), y0 = upper(y);
            _mm512_store_si512(o + p * TILE, uppers(x0, y0));
            x = _mm512_sub_ps(x, x0);
            y = _mm512_sub_ps(y, y0);
        }
        _mm512_store_si512(o + (PART - 1) * TILE, uppers(x, y));
    }
}

/* A panel of floats on its way to planes of pairs, [step][PART][16][NR][2], filled up with zeros. */
typedef struct panel {
    const float *from;
    size_t k, done; /* rows */
    uint16_t *to;
} panel;

/* Two rows of it. */
static inline void split_pair(const panel *b)
{
    const size_t q = b->done;
    uint16_t *o = b->to + q / KR * PART * 2 * TILE + q % KR * NR;
    for (size_t v = 0; v < NR; v += 16) {
        const float *from = b->from + q * NR + v;
        _mm_prefetch((const char *)((uintptr_t)from + AHEAD), _MM_HINT_T0);
        _mm_prefetch((const char *)((uintptr_t)from + AHEAD + NR * sizeof *from), _MM_HINT_T0);
        __m512 x = q < b->k ? _mm512_loadu_ps(from) : _mm512_setzero_ps();
        __m512 y = q + 1 < b->k ? _mm512_loadu_ps(from + NR) : _mm512_setzero_ps();
        for (size_t p = 0; p < PART - 1; p++) {
            const __m512 x0 = upper(x), y0 = upper(y);
            _mm512_store_si512(o + p * 2 * TILE + 2 * v, pairs(x0, y0));
            x = _mm512_sub_ps(x, x0);
            y = _mm512_sub_ps(y, y0);
        }
        _mm512_store_si512(o + (PART - 1) * 2 * TILE + 2 * v, pairs(x, y));
    }
}

static inline void split_some(panel *b, size_t rows)
{
    const size_t end = (b->k + KR - 1) / KR * KR;
    for (const size_t to = end - b->done < rows ? end : b->done + rows; b->done < to; b->done += 2)
        split_pair(b);
}

/* A tile whose sums wait for the epilogue: rows i + done ... i + height, columns j ... */
typedef struct waiting {
    size_t i, height, j, done;
    const float *sum;
    finish_fn *finish;
} waiting;

/* What is done between the steps of a product, while the tile unit is busy and the vector units are not. */
typedef struct meanwhile {
    waiting last;     /* tile */
    size_t i, end, j; /* this tile's next row of C to prefetch, their end, its column */
    size_t some;      /* rows of either a step */
    panel next;
    size_t split;    /* rows of it a step */
    tile_rows below; /* the next tile's rows, none where they are split already */
} meanwhile;

static inline void finish_some(const gemm_f32_args *g, waiting *w, size_t rows)
{
    const size_t left = w->height - w->done, n = rows < left ? rows : left;
    if (n)
        w->finish(g, w->i + w->done, n, w->j, w->sum + w->done * NR);
    w->done += n;
}

/* The sums of one tile from A's planes and a panel's, or, when `stored`, from a panel of bfloat16 pairs as it is in
 * memory: then the smaller parts of B are 0, and so would be what they add. Small terms come first in a step. */
static inline __attribute__((always_inline)) void multiply(const bool stored, const bool bottom, const gemm_f32_args *g,
                                                           size_t steps, const uint16_t *a, const uint16_t *b,
                                                           meanwhile *other)
{
    const size_t below = steps * PART * TILE;
    _tile_zero(0);
    _tile_zero(1);
    if (bottom) {
        _tile_zero(2);
        _tile_zero(3);
    }
#define TOP(part) _tile_loadd(4, a + (part)*TILE, KR * sizeof *a)
#define BOTTOM(part)                                                                                                   \
    do                                                                                                                 \
        if (bottom)                                                                                                    \
            _tile_loadd(5, a + below + (part)*TILE, KR * sizeof *a);                                                   \
    while (0)
#define LEFT(part) _tile_loadd(6, b + (part)*2 * TILE, 2 * NR * sizeof *b)
#define RIGHT(part) _tile_loadd(7, b + (part)*2 * TILE + NR, 2 * NR * sizeof *b)
#define MULTIPLY(sum, x, y)                                                                                            \
    do                                                                                                                 \
        if (bottom || sum < 2)                                                                                         \
            _tile_dpbf16ps(sum, x, y);                                                                                 \
    while (0)
/* A part of what else is to be done: pieces that are not longer than the processor looks ahead. */
#define MEANWHILE(slot)                                                                                                \
    do {                                                                                                               \
        if (other->below.rows)                                                                                         \
            split_rows(&other->below, step, other->below.rows *(slot) / 6, other->below.rows * ((slot) + 1) / 6);      \
        if (!stored && (slot) % 2)                                                                                     \
            split_some(&other->next, other->split);                                                                    \
    } while (0)
/* A's tiles, or B's, give way to those of another part as soon as their last product has begun. */
#define THEN_ROWS(part)                                                                                                \
    do {                                                                                                               \
        MULTIPLY(0, 4, 6);                                                                                             \
        MULTIPLY(1, 4, 7);                                                                                             \
        TOP(part);                                                                                                     \
        MULTIPLY(2, 5, 6);                                                                                             \
        MULTIPLY(3, 5, 7);                                                                                             \
        BOTTOM(part);                                                                                                  \
    } while (0)
#define THEN_COLUMNS(part)                                                                                             \
    do {                                                                                                               \
        MULTIPLY(0, 4, 6);                                                                                             \
        MULTIPLY(2, 5, 6);                                                                                             \
        LEFT(part);                                                                                                    \
        MULTIPLY(1, 4, 7);                                                                                             \
        MULTIPLY(3, 5, 7);                                                                                             \
        RIGHT(part);                                                                                                   \
    } while (0)
    for (size_t step = 0; step < steps; step++, a += PART * TILE, b += (stored ? 1 : PART) * 2 * TILE) {
        LEFT(0);
        TOP(2);
        RIGHT(0);
        BOTTOM(2);
        THEN_ROWS(1);
        MEANWHILE(0);
        if (!stored) {
            THEN_COLUMNS(1);
            MEANWHILE(1);
            THEN_ROWS(0);
            MEANWHILE(2);
            THEN_COLUMNS(2);
            MEANWHILE(3);
            THEN_COLUMNS(0);
            MEANWHILE(4);
        } else {
            MEANWHILE(1);
            MEANWHILE(2);
            THEN_ROWS(0);
            MEANWHILE(3);
            MEANWHILE(4);
        }
        MULTIPLY(0, 4, 6);
        MULTIPLY(1, 4, 7);
        MULTIPLY(2, 5, 6);
        MULTIPLY(3, 5, 7);
        MEANWHILE(5);
        const size_t rows = other->end - other->i < other->some ? other->end - other->i : other->some;
        fetch_rows(g, other->i, rows, other->j);
        other->i += rows;
        finish_some(g, &other->last, other->some);
    }
#undef TOP
#undef BOTTOM
#undef LEFT
#undef RIGHT
#undef MULTIPLY
#undef THEN_ROWS
#undef THEN_COLUMNS
#undef MEANWHILE
}

static inline __attribute__((always_inline)) void rows(const bool stored, const gemm_f32_args *g, size_t i0, size_t m,
                                                       uint16_t *planes, uint16_t *panels)
{
    _Alignas(64) float sum[2][MR * NR];
    const size_t steps = (g->k + KR - 1) / KR, tiles = (m + MR - 1) / MR;
    finish_fn *const finish_whole = finishes[!g->accumulate && !g->residual][g->act];
    /* The epilogue of a tile and the next panel's splitting run between a tile's steps. */
    meanwhile other = {.some = steps ? (MR + steps - 1) / steps : 0};
    other.split = ((KR + 3 * tiles - 1) / (3 * tiles) + 1) / 2 * 2;
    const tile_rows all = {.from = g->a + i0 * g->lda, .lda = g->lda, .k = g->k, .steps = steps, .to = planes};
    for (size_t step = 0; step < steps; step++)
        split_rows(&all, step, 0, m < MR ? m : MR);
    if (!stored && g->n) {
        other.next = (panel){.from = g->b, .k = g->k, .to = panels};
        split_some(&other.next, SIZE_MAX);
    }
    size_t turn = 0;
    for (size_t j = 0; j < g->n; j += NR) {
        const uint16_t *b = stored ? g->b_bf16 + j / NR * g->b_stride : other.next.to;
        if (!stored && g->n - j > NR)
            other.next = (panel){.from = g->b + (j / NR + 1) * g->b_stride,
                                 .k = g->k,
                                 .to = panels + (j / NR + 1) % 2 * steps * PART * 2 * TILE};
        for (size_t i = 0; i < m; i += MR, turn ^= 1) {
            const size_t height = m - i < MR ? m - i : MR;
            const uint16_t *a = planes + i / 16 * steps * PART * TILE;
            other.below.rows = 0;
            if (j == 0 && m - i > MR) {
                other.below = all;
                other.below.from += (i + MR) * g->lda;
                other.below.to += (i + MR) / 16 * steps * PART * TILE;
                other.below.rows = m - i - MR < MR ? m - i - MR : MR;
            }
            other.i = i0 + i, other.end = other.i + height, other.j = j;
            if (height > 16)
                multiply(stored, true, g, steps, a, b, &other);
            else
                multiply(stored, false, g, steps, a, b, &other);
            finish_some(g, &other.last, MR);
            tiles_store(height > 16, sum[turn], NR);
            other.last = (waiting){.i = i0 + i,
                                   .height = height,
                                   .j = j,
                                   .sum = sum[turn],
                                   .finish = g->n - j >= NR ? finish_whole : finish_edge};
        }
    }
    finish_some(g, &other.last, MR);
}

void k_gemm_split_amx(const gemm_f32_args *g)
{
    const size_t steps = (g->k + KR - 1) / KR, block = gemm_split_block(g->k);
    uint16_t *const planes = g->scratch, *const panels = planes + block * steps * KR * PART;
    tiles_configure(16, 16);
    const size_t blocks = (g->m + block - 1) / block, tiles = (g->m + MR - 1) / MR;
    for (size_t n = 0, i = 0, m; n < blocks; n++, i += m) {
        m = (tiles * (n + 1) / blocks - tiles * n / blocks) * MR;
        m = m < g->m - i ? m : g->m - i;
        if (g->b)
            rows(false, g, i, m, planes, panels);
        else
            rows(true, g, i, m, planes, panels);
    }
    _tile_release();
}
