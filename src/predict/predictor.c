/* The image predictor (sam2.sam2_image_predictor.SAM2ImagePredictor). */
#include "predict/predictor.h"

#include "kernels/timed.h"
#include "predict/frame_resize.h"
#include "predict/longest_side.h"
#include "predict/preprocess.h"

#include <string.h>

static exec exec_on(const model *m, arena *a)
{
    return (exec){&m->kernels, m->pool, a, NULL};
}

/* On a context's memory, with its profile if it has one. */
static exec exec_of(const sam2_context *c, arena *a)
{
    exec ex = exec_on(c->model->m, a);
    if (c->profile) {
        ex.k = &c->timed;
        ex.profile = c->profile;
    }
    return ex;
}

sam2_status predict_profile(sam2_context *c, bool on, sam2_error *error)
{
    const model *m = c->model->m;
    if (on && c->profile)
        profile_clear(c->profile);
    else if (on) {
        TRY(profile_create(&m->allocator, pool_threads(m->pool), &c->profile, error));
        c->profile->plain = &m->kernels;
        c->profile->workspace = c->block;
        c->profile->workspace_bytes = c->block_bytes;
        kernels_time(&m->kernels, &c->timed);
    } else {
        profile_destroy(c->profile);
        c->profile = NULL;
    }
    return SAM2_OK;
}

/* What predict takes for one object. */
typedef struct predict_buffers {
    net_point *points; /* [point_count + 2] */
    float *sparse;     /* [point_count + 3, d_model] */
    float *logits;     /* [side / 4 squared]: a mask prompt */
    float *dense;      /* [tokens, d_model] */
    float *second;     /* [side / 4 squared]: a mask that may replace the first */
} predict_buffers;

static predict_buffers take_buffers(const model *m, arena *a, size_t points, bool with_mask)
{
    size_t dim = (size_t)m->config.d_model, low = model_side(m, 4) * model_side(m, 4);
    predict_buffers b;
    b.points = arena_take(a, points + 2, sizeof *b.points);
    b.sparse = arena_floats(a, (points + 3) * dim);
    b.logits = with_mask ? arena_floats(a, low) : NULL;
    b.dense = with_mask ? arena_floats(a, model_side(m, 16) * model_side(m, 16) * dim) : NULL;
    b.second = arena_floats(a, low);
    return b;
}

/* Memory of a decoder call: `count` objects with so many sparse tokens each, or one with a mask prompt. */
static void measure_decode(const model *m, const exec *ex, size_t count, size_t sparse_count, bool with_mask)
{
    decode_object objects[DECODE_OBJECTS] = {0};
    size_t mark = arena_mark(ex->arena);
    for (size_t i = 0; i < count; i++) {
        predict_buffers b = take_buffers(m, ex->arena, sparse_count, with_mask);
        objects[i].sparse_count = sparse_count;
        if (with_mask)
            encode_mask(m, ex, b.logits, b.dense);
    }
    /* A dry run has no dense prompt to look at: without products it goes the same way. */
    decode_prompts(m, ex, &(pyramid){0}, with_mask ? NULL : &(image_products){0}, objects, count);
    decode_masks(m, ex, &(pyramid){0}, objects, count);
    arena_reset(ex->arena, mark);
}

size_t predict_workspace(const model *m)
{
    arena a = {0};
    exec ex = exec_on(m, &a);
    sam2_image largest = {.width = PICTURE_MAX_SIDE, .height = PICTURE_MAX_SIDE};
    if (model_is_sam1(m))
        longest_side_measure(m, &ex);
    else {
        encode_image(m, &ex, preprocess, &(preprocess_job){m, &largest}, &(pyramid){0}, NULL);
        encode_image(m, &ex, frame_resize, &(preprocess_job){m, &largest}, &(pyramid){0}, NULL);
    }
    if (!model_is_sam1(m)) {
        size_t embedding, s0, s1; /* what watch_features takes */
        pyramid_sizes(m, &embedding, &s0, &s1);
        arena_floats(&a, s0 > embedding ? s0 : embedding);
        arena_reset(&a, 0);
    }
    size_t sparse_count, objects = decode_largest_batch(m, &sparse_count);
    measure_decode(m, &ex, objects, sparse_count, false);
    measure_decode(m, &ex, 1, DECODE_FOLDED_SPARSE, true);
    measure_decode(m, &ex, 1, PREDICT_MAX_POINTS + 3, true);
    return a.peak;
}

