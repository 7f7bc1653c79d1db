/* The kernels: single-threaded inner loops, each written in plain C (ref/) and again for instruction sets that gain
 * from it. A kernel is called through the table only; registry.inc is the one list of all variants, so that none can be
 * called without being registered, and none registered without being compared with the plain one (tests/kernels).
 *
 * Determinism: an output element is computed in an order that depends on its own inputs' sizes alone (k of a product,
 * width of a row), never on the number of rows or columns in the call, so that cutting a call into several gives the
 * same bits. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "cpu/cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum activation {
    ACT_NONE = 0,
    ACT_RELU = 1,
    ACT_GELU = 2 /* x/2 (1 + erf(x / sqrt 2)), the exact form, within 2e-7 max(1, |x|) */
} activation;

/* C = epilogue(A B): A is [m, k] rows of floats; B is [k, n], packed in panels of `nr` columns: [ceil(n / nr)][k][nr],
 * the last one filled up with zeros. Each element of A B is a running sum over k = 0, 1, 2 ... (with fused
 * multiply-add where the instruction set has it) for each piece of gemm_f32_piece(k) of k, and these are added one
 * after the other to the first. Then
 *
 *     v = sum
 *     v += c_scale[i] * C[r, j]    if accumulate (fused likewise)
 *     v += bias[j]
 *     v = act(v)
 *     v += residual[r, j]
 *
 * with r = c_rows ? c_rows[i] : i, and v goes to C[r, j] (residual may be C itself). m, n, k may be 0 (with k = 0 the
 * sum is 0). No operand needs to be aligned; nothing beyond the m x n result is written, and nothing beyond the
 * operands is read. bias needs n floats only. */
typedef struct gemm_f32_args {
    size_t m, n, k;
    const float *a;
    size_t lda; /* floats from row to row of A */
    const float *b;
    size_t b_stride; /* floats from panel to panel; k * nr unless a part of a longer k is used */
    float *c;
    size_t ldc;             /* floats from row to row of C */
    const uint32_t *c_rows; /* [m] rows of C and residual, or NULL */
    int accumulate;
    const float *c_scale; /* [m], or NULL for 1 */
    const float *bias;    /* [n], or NULL */
    activation act;
    const float *residual;  /* or NULL */
    size_t ldr;             /* floats from row to row of the residual */
    const uint16_t *b_bf16; /* for gemm_stored */
    const void *fetch;      /* or NULL: as in gemm_bf16_args */
    size_t fetch_bytes;
    void *scratch; /* for gemm_split */
} gemm_f32_args;
typedef void gemm_f32_fn(const gemm_f32_args *args);

/* At most 256, pieces of nearly equal length: an addition to a sum rounds to the size of that sum, which grows along k.
 * With pieces of a thousand embeddings are a fifth farther from the exact ones, with 128 no nearer. A multiple of 8. */
static inline size_t gemm_f32_piece(size_t k)
{
    const size_t pieces = (k + 255) / 256;
    return pieces > 1 ? ((k + pieces - 1) / pieces + 7) / 8 * 8 : k;
}

/* gemm_f32 with B stored in bfloat16 and widened on the way, to the same bits as gemm_f32 of the widened values: b_bf16
 * in place of b, packed as for gemm_bf16 (below), b_stride its elements from panel to panel. */
typedef gemm_f32_fn gemm_stored_fn;

/* The same product of floats that are taken for the sums of three bfloat16 numbers each, which they are to the last bit
 * unless they are below 2^-110: for tiles that multiply bfloat16 alone. The three smallest of the nine products of two
 * such sums are left out, less than 2^-24 of an element's terms; products are added in an order that depends on k
 * alone, and subnormal ones may count as 0. All operands are finite and below 3e38. b is given, or b_bf16, with the
 * same bits as the widened values give; if b_bf16 is a part of a longer k, what follows up to a multiple of GEMM_BF16_K
 * is read, must be finite, and counts as 0. `scratch` has gemm_split_scratch(k) bytes, on a line of the cache. */
typedef gemm_f32_fn gemm_split_fn;

/* Rows of A that gemm_split takes together: what they are split into stays in a second-level cache. */
#define GEMM_SPLIT_BYTES ((size_t)1300 << 10)
static inline size_t gemm_split_block(size_t k)
{
    const size_t most = 256, tile = 32, rows = GEMM_SPLIT_BYTES / (6 * (k + tile)) / tile * tile;
    return rows < tile ? tile : rows < most ? rows : most;
}

