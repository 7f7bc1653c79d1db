/* The automatic mask generator: crop by crop, with what is double left out after each and at the end. */
#include "predict/auto.h"

#include "predict/rle_regions.h"

#include <string.h>

sam2_status auto_records_add(auto_records *r, const sam2_allocator *a, const auto_record *record, sam2_error *error)
{
    void *memory = r->list;
    const size_t used = r->count * sizeof *record;
    sam2_status status = alloc_grow(a, &memory, &r->bytes, used, used + sizeof *record, "the list of masks", error);
    r->list = memory;
    if (status == SAM2_OK)
        r->list[r->count++] = *record;
    return status;
}

void auto_records_free(auto_records *r, const sam2_allocator *a)
{
    for (size_t i = 0; i < r->count; i++)
        alloc_release(a, r->list[i].text, r->list[i].bytes);
    alloc_release(a, r->list, r->bytes);
    *r = (auto_records){0};
}

void auto_note(auto_run *run, int64_t candidate, sam2_auto_fate fate, int64_t rival)
{
    if (!run->candidates)
        return;
    run->candidates[candidate].fate = fate;
    run->candidates[candidate].rival = rival;
}

void auto_result_free(sam2_auto_result *r)
{
    const sam2_allocator a = r->allocator;
    auto_records_free(&r->records, &a);
    alloc_release(&a, r->crops, r->crop_count * sizeof *r->crops);
    alloc_release(&a, r, sizeof *r);
}

typedef float (*score_of)(const auto_run *run, const auto_record *r);

static float score_iou(const auto_run *run, const auto_record *r)
{
    (void)run;
    return r->iou;
}

static float score_crop(const auto_run *run, const auto_record *r)
{
    const auto_box *c = &run->out->crops[r->crop];
    return 1.0f / (float)((int64_t)(c->x1 - c->x0) * (c->y1 - c->y0));
}

static sam2_status suppress(auto_run *run, size_t from, score_of score, const auto_nms *how, sam2_error *error)
{
    auto_records *r = &run->out->records;
    const size_t count = r->count - from;
    void *memory = NULL;
    TRY(alloc_array(run->a, count + 1, sizeof(float), "scores of masks", &memory, error));
    float *scores = memory;
    for (size_t i = 0; i < count; i++)
        scores[i] = score(run, &r->list[from + i]);
    sam2_status status = auto_suppress(run, r, from, scores, how, error);
    alloc_release(run->a, scores, (count + 1) * sizeof(float));
    return status;
}

static float score_unchanged(const auto_run *run, const auto_record *r)
{
    (void)run;
    return r->changed ? 0.0f : 1.0f;
}

/* postprocess_small_regions: holes and islands, then the suppression of what they kept apart. */
static sam2_status clean(auto_run *run, sam2_error *error)
{
    const sam2_auto_options *o = run->options;
    auto_records *records = &run->out->records;
    for (size_t i = 0; i < records->count; i++) {
        auto_record *r = &records->list[i];
        sam2_rle rle = {run->image->width, run->image->height, r->text};
        char *text = NULL;
        size_t bytes = 0;
        TRY(rle_clean(&rle, o->min_mask_region_area, run->a, &text, &bytes, error));
        if (!text)
            continue;
        alloc_release(run->a, r->text, r->bytes);
        r->text = text;
        r->bytes = bytes;
        r->changed = true;
        rle.counts = text;
        rle_extent e = rle_measure(&rle);
        r->area = e.area;
        memcpy(r->box, (const int[4]){e.x0, e.y0, e.x1, e.y1}, sizeof r->box);
    }
    auto_nms how = {o->nms, o->box_nms_thresh > o->crop_nms_thresh ? o->box_nms_thresh : o->crop_nms_thresh,
                    SAM2_AUTO_REGION_NMS};
    return suppress(run, 0, score_unchanged, &how, error);
}

/* Whole masks by their area. */
static void limit_area(auto_run *run)
{
    const sam2_auto_options *o = run->options;
    auto_records *r = &run->out->records;
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        auto_record *m = &r->list[i];
        if (m->area < o->min_area || (o->max_area && m->area > o->max_area)) {
            auto_note(run, m->candidate, SAM2_AUTO_AREA, -1);
            alloc_release(run->a, m->text, m->bytes);
        } else
            r->list[kept++] = *m;
    }
    r->count = kept;
}

