/* A second table whose kernels time the ones they stand for: the operators call either without knowing. */
#include "kernels/timed.h"

/* True for an operand that was made on the way: attention's, where that of a linear layer is part of the model, in its
 * own memory or in a mapped file. */
static bool is_made(const void *b)
{
    const profile *p = profile_here();
    uintptr_t first = (uintptr_t)p->workspace, at = (uintptr_t)b;
    return at >= first && at - first < p->workspace_bytes;
}

static profile_operation product(const void *b, activation act)
{
    if (is_made(b))
        return PROFILE_ATTENTION;
    return act == ACT_GELU ? PROFILE_GELU : PROFILE_LINEAR;
}

#define TIMED(op, operation, flop, parameters, arguments)                                                              \
    static void timed_##op parameters                                                                                  \
    {                                                                                                                  \
        uint64_t start = profile_ticks();                                                                              \
        profile_here()->plain->op arguments;                                                                           \
        profile_add(operation, start, flop);                                                                           \
    }

TIMED(gemm_f32, product(a->b, a->act), 2 * (uint64_t)a->m * a->n * a->k, (const gemm_f32_args *a), (a))
TIMED(gemm_stored, product(a->b_bf16, a->act), 2 * (uint64_t)a->m * a->n * a->k, (const gemm_f32_args *a), (a))
TIMED(gemm_split, product(a->b ? (const void *)a->b : a->b_bf16, a->act), 2 * (uint64_t)a->m * a->n * a->k,
      (const gemm_f32_args *a), (a))
TIMED(gemm_bf16, product(a->b, a->act), 2 * (uint64_t)a->m * a->n * a->k, (const gemm_bf16_args *a), (a))
TIMED(pack_nk_bf16, PROFILE_PACK, 0, (size_t n, size_t k, const uint16_t *b, size_t ldb, uint16_t *out),
      (n, k, b, ldb, out))
TIMED(pack_kn_bf16, PROFILE_PACK, 0, (size_t k, size_t n, const uint16_t *b, size_t ldb, uint16_t *out),
      (k, n, b, ldb, out))
TIMED(pack_nk_f32, PROFILE_PACK, 0, (size_t n, size_t k, const float *b, size_t ldb, float *out), (n, k, b, ldb, out))
TIMED(pack_kn_f32, PROFILE_PACK, 0, (size_t k, size_t n, const float *b, size_t ldb, float *out), (k, n, b, ldb, out))
TIMED(layernorm_f32, PROFILE_NORM, 0,
      (size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta, float eps,
       activation act, float *y, size_t ldy),
      (rows, c, x, ldx, gamma, beta, eps, act, y, ldy))
TIMED(layernorm_bf16, PROFILE_NORM, 0,
      (size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta, float eps, uint16_t *y,
       size_t ldy),
      (rows, c, x, ldx, gamma, beta, eps, y, ldy))
TIMED(softmax_step_bf16, PROFILE_SOFTMAX, 0,
      (size_t rows, size_t n, const float *s, size_t lds, float factor, uint16_t *p, size_t ldp, float *max_,
       float *sum, float *scale),
      (rows, n, s, lds, factor, p, ldp, max_, sum, scale))
TIMED(softmax_step_f32, PROFILE_SOFTMAX, 0,
      (size_t rows, size_t n, float *s, size_t lds, float *max_, float *sum, float *scale),
      (rows, n, s, lds, max_, sum, scale))
TIMED(add_relative_f32, PROFILE_SOFTMAX, 0,
      (size_t rows, size_t first, size_t n, size_t side, const float *vertical, size_t ldv, const float *horizontal,
       size_t ldh, float *s, size_t lds),
      (rows, first, n, side, vertical, ldv, horizontal, ldh, s, lds))
TIMED(divide_rows_f32, PROFILE_SOFTMAX, 0,
      (size_t rows, size_t n, const float *x, size_t ldx, const float *divisor, float *y, size_t ldy),
      (rows, n, x, ldx, divisor, y, ldy))
