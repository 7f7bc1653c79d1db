/* The attention half of a Hiera block with windows, in bfloat16: see op_window_attention. */
#include "ops/bf16.h"
#include "ops/relative.h"
#include "ops/window_place.h"

#include <math.h>
#include <string.h>

/* Tokens that make an item worth its overhead and fill tiles; small windows are taken several at a time. */
#define TOKENS_AN_ITEM 256

typedef struct window_job {
    const exec *ex;
    const window_args *a;
    size_t head_dim, windows;
    size_t group, capacity; /* windows an item takes, rows of local buffers (with one padded token a window) */
    size_t rows_pitch, qkv_pitch, attended_pitch, q_pitch, scores_pitch, weights_pitch;
    const uint16_t *tables; /* of relative positions, packed */
    uint8_t *scratch;       /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} window_job;

/* Per-thread buffers, cut from one piece. */
typedef struct window_buffers {
    uint16_t *normed;   /* [capacity][rows_pitch] */
    uint16_t *qkv;      /* [capacity][qkv_pitch] */
    uint16_t *attended; /* [capacity][attended_pitch] */
    float *shortcut;    /* [capacity][dim_out], with a projected shortcut */
    uint16_t *q;        /* [window^2][q_pitch] */
    uint16_t *keys, *values;
    float *scores;     /* [window^2][scores_pitch] */
    uint16_t *weights; /* [window^2][weights_pitch] */
    float *largest, *sum, *rescale;
    uint32_t *rows; /* [capacity] of y that the item writes */
    /* With relative positions: a head's keys and values of a padded window one by one [window^2][q_pitch], products
     * [window^2][relative_columns], and what they give [window^2][window] each. */
    uint16_t *key_rows, *value_rows;
    float *products, *vertical, *horizontal;
} window_buffers;

/* Cuts the buffers from the arena (a dry one to measure) and returns the bytes. */
static size_t lay_out(const window_job *j, arena cut, window_buffers *b)
{
    const window_args *a = j->a;
    size_t tokens = a->window * a->window, keys = tokens + 1;
    b->normed = arena_take(&cut, j->capacity * j->rows_pitch, sizeof *b->normed);
    b->qkv = arena_take(&cut, j->capacity * j->qkv_pitch, sizeof *b->qkv);
    b->attended = arena_take(&cut, j->capacity * j->attended_pitch, sizeof *b->attended);
    b->shortcut = arena_take(&cut, a->shortcut ? j->capacity * a->dim_out : 0, sizeof *b->shortcut);
    b->q = arena_take(&cut, tokens * j->q_pitch, sizeof *b->q);
    b->keys = arena_take(&cut, gemm_bf16_packed(keys, j->head_dim), sizeof *b->keys);
    b->values = arena_take(&cut, gemm_bf16_packed(j->head_dim, keys), sizeof *b->values);
    b->scores = arena_take(&cut, tokens * j->scores_pitch, sizeof *b->scores);
    b->weights = arena_take(&cut, tokens * j->weights_pitch, sizeof *b->weights);
    b->largest = arena_take(&cut, tokens, sizeof *b->largest);
    b->sum = arena_take(&cut, tokens, sizeof *b->sum);
    b->rescale = arena_take(&cut, tokens, sizeof *b->rescale);
    b->rows = arena_take(&cut, j->capacity, sizeof *b->rows);
    if (a->relative) {
        b->key_rows = arena_take(&cut, tokens * j->q_pitch, sizeof *b->key_rows);
        b->value_rows = arena_take(&cut, tokens * j->q_pitch, sizeof *b->value_rows);
        b->products = arena_take(&cut, tokens * relative_columns(a->window), sizeof *b->products);
        b->vertical = arena_take(&cut, tokens * a->window, sizeof *b->vertical);
        b->horizontal = arena_take(&cut, tokens * a->window, sizeof *b->horizontal);
    }
    return cut.peak;
}

/* q [tokens or tokens / 4][q_pitch] of one head, pooled where the block pools. Map and window sides are even there, so
 * that no cell of four mixes real and padded tokens. */
