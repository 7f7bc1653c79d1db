/* Attention over the whole map in bfloat16. Keys are taken in tiles with a running maximum, as in op_attention. */
#include "ops/bf16.h"
#include "ops/relative.h"

#include <math.h>
#include <string.h>

#define Q_ROWS 128               /* queries an item takes together, at most */
#define KEY_TILE 512             /* keys a tile of scores spans */
#define SCORES_PITCH (512 + 16)  /* not a power of two, which would crowd a few sets of the cache */
#define WEIGHTS_PITCH (512 + 32) /* likewise */

typedef struct global_job {
    const exec *ex;
    const global_args *a;
    size_t dim, head_dim; /* of all heads, of one */
    size_t block, q_rows; /* rows a product takes, queries */
    size_t rows_pitch, qkv_pitch, attended_pitch, q_pitch;
    uint16_t *rows;          /* [threads][block][rows_pitch] */
    uint16_t *qkv;           /* [tokens][qkv_pitch] */
    uint16_t *attended;      /* [tokens][attended_pitch] */
    uint16_t *keys, *values; /* [heads][packed] */
    size_t key_elements, value_elements;
    const uint16_t *tables; /* of relative positions, packed */
    uint8_t *scratch;       /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} global_job;

static void qkv_item(void *context, size_t item, int worker)
{
    const global_job *j = context;
    const kernels *k = j->ex->k;
    size_t row = item * j->block, rows = j->a->tokens - row < j->block ? j->a->tokens - row : j->block;
    uint16_t *x = j->rows + (size_t)worker * j->block * j->rows_pitch;
    bf16_rows(k, j->a->norm, rows, j->dim, j->a->x + row * j->dim, j->dim, x, j->rows_pitch);
    gemm_bf16_args g = bf16_product(j->a->qkv, rows, x, j->rows_pitch);
    g.c_bf16 = j->qkv + row * j->qkv_pitch;
    g.ldc = j->qkv_pitch;
    k->gemm_bf16(&g);
}

/* Keys and values are packed by tiles, which are whole panels of keys and whole steps of values. */
static void pack_item(void *context, size_t item, int worker)
{
    (void)worker;
    const global_job *j = context;
    const size_t tiles = (j->a->tokens + KEY_TILE - 1) / KEY_TILE, head = item / tiles, key = item % tiles * KEY_TILE;
    const size_t n = j->a->tokens - key < KEY_TILE ? j->a->tokens - key : KEY_TILE;
    const uint16_t *k = j->qkv + key * j->qkv_pitch + j->dim + head * j->head_dim, *v = k + j->dim;
    j->ex->k->pack_nk_bf16(n, j->head_dim, k, j->qkv_pitch,
                           j->keys + head * j->key_elements + gemm_bf16_packed(key, j->head_dim));
    /* Each tile of values is a product's whole B. */
    j->ex->k->pack_kn_bf16(n, j->head_dim, v, j->qkv_pitch,
                           j->values + head * j->value_elements + gemm_bf16_packed(j->head_dim, key));
}

typedef struct global_buffers {
    uint16_t *q;       /* [Q_ROWS][q_pitch] */
    float *scores;     /* [Q_ROWS][SCORES_PITCH] */
    uint16_t *weights; /* [Q_ROWS][WEIGHTS_PITCH] */
    float *sum_v;      /* [Q_ROWS][head_dim]: weighted values so far */
    float *largest, *sum, *rescale;
    /* With relative positions: [Q_ROWS][relative_columns], [Q_ROWS][side]. */
    float *products, *vertical, *horizontal;
} global_buffers;

