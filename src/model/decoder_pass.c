/* Passes over the image for a few tokens.
 *
 * With T tokens and 8 heads of 16 channels, projecting the image to 128 channels and attending to or from T tokens
 * costs as much as products with 8 T columns that have the projection in them: (x Wq) . k = x . (Wq k). So the image is
 * projected once a picture for the first layer, whose image no prompt has changed yet, and never after; one pass takes
 * a block of pixels through image_to_token attention, normalisation and the next token_to_image attention while it is
 * in the cache. */
#include "model/decoder.h"

#include <math.h>
#include <string.h>

size_t pass_width(const image_pass *p)
{
    size_t most = p->asked ? 0 : (size_t)p->m->config.d_model;
    for (size_t h = 0; h < (size_t)p->m->config.decoder_heads && p->asked; h++) {
        size_t n = pass_head(p, h).n;
        most = n > most ? n : most;
    }
    return most;
}

void pass_take(image_pass *p, pass_object *o)
{
    size_t columns = pass_columns(p, o);
    o->largest = arena_floats(p->ex->arena, p->items * columns);
    o->sum = arena_floats(p->ex->arena, p->items * columns);
    o->weighted = arena_floats(p->ex->arena, p->items * columns * pass_width(p));
}

/* Items are numbered with objects in turn, so that neighbours share the rows of the picture. */
static pass_block first_block(const image_pass *p, size_t number)
{
    const size_t row = number / p->objects * ITEM_PIXELS, left = p->pixels - row;
    return (pass_block){&p->object[number % p->objects], row, left < BLOCK_PIXELS ? left : BLOCK_PIXELS};
}

static void pass_item(void *context, size_t number, int worker)
{
    const image_pass *p = context;
    const size_t items = p->items * p->objects, item = number / p->objects;
    pass_block at = first_block(p, number), next;
    const size_t columns = pass_columns(p, at.o),
                 end = at.row + ITEM_PIXELS < p->pixels ? at.row + ITEM_PIXELS : p->pixels;
    pass_part part = {true, at.o->largest + item * columns, at.o->sum + item * columns,
                      at.o->weighted + item * columns * pass_width(p)};
    for (size_t c = 0; c < columns; c++) {
        part.largest[c] = -INFINITY;
        part.sum[c] = 0.0f;
    }
    for (; at.row < end; at = next, part.first = false) {
        const size_t row = at.row + at.rows;
        next = (pass_block){at.o, row, end - row < BLOCK_PIXELS ? end - row : BLOCK_PIXELS};
        pass_block after = row < end ? next : number + p->threads < items ? first_block(p, number + p->threads) : at;
        (decoder_narrow(p->m) ? pass_block_bf16 : pass_block_f32)(p, &at, &after, &part,
                                                                  p->scratch + (size_t)worker * p->scratch_bytes);
    }
}

/* One token: joins the items' parts, and takes each head's channels. An item's scratch memory is more than enough. */
static void join_token(const image_pass *p, const pass_object *o, size_t token, float *joined)
{
    const kernels *k = p->ex->k;
    size_t heads = (size_t)p->m->config.decoder_heads, columns = pass_columns(p, o), width = pass_width(p),
           inner = (size_t)p->m->config.d_model / 2, head_dim = inner / heads;
    float *projected = joined + heads * width, *attended = o->attended + token * inner;
    for (size_t h = 0; h < heads; h++) {
        const float *row[MOST_ITEMS];
        float share[MOST_ITEMS], largest = -INFINITY, total = 0.0f;
        size_t column = pass_column(p, o, token, h), skip = p->asked ? pass_head(p, h).skip : 0;
        for (size_t i = 0; i < p->items; i++)
            largest = fmaxf(largest, o->largest[i * columns + column]);
        for (size_t i = 0; i < p->items; i++) {
            row[i] = o->weighted + (i * columns + column) * width + skip;
            share[i] = expf(o->largest[i * columns + column] - largest);
            total += share[i] * o->sum[i * columns + column];
        }
        for (size_t i = 0; i < p->items; i++)
            share[i] /= total;
        if (p->asked)
            k->weigh_rows_f32(head_dim, p->items, row, share, attended + h * head_dim);
        else
            k->weigh_rows_f32(width, p->items, row, share, joined + h * width);
    }
    if (!p->asked) { /* shares add up to 1: the projection, bias and all, may come after the weighing */
        ops_gemm(k, p->value_projection, heads, joined, width, projected, inner, NULL, ACT_NONE, NULL, 0, NULL);
        for (size_t h = 0; h < heads; h++)
            memcpy(attended + h * head_dim, projected + h * inner + h * head_dim, head_dim * sizeof *attended);
    }
}

static void join_item(void *context, size_t index, int worker)
{
    const image_pass *p = context;
    size_t object = 0;
    for (; index >= p->object[object].asking; object++)
        index -= p->object[object].asking;
    join_token(p, &p->object[object], index, (float *)(p->scratch + (size_t)worker * p->scratch_bytes));
}

void pass_run(image_pass *p)
{
    size_t mark = arena_mark(p->ex->arena), tokens = 0;
    p->scratch_bytes = decoder_narrow(p->m) ? pass_bf16_bytes(p) : pass_f32_bytes(p);
    p->scratch = arena_take(p->ex->arena, (size_t)pool_threads(p->ex->pool), p->scratch_bytes);
    for (size_t i = 0; i < p->objects; i++)
        tokens += p->object[i].asking;
    if (!exec_dry(p->ex)) {
        pool_run(p->ex->pool, pass_item, p, p->items * p->objects);
        pool_run(p->ex->pool, join_item, p, tokens);
    }
    arena_reset(p->ex->arena, mark);
}
