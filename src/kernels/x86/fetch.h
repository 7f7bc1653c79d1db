/* How products of all levels share out the memory that their caller wants fetched (gemm_bf16_args.fetch). */
#ifndef KERNELS_X86_FETCH_H
#define KERNELS_X86_FETCH_H

#include <stddef.h>

/* Bytes for each of the `depth` steps of each tile, so that all come in while m x n is covered by tiles of mr x nr. */
static inline size_t fetch_step(size_t bytes, size_t m, size_t mr, size_t n, size_t nr, size_t depth)
{
    const size_t steps = (m + mr - 1) / mr * ((n + nr - 1) / nr) * depth;
    return steps ? (bytes + steps - 1) / steps : 0;
}

#endif
