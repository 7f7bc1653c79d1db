/* What both precisions of op_bank_attention share: tiles of keys, and what their keys are made of. */
#ifndef OPS_BANK_H
#define OPS_BANK_H

#include "ops/ops.h"

#include <string.h>

#define BANK_TILE ((size_t)256) /* keys that scores are taken of at a time */

/* Part of a bank: rows first ... first + count - 1 of a part. */
typedef struct bank_tile {
    const bank_part *part;
    size_t first, count;
} bank_tile;

static inline size_t bank_tiles(const bank_args *a)
{
    size_t tiles = 0;
    for (size_t i = 0; i < a->part_count; i++)
        tiles += (a->parts[i].count + BANK_TILE - 1) / BANK_TILE;
    return tiles;
}

static inline bank_tile bank_tile_at(const bank_args *a, size_t index)
{
    const bank_part *p = a->parts;
    for (size_t tiles; index >= (tiles = (p->count + BANK_TILE - 1) / BANK_TILE); p++)
        index -= tiles;
    bank_tile t = {.part = p, .first = index * BANK_TILE};
    t.count = p->count - t.first < BANK_TILE ? p->count - t.first : BANK_TILE;
    return t;
}

/* Values of a tile as float32, at most [BANK_TILE][value_dim]: where they are, or in `scratch`. */
static inline const float *bank_values(const kernels *k, const bank_args *a, const bank_tile *t, float *scratch)
{
    if (t->part->values)
        return t->part->values + t->first * a->value_dim;
    k->bf16_to_f32(t->count * a->value_dim, t->part->narrow_values + t->first * a->value_dim, scratch);
    return scratch;
}

/* What a tile's keys are projected from, [count, key->k]: where it is, or in `scratch`, which may be `values`. */
static inline const float *bank_sources(const bank_args *a, const bank_tile *t, const float *values, float *scratch)
{
    const size_t width = a->value_dim, half = width / 2;
    const bank_part *p = t->part;
    if (p->keys)
        return p->keys + t->first * a->key->k;
    for (size_t r = 0; r < t->count; r++) {
        const size_t row = t->first + r;
        const float *from = values + r * width;
        float *to = scratch + r * width;
        const float *y = p->position ? p->position + row / a->side * half : NULL,
                    *x = p->position ? p->position + row % a->side * half : NULL;
        for (size_t c = 0; c < half; c++)
            to[c] = from[c] + ((y ? y[c] : 0.0f) + (p->shift ? p->shift[c] : 0.0f));
        for (size_t c = 0; c < half; c++)
            to[half + c] = from[half + c] + ((x ? x[c] : 0.0f) + (p->shift ? p->shift[half + c] : 0.0f));
    }
    return scratch;
}

/* Rotates rows first ... of a map of `side` columns, in place. */
static inline void bank_rotate(const kernels *k, const bank_args *a, size_t first, size_t count, float *rows)
{
    const size_t half = a->dim / 2;
    for (size_t r = 0; r < count; r++) {
        float *row = rows + r * a->dim;
        const size_t x = (first + r) % a->side * half, y = (first + r) / a->side * half;
        k->rotate_f32(half, row, a->cosine + x, a->sine + x, row);
        k->rotate_f32(half, row + half, a->cosine + y, a->sine + y, row + half);
    }
}

#endif
