#include "ops/relative.h"

#include <math.h>

#define Q_ROWS 112       /* queries an item takes together */
#define SPLIT_Q_ROWS 128 /* the same for gemm_split, which splits keys and values for each of them */
#define KEY_TILE 512     /* keys a score tile spans: a multiple of every panel width */

typedef struct attention_job {
    const exec *ex;
    const attention_args *a;
    size_t q_rows, q_blocks;
    float scale;
    float *keys;   /* [heads][packed keys] */
    float *values; /* [heads][packed values, panels of the whole kv_count] */
    size_t key_floats, value_floats;
    const float *tables; /* of relative positions, packed */
    float *scratch;      /* [threads][scratch_floats] */
    size_t scratch_floats;
    bool split;      /* products are gemm_split's */
    uint8_t *planes; /* [threads][plane_bytes], its scratch */
    size_t plane_bytes;
} attention_job;

static void multiply(const attention_job *j, int worker, gemm_f32_args args)
{
    args.scratch = j->planes + (size_t)worker * j->plane_bytes;
    (j->split ? j->ex->k->gemm_split : j->ex->k->gemm_f32)(&args);
}

static void pack_item(void *context, size_t item, int worker)
{
    (void)worker;
    const attention_job *j = context;
    const attention_args *a = j->a;
    size_t head = item / 2;
    if (item % 2 == 0)
        j->ex->k->pack_nk_f32(a->kv_count, a->dim, a->k + head * a->dim, a->ldkv, j->keys + head * j->key_floats);
    else
        j->ex->k->pack_kn_f32(a->kv_count, a->dim, a->v + head * a->dim, a->ldkv, j->values + head * j->value_floats);
}

/* Scratch of an item besides what every item has. */
static size_t relative_floats(const attention_args *a, size_t q_rows)
{
    return a->relative ? q_rows * (relative_columns(a->side) + 2 * a->side) : 0;
}

/* What `rows` queries from `row` on add to scores: [rows, side] each. They are not scaled yet. */
static void make_relative(const attention_job *j, int worker, size_t head, size_t row, size_t rows, float *vertical,
                          float *horizontal)
{
    const attention_args *a = j->a;
    const size_t columns = relative_columns(a->side);
    float *products = horizontal + j->q_rows * a->side;
    multiply(j, worker,
             (gemm_f32_args){.m = rows,
                             .n = columns,
                             .k = a->dim,
                             .a = a->q + row * a->ldq + head * a->dim,
                             .lda = a->ldq,
                             .b = j->tables,
                             .b_stride = a->dim * j->ex->k->gemm_f32_nr,
                             .c = products,
                             .ldc = columns});
    relative_spread(a->side, row, rows, a->side, products, 1.0f, vertical, horizontal);
}

static void attend_item(void *context, size_t item, int worker)
{
    const attention_job *j = context;
    const attention_args *a = j->a;
    const kernels *k = j->ex->k;
    const size_t q_rows = j->q_rows;
    size_t head = item / j->q_blocks, row = item % j->q_blocks * q_rows;
    size_t rows = a->q_count - row < q_rows ? a->q_count - row : q_rows;
    float *q = j->scratch + (size_t)worker * j->scratch_floats;
    float *scores = q + q_rows * a->dim, *out = scores + q_rows * KEY_TILE;
    float *largest = out + q_rows * a->dim, *sum = largest + q_rows, *rescale = sum + q_rows;
    float *vertical = rescale + q_rows, *horizontal = vertical + q_rows * a->side;
    if (a->relative)
        make_relative(j, worker, head, row, rows, vertical, horizontal);
    for (size_t r = 0; r < rows; r++) {
        const float *from = a->q + (row + r) * a->ldq + head * a->dim;
        for (size_t c = 0; c < a->dim; c++)
            q[r * a->dim + c] = from[c] * j->scale;
        largest[r] = -INFINITY;
        sum[r] = 0.0f;
    }
    for (size_t key = 0; key < a->kv_count; key += KEY_TILE) {
        size_t n = a->kv_count - key < KEY_TILE ? a->kv_count - key : KEY_TILE;
        multiply(j, worker,
                 (gemm_f32_args){.m = rows,
                                 .n = n,
                                 .k = a->dim,
                                 .a = q,
                                 .lda = a->dim,
                                 .b = j->keys + head * j->key_floats + key * a->dim,
                                 .b_stride = a->dim * k->gemm_f32_nr,
                                 .c = scores,
                                 .ldc = KEY_TILE});
        for (size_t r = 0, some; r < rows; r += some) {
            some = !a->relative || rows - r < RELATIVE_ROWS ? rows - r : RELATIVE_ROWS;
            if (a->relative)
                k->add_relative_f32(some, key, n, a->side, vertical + r * a->side, a->side, horizontal + r * a->side,
                                    a->side, scores + r * KEY_TILE, KEY_TILE);
            k->softmax_step_f32(some, n, scores + r * KEY_TILE, KEY_TILE, largest + r, sum + r, rescale + r);
        }
        multiply(j, worker,
                 (gemm_f32_args){.m = rows,
                                 .n = a->dim,
                                 .k = n,
                                 .a = scores,
                                 .lda = KEY_TILE,
                                 .b = j->values + head * j->value_floats + key * k->gemm_f32_nr,
                                 .b_stride = a->kv_count * k->gemm_f32_nr,
                                 .c = out,
                                 .ldc = a->dim,
                                 .accumulate = key > 0,
                                 .c_scale = rescale});
    }
    k->divide_rows_f32(rows, a->dim, out, a->dim, sum, a->y + row * a->ldy + head * a->dim, a->ldy);
}

void op_attention(const exec *ex, const attention_args *args)
{
    attention_job j = {.ex = ex, .a = args};
    size_t mark = arena_mark(ex->arena);
    j.split = args->many && ex->k->gemm_split_rows > 1;
    j.q_rows = j.split ? SPLIT_Q_ROWS : Q_ROWS;
    j.q_blocks = (args->q_count + j.q_rows - 1) / j.q_rows;
    j.scale = 1.0f / sqrtf((float)args->dim);
    j.key_floats = ops_packed_floats(ex->k, args->kv_count, args->dim);
    j.value_floats = ops_packed_floats(ex->k, args->dim, args->kv_count);
    j.keys = arena_floats(ex->arena, args->heads * j.key_floats);
    j.values = arena_floats(ex->arena, args->heads * j.value_floats);
    j.tables = args->relative ? relative_pack_f32(ex, args->relative, args->side, args->dim) : NULL;
    j.scratch_floats = j.q_rows * (2 * args->dim + KEY_TILE + 4) + relative_floats(args, j.q_rows);
    j.scratch = arena_floats(ex->arena, (size_t)pool_threads(ex->pool) * j.scratch_floats);
    j.plane_bytes = j.split ? gemm_split_scratch(args->dim > KEY_TILE ? args->dim : KEY_TILE) : 0;
    j.planes = arena_take(ex->arena, (size_t)pool_threads(ex->pool), j.plane_bytes);
    if (!exec_dry(ex)) {
        pool_run(ex->pool, pack_item, &j, 2 * args->heads);
        pool_run(ex->pool, attend_item, &j, args->heads * j.q_blocks);
    }
    arena_reset(ex->arena, mark);
}
