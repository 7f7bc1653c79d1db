/* Masks of one crop: points are asked for in batches; each mask is looked at once, from its low-resolution logits to
 * run lengths, counts and box. */
#include "predict/auto.h"

#include <math.h>
#include <string.h>

/* A mask to look at, and what was seen. */
typedef struct look {
    const float *logits;
    int64_t candidate;
    int point; /* of the batch */
    float iou, stability;
    int64_t counts[ENLARGE_MAX_LEVELS + 1]; /* pixels of each level */
    int64_t area;
    int box[4]; /* inclusive, of the crop */
    sam2_auto_fate fate;
    char *text; /* of those that are kept; the record's */
    size_t bytes;
    bool failed; /* out of memory */
} look;

typedef struct batch {
    auto_run *run;
    const auto_box *crop;
    const sam2_features *features;
    float thresholds[ENLARGE_MAX_LEVELS]; /* less, the mask's own, more */
    enlarge_taps taps;
    int side;
    look *looks;
    sam2_point points[AUTO_BATCH]; /* of the crop */
    int count;                     /* of points */
    int64_t first;                 /* the first point's first candidate */
} batch;

/* ---- a mask from logits to runs ---- */

typedef struct seen {
    look *l;
    rle_writer w;
    size_t width, height; /* of the crop */
    size_t above, below;  /* rows of the picture above and below the crop */
} seen;

static void see_run(void *user, size_t x, size_t y, size_t n, int level)
{
    seen *s = user;
    look *l = s->l;
    const bool inside = level >= 2;
    l->counts[level] += (int64_t)n;
    if (inside) {
        int top = (int)y, bottom = (int)(y + n - 1);
        if (!l->area) { /* columns come from left to right */
            l->box[0] = (int)x;
            l->box[1] = top;
        }
        l->box[2] = (int)x;
        l->box[1] = top < l->box[1] ? top : l->box[1];
        l->box[3] = bottom > l->box[3] ? bottom : l->box[3];
        l->area += (int64_t)n;
    }
    if (y == 0)
        rle_put(&s->w, false, s->above);
    rle_put(&s->w, inside, n);
    if (y + n == s->height)
        rle_put(&s->w, false, s->below);
}

/* Fills the look and writes the mask of the whole picture into the worker's memory; returns the text's length. */
static size_t see(const batch *b, look *l, const auto_worker *worker)
{
    const model *m = b->run->context->model->m;
    const sam2_image *image = b->run->image;
    const auto_box *c = b->crop;
    enlarge e = {.k = &m->kernels,
                 .logits = l->logits,
                 .side = (size_t)b->side,
                 .width = (size_t)(c->x1 - c->x0),
                 .height = (size_t)(c->y1 - c->y0)};
    seen s = {
        .l = l, .width = e.width, .height = e.height, .above = (size_t)c->y0, .below = (size_t)(image->height - c->y1)};
    l->area = 0;
    memset(l->counts, 0, sizeof l->counts);
    memset(l->box, 0, sizeof l->box);
    rle_start(&s.w, worker->text, worker->bytes);
    rle_put(&s.w, false, (size_t)c->x0 * (size_t)image->height);
    enlarge_levels(&e, b->thresholds, ENLARGE_MAX_LEVELS, &b->taps, worker->values, see_run, &s);
    rle_put(&s.w, false, (size_t)(image->width - c->x1) * (size_t)image->height);
    rle_end(&s.w);
    return s.w.length;
}

/* is_box_near_crop_edge: within 20 pixels of an edge of the crop that is not as near to the picture's. Both are
 * compared with the outer pixels, as the official code does. */
static bool near_crop_edge(const int box[4], const auto_box *crop, const sam2_image *image)
{
    const int at[4] = {box[0] + crop->x0, box[1] + crop->y0, box[2] + crop->x0, box[3] + crop->y0};
    const int of_crop[4] = {crop->x0, crop->y0, crop->x1, crop->y1}, of_image[4] = {0, 0, image->width, image->height};
    for (int i = 0; i < 4; i++) {
        int a = at[i] - of_crop[i], b = at[i] - of_image[i];
        if (a >= -20 && a <= 20 && !(b >= -20 && b <= 20))
            return true;
    }
    return false;
}