static size_t lay_out(const global_job *j, arena cut, global_buffers *b)
{
    b->q = arena_take(&cut, Q_ROWS * j->q_pitch, sizeof *b->q);
    b->scores = arena_take(&cut, Q_ROWS * SCORES_PITCH, sizeof *b->scores);
    b->weights = arena_take(&cut, Q_ROWS * WEIGHTS_PITCH, sizeof *b->weights);
    b->sum_v = arena_take(&cut, Q_ROWS * j->head_dim, sizeof *b->sum_v);
    b->largest = arena_take(&cut, Q_ROWS, sizeof *b->largest);
    b->sum = arena_take(&cut, Q_ROWS, sizeof *b->sum);
    b->rescale = arena_take(&cut, Q_ROWS, sizeof *b->rescale);
    if (j->a->relative) {
        b->products = arena_take(&cut, Q_ROWS * relative_columns(j->a->side), sizeof *b->products);
        b->vertical = arena_take(&cut, Q_ROWS * j->a->side, sizeof *b->vertical);
        b->horizontal = arena_take(&cut, Q_ROWS * j->a->side, sizeof *b->horizontal);
    }
    return cut.peak;
}

/* What the queries at hand, from token `row` on, add to scores before these are multiplied by `factor`. */
static void make_relative(const global_job *j, size_t row, size_t rows, float factor, const global_buffers *b)
{
    const size_t side = j->a->side, columns = relative_columns(side);
    j->ex->k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                          .n = columns,
                                          .k = j->head_dim,
                                          .a = b->q,
                                          .lda = j->q_pitch,
                                          .b = j->tables,
                                          .b_stride = gemm_bf16_packed(1, j->head_dim),
                                          .c = b->products,
                                          .ldc = columns});
    relative_spread(side, row, rows, side, b->products, 1.0f / factor, b->vertical, b->horizontal);
}

/* A tile of scores, of keys `key` ..., to weights. */
static void soften(const global_job *j, size_t key, size_t rows, size_t n, float factor, const global_buffers *b)
{
    const kernels *k = j->ex->k;
    const size_t side = j->a->side, step = j->a->relative ? RELATIVE_ROWS : rows;
    for (size_t r = 0, some; r < rows; r += some) {
        some = rows - r < step ? rows - r : step;
        float *scores = b->scores + r * SCORES_PITCH;
        if (j->a->relative)
            k->add_relative_f32(some, key, n, side, b->vertical + r * side, side, b->horizontal + r * side, side,
                                scores, SCORES_PITCH);
        k->softmax_step_bf16(some, n, scores, SCORES_PITCH, factor, b->weights + r * WEIGHTS_PITCH, WEIGHTS_PITCH,
                             b->largest + r, b->sum + r, b->rescale + r);
    }
}

static void attend_item(void *context, size_t item, int worker)
{
    const global_job *j = context;
    const kernels *k = j->ex->k;
    const size_t tokens = j->a->tokens, dim = j->head_dim, q_blocks = (tokens + j->q_rows - 1) / j->q_rows;
    const size_t head = item / q_blocks, row = item % q_blocks * j->q_rows;
    const size_t rows = tokens - row < j->q_rows ? tokens - row : j->q_rows;
    const float factor = 1.0f / sqrtf((float)dim);
    global_buffers b;
    lay_out(j, (arena){.base = j->scratch + (size_t)worker * j->scratch_bytes, .capacity = j->scratch_bytes}, &b);
    for (size_t r = 0; r < rows; r++) {
        memcpy(b.q + r * j->q_pitch, j->qkv + (row + r) * j->qkv_pitch + head * dim, dim * sizeof *b.q);
        b.largest[r] = -INFINITY;
        b.sum[r] = 0.0f;
    }
    if (j->a->relative)
        make_relative(j, row, rows, factor, &b);
    for (size_t key = 0; key < tokens; key += KEY_TILE) {
        const size_t n = tokens - key < KEY_TILE ? tokens - key : KEY_TILE;
        const bool last = key + n == tokens;
        k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                       .n = n,
                                       .k = dim,
                                       .a = b.q,
                                       .lda = j->q_pitch,
                                       .b = j->keys + head * j->key_elements + gemm_bf16_packed(key, dim),
                                       .b_stride = gemm_bf16_packed(1, dim),
                                       .c = b.scores,
                                       .ldc = SCORES_PITCH});
        soften(j, key, rows, n, factor, &b);
        gemm_bf16_args g = {.m = rows,
                            .n = dim,
                            .k = n,
                            .a = b.weights,
                            .lda = WEIGHTS_PITCH,
                            .b = j->values + head * j->value_elements + gemm_bf16_packed(dim, key),
                            .b_stride = gemm_bf16_packed(1, n),
                            .add = key ? b.sum_v : NULL,
                            .ldadd = dim,
                            .add_scale = b.rescale};
        if (last) {
            for (size_t r = 0; r < rows; r++)
                b.sum[r] = 1.0f / b.sum[r];
            g.row_scale = b.sum;
            g.c_bf16 = j->attended + row * j->attended_pitch + head * dim;
            g.ldc = j->attended_pitch;
        } else {
            g.c = b.sum_v;
            g.ldc = dim;
        }
        k->gemm_bf16(&g);
    }
}