size_t features_pyramid_bytes(const model *m)
{
    size_t embedding, s0, s1;
    pyramid_sizes(m, &embedding, &s0, &s1);
    return embedding * sizeof(float) + (s0 + s1) * image_element(m);
}

bool features_fit(const sam2_features *f, const model *m)
{
    size_t embedding, s0, s1;
    pyramid_sizes(m, &embedding, &s0, &s1);
    return f->embedding_floats == embedding && f->s0_count == s0 && f->s1_count == s1 &&
           f->pyramid_bytes == features_pyramid_bytes(m) &&
           (f->panel != image_product_panel(m) || f->bytes == f->pyramid_bytes + 3 * image_product_bytes(m));
}

sam2_status features_create(const model *m, int width, int height, const sam2_allocator *a, sam2_features **out,
                            sam2_error *error)
{
    void *memory = NULL;
    TRY(alloc_array(a, 1, sizeof(sam2_features), "features", &memory, error));
    sam2_features *f = memory;
    f->allocator = *a;
    f->identity = m->identity;
    f->width = width;
    f->height = height;
    pyramid_sizes(m, &f->embedding_floats, &f->s0_count, &f->s1_count);
    f->pyramid_bytes = features_pyramid_bytes(m);
    const size_t product = image_product_bytes(m);
    f->bytes = f->pyramid_bytes + 3 * product;
    f->panel = image_product_panel(m);
    sam2_status status = alloc_get(a, f->bytes, "features", &memory, error);
    if (status != SAM2_OK) {
        alloc_release(a, f, sizeof *f);
        return status;
    }
    f->pyramid.embedding = memory;
    if (f->s0_count) {
        uint8_t *fine = (uint8_t *)(f->pyramid.embedding + f->embedding_floats);
        f->pyramid.s0 = fine;
        f->pyramid.s1 = fine + f->s0_count * image_element(m);
    }
    uint8_t *products = (uint8_t *)memory + f->pyramid_bytes;
    f->products = (image_products){
        .q = products, .k = products + product, .v = products + 2 * product, .image = f->pyramid.embedding};
    *out = f;
    return SAM2_OK;
}

void features_complete(const model *m, const exec *ex, sam2_features *f)
{
    size_t mark = arena_mark(ex->arena);
    float *image = arena_floats(ex->arena, model_side(m, 16) * model_side(m, 16) * (size_t)m->config.d_model);
    pyramid features = f->pyramid;
    features.extra = m->no_mem_embed; /* the image predictor's, for there is no memory */
    image_products_make(m, ex, &features, NULL, image, &f->products);
    arena_reset(ex->arena, mark);
}

const image_products *features_products(const model *m, const sam2_features *f, image_products *room)
{
    if (f->panel != image_product_panel(m))
        return NULL;
    *room = f->products;
    room->update_bias = m->first_update_bias;
    return room;
}

static watcher watcher_of(const sam2_context *c)
{
    return (watcher){c->observe, c->user, &c->model->m->allocator, 0};
}

static sam2_status watch_result(const watcher *w, sam2_error *error)
{
    return w->failed ? error_memory(error, "a copy for the observer", 0) : SAM2_OK;
}

/* A fine level as float32, which it may be. */
static const float *wide_level(const model *m, const exec *ex, const void *level, size_t count)
{
    if (image_element(m) == sizeof(float))
        return level;
    float *wide = arena_floats(ex->arena, count);
    if (!exec_dry(ex))
        ex->k->bf16_to_f32(count, level, wide);
    return wide;
}

/* "fpn0", "fpn1" and "embedding", the last with no_mem_embed as the official image predictor keeps it; of SAM 1 the
 * last alone, as it is. */