static void look_item(void *context, size_t item, int worker)
{
    const batch *b = context;
    const sam2_auto_options *o = b->run->options;
    auto_worker *w = &b->run->workers[worker];
    look *l = &b->looks[item];
    void *memory = w->text;
    size_t length = see(b, l, w);
    /* The official score is of float32 numbers. */
    int64_t more = l->counts[3], less = more + l->counts[2] + l->counts[1];
    l->stability = (float)more / (float)less;
    if (o->stability_score_thresh > 0 && !(l->stability >= (float)o->stability_score_thresh))
        l->fate = SAM2_AUTO_UNSTABLE;
    else if (near_crop_edge(l->box, b->crop, b->run->image))
        l->fate = SAM2_AUTO_CROP_EDGE;
    if (l->fate != SAM2_AUTO_KEPT)
        return;
    l->failed = true;
    if (length >= w->bytes) {
        if (alloc_grow(b->run->a, &memory, &w->bytes, 0, length + 1, "a mask's run lengths", NULL) != SAM2_OK)
            return;
        w->text = memory;
        see(b, l, w);
    }
    l->bytes = length + 1;
    if (alloc_get(b->run->a, l->bytes, "a mask's run lengths", &memory, NULL) != SAM2_OK)
        return;
    l->text = memory;
    memcpy(l->text, w->text, l->bytes);
    l->failed = false;
}

/* Looks at masks and takes over those that pass. */
static sam2_status take(batch *b, size_t count, auto_records *records, sam2_error *error)
{
    auto_run *run = b->run;
    const auto_box *c = b->crop;
    sam2_status status = SAM2_OK;
    pool_run(run->context->model->m->pool, look_item, b, count);
    for (size_t i = 0; i < count; i++) {
        look *l = &b->looks[i];
        if (run->candidates)
            run->candidates[l->candidate].stability_score = l->stability;
        auto_note(run, l->candidate, l->fate, -1);
        if (l->fate != SAM2_AUTO_KEPT)
            continue;
        const sam2_point *p = &b->points[l->point];
        auto_record r = {.text = l->text,
                         .bytes = l->bytes,
                         .candidate = l->candidate,
                         .area = l->area,
                         .box = {l->box[0] + c->x0, l->box[1] + c->y0, l->box[2] + c->x0, l->box[3] + c->y0},
                         .iou = l->iou,
                         .stability = l->stability,
                         .x = p->x + (float)c->x0,
                         .y = p->y + (float)c->y0,
                         .crop = (int)(c - run->out->crops)};
        if (status == SAM2_OK)
            status = l->failed ? error_memory(error, "a mask's run lengths", l->bytes)
                               : auto_records_add(records, run->a, &r, error);
        if (status != SAM2_OK) {
            alloc_release(run->a, l->text, l->bytes);
            continue;
        }
        run->progress.masks++;
    }
    return status;
}

/* ---- a batch of points ---- */

/* The value of the option as the official code compares float32 scores with it; -INFINITY for no filter. */
static float least_iou(const sam2_auto_options *o)
{
    return o->pred_iou_thresh > 0 ? (float)o->pred_iou_thresh : -INFINITY;
}

static sam2_status predict(const batch *b, sam2_result *result, const sam2_prompt *prompts, int count, int multimask,
                           float least, sam2_error *error)
{
    sam2_predict_options o = SAM2_PREDICT_OPTIONS_INIT;
    o.multimask = multimask;
    o.best_first = 0;
    TRY(result_make_room(result, b->run->context->model->m, b->features, count, multimask ? 3 : 1, error));
    for (int i = 0, done = 0; i < count; i += done)
        TRY(predict_objects(b->run->context, b->features, prompts + i, count - i, &o, least, result, i, &done, error));
    return SAM2_OK;
}

/* The masks of a result whose score passes become looks; `candidate` is the first one's, `masks` of them are a point's.
 * Returns how many. */
