/* The mask decoder (sam2.modeling.sam.mask_decoder.MaskDecoder.predict_masks): tokens, transformer, heads; then, for
 * the masks that are wanted, the enlarged maps. */
#include "base/checked.h"
#include "model/decoder.h"

#include <math.h>
#include <string.h>

/* Objects that one call takes at most: their images are in memory together. */
static size_t most_objects(const model *m)
{
    size_t most = DECODE_OBJECTS * 4096 / (model_side(m, 16) * model_side(m, 16));
    return most < 1 ? 1 : most > DECODE_OBJECTS ? DECODE_OBJECTS : most;
}

size_t decode_batch(const model *m, const size_t *sparse_count, size_t n)
{
    size_t columns = 0, most = m->plain ? 1 : most_objects(m), i = 0;
    for (; i < n && i < most; i++) {
        size_t tokens = output_tokens(m) + sparse_count[i];
        columns += round_up(tokens * MOST_HEADS, 32);
        if (i > 0 && (tokens > FOLD_TOKENS || columns > BATCH_COLUMNS))
            break;
        if (tokens > FOLD_TOKENS)
            return 1;
    }
    return i;
}

size_t decode_largest_batch(const model *m, size_t *sparse_count)
{
    size_t most = m->plain ? 1 : most_objects(m), columns = round_up(BATCH_COLUMNS / most, 32);
    columns = columns < MOST_HEADS * FOLD_TOKENS ? columns : MOST_HEADS * FOLD_TOKENS;
    *sparse_count = columns / MOST_HEADS - output_tokens(m);
    return most;
}

/* ---- heads ---- */

typedef struct heads_job {
    const model *m;
    const exec *ex;
    size_t objects;
    float *rows;   /* [6][objects, d_model]: each head's tokens */
    float *hidden; /* [6][2][objects, widest] */
    size_t widest;
    float *out[2 + MASKS]; /* [objects, outputs of the head] */
} heads_job;

static const mlp3 *head_mlp(const model *m, size_t head)
{
    head += model_is_sam1(m);
    return head == 0 ? &m->object : head == 1 ? &m->iou : &m->hyper[head - 2];
}

/* Three layers with ReLU between. */
static void head_item(void *context, size_t head, int worker)
{
    (void)worker;
    const heads_job *j = context;
    const mlp3 *mlp = head_mlp(j->m, head);
    const float *x = j->rows + head * j->objects * mlp->layer[0].k;
    float *hidden = j->hidden + head * 2 * j->objects * j->widest;
    for (size_t i = 0; i < 3; i++) {
        float *y = i == 2 ? j->out[head] : hidden + i * j->objects * j->widest;
        ops_gemm(j->ex->k, &mlp->layer[i], j->objects, x, mlp->layer[i].k, y, mlp->layer[i].n, NULL,
                 i == 2 ? ACT_NONE : ACT_RELU, NULL, 0, NULL);
        x = y;
    }
}

void decode_heads(const model *m, const exec *ex, const token_rows *t, float *hyper, decode_object *objects)
{
    size_t dim = (size_t)m->config.d_model, count = t->objects, mark = arena_mark(ex->arena), heads = output_tokens(m);
    heads_job j = {.m = m, .ex = ex, .objects = count};
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < 2; i++)
            j.widest = head_mlp(m, h)->layer[i].n > j.widest ? head_mlp(m, h)->layer[i].n : j.widest;
    j.rows = arena_floats(ex->arena, heads * count * dim);
    j.hidden = arena_floats(ex->arena, heads * 2 * count * j.widest);
    for (size_t h = 0; h < heads; h++)
        j.out[h] = arena_floats(ex->arena, count * head_mlp(m, h)->layer[2].n);
    if (!exec_dry(ex)) {
        for (size_t h = 0; h < heads; h++)
            for (size_t o = 0; o < count; o++)
                memcpy(j.rows + (h * count + o) * dim, t->q + (t->first[o] + h) * dim, dim * sizeof *j.rows);
        pool_run(ex->pool, head_item, &j, heads);
        float *const *masks = j.out + heads - MASKS, *iou = masks[-1];
        for (size_t o = 0; o < count; o++) {
            objects[o].object_score = model_is_sam1(m) ? 0.0f : j.out[0][o];
            for (size_t i = 0; i < MASKS; i++) {
                const float v = iou[o * MASKS + i];
                /* iou_prediction_use_sigmoid, in both releases of SAM 2 */
                objects[o].iou[i] = model_is_sam1(m) ? v : 1.0f / (1.0f + expf(-v));
                memcpy(hyper + (o * MASKS + i) * (dim / 8), masks[i] + o * (dim / 8), dim / 8 * sizeof *hyper);
            }
        }
    }
    arena_reset(ex->arena, mark);
}

