/* Threaded, fused operators over the kernels. Tensors are float32 rows of channels ([tokens, channels], NHWC for maps).
 *
 * Every operator takes its scratch memory from the arena and gives it back before it returns, and does nothing else in
 * a dry run (an arena without a block). An operator's result does not depend on the number of threads: work is cut into
 * items that write disjoint outputs, each computed in the order the kernels fix. */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include "base/arena.h"
#include "base/pool.h"
#include "base/profile.h"
#include "kernels/kernels.h"

#include <stdbool.h>

/* What an operator runs on. */
typedef struct exec {
    const kernels *k;
    pool *pool;
    arena *arena;
    profile *profile; /* NULL unless somebody asked for one */
} exec;

static inline bool exec_dry(const exec *ex)
{
    return ex->arena->base == NULL;
}

/* What follows belongs to this stage. */
static inline void exec_stage(const exec *ex, profile_stage stage)
{
    if (ex->profile)
        profile_switch(ex->profile, stage);
}

/* y = x Wt + bias, with the weights packed for the table's gemm_f32, its gemm_stored or its gemm_bf16: one of the three
 * is given. The second is float32 arithmetic as the first. The third makes every operator that it is given to round its
 * products' operands to bfloat16; sums, LayerNorm, softmax and what lies between operators are float32 all the same. */
typedef struct linear {
    size_t n, k;                 /* outputs, inputs */
    const float *packed;         /* [ceil(n / nr)][k][nr] */
    const uint16_t *stored;      /* as gemm_stored has it */
    const uint16_t *packed_bf16; /* the same, as gemm_bf16 has it */
    const float *bias;           /* [n], or NULL */
    bool many; /* its rows are a map's tokens: float32 arithmetic is gemm_split's where that is faster */
} linear;

typedef struct norm {
    const float *gamma, *beta; /* [channels] */
    float eps;
} norm;

/* Rows that one thread takes through a chain of products: a multiple of the tile heights in use (14, 6, 4 ...), small
 * enough for the second-level cache. */
#define OPS_ROWS 168

/* Whether a layer's products in float32 arithmetic are gemm_split's: the layer says, never the number of rows. */
static inline bool ops_splits(const kernels *k, const linear *l)
{
    return l->many && k->gemm_split_rows > 1;
}
static inline size_t ops_rows(const kernels *k, const linear *l)
{
    return ops_splits(k, l) ? k->gemm_split_rows : OPS_ROWS;
}

/* Bytes of scratch for them; 0 for others. */
static inline size_t ops_scratch(const kernels *k, const linear *l, size_t depth)
{
    return ops_splits(k, l) ? gemm_split_scratch(depth) : 0;
}

/* Outputs of a hidden layer of n that are computed at a time: equal parts, so that rows x these stay in the
 * second-level cache between the two products; a short last part would cost as much beside its products as a long one.
 */
static inline size_t ops_hidden(size_t n)
{
    const size_t most = 896, step = 64 /* a multiple of all panels' widths */,
                 parts = n > most ? (n + most - 1) / most : 1;
    return ((n + parts - 1) / parts + step - 1) / step * step;
}

/* Floats in a packed operand of n columns and length k. */
static inline size_t ops_packed_floats(const kernels *k, size_t n, size_t length)
{
    return (n + k->gemm_f32_nr - 1) / k->gemm_f32_nr * k->gemm_f32_nr * length;
}

/* Outputs first ... of a layer in float32 arithmetic, n of them; first is a multiple of ops_panel. */
static inline size_t ops_panel(const kernels *k, const linear *l)
{
    return l->stored ? GEMM_BF16_NR : k->gemm_f32_nr;
}
linear ops_outputs(const linear *l, size_t first, size_t n);

/* A product with inputs first ... of a layer in float32 arithmetic, single-threaded: `args` without n and B, its k that
 * of the part, and with scratch of ops_scratch where that is not 0. first is even. */
void ops_product(const kernels *k, const linear *l, size_t first, gemm_f32_args args);

/* c = act(a Wt + bias) + residual, single-threaded, on the caller's thread; for the inside of fused operators. Fields
 * as gemm_f32_args. */
void ops_gemm(const kernels *k, const linear *l, size_t m, const float *a, size_t lda, float *c, size_t ldc,
              const uint32_t *c_rows, activation act, const float *residual, size_t ldr, void *scratch);

/* y = act(x Wt + bias) + residual: x [rows, k], ldx floats apart; y [rows, n]; residual like y or NULL, and may be y.
 */
void op_linear(const exec *ex, const linear *l, size_t rows, const float *x, size_t ldx, float *y, size_t ldy,
               activation act, const float *residual, size_t ldr);
/* The same of a layer in bfloat16 whose rows have no gaps, its result rounded to bfloat16. */
void op_linear_bf16(const exec *ex, const linear *l, size_t rows, const float *x, uint16_t *y);

/* y = act(LayerNorm(x)), in place or not. x, y [rows, channels]. */
void op_layernorm(const exec *ex, const norm *n, size_t rows, size_t channels, const float *x, activation act,
                  float *y);

/* y = LayerNorm(x) Wt + bias, the normalised rows never leaving the cache. */
void op_norm_linear(const exec *ex, const norm *n, const linear *l, size_t rows, const float *x, float *y, size_t ldy);