/* Enough for three bfloat16 planes of these rows and of two panels, and for any smaller k as well. */
static inline size_t gemm_split_scratch(size_t k)
{
    const size_t row = (k + 31) / 32 * 32 * 6, most = 256 * row, least = 32 * row,
                 rows = most < GEMM_SPLIT_BYTES    ? most
                        : least > GEMM_SPLIT_BYTES ? least
                                                   : GEMM_SPLIT_BYTES;
    return rows + 64 * row;
}

/* The same product of bfloat16 operands with float32 sums: A is [m, k] rows; B is packed in panels of GEMM_BF16_NR
 * columns, in pairs along k: [ceil(n / NR)][K / 2][NR][2] with K = k rounded up to a multiple of GEMM_BF16_K, filled up
 * with zeros (pack_nk_bf16, pack_kn_bf16; one layout for all levels). How an element's products are added depends on k
 * and on the columns that its panel has (and on the level: the instructions at hand add two or 32 at a time). Then
 *
 *     v = sum
 *     v += add_scale[i] * add[i, j]    if add (fused with the first where the instruction set has it)
 *     v += add_bf16[i, j]              if add_bf16 (one of the two at most)
 *     v *= row_scale[i]                if row_scale
 *     v += bias[j]
 *     v = act(v)                       GELU within 5e-5 max(1, |v|), which bfloat16 results do not see
 *     v += residual[r, j]
 *
 * with r = c_rows ? c_rows[i] : i, and v goes to C[r, j] as float32 or, rounded to nearest, to c_bf16[r, j]: one of the
 * two is given. add and residual may be C itself. Subnormal numbers may count as 0. Nothing beyond the operands is
 * read, nothing beyond the result written.
 *
 * A level whose multiplications leave room for it asks for the fetch_bytes at `fetch` meanwhile, what its caller reads
 * next, in place of what it would ask for by itself of B (which then should be in the cache). It need not be readable.
 */
#define GEMM_BF16_NR ((size_t)32)
#define GEMM_BF16_K ((size_t)32)
typedef struct gemm_bf16_args {
    size_t m, n, k;
    const uint16_t *a;
    size_t lda; /* elements from row to row of A */
    const uint16_t *b;
    size_t b_stride; /* elements from panel to panel; K * NR unless a part of a longer k, cut at a pair, is used: then
                        what follows in a panel up to K is read too, must be finite, and counts as 0 */
    float *c;
    uint16_t *c_bf16;
    size_t ldc;               /* elements from row to row of C */
    const uint32_t *c_rows;   /* [m] rows of C and residual, or NULL */
    const float *add;         /* or NULL */
    const uint16_t *add_bf16; /* or NULL */
    size_t ldadd;             /* elements from row to row of either */
    const float *add_scale;   /* [m], or NULL for 1 */
    const float *row_scale;   /* [m], or NULL for 1 */
    const float *bias;        /* [n], or NULL */
    activation act;
    const float *residual; /* or NULL */
    size_t ldr;
    const void *fetch; /* or NULL */
    size_t fetch_bytes;
} gemm_bf16_args;
typedef void gemm_bf16_fn(const gemm_bf16_args *args);

/* Elements of n packed columns of length k. */
static inline size_t gemm_bf16_packed(size_t n, size_t k)
{
    return (n + GEMM_BF16_NR - 1) / GEMM_BF16_NR * GEMM_BF16_NR * ((k + GEMM_BF16_K - 1) / GEMM_BF16_K * GEMM_BF16_K);
}

/* Packs for gemm_bf16: column j of B is the row b[j * ldb ...], of length k. */
typedef void pack_nk_bf16_fn(size_t n, size_t k, const uint16_t *b, size_t ldb, uint16_t *out);

/* The same from B given by rows: row i of B is b[i * ldb ...]. */
typedef void pack_kn_bf16_fn(size_t k, size_t n, const uint16_t *b, size_t ldb, uint16_t *out);

/* Packs n columns of length k for gemm_f32: column j of B is the row b[j * ldb ...] (a weight matrix [n, k], or keys
 * [tokens, head dim]). out is [ceil(n / nr)][k][nr] with zeros in the columns from n on; the panel width is the table's
 * gemm_f32_nr. */
typedef void pack_nk_f32_fn(size_t n, size_t k, const float *b, size_t ldb, float *out);

/* The same from B given by rows: row i of B is b[i * ldb ...] (values [tokens, head dim]). */
typedef void pack_kn_f32_fn(size_t k, size_t n, const float *b, size_t ldb, float *out);

