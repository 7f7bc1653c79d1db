#include "ops/bf16.h"
#include "ops/relative.h"
#include "ops/window_place.h"

#include <math.h>
#include <string.h>

/* Tokens that make an item worth its overhead; small windows are taken several at a time. */
#define TOKENS_AN_ITEM 256

/* Tokens of a window from which on gemm_split is faster for its attention too: it splits the keys for them alone. */
#define TOKENS_TO_SPLIT 128

typedef struct window_job {
    const exec *ex;
    const window_args *a;
    size_t windows;
    size_t group, capacity; /* windows an item takes, rows of local buffers (with one padded token a window) */
    float scale;
    bool split;          /* attention's products are gemm_split's */
    const float *tables; /* of relative positions, packed */
    uint8_t *scratch;    /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} window_job;

/* Per-thread buffers, cut from one piece. */
typedef struct window_buffers {
    float *normed;   /* [capacity, dim_in] */
    float *qkv;      /* [capacity, 3 dim_out] */
    float *attended; /* [capacity, dim_out] */
    float *shortcut; /* [capacity, dim_out], with a projected shortcut */
    float *q, *out;  /* [window^2, head dim] */
    float *keys, *values, *scores;
    float *largest, *sum, *rescale;
    uint32_t *rows; /* [capacity] of y that the item writes */
    void *split;    /* scratch of gemm_split */
    /* With relative positions: a head's keys and values of a padded window one by one [window^2, head dim], products
     * [window^2, relative_columns], and what they give [window^2, window] each. */
    float *key_rows, *value_rows, *products, *vertical, *horizontal;
} window_buffers;

/* Cuts the buffers from the arena (a dry one to measure) and returns the bytes. */
static size_t lay_out(const window_job *j, arena cut, window_buffers *b)
{
    const window_args *a = j->a;
    size_t keys = a->window * a->window + 1, dim = a->dim_out / a->heads;
    b->normed = arena_take(&cut, j->capacity * a->dim_in, sizeof *b->normed);
    b->qkv = arena_take(&cut, j->capacity * 3 * a->dim_out, sizeof *b->qkv);
    b->attended = arena_take(&cut, j->capacity * a->dim_out, sizeof *b->attended);
    b->shortcut = arena_take(&cut, a->shortcut ? j->capacity * a->dim_out : 0, sizeof *b->shortcut);
    b->q = arena_take(&cut, keys * dim, sizeof *b->q);
    b->out = arena_take(&cut, keys * dim, sizeof *b->out);
    b->keys = arena_take(&cut, ops_packed_floats(j->ex->k, keys, dim), sizeof *b->keys);
    b->values = arena_take(&cut, ops_packed_floats(j->ex->k, dim, keys), sizeof *b->values);
    b->scores = arena_take(&cut, keys * keys, sizeof *b->scores);
    b->largest = arena_take(&cut, keys, sizeof *b->largest);
    b->sum = arena_take(&cut, keys, sizeof *b->sum);
    b->rescale = arena_take(&cut, keys, sizeof *b->rescale);
    b->rows = arena_take(&cut, j->capacity, sizeof *b->rows);
    const size_t in = ops_scratch(j->ex->k, a->qkv, a->dim_in), out = ops_scratch(j->ex->k, a->proj, a->dim_out);
    const size_t head = j->split ? gemm_split_scratch(dim > keys ? dim : keys) : 0, layers = in > out ? in : out;
    b->split = arena_take(&cut, layers > head ? layers : head, 1);
    if (a->relative) {
        b->key_rows = arena_take(&cut, keys * dim, sizeof *b->key_rows);
        b->value_rows = arena_take(&cut, keys * dim, sizeof *b->value_rows);
        b->products = arena_take(&cut, keys * relative_columns(a->window), sizeof *b->products);
        b->vertical = arena_take(&cut, keys * a->window, sizeof *b->vertical);
        b->horizontal = arena_take(&cut, keys * a->window, sizeof *b->horizontal);
    }
    return cut.peak;
}

/* q [tokens or tokens / 4, dim] of one head, scaled, pooled where the block pools. Map and window sides are even there,
 * so that no cell of four mixes real and padded tokens. */
static size_t gather_q(const window_job *j, const window_place *p, const float *qkv, size_t dim, float *q)
{
    size_t ld = 3 * j->a->dim_out;
    if (!j->a->pool) {
        size_t count = p->height * p->width;
        for (size_t r = 0; r < count; r++)
            for (size_t c = 0; c < dim; c++)
                q[r * dim + c] = qkv[r * ld + c] * j->scale;
        return count;
    }
    size_t count = 0;
    for (size_t y = 0; y < p->height; y += 2)
        for (size_t x = 0; x < p->width; x += 2, count++) {
            const float *cell = qkv + (y * p->width + x) * ld, *below = cell + p->width * ld;
            j->ex->k->max4_f32(dim, (const float *const[4]){cell, cell + ld, below, below + ld}, q + count * dim);
            for (size_t c = 0; c < dim; c++)
                q[count * dim + c] *= j->scale;
        }
    return count;
}

/* Packs a head's keys and values. */
static void pack_keys(const window_job *j, const window_place *p, const float *qkv, const window_buffers *b)
{
    const window_args *a = j->a;
    const kernels *k = j->ex->k;
    size_t dim = a->dim_out / a->heads, ld = 3 * a->dim_out, keys = place_keys(a, p);
    const float *key = qkv + a->dim_out, *value = qkv + 2 * a->dim_out;
    if (a->relative && p->padded) {
        for (size_t i = 0; i < keys; i++) {
            const size_t row = place_key_row(a, p, i) * ld;
            memcpy(b->key_rows + i * dim, key + row, dim * sizeof *key);
            memcpy(b->value_rows + i * dim, value + row, dim * sizeof *value);
        }
        key = b->key_rows;
        value = b->value_rows;
        ld = dim;
    }
    k->pack_nk_f32(keys, dim, key, ld, b->keys);
    k->pack_kn_f32(keys, dim, value, ld, b->values);
}

