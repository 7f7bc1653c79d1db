/* What the operators do where their weights are bfloat16; called by them alone. */
#ifndef OPS_BF16_H
#define OPS_BF16_H

#include "ops/ops.h"

typedef struct bf16_linear_args {
    const norm *norm; /* or NULL */
    const linear *linear;
    activation act;
    size_t rows;
    const float *x;
    size_t ldx;
    float *y; /* one of the two */
    uint16_t *y_bf16;
    size_t ldy;
    const float *residual; /* or NULL */
    size_t ldr;
} bf16_linear_args;
void bf16_linear(const exec *ex, const bf16_linear_args *args);

typedef struct bf16_two_layers_args {
    const norm *norm; /* or NULL */
    const linear *first, *second;
    activation act;
    size_t rows;
    const float *x, *residual;
    float *y;
} bf16_two_layers_args;
void bf16_two_layers(const exec *ex, const bf16_two_layers_args *args);

void bf16_window_attention(const exec *ex, const window_args *args);
void bf16_global_attention(const exec *ex, const global_args *args);
void bf16_bank_attention(const exec *ex, const bank_args *args);

/* The part of gemm_bf16's arguments that a layer's weights are. */
static inline gemm_bf16_args bf16_product(const linear *l, size_t m, const uint16_t *a, size_t lda)
{
    return (gemm_bf16_args){.m = m,
                            .n = l->n,
                            .k = l->k,
                            .a = a,
                            .lda = lda,
                            .b = l->packed_bf16,
                            .b_stride = gemm_bf16_packed(1, l->k),
                            .bias = l->bias};
}

/* Rows of x to bfloat16, normalised where there is a norm. */
static inline void bf16_rows(const kernels *k, const norm *n, size_t rows, size_t channels, const float *x, size_t ldx,
                             uint16_t *y, size_t ldy)
{
    if (n)
        k->layernorm_bf16(rows, channels, x, ldx, n->gamma, n->beta, n->eps, y, ldy);
    else
        for (size_t r = 0; r < rows; r++)
            k->f32_to_bf16(channels, x + r * ldx, y + r * ldy);
}

/* What the busiest of the threads has of `tiles`, where they are dealt out `block` at a time. */
static inline size_t bf16_busiest(size_t tiles, size_t block, size_t threads)
{
    const size_t items = (tiles + block - 1) / block, rounds = (items + threads - 1) / threads;
    const bool alone = items && (items - 1) % threads == 0; /* the last item, which may be short */
    return alone ? (rounds - 1) * block + tiles - (items - 1) * block : rounds * block;
}

/* Rows of an item: whole tiles, `most` rows or a few more, fewer where the map is small, so that each thread has
 * several items; of such numbers the largest that leaves the threads about even. The choice changes no result. */
static inline size_t bf16_block(const exec *ex, size_t rows, size_t most)
{
    const size_t mr = ex->k->gemm_bf16_mr, threads = (size_t)pool_threads(ex->pool), tiles = (rows + mr - 1) / mr;
    const size_t least = (32 + mr - 1) / mr, share = (tiles + 4 * threads - 1) / (4 * threads);
    size_t bound = (most + mr - 1) / mr, best = SIZE_MAX, block;
    bound = share < bound ? share : bound;
    bound = bound > least ? bound : least;
    for (block = bound; 2 * block > bound; block--) {
        const size_t busiest = bf16_busiest(tiles, block, threads);
        best = busiest < best ? busiest : best;
    }
    for (block = bound; bf16_busiest(tiles, block, threads) > best + best / 32;)
        block--;
    return block * mr;
}

#endif
