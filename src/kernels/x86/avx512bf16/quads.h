/* The last columns of gemm_bf16, where there are 1 to 8 or 17 to 24 of them. */
#ifndef KERNELS_X86_AVX512BF16_QUADS_H
#define KERNELS_X86_AVX512BF16_QUADS_H

#include "kernels/kernels.h"

#define QUADS_ROWS 14 /* of a tile, at most */

static inline bool quads_fit(size_t columns)
{
    return columns <= 8 || (columns > 16 && columns <= 24);
}

/* The sums of one tile, [rows, 32], of which `columns` count: of A's rows a ..., lda elements apart, and the panel b.
 * The `step` bytes for each pair of k from address `ahead` on are prefetched. */
void quads_tile(size_t rows, size_t columns, size_t k, const uint16_t *a, size_t lda, const uint16_t *b,
                uintptr_t ahead, size_t step, float *sum);

/* Rows of a tile that the registers hold. */
static inline size_t quads_rows(size_t columns)
{
    return columns <= 8 ? QUADS_ROWS : 8;
}

#endif