static void watch_features(watcher *w, const model *m, const exec *ex, const sam2_features *f)
{
    size_t side = model_side(m, 16), dim = (size_t)m->config.d_model;
    if (model_is_sam1(m)) {
        watch_map(w, "embedding", f->pyramid.embedding, side, side, dim);
        return;
    }
    const size_t mark = arena_mark(ex->arena);
    watch_map(w, "fpn0", wide_level(m, ex, f->pyramid.s0, f->s0_count), 4 * side, 4 * side, dim / 8);
    arena_reset(ex->arena, mark);
    watch_map(w, "fpn1", wide_level(m, ex, f->pyramid.s1, f->s1_count), 2 * side, 2 * side, dim / 4);
    arena_reset(ex->arena, mark);
    float *embedding = arena_floats(ex->arena, side * side * dim);
    op_add(ex, side * side, dim, f->pyramid.embedding, m->no_mem_embed, NULL, embedding);
    watch_map(w, "embedding", embedding, side, side, dim);
}

input_filler predict_filler(const model *m)
{
    return model_is_sam1(m) ? longest_side : preprocess;
}

sam2_status predict_encode(sam2_context *c, const sam2_image *image, input_filler filler, sam2_features *features,
                           sam2_error *error)
{
    const model *m = c->model->m;
    arena a = {.base = c->block, .capacity = c->block_bytes};
    exec ex = exec_of(c, &a);
    watcher w = watcher_of(c);
    profile_enter(ex.profile, PROFILE_PREPROCESS);
    encode_image(m, &ex, filler, &(preprocess_job){m, image}, &features->pyramid, &w);
    exec_stage(&ex, PROFILE_FEATURES);
    features_complete(m, &ex, features);
    profile_leave(ex.profile);
    if (w.observe)
        watch_features(&w, m, &ex, features);
    arena_reset(&a, 0);
    return watch_result(&w, error);
}

/* A point of the picture in the network's square. */
static net_point place_point(const model *m, const sam2_features *f, float x, float y, int label)
{
    const float side = (float)m->config.image_size;
    if (!model_is_sam1(m))
        return (net_point){x / (float)f->width * side, y / (float)f->height * side, label};
    size_t width, height; /* in double, as numpy has them */
    longest_side_size(m, f->width, f->height, &width, &height);
    return (net_point){(float)((double)x * ((double)width / (double)f->width)),
                       (float)((double)y * ((double)height / (double)f->height)), label};
}

static size_t place_box(const model *m, const sam2_features *f, const sam2_box *b, net_point *out)
{
    float x0 = b->x0 < b->x1 ? b->x0 : b->x1, x1 = b->x0 < b->x1 ? b->x1 : b->x0, y0 = b->y0 < b->y1 ? b->y0 : b->y1,
          y1 = b->y0 < b->y1 ? b->y1 : b->y0;
    out[0] = place_point(m, f, x0, y0, 2);
    out[1] = place_point(m, f, x1, y1, 3);
    return 2;
}

size_t predict_place_points(const model *m, const sam2_features *f, const sam2_prompt *p, net_point *out)
{
    size_t n = 0;
    if (p->box && !model_is_sam1(m))
        n = place_box(m, f, p->box, out);
    for (int i = 0; i < p->point_count; i++)
        out[n++] = place_point(m, f, p->points[i].x, p->points[i].y, p->points[i].label);
    if (p->box && model_is_sam1(m))
        n += place_box(m, f, p->box, out + n);
    return n;
}

/* Share of the binary mask in each cell of the low-resolution grid, at least half: +10, else -10. In SAM 1 the picture
 * is a part of the grid. */
static void mask_to_logits(const model *m, const sam2_prompt *p, float *out)
{
    size_t side = model_side(m, 4), width, height;
    double cell_w = (double)p->mask_width / (double)side, cell_h = (double)p->mask_height / (double)side;
    if (model_is_sam1(m)) {
        longest_side_size(m, p->mask_width, p->mask_height, &width, &height);
        cell_w = 4.0 * (double)p->mask_width / (double)width;
        cell_h = 4.0 * (double)p->mask_height / (double)height;
    }
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            double x0 = (double)x * cell_w, x1 = x0 + cell_w, y0 = (double)y * cell_h, y1 = y0 + cell_h, inside = 0.0;
            for (long r = (long)y0; r < p->mask_height && (double)r < y1; r++) {
                double part_h = ((double)r + 1 < y1 ? (double)r + 1 : y1) - ((double)r > y0 ? (double)r : y0);
                const uint8_t *row = p->mask + (ptrdiff_t)r * p->mask_stride;
                for (long q = (long)x0; q < p->mask_width && (double)q < x1; q++)
                    if (row[q])
                        inside +=
                            part_h * (((double)q + 1 < x1 ? (double)q + 1 : x1) - ((double)q > x0 ? (double)q : x0));
            }
            out[y * side + x] = inside >= 0.5 * cell_w * cell_h ? 10.0f : -10.0f;
        }
}

