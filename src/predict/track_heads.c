/* The prompt encoder and mask decoder as video uses them: one mask comes out, with a pointer, and an object that is not
 * there has neither. */
#include "predict/tracker.h"

#include <string.h>

/* Sparse tokens: where there is no point, one that is none and the padding: the same twice. */
static size_t make_sparse(const model *m, const exec *ex, const heads_input *in, float **out)
{
    const size_t dim = (size_t)m->config.d_model,
                 count = in->point_count ? prompt_tokens(m, in->point_count, false) : 2;
    float *sparse = *out = arena_floats(ex->arena, count * dim);
    if (exec_dry(ex))
        return count;
    if (in->point_count)
        encode_points(m, in->points, in->point_count, sparse);
    else
        for (size_t i = 0; i < 2; i++)
            memcpy(sparse + i * dim, m->not_a_point, dim * sizeof *sparse);
    return count;
}

/* The one of masks 1 to 3 with the greatest predicted IoU, the first of equals. */
static int best_of_three(const float iou[4])
{
    int best = 1;
    for (int i = 2; i < 4; i++)
        best = iou[i] > iou[best] ? i : best;
    return best;
}

void heads_run(const sam2_tracker *t, const exec *ex, const heads_input *in, track_entry *out)
{
    const model *m = t->model->m;
    const size_t dim = (size_t)m->config.d_model, side = model_side(m, 4), tokens = model_side(m, 16),
                 mark = arena_mark(ex->arena);
    const bool choose = !in->multimask && !t->evaluation; /* the decoder's choice by stability */
    float *sparse, *second = arena_floats(ex->arena, side * side), *token = arena_floats(ex->arena, 4 * dim);
    decode_object d = {.sparse_count = make_sparse(m, ex, in, &sparse), .tokens = token};
    d.sparse = sparse;
    if (in->with_mask) {
        float *dense = arena_floats(ex->arena, tokens * tokens * dim);
        encode_mask(m, ex, in->mask_logits, dense);
        d.dense = dense;
    }
    /* A dry run has no dense prompt to look at: without products it goes the same way. */
    decode_prompts(m, ex, in->maps, in->with_mask ? NULL : in->products, &d, 1);
    if (!exec_dry(ex)) {
        d.mask_count = choose ? 2 : 1;
        d.mask[0] = in->multimask ? best_of_three(d.iou) : 0;
        d.mask[1] = best_of_three(d.iou);
        d.out[0] = out->logits;
        d.out[1] = second;
    }
    decode_masks(m, ex, in->maps, &d, 1);
    const bool present = d.object_score > 0.0f;
    int chosen = d.mask[0];
    if (!exec_dry(ex)) {
        if (choose && !mask_is_stable(out->logits, side * side)) {
            memcpy(out->logits, second, side * side * sizeof *second);
            chosen = d.mask[1];
        }
        for (size_t i = 0; i < side * side && !present; i++)
            out->logits[i] = TRACK_ABSENT;
        out->present = present;
        out->object_score = d.object_score;
        out->score = d.iou[chosen];
    }
    /* The pointer is mask 0's even where another mask has taken its place. */
    pointer_make(m, ex, exec_dry(ex) ? NULL : token + (size_t)d.mask[0] * dim, exec_dry(ex) || present,
                 exec_dry(ex) ? NULL : out->pointer);
    arena_reset(ex->arena, mark);
}
