/* Memory attention (sam2.modeling.memory_attention). A layer's values have the memory's few channels: they are weighed
 * first and projected afterwards, which the rows of a softmax, having the sum 1, allow. */
#include "base/checked.h"
#include "model/memory.h"

#include <math.h>
#include <string.h>

static size_t token_count(const model *m)
{
    return model_side(m, 16) * model_side(m, 16);
}

/* x = x + out(attention(norm1(x))), over the map itself. */
static void attend_self(const model *m, const exec *ex, const memory_layer *l, float *x)
{
    const size_t dim = (size_t)m->config.d_model, tokens = token_count(m), mark = arena_mark(ex->arena);
    float *normed = arena_floats(ex->arena, tokens * dim), *q = arena_floats(ex->arena, tokens * dim),
          *v = arena_floats(ex->arena, tokens * dim), *y = normed;
    op_layernorm(ex, &l->norm1, tokens, dim, x, ACT_NONE, normed);
    op_linear(ex, &l->self.q, tokens, normed, dim, q, dim, ACT_NONE, NULL, 0);
    op_linear(ex, &l->self.v, tokens, normed, dim, v, dim, ACT_NONE, NULL, 0);
    op_bank_attention(ex, &(bank_args){.key = &l->self.k,
                                       .dim = dim,
                                       .value_dim = dim,
                                       .q_count = tokens,
                                       .q = q,
                                       .parts = &(bank_part){.count = tokens, .values = v, .keys = normed, .rotate = 1},
                                       .part_count = 1,
                                       .cosine = m->memory.cosine,
                                       .sine = m->memory.sine,
                                       .side = model_side(m, 16),
                                       .y = y});
    op_linear(ex, &l->self.out, tokens, y, dim, x, dim, ACT_NONE, x, dim);
    arena_reset(ex->arena, mark);
}

/* x = x + out(v(attention over the bank of norm2(x))). */
static void attend_bank(const model *m, const exec *ex, const memory_layer *l, const bank_part *parts, size_t count,
                        float *x)
{
    const size_t dim = (size_t)m->config.d_model, width = (size_t)m->config.memory_dim, tokens = token_count(m),
                 mark = arena_mark(ex->arena);
    float *q = arena_floats(ex->arena, tokens * dim), *y = arena_floats(ex->arena, tokens * width);
    op_norm_linear(ex, &l->norm2, &l->cross.q, tokens, x, q, dim);
    op_bank_attention(ex, &(bank_args){.key = &l->cross.k,
                                       .dim = dim,
                                       .value_dim = width,
                                       .q_count = tokens,
                                       .q = q,
                                       .parts = parts,
                                       .part_count = count,
                                       .cosine = m->memory.cosine,
                                       .sine = m->memory.sine,
                                       .side = model_side(m, 16),
                                       .y = y});
    op_two_layers(ex, NULL, &l->cross.v, ACT_NONE, &l->cross.out, tokens, y, x, x);
    arena_reset(ex->arena, mark);
}

typedef struct begin_job {
    const model *m;
    const float *embedding;
    float *out;
} begin_job;

/* A row of the map, with a tenth of its positions. */
static void begin_row(void *context, size_t y, int worker)
{
    (void)worker;
    const begin_job *j = context;
    const size_t side = model_side(j->m, 16), half = (size_t)j->m->config.d_model / 2;
    const float *table = j->m->memory.position;
    for (size_t x = 0; x < side; x++) {
        const float *from = j->embedding + (y * side + x) * 2 * half;
        float *to = j->out + (y * side + x) * 2 * half;
        for (size_t c = 0; c < half; c++)
            to[c] = from[c] + 0.1f * table[y * half + c];
        for (size_t c = 0; c < half; c++)
            to[half + c] = from[half + c] + 0.1f * table[x * half + c];
    }
}

void memory_begin(const model *m, const exec *ex, const float *embedding, float *out)
{
    if (!exec_dry(ex))
        pool_run(ex->pool, begin_row, &(begin_job){m, embedding, out}, model_side(m, 16));
    attend_self(m, ex, m->memory.layers, out);
}

/* get_1d_sine_pe: out [dim], sines then cosines. */
static void sine_distance(float distance, size_t dim, float *out)
{
    const size_t half = dim / 2;
    for (size_t i = 0; i < half; i++) {
        float angle = distance / powf(10000.0f, (float)(2 * (i / 2)) / (float)half);
        out[i] = sinf(angle);
        out[half + i] = cosf(angle);
    }
}

/* Pointers as rows of the memory's width, a few to a pointer: values, and keys with their positions in time. */
static bank_part pointer_part(const model *m, const exec *ex, const memory_bank *bank)
{
    const size_t dim = (size_t)m->config.d_model, width = (size_t)m->config.memory_dim, n = bank->pointer_count,
                 each = dim / width;
    float *values = arena_floats(ex->arena, n * dim), *keys = arena_floats(ex->arena, n * dim);
    const size_t mark = arena_mark(ex->arena);
    float *sines = arena_floats(ex->arena, n * dim), *positions = arena_floats(ex->arena, n * width);
    const linear *project = &m->memory.pointer_position;
    for (size_t i = 0; i < n && !exec_dry(ex); i++) {
        memcpy(values + i * dim, bank->pointers[i].vector, dim * sizeof *values);
        sine_distance((float)bank->pointers[i].distance / (float)bank->pointer_span, dim, sines + i * dim);
    }
    if (project->n)
        op_linear(ex, project, n, sines, dim, positions, width, ACT_NONE, NULL, 0);
    for (size_t i = 0; i < n * dim && !exec_dry(ex); i++)
        keys[i] = values[i] + (project->n ? positions[i / dim * width + i % width] : 0.0f);
    arena_reset(ex->arena, mark);
    return (bank_part){.count = n * each, .values = values, .keys = keys};
}

void memory_attend(const model *m, const exec *ex, const float *begun, const memory_bank *bank, float *out)
{
    const size_t dim = (size_t)m->config.d_model, width = (size_t)m->config.memory_dim, tokens = token_count(m),
                 mark = arena_mark(ex->arena);
    size_t count = bank->frame_count;
    bank_part own[1], *parts = arena_take(ex->arena, count + 1, sizeof *parts);
    float *x = arena_floats(ex->arena, tokens * dim);
    bank_part pointers = {0};
    if (bank->pointer_count)
        pointers = pointer_part(m, ex, bank);
    if (exec_dry(ex)) { /* all that a dry run wants to know is how many keys there are */
        *own = (bank_part){.count = round_up(tokens, 256) * count + round_up(pointers.count, 256)};
        parts = own;
        count = 1;
    } else {
        for (size_t i = 0; i < count; i++)
            parts[i] = (bank_part){.count = tokens,
                                   .narrow_values = bank->frames[i].features,
                                   .position = m->memory.memory_position,
                                   .shift = m->memory.slot_position + (size_t)bank->frames[i].slot * width,
                                   .rotate = true};
        if (bank->pointer_count)
            parts[count++] = pointers;
        memcpy(x, begun, tokens * dim * sizeof *x);
    }
    for (int i = 0; i < m->config.memory_layers; i++) {
        const memory_layer *l = &m->memory.layers[i];
        if (i > 0)
            attend_self(m, ex, l, x);
        attend_bank(m, ex, l, parts, count, x);
        op_two_layers(ex, &l->norm3, &l->fc1, ACT_RELU, &l->fc2, tokens, x, x, x);
    }
    op_layernorm(ex, &m->memory.norm, tokens, dim, x, ACT_NONE, out);
    arena_reset(ex->arena, mark);
}