bool mask_is_stable(const float *mask, size_t count)
{
    const float delta = 0.05f, least = 0.98f;
    size_t inner = 0, outer = 0;
    for (size_t i = 0; i < count; i++) {
        inner += mask[i] > delta;
        outer += mask[i] > -delta;
    }
    return outer == 0 || (float)inner / (float)outer >= least;
}

static void watch_prompt(watcher *w, const model *m, const exec *ex, const float *sparse, size_t tokens,
                         const float *dense)
{
    size_t side = model_side(m, 16), dim = (size_t)m->config.d_model, mark = arena_mark(ex->arena);
    watch(w, "sparse", sparse, (const int64_t[]){1, (int64_t)tokens, (int64_t)dim}, 3);
    if (!dense) {
        float *none = arena_floats(ex->arena, side * side * dim);
        for (size_t i = 0; i < side * side; i++)
            memcpy(none + i * dim, m->no_mask, dim * sizeof *none);
        dense = none;
    }
    watch_map(w, "dense", dense, side, side, dim);
    arena_reset(ex->arena, mark);
}

sam2_status result_make_room(sam2_result *r, const model *m, const sam2_features *f, int objects, int masks,
                             sam2_error *error)
{
    size_t side = model_side(m, 4), slots = (size_t)objects * (size_t)masks;
    TRY(alloc_grow(&r->allocator, &r->logits, &r->logits_bytes, 0, slots * side * side * sizeof(float), "masks",
                   error));
    TRY(alloc_grow(&r->allocator, &r->info, &r->info_bytes, 0, slots * sizeof(result_mask), "scores", error));
    r->side = (int)side;
    r->masks = masks;
    r->width = f->width;
    r->height = f->height;
    r->enlarger.middle = model_is_sam1(m) ? (size_t)m->config.image_size : 0;
    if (r->enlarger.middle)
        longest_side_size(m, f->width, f->height, &r->enlarger.columns, &r->enlarger.rows);
    return SAM2_OK;
}

/* Orders the masks that are asked for, now that their scores are known, writes down what is known of them, and says
 * which are made and where they go. */
static void want_masks(const model *m, decode_object *d, const predict_buffers *b, const sam2_predict_options *options,
                       float least, sam2_result *result, int object)
{
    size_t count = (size_t)result->side * (size_t)result->side, slot = (size_t)object * (size_t)result->masks;
    float *logits = (float *)result->logits + slot * count;
    result_mask *info = (result_mask *)result->info + slot;
    int order[3] = {1, 2, 3};
    if (!options->multimask || options->best_first)
        for (int i = 1; i < 3; i++) /* insertion keeps equal scores in the network's order */
            for (int j = i; j > 0 && d->iou[order[j]] > d->iou[order[j - 1]]; j--) {
                int t = order[j];
                order[j] = order[j - 1];
                order[j - 1] = t;
            }
    if (!options->multimask) { /* the first mask; in SAM 2 the best other one in case that is not stable */
        const bool alone = model_is_sam1(m);
        bool made = !(d->iou[0] <= least && (alone || d->iou[order[0]] <= least)); /* NaN is no reason not to */
        info[0] = (result_mask){d->iou[0], d->object_score, 0, made};
        d->mask_count = !made ? 0 : alone ? 1 : 2;
        d->mask[0] = 0;
        d->mask[1] = order[0];
        d->out[0] = logits;
        d->out[1] = b->second;
        return;
    }
    d->mask_count = 0;
    for (int i = 0; i < 3; i++) {
        info[i] = (result_mask){d->iou[order[i]], d->object_score, order[i], !(d->iou[order[i]] <= least)};
        if (!info[i].made)
            continue;
        d->mask[d->mask_count] = order[i];
        d->out[d->mask_count++] = logits + (size_t)i * count;
    }
}