static void multiply(const window_job *j, const window_buffers *b, gemm_f32_args args)
{
    args.scratch = b->split;
    (j->split ? j->ex->k->gemm_split : j->ex->k->gemm_f32)(&args);
}

/* Adds relative positions to the scores of `count` queries, whose rows before scaling begin at qkv. */
static void add_relative(const window_job *j, const window_place *p, size_t count, const float *qkv,
                         const window_buffers *b)
{
    const window_args *a = j->a;
    const kernels *k = j->ex->k;
    const size_t dim = a->dim_out / a->heads, columns = relative_columns(a->window), keys = a->window * a->window;
    multiply(j, b,
             (gemm_f32_args){.m = count,
                             .n = columns,
                             .k = dim,
                             .a = qkv,
                             .lda = 3 * a->dim_out,
                             .b = j->tables,
                             .b_stride = dim * k->gemm_f32_nr,
                             .c = b->products,
                             .ldc = columns});
    relative_spread(a->window, 0, count, p->width, b->products, 1.0f, b->vertical, b->horizontal);
    k->add_relative_f32(count, 0, keys, a->window, b->vertical, a->window, b->horizontal, a->window, b->scores, keys);
}

/* Attention of one window and head: `out_row` is the window's first row in b->attended. */
static void attend(const window_job *j, const window_place *p, size_t head, size_t out_row, const window_buffers *b)
{
    const window_args *a = j->a;
    const kernels *k = j->ex->k;
    size_t dim = a->dim_out / a->heads, ld = 3 * a->dim_out, keys = place_keys(a, p);
    const float *qkv = b->qkv + p->first * ld + head * dim;
    size_t count = gather_q(j, p, qkv, dim, b->q);
    pack_keys(j, p, qkv, b);
    multiply(j, b,
             (gemm_f32_args){.m = count,
                             .n = keys,
                             .k = dim,
                             .a = b->q,
                             .lda = dim,
                             .b = b->keys,
                             .b_stride = dim * k->gemm_f32_nr,
                             .c = b->scores,
                             .ldc = keys});
    if (a->relative)
        add_relative(j, p, count, qkv, b);
    float weight = p->padded && !a->relative ? logf((float)p->padded) : 0.0f; /* exp(s + log n) = n exp(s) */
    for (size_t r = 0; r < count; r++) {
        b->scores[r * keys + keys - 1] += weight;
        b->largest[r] = -INFINITY;
        b->sum[r] = 0.0f;
    }
    k->softmax_step_f32(count, keys, b->scores, keys, b->largest, b->sum, b->rescale);
    multiply(j, b,
             (gemm_f32_args){.m = count,
                             .n = dim,
                             .k = keys,
                             .a = b->scores,
                             .lda = keys,
                             .b = b->values,
                             .b_stride = keys * k->gemm_f32_nr,
                             .c = b->out,
                             .ldc = dim});
    k->divide_rows_f32(count, dim, b->out, dim, b->sum, b->attended + out_row * a->dim_out + head * dim, a->dim_out);
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
            k->layernorm_f32(p.width, a->dim_in, a->x + ((p.y + y) * a->width + p.x) * a->dim_in, a->dim_in,
                             a->norm->gamma, a->norm->beta, a->norm->eps, ACT_NONE,
                             b.normed + (used + y * p.width) * a->dim_in, a->dim_in);
        used += place_rows(&p);
        if (p.padded)
            memset(b.normed + (used - 1) * a->dim_in, 0, a->dim_in * sizeof(float));
    }
    ops_gemm(k, a->qkv, used, b.normed, a->dim_in, b.qkv, 3 * a->dim_out, NULL, ACT_NONE, NULL, 0, b.split);
    if (a->shortcut)
        ops_gemm(k, a->shortcut, used, b.normed, a->dim_in, b.shortcut, a->dim_out, NULL, ACT_NONE, NULL, 0, b.split);
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
    /* The pooled shortcut is in y already. */
    ops_gemm(k, a->proj, out_rows, b.attended, a->dim_out, a->y, a->dim_out, b.rows, ACT_NONE,
             a->shortcut ? a->y : a->x, a->dim_out, b.split);
}

void op_window_attention(const exec *ex, const window_args *args)
{
    if (args->qkv->packed_bf16) {
        bf16_window_attention(ex, args);
        return;
    }
    window_job j = {.ex = ex, .a = args};
    size_t tokens = args->window * args->window, mark = arena_mark(ex->arena);
    j.windows = count_windows(args);
    j.group = tokens >= TOKENS_AN_ITEM ? 1 : TOKENS_AN_ITEM / tokens;
    j.capacity = j.group * (tokens + 1);
    j.split = ops_splits(ex->k, args->qkv) && tokens >= TOKENS_TO_SPLIT;
    j.scale = 1.0f / sqrtf((float)(args->dim_out / args->heads));
    if (args->relative)
        j.tables = relative_pack_f32(ex, args->relative, args->window, args->dim_out / args->heads);
    window_buffers unused;
    j.scratch_bytes = lay_out(&j, (arena){0}, &unused);
    j.scratch = arena_take(ex->arena, (size_t)pool_threads(ex->pool), j.scratch_bytes);
    if (!exec_dry(ex))
        pool_run(ex->pool, window_item, &j, (j.windows + j.group - 1) / j.group);
    arena_reset(ex->arena, mark);
}
