/* A vector has 8 columns of four elements of k each, where with 16 columns of two up to half of its lanes would count
 * for nothing (heads of 56 or 72 channels, windows of 196 keys). Four elements of A's row are broadcast; B's pairs come
 * in their usual order and are put together to quads on the way, once for all rows of a tile. An element of C has two
 * sums, of the even pairs and of the odd ones, added at the end. */
#include "kernels/x86/avx512bf16/quads.h"
#include "kernels/x86/avx512/tile_rows.h"

#include <immintrin.h>
#include <string.h>

#define NR GEMM_BF16_NR

static inline __m512bh broadcast_quad(const uint16_t *a)
{
    long long quad;
    memcpy(&quad, a, sizeof quad);
    return (__m512bh)_mm512_set1_epi64(quad);
}

/* Fewer than four elements, and zeros. */
static inline __m512bh broadcast_rest(const uint16_t *a, __mmask8 mask)
{
    return (__m512bh)_mm512_broadcastq_epi64(_mm_maskz_loadu_epi16(mask, a));
}

/* Eight columns of the pairs at b and of the next ones. */
static inline __m512bh eight_columns(const uint16_t *b)
{
    const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    const __m512i pairs = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)b));
    const __m256i next = _mm256_loadu_si256((const __m256i *)(b + 2 * NR));
    return (__m512bh)_mm512_permutexvar_epi32(order, _mm512_inserti64x4(pairs, next, 1));
}

/* Even lanes of x, then those of y, each with its odd neighbour added. */
static inline __m512 add_neighbours(__m512 x, __m512 y)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_add_ps(_mm512_permutex2var_ps(x, even, y), _mm512_permutex2var_ps(x, odd, y));
}

/* rows and vecs are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void tile(const size_t rows, const size_t vecs, size_t k,
                                                       const uint16_t *a, size_t lda, const uint16_t *b,
                                                       uintptr_t ahead, size_t step, float *sum)
{
#define CLEAR(i, p, step) __m512 s##i = _mm512_setzero_ps(), t##i = s##i, u##i = s##i;
#define MULTIPLY_BY(i, x)                                                                                              \
    s##i = _mm512_dpbf16_ps(s##i, x, b0);                                                                              \
    if (vecs > 1) {                                                                                                    \
        t##i = _mm512_dpbf16_ps(t##i, x, b1);                                                                          \
        u##i = _mm512_dpbf16_ps(u##i, x, b2);                                                                          \
    }
#define MULTIPLY(i, p, step)                                                                                           \
    if (i < rows) {                                                                                                    \
        const __m512bh x = broadcast_quad(p + step * lda);                                                             \
        MULTIPLY_BY(i, x)                                                                                              \
    }
#define MULTIPLY_REST(i, p, step)                                                                                      \
    if (i < rows) {                                                                                                    \
        const __m512bh x = broadcast_rest(p + step * lda, rest);                                                       \
        MULTIPLY_BY(i, x)                                                                                              \
    }
#define STORE(i, p, step)                                                                                              \
    if (i < rows) {                                                                                                    \
        _mm512_store_ps(sum + i * NR, add_neighbours(s##i, t##i));                                                     \
        if (vecs > 1)                                                                                                  \
            _mm512_store_ps(sum + i * NR + 16, add_neighbours(u##i, u##i));                                            \
    }
#define LOAD_B                                                                                                         \
    __m512bh b0, b1, b2;                                                                                               \
    if (vecs == 1)                                                                                                     \
        b0 = b1 = b2 = eight_columns(b);                                                                               \
    else {                                                                                                             \
        const __m512i pairs = _mm512_loadu_si512(b), next = _mm512_loadu_si512(b + 2 * NR);                            \
        b0 = (__m512bh)_mm512_permutex2var_epi32(pairs, first, next);                                                  \
        b1 = (__m512bh)_mm512_permutex2var_epi32(pairs, second, next);                                                 \
        b2 = eight_columns(b + NR);                                                                                    \
    }
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i second = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    EACH_ROW(CLEAR)
    const uint16_t *p0 = a, *p3 = rows > 3 ? a + 3 * lda : a, *p6 = rows > 6 ? a + 6 * lda : a,
                   *p9 = rows > 9 ? a + 9 * lda : a, *p12 = rows > 12 ? a + 12 * lda : a;
    const uint16_t *const end = b + k / 4 * (4 * NR);
    while (b != end) {
        LOAD_B
        EACH_ROW(MULTIPLY)
        for (uintptr_t line = 0; line < 2 * step; line += 64)
            _mm_prefetch((const char *)(ahead + line), _MM_HINT_T0);
        ahead += 2 * step;
        b += 4 * NR;
        p0 += 4, p3 += 4, p6 += 4, p9 += 4, p12 += 4;
    }
    if (k % 4) { /* B has zeros, or something finite, up to a multiple of GEMM_BF16_K */
        const __mmask8 rest = (__mmask8)((1u << k % 4) - 1u);
        LOAD_B
        EACH_ROW(MULTIPLY_REST)
    }
    EACH_ROW(STORE)
}

typedef void tile_fn(size_t k, const uint16_t *a, size_t lda, const uint16_t *b, uintptr_t ahead, size_t step,
                     float *sum);
#define TILE(rows, vecs)                                                                                               \
    static void tile_##rows##x##vecs(size_t k, const uint16_t *a, size_t lda, const uint16_t *b, uintptr_t ahead,      \
                                     size_t step, float *sum)                                                          \
    {                                                                                                                  \
        tile(rows, vecs, k, a, lda, b, ahead, step, sum);                                                              \
    }
/* clang-format off */
#define EACH_SMALL(X, vecs) X(1, vecs) X(2, vecs) X(3, vecs) X(4, vecs) X(5, vecs) X(6, vecs) X(7, vecs) X(8, vecs)
#define EACH_LARGE(X, vecs) X(9, vecs) X(10, vecs) X(11, vecs) X(12, vecs) X(13, vecs) X(14, vecs)
#define NAME(rows, vecs) tile_##rows##x##vecs,
EACH_SMALL(TILE, 1)
EACH_LARGE(TILE, 1)
EACH_SMALL(TILE, 3)
/* clang-format on */
static tile_fn *const narrow[] = {EACH_SMALL(NAME, 1) EACH_LARGE(NAME, 1)}, *const wide[] = {EACH_SMALL(NAME, 3)};

void quads_tile(size_t rows, size_t columns, size_t k, const uint16_t *a, size_t lda, const uint16_t *b,
                uintptr_t ahead, size_t step, float *sum)
{
    tile_fn *const fn = columns <= 8 ? narrow[rows - 1] : wide[rows - 1];
    fn(k, a, lda, b, ahead, step, sum);
}
