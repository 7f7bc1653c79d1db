#include "predict/enlarge.h"

/* Where outputs `start` ... of `out` take from `in` inputs: two neighbours and the second one's share. */
static void taps(size_t in, size_t out, size_t start, size_t n, uint32_t *low, uint32_t *high, float *share)
{
    float scale = (float)in / (float)out;
    for (size_t i = 0; i < n; i++) {
        float source = scale * ((float)(start + i) + 0.5f) - 0.5f;
        source = source < 0.0f ? 0.0f : source;
        uint32_t at = (uint32_t)source;
        if (at > in - 1)
            at = (uint32_t)in - 1;
        low[i] = at;
        high[i] = at + (at < in - 1);
        share[i] = source - (float)at;
    }
}

void enlarge_rows(const enlarge *e, enlarge_use use, void *user)
{
    uint32_t left[ENLARGE_TILE], right[ENLARGE_TILE];
    float u[ENLARGE_TILE], row[ENLARGE_TILE];
    for (size_t x = 0; x < e->width; x += ENLARGE_TILE) {
        size_t n = e->width - x < ENLARGE_TILE ? e->width - x : ENLARGE_TILE;
        taps(e->side, e->width, x, n, left, right, u);
        for (size_t y = 0; y < e->height; y++) {
            uint32_t top, bottom;
            float v;
            taps(e->side, e->height, y, 1, &top, &bottom, &v);
            e->k->bilinear_row_f32(n, e->logits + top * e->side, e->logits + bottom * e->side, left, right, u, v, row);
            use(user, x, y, n, row);
        }
    }
}

#define COLUMN_PIECE 4096

void enlarge_columns(const enlarge *e, enlarge_use use, void *user)
{
    /* A column of the picture is a column between two of the logits, enlarged downwards: the same products in the same
     * order as by rows, where the first of the two steps is the horizontal one too. */
    uint32_t left[ENLARGE_MAX_SIDE], right[ENLARGE_MAX_SIDE], top[COLUMN_PIECE], bottom[COLUMN_PIECE];
    float u[ENLARGE_MAX_SIDE], profile[ENLARGE_MAX_SIDE], v[COLUMN_PIECE], column[COLUMN_PIECE];
    for (size_t x = 0; x < e->width; x++) {
        uint32_t low, high;
        float share;
        taps(e->side, e->width, x, 1, &low, &high, &share);
        for (size_t r = 0; r < e->side; r++) {
            left[r] = (uint32_t)(r * e->side) + low;
            right[r] = (uint32_t)(r * e->side) + high;
            u[r] = share;
        }
        e->k->bilinear_row_f32(e->side, e->logits, e->logits, left, right, u, 0.0f, profile);
        for (size_t y = 0; y < e->height; y += COLUMN_PIECE) {
            size_t n = e->height - y < COLUMN_PIECE ? e->height - y : COLUMN_PIECE;
            if (x == 0 || e->height > COLUMN_PIECE)
                taps(e->side, e->height, y, n, top, bottom, v);
            e->k->bilinear_row_f32(n, profile, profile, top, bottom, v, 0.0f, column);
            use(user, x, y, n, column);
        }
    }
}
