#include "ops/relative.h"

#include <string.h>

/* Both tables in reverse, [relative_columns, dim]. */
static void reverse(const relative_positions *r, size_t side, size_t dim, float *out)
{
    const size_t reach = 2 * side - 1;
    for (size_t i = 0; i < reach; i++) {
        memcpy(out + i * dim, r->vertical + (reach - 1 - i) * dim, dim * sizeof *out);
        memcpy(out + (reach + i) * dim, r->horizontal + (reach - 1 - i) * dim, dim * sizeof *out);
    }
}

const float *relative_pack_f32(const exec *ex, const relative_positions *r, size_t side, size_t dim)
{
    const size_t n = relative_columns(side);
    float *out = arena_floats(ex->arena, ops_packed_floats(ex->k, n, dim));
    const size_t mark = arena_mark(ex->arena);
    float *rows = arena_floats(ex->arena, n * dim);
    if (!exec_dry(ex)) {
        reverse(r, side, dim, rows);
        ex->k->pack_nk_f32(n, dim, rows, dim, out);
    }
    arena_reset(ex->arena, mark);
    return out;
}

const uint16_t *relative_pack_bf16(const exec *ex, const relative_positions *r, size_t side, size_t dim)
{
    const size_t n = relative_columns(side);
    uint16_t *out = arena_take(ex->arena, gemm_bf16_packed(n, dim), sizeof *out);
    const size_t mark = arena_mark(ex->arena);
    float *rows = arena_floats(ex->arena, n * dim);
    uint16_t *narrow = arena_take(ex->arena, n * dim, sizeof *narrow);
    if (!exec_dry(ex)) {
        reverse(r, side, dim, rows);
        ex->k->f32_to_bf16(n * dim, rows, narrow);
        ex->k->pack_nk_bf16(n, dim, narrow, dim, out);
    }
    arena_reset(ex->arena, mark);
    return out;
}

void relative_spread(size_t side, size_t first, size_t count, size_t width, const float *products, float scale,
                     float *vertical, float *horizontal)
{
    const size_t reach = 2 * side - 1;
    for (size_t i = 0; i < count; i++) {
        /* Column side - 1 - q + k of the reversed table is its row q - k + side - 1. */
        const float *v = products + i * 2 * reach + side - 1 - (first + i) / width,
                    *h = products + i * 2 * reach + reach + side - 1 - (first + i) % width;
        for (size_t k = 0; k < side; k++) {
            vertical[i * side + k] = v[k] * scale;
            horizontal[i * side + k] = h[k] * scale;
        }
    }
}
