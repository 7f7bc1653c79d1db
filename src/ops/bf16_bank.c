/* Attention over a bank of keys in bfloat16: as op_bank_attention. */
#include "ops/bank.h"
#include "ops/bf16.h"

#include <math.h>

#define Q_ROWS 512 /* queries an item takes together, at most: keys stream from the third-level cache for each */
#define SCORES_PITCH (BANK_TILE + 16)  /* not a power of two, which would crowd a few sets of the cache */
#define WEIGHTS_PITCH (BANK_TILE + 32) /* likewise */

typedef struct bank_job {
    const exec *ex;
    const bank_args *a;
    size_t tiles, block; /* queries an item takes */
    size_t source_pitch, key_pitch, value_pitch;
    uint16_t *keys, *values; /* [tiles][packed] */
    size_t key_elements, value_elements;
    uint8_t *scratch; /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} bank_job;

typedef struct pack_buffers {
    float *values, *sources;  /* [BANK_TILE][value_dim] */
    uint16_t *narrow_sources; /* [BANK_TILE][source_pitch] */
    float *keys;              /* [BANK_TILE][dim] */
    uint16_t *narrow_keys;    /* [BANK_TILE][key_pitch] */
    uint16_t *narrow_values;  /* [BANK_TILE][value_pitch] */
} pack_buffers;

static size_t lay_out_pack(const bank_job *j, arena cut, pack_buffers *b)
{
    b->values = arena_floats(&cut, BANK_TILE * j->a->value_dim);
    b->sources = arena_floats(&cut, BANK_TILE * j->a->value_dim);
    b->narrow_sources = arena_take(&cut, BANK_TILE * j->source_pitch, sizeof *b->narrow_sources);
    b->keys = arena_floats(&cut, BANK_TILE * j->a->dim);
    b->narrow_keys = arena_take(&cut, BANK_TILE * j->key_pitch, sizeof *b->narrow_keys);
    b->narrow_values = arena_take(&cut, BANK_TILE * j->value_pitch, sizeof *b->narrow_values);
    return cut.peak;
}

static void pack_item(void *context, size_t item, int worker)
{
    const bank_job *j = context;
    const bank_args *a = j->a;
    const kernels *k = j->ex->k;
    const bank_tile t = bank_tile_at(a, item);
    pack_buffers b;
    lay_out_pack(j, (arena){.base = j->scratch + (size_t)worker * j->scratch_bytes, .capacity = j->scratch_bytes}, &b);
    const float *values = t.part->keys ? NULL : bank_values(k, a, &t, b.values);
    const float *sources = bank_sources(a, &t, values, b.sources);
    bf16_rows(k, NULL, t.count, a->key->k, sources, a->key->k, b.narrow_sources, j->source_pitch);
    gemm_bf16_args g = bf16_product(a->key, t.count, b.narrow_sources, j->source_pitch);
    g.c = b.keys;
    g.ldc = a->dim;
    k->gemm_bf16(&g);
    if (t.part->rotate)
        bank_rotate(k, a, t.first, t.count, b.keys);
    bf16_rows(k, NULL, t.count, a->dim, b.keys, a->dim, b.narrow_keys, j->key_pitch);
    k->pack_nk_bf16(t.count, a->dim, b.narrow_keys, j->key_pitch, j->keys + item * j->key_elements);
    uint16_t *out = j->values + item * j->value_elements;
    if (t.part->narrow_values) {
        k->pack_kn_bf16(t.count, a->value_dim, t.part->narrow_values + t.first * a->value_dim, a->value_dim, out);
        return;
    }
    bf16_rows(k, NULL, t.count, a->value_dim, t.part->values + t.first * a->value_dim, a->value_dim, b.narrow_values,
              j->value_pitch);
    k->pack_kn_bf16(t.count, a->value_dim, b.narrow_values, j->value_pitch, out);
}

typedef struct attend_buffers {
    float *q;           /* [block][dim] */
    uint16_t *narrow_q; /* [block][key_pitch] */
    float *scores;      /* [block][SCORES_PITCH] */
    uint16_t *weights;  /* [block][WEIGHTS_PITCH] */
    float *sum_v;       /* [block][value_dim] */
    float *largest, *sum, *rescale;
} attend_buffers;

