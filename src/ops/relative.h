/* Relative positions inside of attention: products of queries with both tables, and from them what each query adds to
 * the scores of a row and of a column of keys. */
#ifndef OPS_RELATIVE_H
#define OPS_RELATIVE_H

#include "ops/ops.h"

/* Rows of scores that get their relative positions and go through softmax before the next ones: they are in the first-
 * level cache then. */
#define RELATIVE_ROWS ((size_t)8)

/* Columns of the tables as one operand: vertical, then horizontal, each in reverse, so that what a query needs is
 * contiguous and in the keys' order. */
static inline size_t relative_columns(size_t side)
{
    return 2 * (2 * side - 1);
}

/* The operand, packed for gemm_f32 or gemm_bf16; memory is taken from the arena. */
const float *relative_pack_f32(const exec *ex, const relative_positions *r, size_t side, size_t dim);
const uint16_t *relative_pack_bf16(const exec *ex, const relative_positions *r, size_t side, size_t dim);

/* vertical, horizontal [count, side] from products [count, relative_columns] of the queries `first` ... of a map that
 * is `width` tokens wide and no larger than the tables are for; times `scale`. */
void relative_spread(size_t side, size_t first, size_t count, size_t width, const float *products, float scale,
                     float *vertical, float *horizontal);

#endif