static void proj_item(void *context, size_t item, int worker)
{
    (void)worker;
    const global_job *j = context;
    size_t row = item * j->block, rows = j->a->tokens - row < j->block ? j->a->tokens - row : j->block;
    gemm_bf16_args g = bf16_product(j->a->proj, rows, j->attended + row * j->attended_pitch, j->attended_pitch);
    g.c = j->a->x + row * j->dim;
    g.residual = g.c;
    g.ldc = g.ldr = j->dim;
    j->ex->k->gemm_bf16(&g);
}

void bf16_global_attention(const exec *ex, const global_args *a)
{
    global_job j = {.ex = ex, .a = a, .dim = a->proj->n, .head_dim = a->proj->n / a->heads};
    const size_t threads = (size_t)pool_threads(ex->pool), mark = arena_mark(ex->arena);
    const size_t tiles = (a->tokens + KEY_TILE - 1) / KEY_TILE;
    j.block = bf16_block(ex, a->tokens, ex->k->gemm_bf16_rows);
    j.q_rows = ex->k->gemm_bf16_rows < Q_ROWS ? ex->k->gemm_bf16_rows : Q_ROWS;
    j.rows_pitch = j.attended_pitch = ops_pitch_bf16(j.dim);
    j.qkv_pitch = ops_pitch_bf16(3 * j.dim);
    j.q_pitch = ops_pitch_bf16(j.head_dim);
    j.key_elements = gemm_bf16_packed(tiles * KEY_TILE, j.head_dim);
    j.value_elements = gemm_bf16_packed(j.head_dim, tiles * KEY_TILE);
    j.qkv = arena_take(ex->arena, a->tokens * j.qkv_pitch, sizeof *j.qkv);
    j.attended = arena_take(ex->arena, a->tokens * j.attended_pitch, sizeof *j.attended);
    const size_t after = arena_mark(ex->arena), blocks = (a->tokens + j.block - 1) / j.block;
    j.rows = arena_take(ex->arena, threads * j.block * j.rows_pitch, sizeof *j.rows);
    if (!exec_dry(ex))
        pool_run(ex->pool, qkv_item, &j, blocks);
    arena_reset(ex->arena, after);
    j.keys = arena_take(ex->arena, a->heads * j.key_elements, sizeof *j.keys);
    j.values = arena_take(ex->arena, a->heads * j.value_elements, sizeof *j.values);
    j.tables = a->relative ? relative_pack_bf16(ex, a->relative, a->side, j.head_dim) : NULL;
    global_buffers unused;
    j.scratch_bytes = lay_out(&j, (arena){0}, &unused);
    j.scratch = arena_take(ex->arena, threads, j.scratch_bytes);
    if (!exec_dry(ex)) {
        pool_run(ex->pool, pack_item, &j, a->heads * tiles);
        pool_run(ex->pool, attend_item, &j, a->heads * ((a->tokens + j.q_rows - 1) / j.q_rows));
        pool_run(ex->pool, proj_item, &j, blocks);
    }
    arena_reset(ex->arena, mark);
}