/* y[i] = act((x[i] - mean) / sqrt(var + eps) * gamma + beta) for `rows` rows of `c` channels, ldx and ldy floats apart;
 * var is the biased variance, from differences to the mean. gamma and beta are [c]. y may be x. */
typedef void layernorm_f32_fn(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                              float eps, activation act, float *y, size_t ldy);

/* layernorm_f32 without an activation, its result rounded to bfloat16. */
typedef void layernorm_bf16_fn(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                               float eps, uint16_t *y, size_t ldy);

/* One step of a running softmax over a row's scores s [rows, n] (lds floats apart), for n >= 1:
 *
 *     new = max(max_[i], max(s[i]))
 *     scale[i] = exp(max_[i] - new), 0 for a max_[i] of -infinity
 *     s[i, j] = exp(s[i, j] - new)
 *     sum[i] = sum[i] * scale[i] + sum over j of s[i, j]
 *     max_[i] = new
 *
 * Start with max_ = -infinity and sum = 0. Scores are finite. exp is within 2 ULP; below 2^-126 it may be 0. Fastest
 * when lds is a multiple of 16: else a row's last vector and the next row's first overlap in memory. */
typedef void softmax_step_f32_fn(size_t rows, size_t n, float *s, size_t lds, float *max_, float *sum, float *scale);

/* The same of factor * s, factor > 0, with the exponentials going to p [rows, n] (ldp elements apart) as bfloat16:
 *
 *     new = max(max_[i], factor * max(s[i]))
 *     scale[i] = exp(max_[i] - new)
 *     p[i, j] = exp(factor * s[i, j] - new), rounded to nearest
 *     sum[i] = sum[i] * scale[i] + the sum of the exponentials before they are rounded
 *     max_[i] = new
 *
 * exp is within 1e-4, below 2^-126 it may be 0; s is left as it is. */
typedef void softmax_step_bf16_fn(size_t rows, size_t n, const float *s, size_t lds, float factor, uint16_t *p,
                                  size_t ldp, float *max_, float *sum, float *scale);

/* Adds decomposed relative positions to scores s [rows, n] (lds floats apart) of the keys `first` ... of a map that is
 * `side` keys wide: s[i, j] = s[i, j] + (vertical[i * ldv + (first + j) / side] + horizontal[i * ldh + (first + j) %
 * side]), the two added first. */
typedef void add_relative_f32_fn(size_t rows, size_t first, size_t n, size_t side, const float *vertical, size_t ldv,
                                 const float *horizontal, size_t ldh, float *s, size_t lds);

/* y[i, j] = x[i, j] / divisor[i]. */
typedef void divide_rows_f32_fn(size_t rows, size_t n, const float *x, size_t ldx, const float *divisor, float *y,
                                size_t ldy);

/* y[j, i] = x[i, j]: x [rows, columns], y [columns, rows], ldx and ldy floats from row to row. */
typedef void transpose_f32_fn(size_t rows, size_t columns, const float *x, size_t ldx, float *y, size_t ldy);

/* Softmax of interleaved groups, in place: row i of s [rows, n * groups] (lds floats apart) is n members of `groups`
 * groups, s[i, j * groups + g] the j-th of group g, and each group's exponentials are divided by their sum. n >= 1;
 * scores are finite. */
typedef void softmax_groups_f32_fn(size_t rows, size_t groups, size_t n, float *s, size_t lds);

/* The same of s to p [rows, n * groups] (ldp elements apart) in bfloat16, exponentials within 1e-4. */
typedef void softmax_groups_bf16_fn(size_t rows, size_t groups, size_t n, const float *s, size_t lds, uint16_t *p,
                                    size_t ldp);

/* layernorm_f32 without an activation to y, and its result + add [rows, c] (bfloat16, ldadd elements apart) to z, both
 * rounded to bfloat16 at the end. */
typedef void layernorm_add_bf16_fn(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma,
                                   const float *beta, float eps, const uint16_t *add, size_t ldadd, uint16_t *y,
                                   size_t ldy, uint16_t *z, size_t ldz);

/* layernorm_f32 with GELU within 1e-4 max(1, |v|), its result rounded to bfloat16. */
typedef void layernorm_gelu_bf16_fn(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma,
                                    const float *beta, float eps, uint16_t *y, size_t ldy);

/* z[j] = x[j] + y[j], rounded to nearest; z may be one of them. Subnormal sums may be 0. */
typedef void add_bf16_fn(size_t n, const uint16_t *x, const uint16_t *y, uint16_t *z);

/* y[j] = act(x[j]); y may be x. */
typedef void activate_f32_fn(size_t n, activation act, const float *x, float *y);

