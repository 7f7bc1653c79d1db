#include "ops/bf16.h"

void op_global_attention(const exec *ex, const global_args *a)
{
    if (a->qkv->packed_bf16) {
        bf16_global_attention(ex, a);
        return;
    }
    const size_t dim = a->proj->n, mark = arena_mark(ex->arena);
    float *qkv = arena_floats(ex->arena, a->tokens * 3 * dim), *attended = arena_floats(ex->arena, a->tokens * dim);
    op_norm_linear(ex, a->norm, a->qkv, a->tokens, a->x, qkv, 3 * dim);
    const float *keys = exec_dry(ex) ? NULL : qkv + dim, *values = exec_dry(ex) ? NULL : qkv + 2 * dim;
    op_attention(ex, &(attention_args){.heads = a->heads,
                                       .dim = dim / a->heads,
                                       .q_count = a->tokens,
                                       .kv_count = a->tokens,
                                       .q = qkv,
                                       .ldq = 3 * dim,
                                       .k = keys,
                                       .v = values,
                                       .ldkv = 3 * dim,
                                       .relative = a->relative,
                                       .side = a->side,
                                       .many = a->qkv->many,
                                       .y = attended,
                                       .ldy = dim});
    op_linear(ex, a->proj, a->tokens, attended, dim, a->x, dim, ACT_NONE, a->x, dim);
    arena_reset(ex->arena, mark);
}