/* ---- from prompts to tokens at the end ---- */

void decoder_image(const model *m, const exec *ex, const pyramid *features, const float *dense, float *image)
{
    const size_t dim = (size_t)m->config.d_model, pixels = model_side(m, 16) * model_side(m, 16);
    if (features->extra)
        op_add(ex, pixels, dim, features->embedding, features->extra, dense, image);
    else
        op_add(ex, pixels, dim, features->embedding, dense ? NULL : m->no_mask, dense, image);
    if (features->extra && !dense)
        op_add(ex, pixels, dim, image, m->no_mask, NULL, image);
}

void decode_prompts(const model *m, const exec *ex, const pyramid *features, const image_products *products,
                    decode_object *objects, size_t count)
{
    size_t dim = (size_t)m->config.d_model, pixels = model_side(m, 16) * model_side(m, 16);
    token_rows t = {.objects = count};
    void *image[DECODE_OBJECTS];
    float *hyper = arena_floats(ex->arena, count * MASKS * (dim / 8));
    for (size_t i = 0; i < count; i++) {
        t.first[i] = t.rows;
        t.count[i] = output_tokens(m) + objects[i].sparse_count;
        t.rows += t.count[i];
        image[i] = arena_take(ex->arena, pixels * dim, image_element(m));
        objects[i].image = image[i];
        objects[i].hyper = exec_dry(ex) ? NULL : hyper + i * MASKS * (dim / 8);
    }
    size_t mark = arena_mark(ex->arena);
    exec_stage(ex, PROFILE_DECODER);
    t.tokens = arena_floats(ex->arena, t.rows * dim);
    t.q = arena_floats(ex->arena, t.rows * dim);
    t.q_pe = arena_floats(ex->arena, t.rows * dim);
    for (size_t i = 0; i < count && !exec_dry(ex); i++) {
        float *to = t.tokens + t.first[i] * dim;
        memcpy(to, m->output_tokens, output_tokens(m) * dim * sizeof *to);
        if (objects[i].sparse_count)
            memcpy(to + output_tokens(m) * dim, objects[i].sparse, objects[i].sparse_count * dim * sizeof *to);
    }
    if (!exec_dry(ex))
        memcpy(t.q, t.tokens, t.rows * dim * sizeof *t.q);
    if (count == 1 && (t.rows > FOLD_TOKENS || m->plain))
        transform_plain(m, ex, &t, features, objects->dense, image[0]);
    else if (objects->dense || !products) {
        /* The picture's products are of no use with a dense prompt (or there are none of this model): made again. */
        size_t bytes = image_product_bytes(m);
        image_products own = {.q = arena_take(ex->arena, bytes, 1),
                              .k = arena_take(ex->arena, bytes, 1),
                              .v = arena_take(ex->arena, bytes, 1),
                              .update_bias = m->layers[0].image_to_token.out.bias};
        float *whole = arena_floats(ex->arena, pixels * dim);
        image_products_make(m, ex, features, objects->dense, whole, &own);
        own.image = whole;
        transform_folded(m, ex, &t, &own, image);
    } else
        transform_folded(m, ex, &t, products, image);
    decode_heads(m, ex, &t, hyper, objects);
    for (size_t i = 0; i < count && !exec_dry(ex); i++)
        if (objects[i].tokens)
            memcpy(objects[i].tokens, t.q + (t.first[i] + output_tokens(m) - MASKS) * dim, MASKS * dim * sizeof *t.q);
    arena_reset(ex->arena, mark);
}

/* ---- masks ---- */

/* The part of gemm_bf16's arguments that a layer's weights and whole rows of its inputs are. */
static gemm_bf16_args bf16_operand(const linear *l, size_t rows, const uint16_t *x)
{
    return (gemm_bf16_args){.m = rows,
                            .n = l->n,
                            .k = l->k,
                            .a = x,
                            .lda = l->k,
                            .b = l->packed_bf16,
                            .b_stride = gemm_bf16_packed(1, l->k),
                            .bias = l->bias};
}

typedef struct upscale_job {
    const model *m;
    const exec *ex;
    const pyramid *features;
    const decode_object *objects;
    size_t count;
    uint8_t *scratch; /* [threads][scratch_bytes] */
    size_t scratch_bytes, side;
} upscale_job;