static size_t lay_out_attend(const bank_job *j, arena cut, attend_buffers *b)
{
    b->narrow_q = arena_take(&cut, j->block * j->key_pitch, sizeof *b->narrow_q);
    b->largest = arena_floats(&cut, j->block);
    b->sum = arena_floats(&cut, j->block);
    b->rescale = arena_floats(&cut, j->block);
    b->sum_v = arena_floats(&cut, j->block * j->a->value_dim);
    b->q = arena_floats(&cut, j->block * j->a->dim);
    b->scores = arena_floats(&cut, j->block * SCORES_PITCH);
    b->weights = arena_take(&cut, j->block * WEIGHTS_PITCH, sizeof *b->weights);
    return cut.peak;
}

/* A tile's weighted values are added to those before it; behind the last they are divided by the sum and done. */
static void attend_tile(const bank_job *j, const attend_buffers *b, size_t tile, size_t rows, float *y)
{
    const bank_args *a = j->a;
    const kernels *k = j->ex->k;
    const size_t n = bank_tile_at(a, tile).count;
    const bool last = tile + 1 == j->tiles;
    k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                   .n = n,
                                   .k = a->dim,
                                   .a = b->narrow_q,
                                   .lda = j->key_pitch,
                                   .b = j->keys + tile * j->key_elements,
                                   .b_stride = gemm_bf16_packed(1, a->dim),
                                   .c = b->scores,
                                   .ldc = SCORES_PITCH});
    k->softmax_step_bf16(rows, n, b->scores, SCORES_PITCH, 1.0f / sqrtf((float)a->dim), b->weights, WEIGHTS_PITCH,
                         b->largest, b->sum, b->rescale);
    if (last)
        for (size_t r = 0; r < rows; r++)
            b->sum[r] = 1.0f / b->sum[r];
    k->gemm_bf16(&(gemm_bf16_args){.m = rows,
                                   .n = a->value_dim,
                                   .k = n,
                                   .a = b->weights,
                                   .lda = WEIGHTS_PITCH,
                                   .b = j->values + tile * j->value_elements,
                                   .b_stride = gemm_bf16_packed(1, n),
                                   .c = last ? y : b->sum_v,
                                   .ldc = a->value_dim,
                                   .add = tile ? b->sum_v : NULL,
                                   .ldadd = a->value_dim,
                                   .add_scale = b->rescale,
                                   .row_scale = last ? b->sum : NULL});
}

static void attend_item(void *context, size_t item, int worker)
{
    const bank_job *j = context;
    const bank_args *a = j->a;
    const kernels *k = j->ex->k;
    const size_t row = item * j->block, rows = a->q_count - row < j->block ? a->q_count - row : j->block;
    attend_buffers b;
    lay_out_attend(j, (arena){.base = j->scratch + (size_t)worker * j->scratch_bytes, .capacity = j->scratch_bytes},
                   &b);
    memcpy(b.q, a->q + row * a->dim, rows * a->dim * sizeof *b.q);
    bank_rotate(k, a, row, rows, b.q);
    bf16_rows(k, NULL, rows, a->dim, b.q, a->dim, b.narrow_q, j->key_pitch);
    for (size_t r = 0; r < rows; r++) {
        b.largest[r] = -INFINITY;
        b.sum[r] = 0.0f;
    }
    for (size_t tile = 0; tile < j->tiles; tile++)
        attend_tile(j, &b, tile, rows, a->y + row * a->value_dim);
}

void bf16_bank_attention(const exec *ex, const bank_args *args)
{
    bank_job j = {.ex = ex, .a = args, .tiles = bank_tiles(args), .block = bf16_block(ex, args->q_count, Q_ROWS)};
    const size_t threads = (size_t)pool_threads(ex->pool), mark = arena_mark(ex->arena);
    j.source_pitch = ops_pitch_bf16(args->key->k);
    j.key_pitch = ops_pitch_bf16(args->dim);
    j.value_pitch = ops_pitch_bf16(args->value_dim);
    j.key_elements = gemm_bf16_packed(BANK_TILE, args->dim);
    j.value_elements = gemm_bf16_packed(args->value_dim, BANK_TILE);
    j.keys = arena_take(ex->arena, j.tiles * j.key_elements, sizeof *j.keys);
    j.values = arena_take(ex->arena, j.tiles * j.value_elements, sizeof *j.values);
    pack_buffers pack;
    attend_buffers attend;
    const size_t most = lay_out_pack(&j, (arena){0}, &pack), bytes = lay_out_attend(&j, (arena){0}, &attend);
    j.scratch_bytes = most > bytes ? most : bytes;
    j.scratch = arena_take(ex->arena, threads, j.scratch_bytes);
    if (!exec_dry(ex)) {
        pool_run(ex->pool, pack_item, &j, j.tiles);
        pool_run(ex->pool, attend_item, &j, (args->q_count + j.block - 1) / j.block);
    }
    arena_reset(ex->arena, mark);
}
