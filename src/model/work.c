/* How much arithmetic an encoding is, from the configuration alone: a multiply-add is two, and matrix products are all
 * that counts, as in PyTorch's FlopCounterMode. */
#include "model/config.h"

/* Products of one block on a map of `side` tokens a side. */
static uint64_t block_work(const config_block *b, uint64_t side, bool padding)
{
    uint64_t in = (uint64_t)b->dim_in, dim = (uint64_t)b->dim_out, tokens = side * side,
             pooled = b->pool ? tokens / 4 : tokens;
    uint64_t rows = tokens, out_rows = pooled, pairs = tokens * tokens;
    if (b->window) {
        uint64_t w = (uint64_t)b->window, across = (side + w - 1) / w, edge = side - (across - 1) * w;
        uint64_t shrink = b->pool ? 4 : 1;
        if (padding) { /* every window is whole */
            rows = across * across * w * w;
            out_rows = rows / shrink;
            pairs = rows * w * w / shrink;
        } else { /* one key stands for all padded tokens of a window */
            uint64_t kinds[4][2] = {{w, w}, {w, edge}, {edge, w}, {edge, edge}};
            uint64_t many[4] = {(across - 1) * (across - 1), across - 1, across - 1, 1};
            rows = pairs = 0;
            for (int i = 0; i < 4; i++) {
                uint64_t real = kinds[i][0] * kinds[i][1], keys = real + (real < w * w);
                rows += many[i] * keys;
                pairs += many[i] * (real / shrink) * keys;
            }
        }
    }
    uint64_t work = rows * in * 3 * dim + 2 * pairs * dim + out_rows * dim * dim + 2 * pooled * dim * 4 * dim;
    if (b->pool) /* the shortcut; it goes through the windows' rows unless the official code's padding is counted */
        work += (padding ? tokens : rows) * in * dim;
    return 2 * work;
}

/* SAM 1. The products with tables of relative positions are counted as the official code has them: each query with what
 * it needs of both; they are not what takes time. */
static uint64_t vit_work(const model_config *c, bool padding)
{
    const uint64_t side = (uint64_t)c->image_size / 16, tokens = side * side, dim = (uint64_t)c->embed_dim,
                   d = (uint64_t)c->d_model;
    uint64_t work = tokens * dim * 16 * 16 * 3 + tokens * d * (dim + 9 * d);
    for (int i = 0; i < c->block_count; i++) {
        const uint64_t window = c->blocks[i].window ? (uint64_t)c->blocks[i].window : side,
                       across = (side + window - 1) / window, padded = across * across * window * window;
        /* Windows at the right and bottom that are not whole: one more token to project, for all that is padding. */
        const uint64_t partial = side % window ? 2 * across - 1 : 0;
        const uint64_t rows = padding ? padded : tokens + partial, queries = padding ? padded : tokens;
        work += rows * dim * 3 * dim + 2 * queries * window * window * dim + 2 * queries * window * dim +
                queries * dim * dim + 2 * tokens * dim * 4 * dim;
    }
    return 2 * work;
}

uint64_t config_encode_work(const model_config *c, bool padding)
{
    if (c->family == FAMILY_SAM1)
        return vit_work(c, padding);
    uint64_t side = (uint64_t)c->image_size / 4, d = (uint64_t)c->d_model;
    uint64_t work = 2 * side * side * 7 * 7 * 3 * (uint64_t)c->embed_dim;
    const uint64_t convolution[4] = {d / 8, d / 4, 0, 0}; /* conv_s0, conv_s1 */
    int stage = 0;
    for (int i = 0; i < c->block_count; i++) {
        const config_block *b = &c->blocks[i];
        work += block_work(b, side, padding);
        side = b->pool ? side / 2 : side;
        if (!b->stage_end)
            continue;
        /* The coarsest level goes into the one before it and nowhere else; the two finest are one layer each. */
        if (!padding && stage < 2)
            work += 2 * side * side * convolution[stage] * (uint64_t)b->dim_out;
        else if (padding || stage < 3 || c->top_down[2])
            work += 2 * side * side * d * ((uint64_t)b->dim_out + convolution[stage]);
        stage++;
    }
    return work;
}