static size_t gather_q(const window_job *j, const window_place *p, const uint16_t *qkv, uint16_t *q)
{
    const size_t ld = j->qkv_pitch, dim = j->head_dim;
    size_t count = 0;
    if (!j->a->pool) {
        for (; count < p->height * p->width; count++)
            memcpy(q + count * j->q_pitch, qkv + count * ld, dim * sizeof *q);
        return count;
    }
    for (size_t y = 0; y < p->height; y += 2)
        for (size_t x = 0; x < p->width; x += 2, count++) {
            const uint16_t *cell = qkv + (y * p->width + x) * ld, *below = cell + p->width * ld;
            j->ex->k->max4_bf16(dim, (const uint16_t *const[4]){cell, cell + ld, below, below + ld},
                                q + count * j->q_pitch);
        }
    return count;
}

/* Packs a head's keys and values. */
static void pack_keys(const window_job *j, const window_place *p, const uint16_t *qkv, const window_buffers *b)
{
    const window_args *a = j->a;
    const kernels *k = j->ex->k;
    const size_t dim = j->head_dim, keys = place_keys(a, p);
    const uint16_t *key = qkv + a->dim_out, *value = qkv + 2 * a->dim_out;
    size_t ld = j->qkv_pitch;
    if (a->relative && p->padded) {
        for (size_t i = 0; i < keys; i++) {
            const size_t row = place_key_row(a, p, i) * ld;
            memcpy(b->key_rows + i * j->q_pitch, key + row, dim * sizeof *key);
            memcpy(b->value_rows + i * j->q_pitch, value + row, dim * sizeof *value);
        }
        key = b->key_rows;
        value = b->value_rows;
        ld = j->q_pitch;
    }
    k->pack_nk_bf16(keys, dim, key, ld, b->keys);
    k->pack_kn_bf16(keys, dim, value, ld, b->values);
}

/* What relative positions add to the scores of `count` queries, which will be multiplied by `factor`. */
static void make_relative(const window_job *j, const window_place *p, size_t count, float factor,
                          const window_buffers *b)
{
    const size_t window = j->a->window, columns = relative_columns(window);
    j->ex->k->gemm_bf16(&(gemm_bf16_args){.m = count,
                                          .n = columns,
                                          .k = j->head_dim,
                                          .a = b->q,
                                          .lda = j->q_pitch,
                                          .b = j->tables,
                                          .b_stride = gemm_bf16_packed(1, j->head_dim),
                                          .c = b->products,
                                          .ldc = columns});
    relative_spread(window, 0, count, p->width, b->products, 1.0f / factor, b->vertical, b->horizontal);
}

/* Scores to weights. */
static void soften(const window_job *j, size_t count, size_t keys, float factor, const window_buffers *b)
{
    const kernels *k = j->ex->k;
    const size_t window = j->a->window, step = j->a->relative ? RELATIVE_ROWS : count;
    for (size_t r = 0, some; r < count; r += some) {
        some = count - r < step ? count - r : step;
        float *scores = b->scores + r * j->scores_pitch;
        if (j->a->relative)
            k->add_relative_f32(some, 0, keys, window, b->vertical + r * window, window, b->horizontal + r * window,
                                window, scores, j->scores_pitch);
        k->softmax_step_bf16(some, keys, scores, j->scores_pitch, factor, b->weights + r * j->weights_pitch,
                             j->weights_pitch, b->largest + r, b->sum + r, b->rescale + r);
    }
}

/* Attention of one window and head: `out_row` is the window's first row in b->attended. */
static void attend(const window_job *j, const window_place *p, size_t head, size_t out_row, const window_buffers *b)
{
    const size_t dim = j->head_dim, ld = j->qkv_pitch, keys = place_keys(j->a, p);
    const kernels *k = j->ex->k;
    const uint16_t *qkv = b->qkv + p->first * ld + head * dim;
    const float factor = 1.0f / sqrtf((float)dim);
    const size_t count = gather_q(j, p, qkv, b->q);
    pack_keys(j, p, qkv, b);
    k->gemm_bf16(&(gemm_bf16_args){.m = count,
                                   .n = keys,
                                   .k = dim,
                                   .a = b->q,
                                   .lda = j->q_pitch,
                                   .b = b->keys,
                                   .b_stride = gemm_bf16_packed(1, dim),
                                   .c = b->scores,
                                   .ldc = j->scores_pitch});
    if (j->a->relative)
        make_relative(j, p, count, factor, b);
    const float weight =
        p->padded && !j->a->relative ? logf((float)p->padded) / factor : 0.0f; /* exp(s + log n) = n exp(s) */
    for (size_t r = 0; r < count; r++) {
        b->scores[r * j->scores_pitch + keys - 1] += weight;
        b->largest[r] = -INFINITY;
        b->sum[r] = 0.0f;
    }
    soften(j, count, keys, factor, b);
    for (size_t r = 0; r < count; r++)
        b->sum[r] = 1.0f / b->sum[r];
    k->gemm_bf16(&(gemm_bf16_args){.m = count,
                                   .n = dim,
                                   .k = keys,
                                   .a = b->weights,
                                   .lda = j->weights_pitch,
                                   .b = b->values,
                                   .b_stride = gemm_bf16_packed(1, keys),
                                   .c_bf16 = b->attended + out_row * j->attended_pitch + head * dim,
                                   .ldc = j->attended_pitch,
                                   .row_scale = b->sum});
}