/* y = second(act(first(LayerNorm(x)))) + residual; norm may be NULL for none. Rows go through both layers before the
 * next rows start, so the hidden layer is never in memory whole. x [rows, first->k], y [rows, second->n] (may be x),
 * residual like y or NULL (may be y). */
void op_two_layers(const exec *ex, const norm *n, const linear *first, activation act, const linear *second,
                   size_t rows, const float *x, float *y, const float *residual);

/* y = x + row for all rows (row [channels] or NULL), then + other [rows, channels] (or NULL). y may be x. */
void op_add(const exec *ex, size_t rows, size_t channels, const float *x, const float *row, const float *other,
            float *y);

/* y = x, rounded to bfloat16. */
void op_to_bf16(const exec *ex, size_t rows, size_t channels, const float *x, uint16_t *y);

/* Elements from row to row of a bfloat16 operand of `width` columns: whole lines of the cache, and an odd number of
 * them, so that the rows of a tile lie in different sets. */
static inline size_t ops_pitch_bf16(size_t width)
{
    return ((width + 31) / 32 | 1) * 32;
}

/* Decomposed relative positions (segment_anything.modeling.image_encoder.add_decomposed_rel_pos) on a square map of
 * `side` tokens a side: the score of query (qy, qx) and key (ky, kx) gets q . vertical[qy - ky + side - 1] + q .
 * horizontal[qx - kx + side - 1], of the query before it is scaled. */
typedef struct relative_positions {
    const float *vertical, *horizontal; /* [2 side - 1, head dim] */
} relative_positions;

/* softmax(q kt / sqrt(dim)) v for each head: q [q_count, heads * dim] (ldq floats from row to row), k and v [kv_count,
 * heads * dim] (ldkv), y [q_count, heads * dim] (ldy). Keys are taken in tiles with a running maximum: no q_count x
 * kv_count matrix exists. */
typedef struct attention_args {
    size_t heads, dim, q_count, kv_count;
    const float *q;
    size_t ldq;
    const float *k, *v;
    size_t ldkv;
    const relative_positions *relative; /* NULL: none; else queries and keys are the tokens of a map */
    size_t side;                        /* of the map */
    bool many;                          /* as linear.many: products are gemm_split's where that is faster */
    float *y;
    size_t ldy;
} attention_args;
void op_attention(const exec *ex, const attention_args *args);

/* The attention half of a Hiera block over the whole map: x += proj(attention(qkv(LayerNorm(x)))). x [tokens, proj->n]
 * is changed in place. */
typedef struct global_args {
    const norm *norm;
    const linear *qkv, *proj;
    size_t heads, tokens;
    const relative_positions *relative; /* NULL: none */
    size_t side;                        /* of the map, where there are some: tokens = side^2 */
    float *x;
} global_args;
void op_global_attention(const exec *ex, const global_args *args);

/* The attention half of a Hiera block with windows (hieradet.MultiScaleBlock up to the MLP): normalisation, projection
 * to q, k, v, attention inside each window, projection, shortcut; each window's tokens stay in one thread's cache.
 * Windows at the right and bottom that reach beyond the map are padded as in the official code: a padded token is zero
 * after the normalisation, so that its key and value are the projection's bias; one key stands for all of them,
 * weighted by their number. With `relative` positions (of a
 * map of `window` a side) each padded token is a key of its own, whose projection they still share. With `pool` the
 * queries and the projected shortcut are max-pooled 2 x 2 and y has half the resolution. x [height, width, dim_in]; y
 * [height, width, dim_out] or [height / 2, width / 2, dim_out]; y may be x without pool. */
typedef struct window_args {
    const norm *norm;
    const linear *qkv, *proj;
    const linear *shortcut; /* NULL: x itself */
    size_t heads, window;
    bool pool;
    const relative_positions *relative; /* NULL: none; not together with pool */
    size_t height, width, dim_in, dim_out;
    const float *x;
    float *y;
} window_args;
void op_window_attention(const exec *ex, const window_args *args);

/* Rows of a bank of keys and values that belong together. */
typedef struct bank_part {
    size_t count;
    const float *values; /* [count, value_dim]: one of the two is given */
    const uint16_t *narrow_values;
    const float *keys; /* [count, key->k]: what keys are projected from; NULL: the values with positions */
    /* Added to the values, then: [side][value_dim / 2], of row r that of r / side followed by that of r % side; and
     * [value_dim]. */
    const float *position, *shift;
    bool rotate; /* keys are rotated by their rows */
} bank_part;

/* Attention of one head over a bank: y = softmax(R(q) R(key(rows))t / sqrt(dim)) values, where R rotates row r of a
 * square map by r % side in the first half of its channels and r / side in the second (rotate_f32). Keys are projected,
 * rotated and packed a tile at a time, so that neither they nor scores are in memory as rows. */
typedef struct bank_args {
    const linear *key; /* to `dim` channels; its precision is that of all products here */
    size_t dim, value_dim, q_count;
    const float *q; /* [q_count, dim] */
    const bank_part *parts;
    size_t part_count;
    const float *cosine, *sine; /* [side][dim / 2] */
    size_t side;
    float *y; /* [q_count, value_dim] */
} bank_args;
void op_bank_attention(const exec *ex, const bank_args *args);

#endif
