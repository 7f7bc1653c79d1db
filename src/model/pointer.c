/* Object pointers, and the small convolution that a mask goes through on its way to one. */
#include "model/memory.h"

#include <string.h>

void pointer_make(const model *m, const exec *ex, const float *token, bool present, float *out)
{
    const size_t dim = (size_t)m->config.d_model, mark = arena_mark(ex->arena);
    const mlp3 *mlp = &m->memory.pointer;
    float *hidden[2] = {arena_floats(ex->arena, dim), arena_floats(ex->arena, dim)};
    const float *x = token;
    for (int i = 0; i < 3 && present; i++) {
        float *y = i == 2 ? out : hidden[i];
        op_linear(ex, &mlp->layer[i], 1, x, dim, y, dim, i == 2 ? ACT_NONE : ACT_RELU, NULL, 0);
        x = y;
    }
    if (!present && !exec_dry(ex))
        memcpy(out, m->memory.no_pointer, dim * sizeof *out);
    arena_reset(ex->arena, mark);
}

void mask_reduce(const model *m, const float *mask, float *out)
{
    const size_t side = model_side(m, 4), pitch = 4 * side;
    const float *w = m->memory.mask_kernel;
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            const float *from = mask + 4 * y * pitch + 4 * x;
            float sum = 0.0f;
            for (size_t i = 0; i < 16; i++)
                sum += w[i] * from[i / 4 * pitch + i % 4];
            out[y * side + x] = sum + *m->memory.mask_kernel_bias;
        }
}