/* out[j] = sum over t of weight[t] * row[t][j], in the order of t: the vertical pass of a resize. taps >= 1. */
typedef void weigh_rows_f32_fn(size_t n, size_t taps, const float *const *row, const float *weight, float *out);

/* The horizontal pass of a resize of interleaved 8-bit pixels with `channels` (1, 3 or 4) bytes each, of which the
 * first 3 count (1: taken thrice):
 *
 *     out[3 i + ch] = sum over t < count[i] of weight[i * taps + t] * (pixels[(first[i] + t) * channels + ch] / 255)
 *
 * in the order of t, for i < n. */
typedef void resample_row_u8_fn(size_t n, size_t taps, const uint32_t *first, const uint32_t *count,
                                const float *weight, const uint8_t *pixels, int channels, float *out);

/* Bilinear, as torch's upsample_bilinear2d orders it: with a = top[left[j]], b = top[right[j]], c = bottom[left[j]],
 * d = bottom[right[j]] and u = t[j],
 *
 *     x = (1 - u) a + u b
 *     y = (1 - u) c + u d
 *     out[j] = (1 - v) x + v y
 *
 * The rows are shorter than 2^31. */
typedef void bilinear_row_f32_fn(size_t n, const float *top, const float *bottom, const uint32_t *left,
                                 const uint32_t *right, const float *t, float v, float *out);

/* bilinear_row_f32 with the same row as top and bottom and v = 0, of several rows: out[i, j] from x[i, left[j]] and
 * x[i, right[j]], rows ldx and ldo floats apart. The horizontal half of an enlargement; as many rows after these may be
 * asked for meanwhile, which need not be readable. */
typedef void stretch_rows_f32_fn(size_t rows, size_t n, const float *x, size_t ldx, const uint32_t *left,
                                 const uint32_t *right, const float *t, float *out, size_t ldo);

/* out[j] = (1 - v) x[j] + v y[j] > 0 ? inside : 0 (false for NaN): the vertical half of an enlargement and the
 * threshold in one. With rows x and y from stretch_rows_f32, kept as long as output rows lie between them, this is the
 * sign of the whole bilinear_row_f32, without its gathers for each output row. */
typedef void blend_threshold_f32_fn(size_t n, const float *x, const float *y, float v, uint8_t inside, uint8_t *out);

/* y[j] = the largest of four x[i][j]: a cell of a max pooling. NaN may count as anything. */
typedef void max4_f32_fn(size_t n, const float *const x[4], float *y);
typedef void max4_bf16_fn(size_t n, const uint16_t *const x[4], uint16_t *y);

/* Rotates pairs of neighbouring channels, n even: y[i] = x[i] cosine[i] + x[i ^ 1] sine[i], where sine has the sign
 * that its channel wants (minus for even i). y may be x. */
typedef void rotate_f32_fn(size_t n, const float *x, const float *cosine, const float *sine, float *y);

/* A depthwise convolution of one pixel: y[c] = bias[c] + the sum over t of weight[t][c] * x[t][c], in the order of
 * t from the bias on (with fused multiply-add where the instruction set has it). taps may be 0. */
typedef void depthwise_f32_fn(size_t n, size_t taps, const float *const *x, const float *const *weight,
                              const float *bias, float *y);

/* float32 to and from bfloat16 as uint16_t. To bfloat16: round to nearest, ties to even; NaN stays NaN, made quiet. */
typedef void bf16_to_f32_fn(size_t n, const uint16_t *x, float *y);
typedef void f32_to_bf16_fn(size_t n, const float *x, uint16_t *y);

/* The table: every kernel's best variant up to a level. */
typedef struct kernels {
    cpu_isa isa; /* the highest level that a kernel of the table is of */
#define OP(op) op##_fn *op;
#define BLOCK(name, isa_, value)
#define KERNEL(op, isa_)
#define BLOCK_NAME(name) size_t name;
#include "kernels/registry.inc"
} kernels;

/* Fills the table with the variants of levels up to `limit` that run on this machine: plain ones first, each higher
 * level overriding. */
void kernels_select(kernels *table, cpu_isa limit);

/* The name of the table's operation `index` and the level of the variant it has; false past the last. */
bool kernels_at(const kernels *table, size_t index, const char **op, cpu_isa *isa);

/* Declarations of all variants: k_<op>_<isa>. */
#define OP(op)
#define BLOCK(name, isa_, value)
#define KERNEL(op, isa_) op##_fn k_##op##_##isa_;
#define BLOCK_NAME(name)
#include "kernels/registry.inc"

#endif