static size_t choose(batch *b, const sam2_result *r, int objects, int64_t candidate, int masks)
{
    const size_t cells = (size_t)r->side * (size_t)r->side;
    const float least = least_iou(b->run->options);
    size_t count = 0;
    b->side = r->side;
    for (int i = 0; i < objects * r->masks; i++) {
        const result_mask *info = (const result_mask *)r->info + i;
        if (b->run->candidates)
            b->run->candidates[candidate + i].predicted_iou = info->score;
        if (!(info->score > least) && least > -INFINITY) {
            auto_note(b->run, candidate + i, SAM2_AUTO_LOW_IOU, -1);
            continue;
        }
        b->looks[count++] = (look){.logits = (const float *)r->logits + (size_t)i * cells,
                                   .candidate = candidate + i,
                                   .point = (int)((candidate + i - b->first) / masks),
                                   .iou = info->score};
    }
    return count;
}

/* refine_with_m2m: each mask's logits, as the predictor returns them, go in again with its point. */
static sam2_status take_refined(batch *b, int masks, auto_records *records, sam2_error *error)
{
    sam2_result *first = b->run->first;
    const size_t cells = (size_t)first->side * (size_t)first->side, all = (size_t)(b->count * masks);
    float *logits = first->logits;
    for (size_t i = 0; i < all * cells; i++)
        logits[i] = logits[i] < -32.0f ? -32.0f : logits[i] > 32.0f ? 32.0f : logits[i];
    for (size_t from = 0; from < all; from += AUTO_BATCH) {
        sam2_prompt prompts[AUTO_BATCH];
        int n = all - from < AUTO_BATCH ? (int)(all - from) : AUTO_BATCH;
        for (int i = 0; i < n; i++) {
            prompts[i] = (sam2_prompt)SAM2_PROMPT_INIT;
            prompts[i].points = &b->points[(from + (size_t)i) / (size_t)masks];
            prompts[i].point_count = 1;
            prompts[i].low_res_logits = logits + (from + (size_t)i) * cells;
        }
        TRY(predict(b, b->run->second, prompts, n, 0, least_iou(b->run->options), error));
        TRY(take(b, choose(b, b->run->second, n, b->first + (int64_t)from, masks), records, error));
    }
    return SAM2_OK;
}

static sam2_status take_batch(batch *b, auto_records *records, sam2_error *error)
{
    const sam2_auto_options *o = b->run->options;
    const int masks = o->multimask_output ? 3 : 1;
    sam2_prompt prompts[AUTO_BATCH];
    for (int i = 0; i < b->count; i++) {
        prompts[i] = (sam2_prompt)SAM2_PROMPT_INIT;
        prompts[i].points = &b->points[i];
        prompts[i].point_count = 1;
    }
    TRY(predict(b, b->run->first, prompts, b->count, o->multimask_output, o->use_m2m ? -INFINITY : least_iou(o),
                error));
    if (o->use_m2m)
        return take_refined(b, masks, records, error);
    return take(b, choose(b, b->run->first, b->count, b->first, masks), records, error);
}

/* ---- the crop ---- */

static int grid_count(const sam2_auto_options *o, int layer)
{
    int side = auto_points(o->points_per_side, layer, o->crop_n_points_downscale_factor);
    return o->point_grids ? o->point_grids[layer].count : side * side;
}

/* Point `i` of the crop's grid, in pixels of the crop. */
static sam2_point grid_point(const sam2_auto_options *o, const auto_box *c, int i)
{
    double x, y;
    if (o->point_grids) {
        x = o->point_grids[c->layer].xy[2 * i];
        y = o->point_grids[c->layer].xy[2 * i + 1];
    } else
        auto_grid_point(auto_points(o->points_per_side, c->layer, o->crop_n_points_downscale_factor), i, &x, &y);
    return (sam2_point){(float)(x * (c->x1 - c->x0)), (float)(y * (c->y1 - c->y0)), 1};
}