static sam2_status work(auto_run *run, sam2_error *error)
{
    const sam2_auto_options *o = run->options;
    const auto_nms within = {o->nms, o->box_nms_thresh, SAM2_AUTO_BOX_NMS};
    const auto_nms between = {o->nms, o->crop_nms_thresh, SAM2_AUTO_CROP_NMS};
    for (size_t i = 0; i < run->out->crop_count; i++) {
        size_t from = run->out->records.count;
        TRY(auto_crop(run, i, &run->out->records, error));
        TRY(suppress(run, from, score_iou, &within, error));
    }
    if (run->out->crop_count > 1)
        TRY(suppress(run, 0, score_crop, &between, error));
    if (o->min_mask_region_area > 0)
        TRY(clean(run, error));
    if (o->min_area > 0 || o->max_area > 0)
        limit_area(run);
    for (int64_t i = 0; run->candidates && i < run->candidate_count; i++)
        o->explain(o->user, &run->candidates[i]);
    return SAM2_OK;
}

static int64_t points_of(const sam2_auto_options *o, const auto_box *c)
{
    int64_t side = auto_points(o->points_per_side, c->layer, o->crop_n_points_downscale_factor);
    return o->point_grids ? o->point_grids[c->layer].count : side * side;
}

static sam2_status make_result(auto_run *run, sam2_error *error)
{
    const sam2_auto_options *o = run->options;
    const int w = run->image->width, h = run->image->height;
    void *memory = NULL;
    TRY(alloc_array(run->a, 1, sizeof *run->out, "automatic masks", &memory, error));
    run->out = memory;
    run->out->allocator = *run->a;
    run->out->width = w;
    run->out->height = h;
    size_t count = auto_crops(w, h, o->crop_n_layers, o->crop_overlap_ratio, NULL, 0);
    TRY(alloc_array(run->a, count, sizeof(auto_box), "crops", &memory, error));
    run->out->crops = memory;
    run->out->crop_count = auto_crops(w, h, o->crop_n_layers, o->crop_overlap_ratio, run->out->crops, count);
    run->progress.crop_count = (int)count;
    for (size_t i = 0; i < count; i++)
        run->progress.points_total += points_of(o, &run->out->crops[i]);
    return SAM2_OK;
}

static sam2_status make_workers(auto_run *run, sam2_error *error)
{
    void *memory = NULL;
    const model *m = run->context->model->m;
    const int threads = pool_threads(m->pool);
    TRY(sam2_result_create(run->context->model, &run->first, error));
    if (run->options->use_m2m)
        TRY(sam2_result_create(run->context->model, &run->second, error));
    TRY(alloc_array(run->a, (size_t)threads, sizeof(auto_worker), "automatic masks", &memory, error));
    run->workers = memory;
    run->threads = threads;
    return SAM2_OK;
}

sam2_status auto_generate(sam2_context *context, const sam2_image *image, const sam2_auto_options *options,
                          sam2_auto_result **out, sam2_error *error)
{
    auto_run run = {.context = context, .image = image, .options = options, .a = &context->model->m->allocator};
    sam2_status status = make_result(&run, error);
    if (status == SAM2_OK)
        status = make_workers(&run, error);
    if (status == SAM2_OK)
        status = work(&run, error);
    for (int i = 0; i < run.threads; i++) {
        alloc_release(run.a, run.workers[i].text, run.workers[i].bytes);
        alloc_release(run.a, run.workers[i].values, run.workers[i].value_bytes);
    }
    alloc_release(run.a, run.workers, (size_t)run.threads * sizeof *run.workers);
    alloc_release(run.a, run.taps, run.tap_bytes);
    alloc_release(run.a, run.candidates, run.candidate_bytes);
    sam2_result_destroy(run.first);
    sam2_result_destroy(run.second);
    if (status == SAM2_OK)
        *out = run.out;
    else if (run.out)
        auto_result_free(run.out);
    return status;
}