TIMED(transpose_f32, PROFILE_PACK, 0, (size_t rows, size_t columns, const float *x, size_t ldx, float *y, size_t ldy),
      (rows, columns, x, ldx, y, ldy))
TIMED(softmax_groups_f32, PROFILE_SOFTMAX, 0, (size_t rows, size_t groups, size_t n, float *s, size_t lds),
      (rows, groups, n, s, lds))
TIMED(softmax_groups_bf16, PROFILE_SOFTMAX, 0,
      (size_t rows, size_t groups, size_t n, const float *s, size_t lds, uint16_t *p, size_t ldp),
      (rows, groups, n, s, lds, p, ldp))
TIMED(layernorm_add_bf16, PROFILE_NORM, 0,
      (size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta, float eps,
       const uint16_t *add, size_t ldadd, uint16_t *y, size_t ldy, uint16_t *z, size_t ldz),
      (rows, c, x, ldx, gamma, beta, eps, add, ldadd, y, ldy, z, ldz))
TIMED(layernorm_gelu_bf16, PROFILE_NORM, 0,
      (size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta, float eps, uint16_t *y,
       size_t ldy),
      (rows, c, x, ldx, gamma, beta, eps, y, ldy))
TIMED(add_bf16, PROFILE_CONVERT, 0, (size_t n, const uint16_t *x, const uint16_t *y, uint16_t *z), (n, x, y, z))
TIMED(activate_f32, PROFILE_ACTIVATION, 0, (size_t n, activation act, const float *x, float *y), (n, act, x, y))
TIMED(weigh_rows_f32, PROFILE_RESIZE, 0,
      (size_t n, size_t taps, const float *const *row, const float *weight, float *out), (n, taps, row, weight, out))
TIMED(resample_row_u8, PROFILE_RESIZE, 0,
      (size_t n, size_t taps, const uint32_t *first, const uint32_t *count, const float *weight, const uint8_t *pixels,
       int channels, float *out),
      (n, taps, first, count, weight, pixels, channels, out))
TIMED(bilinear_row_f32, PROFILE_RESIZE, 0,
      (size_t n, const float *top, const float *bottom, const uint32_t *left, const uint32_t *right, const float *t,
       float v, float *out),
      (n, top, bottom, left, right, t, v, out))
TIMED(stretch_rows_f32, PROFILE_RESIZE, 0,
      (size_t rows, size_t n, const float *x, size_t ldx, const uint32_t *left, const uint32_t *right, const float *t,
       float *out, size_t ldo),
      (rows, n, x, ldx, left, right, t, out, ldo))
TIMED(blend_threshold_f32, PROFILE_RESIZE, 0,
      (size_t n, const float *x, const float *y, float v, uint8_t inside, uint8_t *out), (n, x, y, v, inside, out))
TIMED(max4_f32, PROFILE_ATTENTION, 0, (size_t n, const float *const x[4], float *y), (n, x, y))
TIMED(max4_bf16, PROFILE_ATTENTION, 0, (size_t n, const uint16_t *const x[4], uint16_t *y), (n, x, y))
TIMED(rotate_f32, PROFILE_PACK, 0, (size_t n, const float *x, const float *cosine, const float *sine, float *y),
      (n, x, cosine, sine, y))
TIMED(depthwise_f32, PROFILE_LINEAR, 2 * (uint64_t)n * taps,
      (size_t n, size_t taps, const float *const *x, const float *const *weight, const float *bias, float *y),
      (n, taps, x, weight, bias, y))
TIMED(bf16_to_f32, PROFILE_CONVERT, 0, (size_t n, const uint16_t *x, float *y), (n, x, y))
TIMED(f32_to_bf16, PROFILE_CONVERT, 0, (size_t n, const float *x, uint16_t *y), (n, x, y))

void kernels_time(const kernels *plain, kernels *timed)
{
    *timed = *plain;
#define OP(op) timed->op = timed_##op;
#define BLOCK_NAME(name)
#define KERNEL(op, isa_)
#define BLOCK(name, isa_, value)
#include "kernels/registry.inc"
}