/* Room for the batch's candidates, where somebody asks. */
static sam2_status add_candidates(batch *b, int crop, int start, int masks, sam2_error *error)
{
    auto_run *run = b->run;
    const size_t used = (size_t)run->candidate_count, more = (size_t)b->count * (size_t)masks;
    b->first = run->candidate_count;
    run->candidate_count += (int64_t)more;
    if (!run->options->explain)
        return SAM2_OK;
    void *memory = run->candidates;
    const size_t each = sizeof *run->candidates;
    sam2_status status = alloc_grow(run->a, &memory, &run->candidate_bytes, used * each, (used + more) * each,
                                    "an account of all masks", error);
    run->candidates = memory;
    for (size_t i = 0; i < more && status == SAM2_OK; i++) {
        const sam2_point *p = &b->points[i / (size_t)masks];
        run->candidates[used + i] = (sam2_auto_candidate){.crop = crop,
                                                          .point = start + (int)(i / (size_t)masks),
                                                          .mask = (int)(i % (size_t)masks),
                                                          .x = p->x + (float)b->crop->x0,
                                                          .y = p->y + (float)b->crop->y0,
                                                          .predicted_iou = NAN,
                                                          .stability_score = NAN,
                                                          .rival = -1};
    }
    return status;
}

static sam2_status tell(auto_run *run, sam2_error *error)
{
    if (run->options->progress && run->options->progress(run->options->user, &run->progress))
        return error_set(error, SAM2_ERROR_CANCELLED, "cancelled after %lld of %lld points",
                         (long long)run->progress.points_done, (long long)run->progress.points_total);
    return SAM2_OK;
}

static sam2_status take_points(batch *b, int crop, auto_records *records, sam2_error *error)
{
    auto_run *run = b->run;
    const sam2_auto_options *o = run->options;
    const int all = grid_count(o, b->crop->layer), masks = o->multimask_output ? 3 : 1;
    const int most = o->points_per_batch < AUTO_BATCH ? o->points_per_batch : AUTO_BATCH;
    TRY(tell(run, error));
    for (int start = 0; start < all; start += most) {
        b->count = all - start < most ? all - start : most;
        for (int i = 0; i < b->count; i++)
            b->points[i] = grid_point(o, b->crop, start + i);
        TRY(add_candidates(b, crop, start, masks, error));
        TRY(take_batch(b, records, error));
        run->progress.points_done += b->count;
        TRY(tell(run, error));
    }
    return SAM2_OK;
}

/* Memory that depends on the crop's height: taken for the highest, the picture, which comes first. */
static sam2_status prepare(auto_run *run, size_t height, sam2_error *error)
{
    TRY(alloc_grow(run->a, &run->taps, &run->tap_bytes, 0, enlarge_taps_bytes(height), "rows of masks", error));
    for (int i = 0; i < run->threads; i++) {
        void *memory = run->workers[i].values;
        sam2_status status = alloc_grow(run->a, &memory, &run->workers[i].value_bytes, 0, height * sizeof(float),
                                        "a column of a mask", error);
        run->workers[i].values = memory;
        TRY(status);
    }
    return SAM2_OK;
}

sam2_status auto_crop(auto_run *run, size_t index, auto_records *records, sam2_error *error)
{
    const sam2_auto_options *o = run->options;
    const auto_box *c = &run->out->crops[index];
    const model *m = run->context->model->m;
    const int bytes = run->image->format == SAM2_PIXEL_RGB ? 3 : run->image->format == SAM2_PIXEL_RGBA ? 4 : 1;
    sam2_image part = *run->image;
    part.pixels += (ptrdiff_t)c->y0 * part.stride + (ptrdiff_t)c->x0 * bytes;
    part.width = c->x1 - c->x0;
    part.height = c->y1 - c->y0;
    TRY(prepare(run, (size_t)part.height, error));
    sam2_features *features = NULL;
    TRY(sam2_features_encode(run->context, &part, &features, error));
    look looks[AUTO_BATCH * 3];
    const double t = o->mask_threshold, off = o->stability_score_offset;
    batch b = {.run = run,
               .crop = c,
               .features = features,
               .thresholds = {(float)(t - off), (float)t, (float)(t + off)},
               .taps = enlarge_taps_make(model_side(m, 4), (size_t)part.height, run->taps),
               .looks = looks};
    run->progress.crop = (int)index;
    sam2_status status = take_points(&b, (int)index, records, error);
    sam2_features_destroy(features);
    return status;
}
