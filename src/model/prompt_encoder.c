/* The prompt encoder (sam2.modeling.sam.prompt_encoder.PromptEncoder). */
#include "model/model.h"

#include <math.h>
#include <string.h>

/* PositionEmbeddingRandom._pe_encoding of a point of the unit square: out [d_model], sines then cosines. */
static void encode_position(const model *m, float x, float y, float *out)
{
    size_t half = (size_t)m->config.d_model / 2;
    const float two_pi = 6.28318530717958647692f;
    float u = 2.0f * x - 1.0f, v = 2.0f * y - 1.0f;
    for (size_t i = 0; i < half; i++) {
        float angle = two_pi * (u * m->gaussian[i] + v * m->gaussian[half + i]);
        out[i] = sinf(angle);
        out[half + i] = cosf(angle);
    }
}

void encode_dense_position(const model *m, size_t token, float *out)
{
    const size_t side = model_side(m, 16), x = token % side, y = token / side;
    encode_position(m, ((float)x + 0.5f) / (float)side, ((float)y + 0.5f) / (float)side, out);
}

size_t prompt_tokens(const model *m, size_t point_count, bool box)
{
    return point_count ? point_count + !(model_is_sam1(m) && box) : 0;
}

void encode_points(const model *m, const net_point *points, size_t count, float *sparse)
{
    size_t dim = (size_t)m->config.d_model;
    float size = (float)m->config.image_size;
    if (!count)
        return;
    for (size_t i = 0; i < count; i++) {
        float *token = sparse + i * dim;
        encode_position(m, (points[i].x + 0.5f) / size, (points[i].y + 0.5f) / size, token);
        const float *kind = m->point_embed[points[i].label];
        for (size_t c = 0; c < dim; c++)
            token[c] += kind[c];
    }
    /* A padding token follows where the official prompt encoder is given no box: SAM 2's predictors give it as points.
     */
    if (prompt_tokens(m, count, points[count - 1].label == 3) > count)
        memcpy(sparse + count * dim, m->not_a_point, dim * sizeof *sparse);
}

typedef struct mask_job {
    const model *m;
    const exec *ex;
    const float *logits; /* [4 side, 4 side] */
    float *hidden;       /* [side * side, 16] */
    size_t side;
} mask_job;

/* mask_downscaling up to its second activation for one row of tokens: two 2 x 2 convolutions of stride 2 see 4 x 4
 * logits each. */
static void mask_row(void *context, size_t y, int worker)
{
    (void)worker;
    const mask_job *j = context;
    const model *m = j->m;
    const kernels *k = j->ex->k;
    for (size_t x = 0; x < j->side; x++) {
        float first[4][4]; /* [pixel of the 2 x 2 map][channel] */
        for (size_t p = 0; p < 4; p++) {
            const float *in = j->logits + (4 * y + p / 2 * 2) * 4 * j->side + 4 * x + p % 2 * 2;
            for (size_t c = 0; c < 4; c++) {
                const float *w = m->down0 + c * 4;
                first[p][c] = w[0] * in[0] + w[1] * in[1] + w[2] * in[4 * j->side] + w[3] * in[4 * j->side + 1] +
                              m->down0_bias[c];
            }
        }
        k->layernorm_f32(4, 4, first[0], 4, m->down0_norm.gamma, m->down0_norm.beta, m->down0_norm.eps, ACT_GELU,
                         first[0], 4);
        float *out = j->hidden + (y * j->side + x) * 16;
        for (size_t c = 0; c < 16; c++) {
            float v = 0.0f;
            for (size_t in = 0; in < 4; in++)
                for (size_t p = 0; p < 4; p++)
                    v += m->down1[(c * 4 + in) * 4 + p] * first[p][in];
            out[c] = v + m->down1_bias[c];
        }
    }
    float *row = j->hidden + y * j->side * 16;
    k->layernorm_f32(j->side, 16, row, 16, m->down1_norm.gamma, m->down1_norm.beta, m->down1_norm.eps, ACT_GELU, row,
                     16);
}

void encode_mask(const model *m, const exec *ex, const float *logits, float *dense)
{
    size_t side = model_side(m, 16), mark = arena_mark(ex->arena);
    mask_job j = {m, ex, logits, arena_floats(ex->arena, side * side * 16), side};
    if (!exec_dry(ex))
        pool_run(ex->pool, mask_row, &j, side);
    op_linear(ex, &m->down2, side * side, j.hidden, 16, dense, (size_t)m->config.d_model, ACT_NONE, NULL, 0);
    arena_reset(ex->arena, mark);
}