/* Where a row of a fine level begins; SAM 1 has none. */
static const float *fine_row(const void *level, size_t at)
{
    return level ? (const float *)level + at : NULL;
}
static const uint16_t *fine_row_bf16(const void *level, size_t at)
{
    return level ? (const uint16_t *)level + at : NULL;
}

/* Row `row` of a fine level comes into the cache while g is computed. */
static void fetch_fine_row(gemm_f32_args *g, const void *level, size_t row, size_t elements)
{
    g->fetch = fine_row(level, row * elements);
    g->fetch_bytes = elements * sizeof(float);
}
static void fetch_fine_row_bf16(gemm_bf16_args *g, const void *level, size_t row, size_t elements)
{
    g->fetch = fine_row_bf16(level, row * elements);
    g->fetch_bytes = elements * sizeof(uint16_t);
}

/* One row of tokens through both transposed convolutions to its four rows of the masks: nothing of the enlarged maps is
 * in memory whole. Each product fetches the row that the next one adds, the last one what row `next` begins with. */
static void upscale_row_f32(const upscale_job *j, const decode_object *o, size_t y, size_t next, uint8_t *scratch)
{
    const model *m = j->m;
    const kernels *k = j->ex->k;
    size_t side = j->side, dim = (size_t)m->config.d_model, c1 = dim / 4, c0 = dim / 8;
    float *half = (float *)scratch;     /* [2 side, c1] */
    float *full = half + 2 * side * c1; /* [4 side, c0] */
    float *packed = full + 4 * side * c0, *vectors = packed + ops_packed_floats(k, 4 * side, c0);
    float *rows = vectors + MASKS * c0; /* [mask_count, 4 side] */
    for (size_t i = 0; i < o->mask_count; i++)
        memcpy(vectors + i * c0, o->hyper + o->mask[i] * c0, c0 * sizeof *vectors);
    for (size_t dy = 0; dy < 2; dy++) {
        size_t row1 = 2 * y + dy;
        gemm_f32_args up = {.m = side,
                            .k = dim,
                            .a = (const float *)o->image + y * side * dim,
                            .lda = dim,
                            .c = half,
                            .ldc = 2 * c1,
                            .bias = m->up0[dy].bias,
                            .residual = fine_row(j->features->s1, row1 * 2 * side * c1),
                            .ldr = 2 * c1};
        fetch_fine_row(&up, j->features->s0, 2 * row1, 4 * side * c0);
        ops_product(k, &m->up0[dy], 0, up);
        k->layernorm_f32(2 * side, c1, half, c1, m->up0_norm.gamma, m->up0_norm.beta, m->up0_norm.eps, ACT_GELU, half,
                         c1);
        for (size_t dz = 0; dz < 2; dz++) {
            size_t row0 = 2 * row1 + dz;
            up = (gemm_f32_args){.m = 2 * side,
                                 .k = c1,
                                 .a = half,
                                 .lda = c1,
                                 .c = full,
                                 .ldc = 2 * c0,
                                 .bias = m->up1[dz].bias,
                                 .residual = fine_row(j->features->s0, row0 * 4 * side * c0),
                                 .ldr = 2 * c0};
            if (dz == 0)
                fetch_fine_row(&up, j->features->s0, row0 + 1, 4 * side * c0);
            else if (dy == 0 || next < side)
                fetch_fine_row(&up, j->features->s1, dy == 0 ? row1 + 1 : 2 * next, 2 * side * c1);
            ops_product(k, &m->up1[dz], 0, up);
            k->activate_f32(4 * side * c0, ACT_GELU, full, full);
            /* Pixels as columns: the product with the masks' vectors comes out as rows of masks. */
            k->pack_nk_f32(4 * side, c0, full, c0, packed);
            k->gemm_f32(&(gemm_f32_args){.m = o->mask_count,
                                         .n = 4 * side,
                                         .k = c0,
                                         .a = vectors,
                                         .lda = c0,
                                         .b = packed,
                                         .b_stride = c0 * k->gemm_f32_nr,
                                         .c = rows,
                                         .ldc = 4 * side});
            for (size_t i = 0; i < o->mask_count; i++)
                memcpy(o->out[i] + row0 * 4 * side, rows + i * 4 * side, 4 * side * sizeof *rows);
        }
    }
}

