#include "ops/bank.h"
#include "ops/bf16.h"

#include <math.h>

typedef struct bank_job {
    const exec *ex;
    const bank_args *a;
    size_t tiles, block;  /* queries an item takes */
    float *keys, *values; /* [tiles][packed] */
    size_t key_floats, value_floats;
    uint8_t *scratch; /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} bank_job;

typedef struct pack_buffers {
    float *values, *sources; /* [BANK_TILE][value_dim] */
    float *keys;             /* [BANK_TILE][dim] */
} pack_buffers;

static size_t lay_out_pack(const bank_job *j, arena cut, pack_buffers *b)
{
    b->values = arena_floats(&cut, BANK_TILE * j->a->value_dim);
    b->sources = arena_floats(&cut, BANK_TILE * j->a->value_dim);
    b->keys = arena_floats(&cut, BANK_TILE * j->a->dim);
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
    const float *values = bank_values(k, a, &t, b.values), *sources = bank_sources(a, &t, values, b.sources);
    ops_gemm(k, a->key, t.count, sources, a->key->k, b.keys, a->dim, NULL, ACT_NONE, NULL, 0, NULL);
    if (t.part->rotate)
        bank_rotate(k, a, t.first, t.count, b.keys);
    k->pack_nk_f32(t.count, a->dim, b.keys, a->dim, j->keys + item * j->key_floats);
    k->pack_kn_f32(t.count, a->value_dim, values, a->value_dim, j->values + item * j->value_floats);
}

typedef struct attend_buffers {
    float *q;      /* [block][dim] */
    float *scores; /* [block][BANK_TILE] */
    float *sum_v;  /* [block][value_dim] */
    float *largest, *sum, *rescale;
} attend_buffers;

static size_t lay_out_attend(const bank_job *j, arena cut, attend_buffers *b)
{
    b->q = arena_floats(&cut, j->block * j->a->dim);
    b->scores = arena_floats(&cut, j->block * BANK_TILE);
    b->sum_v = arena_floats(&cut, j->block * j->a->value_dim);
    b->largest = arena_floats(&cut, j->block);
    b->sum = arena_floats(&cut, j->block);
    b->rescale = arena_floats(&cut, j->block);
    return cut.peak;
}

static void attend_item(void *context, size_t item, int worker)
{
    const bank_job *j = context;
    const bank_args *a = j->a;
    const kernels *k = j->ex->k;
    const size_t row = item * j->block, rows = a->q_count - row < j->block ? a->q_count - row : j->block;
    const float scale = 1.0f / sqrtf((float)a->dim);
    attend_buffers b;
    lay_out_attend(j, (arena){.base = j->scratch + (size_t)worker * j->scratch_bytes, .capacity = j->scratch_bytes},
                   &b);
    memcpy(b.q, a->q + row * a->dim, rows * a->dim * sizeof *b.q);
    bank_rotate(k, a, row, rows, b.q);
    for (size_t i = 0; i < rows * a->dim; i++)
        b.q[i] *= scale;
    for (size_t r = 0; r < rows; r++) {
        b.largest[r] = -INFINITY;
        b.sum[r] = 0.0f;
    }
    for (size_t tile = 0; tile < j->tiles; tile++) {
        const size_t n = bank_tile_at(a, tile).count;
        k->gemm_f32(&(gemm_f32_args){.m = rows,
                                     .n = n,
                                     .k = a->dim,
                                     .a = b.q,
                                     .lda = a->dim,
                                     .b = j->keys + tile * j->key_floats,
                                     .b_stride = a->dim * k->gemm_f32_nr,
                                     .c = b.scores,
                                     .ldc = BANK_TILE});
        k->softmax_step_f32(rows, n, b.scores, BANK_TILE, b.largest, b.sum, b.rescale);
        k->gemm_f32(&(gemm_f32_args){.m = rows,
                                     .n = a->value_dim,
                                     .k = n,
                                     .a = b.scores,
                                     .lda = BANK_TILE,
                                     .b = j->values + tile * j->value_floats,
                                     .b_stride = n * k->gemm_f32_nr,
                                     .c = b.sum_v,
                                     .ldc = a->value_dim,
                                     .accumulate = tile > 0,
                                     .c_scale = b.rescale});
    }
    k->divide_rows_f32(rows, a->value_dim, b.sum_v, a->value_dim, b.sum, a->y + row * a->value_dim, a->value_dim);
}

void op_bank_attention(const exec *ex, const bank_args *args)
{
    if (args->key->packed_bf16) {
        bf16_bank_attention(ex, args);
        return;
    }
    bank_job j = {.ex = ex, .a = args, .tiles = bank_tiles(args), .block = OPS_ROWS};
    const size_t threads = (size_t)pool_threads(ex->pool), mark = arena_mark(ex->arena);
    j.key_floats = ops_packed_floats(ex->k, BANK_TILE, args->dim);
    j.value_floats = ops_packed_floats(ex->k, args->value_dim, BANK_TILE);
    j.keys = arena_floats(ex->arena, j.tiles * j.key_floats);
    j.values = arena_floats(ex->arena, j.tiles * j.value_floats);
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