static void window_item(void *context, size_t item, int worker)
{
    const window_job *j = context;
    const window_args *a = j->a;
    const kernels *k = j->ex->k;
    window_buffers b;
    lay_out(j, (arena){.base = j->scratch + (size_t)worker * j->scratch_bytes, .capacity = j->scratch_bytes}, &b);
    size_t from = item * j->group, to = from + j->group < j->windows ? from + j->group : j->windows, used = 0;
    for (size_t w = from; w < to; w++) {
        window_place p = place_window(a, w, used);
        for (size_t y = 0; y < p.height; y++)
            bf16_rows(k, a->norm, p.width, a->dim_in, a->x + ((p.y + y) * a->width + p.x) * a->dim_in, a->dim_in,
                      b.normed + (used + y * p.width) * j->rows_pitch, j->rows_pitch);
        used += place_rows(&p);
        if (p.padded)
            memset(b.normed + (used - 1) * j->rows_pitch, 0, a->dim_in * sizeof *b.normed);
    }
    gemm_bf16_args g = bf16_product(a->qkv, used, b.normed, j->rows_pitch);
    g.c_bf16 = b.qkv;
    g.ldc = j->qkv_pitch;
    k->gemm_bf16(&g);
    if (a->shortcut) {
        g = bf16_product(a->shortcut, used, b.normed, j->rows_pitch);
        g.c = b.shortcut;
        g.ldc = a->dim_out;
        k->gemm_bf16(&g);
    }
    size_t out_rows = 0;
    used = 0;
    for (size_t w = from; w < to; w++) {
        window_place p = place_window(a, w, used);
        for (size_t head = 0; head < a->heads; head++)
            attend(j, &p, head, out_rows, &b);
        if (a->shortcut)
            pool_shortcut(k, a, &p, b.shortcut);
        out_rows += place_outputs(a, &p, b.rows + out_rows);
        used += place_rows(&p);
    }
    g = bf16_product(a->proj, out_rows, b.attended, j->attended_pitch);
    g.c = a->y;
    g.c_rows = b.rows;
    g.residual = a->shortcut ? a->y : a->x; /* the pooled shortcut is in y already */
    g.ldc = g.ldr = a->dim_out;
    k->gemm_bf16(&g);
}

void bf16_window_attention(const exec *ex, const window_args *a)
{
    window_job j = {.ex = ex, .a = a, .head_dim = a->dim_out / a->heads, .windows = count_windows(a)};
    const size_t tokens = a->window * a->window, mark = arena_mark(ex->arena);
    j.group = tokens >= TOKENS_AN_ITEM ? 1 : TOKENS_AN_ITEM / tokens;
    j.capacity = j.group * (tokens + 1);
    j.rows_pitch = ops_pitch_bf16(a->dim_in);
    j.qkv_pitch = ops_pitch_bf16(3 * a->dim_out);
    j.attended_pitch = ops_pitch_bf16(a->dim_out);
    j.q_pitch = ops_pitch_bf16(j.head_dim);
    j.scores_pitch = ((tokens + 1 + 15) / 16 | 1) * 16;
    j.weights_pitch = ops_pitch_bf16(tokens + 1);
    j.tables = a->relative ? relative_pack_bf16(ex, a->relative, a->window, j.head_dim) : NULL;
    window_buffers unused;
    j.scratch_bytes = lay_out(&j, (arena){0}, &unused);
    j.scratch = arena_take(ex->arena, (size_t)pool_threads(ex->pool), j.scratch_bytes);
    if (!exec_dry(ex))
        pool_run(ex->pool, window_item, &j, (j.windows + j.group - 1) / j.group);
    arena_reset(ex->arena, mark);
}