/* The same with bfloat16 operands: s1 and s0 join the sums, GELU follows in the epilogue. */
static void upscale_row_bf16(const upscale_job *j, const decode_object *o, size_t y, size_t next, uint8_t *scratch)
{
    const model *m = j->m;
    const kernels *k = j->ex->k;
    size_t side = j->side, dim = (size_t)m->config.d_model, c1 = dim / 4, c0 = dim / 8;
    float *sums = (float *)scratch;                         /* [2 side, c1] */
    float *rows = sums + 2 * side * c1;                     /* [mask_count, 4 side] */
    uint16_t *half = (uint16_t *)(rows + MASKS * 4 * side); /* [2 side, c1] */
    uint16_t *full = half + 2 * side * c1;                  /* [4 side, c0] */
    uint16_t *packed = full + 4 * side * c0, *vectors = packed + gemm_bf16_packed(4 * side, c0);
    for (size_t i = 0; i < o->mask_count; i++)
        k->f32_to_bf16(c0, o->hyper + (size_t)o->mask[i] * c0, vectors + i * c0);
    for (size_t dy = 0; dy < 2; dy++) {
        size_t row1 = 2 * y + dy;
        gemm_bf16_args up = bf16_operand(&m->up0[dy], side, (const uint16_t *)o->image + y * side * dim);
        up.c = sums;
        up.ldc = up.ldadd = 2 * c1;
        up.add_bf16 = fine_row_bf16(j->features->s1, row1 * 2 * side * c1);
        fetch_fine_row_bf16(&up, j->features->s0, 2 * row1, 4 * side * c0);
        k->gemm_bf16(&up);
        k->layernorm_gelu_bf16(2 * side, c1, sums, c1, m->up0_norm.gamma, m->up0_norm.beta, m->up0_norm.eps, half, c1);
        for (size_t dz = 0; dz < 2; dz++) {
            size_t row0 = 2 * row1 + dz;
            up = bf16_operand(&m->up1[dz], 2 * side, half);
            up.c_bf16 = full;
            up.ldc = up.ldadd = 2 * c0;
            up.add_bf16 = fine_row_bf16(j->features->s0, row0 * 4 * side * c0);
            up.act = ACT_GELU;
            if (dz == 0)
                fetch_fine_row_bf16(&up, j->features->s0, row0 + 1, 4 * side * c0);
            else if (dy == 0 || next < side)
                fetch_fine_row_bf16(&up, j->features->s1, dy == 0 ? row1 + 1 : 2 * next, 2 * side * c1);
            k->gemm_bf16(&up);
            k->pack_nk_bf16(4 * side, c0, full, c0, packed);
            k->gemm_bf16(&(gemm_bf16_args){.m = o->mask_count,
                                           .n = 4 * side,
                                           .k = c0,
                                           .a = vectors,
                                           .lda = c0,
                                           .b = packed,
                                           .b_stride = gemm_bf16_packed(1, c0),
                                           .c = rows,
                                           .ldc = 4 * side});
            for (size_t i = 0; i < o->mask_count; i++)
                memcpy(o->out[i] + row0 * 4 * side, rows + i * 4 * side, 4 * side * sizeof *rows);
        }
    }
}

static void upscale_item(void *context, size_t item, int worker)
{
    const upscale_job *j = context;
    uint8_t *scratch = j->scratch + (size_t)worker * j->scratch_bytes;
    if (!j->objects[item % j->count].mask_count)
        return;
    /* Other threads probably take the items up to the one that this one takes next. */
    const size_t next = (item + (size_t)pool_threads(j->ex->pool)) / j->count;
    (decoder_narrow(j->m) ? upscale_row_bf16 : upscale_row_f32)(j, &j->objects[item % j->count], item / j->count, next,
                                                                scratch);
}

void decode_masks(const model *m, const exec *ex, const pyramid *features, const decode_object *objects, size_t count)
{
    size_t side = model_side(m, 16), dim = (size_t)m->config.d_model, mark = arena_mark(ex->arena);
    exec_stage(ex, PROFILE_UPSCALE);
    upscale_job j = {.m = m, .ex = ex, .features = features, .objects = objects, .count = count, .side = side};
    size_t half = 2 * side * (dim / 4), full = 4 * side * (dim / 8), rows = MASKS * 4 * side;
    size_t wide = half + full + ops_packed_floats(ex->k, 4 * side, dim / 8) + MASKS * (dim / 8) + rows;
    size_t narrow = half + full + gemm_bf16_packed(4 * side, dim / 8) + MASKS * (dim / 8);
    j.scratch_bytes = round_up(
        decoder_narrow(m) ? (half + rows) * sizeof(float) + narrow * sizeof(uint16_t) : wide * sizeof(float), 64);
    j.scratch = arena_take(ex->arena, (size_t)pool_threads(ex->pool), j.scratch_bytes);
    if (!exec_dry(ex))
        pool_run(ex->pool, upscale_item, &j, side * count);
    arena_reset(ex->arena, mark);
}