/* One mask an object: the other one where the first is not stable. */
static void choose_mask(const decode_object *d, sam2_result *result, int object)
{
    size_t count = (size_t)result->side * (size_t)result->side;
    result_mask *info = (result_mask *)result->info + object;
    if (d->mask_count < 2 || mask_is_stable(d->out[0], count))
        return;
    memcpy(d->out[0], d->out[1], count * sizeof(float));
    info->score = d->iou[d->mask[1]];
    info->index = d->mask[1];
}

static void watch_masks(watcher *w, const sam2_result *result, int object)
{
    int64_t masks = result->masks, side = result->side;
    size_t slot = (size_t)object * (size_t)masks;
    const result_mask *info = (const result_mask *)result->info + slot;
    float iou[3];
    for (int i = 0; i < masks; i++)
        iou[i] = info[i].score;
    watch(w, "low_res", (const float *)result->logits + slot * (size_t)(side * side),
          (const int64_t[]){masks, side, side}, 3);
    watch(w, "iou", iou, (const int64_t[]){masks}, 1);
    if (!result->enlarger.middle) /* SAM 1 has none */
        watch(w, "object_score", &info->object_score, (const int64_t[]){1, 1}, 2);
}

/* How many of the prompts go into the decoder together. Without products each takes the memory of its own. */
static size_t batch_of(const model *m, const watcher *w, const image_products *products, const sam2_prompt *prompts,
                       size_t count)
{
    size_t sparse_count[DECODE_OBJECTS], n = 0;
    for (; n < count && n < DECODE_OBJECTS && !prompts[n].mask && !prompts[n].low_res_logits; n++)
        sparse_count[n] = prompt_tokens(m, (size_t)prompts[n].point_count + (prompts[n].box ? 2 : 0), prompts[n].box);
    return n == 0 || w->observe || !products ? 1 : decode_batch(m, sparse_count, n);
}

sam2_status predict_objects(sam2_context *c, const sam2_features *features, const sam2_prompt *prompts, int count,
                            const sam2_predict_options *options, float least, sam2_result *result, int first, int *done,
                            sam2_error *error)
{
    const model *m = c->model->m;
    arena a = {.base = c->block, .capacity = c->block_bytes};
    exec ex = exec_of(c, &a);
    watcher w = watcher_of(c);
    profile_enter(ex.profile, PROFILE_PROMPT);
    image_products room;
    const image_products *products = features_products(m, features, &room);
    size_t batch = batch_of(m, &w, products, prompts, (size_t)count);
    predict_buffers buffers[DECODE_OBJECTS];
    decode_object objects[DECODE_OBJECTS] = {0};
    for (size_t i = 0; i < batch; i++) {
        const sam2_prompt *p = &prompts[i];
        bool with_mask = p->low_res_logits || p->mask;
        buffers[i] = take_buffers(m, &a, (size_t)p->point_count, with_mask);
        predict_buffers *b = &buffers[i];
        size_t points = predict_place_points(m, features, p, b->points);
        encode_points(m, b->points, points, b->sparse);
        if (p->mask)
            mask_to_logits(m, p, b->logits);
        if (with_mask)
            encode_mask(m, &ex, p->mask ? b->logits : p->low_res_logits, b->dense);
        objects[i] =
            (decode_object){.sparse = b->sparse, .sparse_count = prompt_tokens(m, points, p->box), .dense = b->dense};
        if (w.observe)
            watch_prompt(&w, m, &ex, b->sparse, objects[i].sparse_count, b->dense);
    }
    pyramid maps = features->pyramid;
    maps.extra = m->no_mem_embed;
    decode_prompts(m, &ex, &maps, products, objects, batch);
    for (size_t i = 0; i < batch; i++)
        want_masks(m, &objects[i], &buffers[i], options, least, result, first + (int)i);
    decode_masks(m, &ex, &maps, objects, batch);
    exec_stage(&ex, PROFILE_RESULT);
    for (size_t i = 0; i < batch && !options->multimask; i++)
        choose_mask(&objects[i], result, first + (int)i);
    profile_leave(ex.profile);
    if (w.observe)
        watch_masks(&w, result, first);
    arena_reset(&a, 0);
    *done = (int)batch;
    return watch_result(&w, error);
}
