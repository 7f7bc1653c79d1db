/* Public functions: tracking. */
#include "api/check.h"
#include "predict/tracker.h"

static sam2_status resolve(const sam2_model *model, const sam2_tracker_options *given, sam2_tracker_options *out,
                           sam2_error *error)
{
    const int slots = model->m->config.memory_slots;
    *out = (sam2_tracker_options)SAM2_TRACKER_OPTIONS_INIT;
    if (given)
        TRY(check_struct(given, sizeof *out, out, sizeof *out, "sam2_tracker_options", error));
    if (out->memory_frames < 0 || out->memory_frames > slots)
        return error_set(error, SAM2_ERROR_ARGUMENT, "memory_frames is %d; 1 to %d, or 0 for the model's own",
                         out->memory_frames, slots);
    if (out->conditioning_limit != -1 && out->conditioning_limit < 2)
        return error_set(error, SAM2_ERROR_ARGUMENT, "conditioning_limit is %d; 2 or more, or -1 for all",
                         out->conditioning_limit);
    if (out->memory_stride < 1 || out->memory_stride > 1000)
        return error_set(error, SAM2_ERROR_ARGUMENT, "memory_stride is %d; 1 to 1000 can be used", out->memory_stride);
    if (out->hole_area < -1)
        return error_set(error, SAM2_ERROR_ARGUMENT, "hole_area is %d; a number of pixels, or -1", out->hole_area);
    if (out->frame_count < 0 || out->frame_count > TRACK_MOST_FRAME)
        return error_set(error, SAM2_ERROR_ARGUMENT, "frame_count is %lld; 0 to %lld can be used",
                         (long long)out->frame_count, (long long)TRACK_MOST_FRAME);
    if (out->history < -1 || out->history > TRACK_MOST_FRAME)
        return error_set(error, SAM2_ERROR_ARGUMENT, "history is %lld; a number of frames, or -1 for all",
                         (long long)out->history);
    return SAM2_OK;
}

static sam2_status check_video(const sam2_model *model, sam2_error *error)
{
    return model->m->memory.there
               ? SAM2_OK
               : error_set(error, SAM2_ERROR_UNSUPPORTED,
                           "the %s checkpoint is for pictures alone: it has no tensors of the memory",
                           model->m->config.name);
}

sam2_status sam2_tracker_create(const sam2_model *model, const sam2_tracker_options *options, sam2_tracker **tracker,
                                sam2_error *error)
{
    CHECK_POINTER(tracker);
    *tracker = NULL;
    CHECK_POINTER(model);
    sam2_tracker_options o;
    TRY(resolve(model, options, &o, error));
    TRY(check_video(model, error));
    return tracker_create(model, &o, tracker, error);
}

sam2_status sam2_tracker_save(const sam2_tracker *tracker, const char *path, sam2_error *error)
{
    CHECK_POINTER(tracker);
    CHECK_POINTER(path);
    return tracker_write(tracker, path, error);
}

sam2_status sam2_tracker_load(const sam2_model *model, const char *path, sam2_tracker **tracker, sam2_error *error)
{
    CHECK_POINTER(tracker);
    *tracker = NULL;
    CHECK_POINTER(model);
    CHECK_POINTER(path);
    TRY(check_video(model, error));
    return tracker_read(model, path, tracker, error);
}

void sam2_tracker_destroy(sam2_tracker *tracker)
{
    tracker_free(tracker);
}

static sam2_status check_frame(const sam2_tracker *t, const sam2_features *features, int64_t frame, sam2_error *error)
{
    CHECK_POINTER(t);
    CHECK_POINTER(features);
    const int64_t end = t->frame_count ? t->frame_count : TRACK_MOST_FRAME;
    if (frame < 0 || frame >= end)
        return error_set(error, SAM2_ERROR_ARGUMENT, "frame %lld; 0 to %lld can be used", (long long)frame,
                         (long long)end - 1);
    return check_features(features, t->model->m, error);
}

sam2_status sam2_tracker_prompt(sam2_tracker *tracker, const sam2_features *features, int64_t frame, int64_t id,
                                const sam2_prompt *prompt, int keep_points, sam2_error *error)
{
    TRY(check_frame(tracker, features, frame, error));
    CHECK_POINTER(prompt);
    sam2_prompt p = SAM2_PROMPT_INIT;
    TRY(check_struct(prompt, sizeof p, &p, sizeof p, "sam2_prompt", error));
    if (p.low_res_logits)
        return error_set(error, SAM2_ERROR_ARGUMENT, "low_res_logits cannot be given: a tracker has its own");
    if (p.mask && (p.box || p.point_count))
        return error_set(error, SAM2_ERROR_ARGUMENT, "a mask and points cannot be given together");
    if (!p.mask && !p.box && !p.point_count)
        return error_set(error, SAM2_ERROR_ARGUMENT, "the prompt is empty: no point, box or mask");
    if (p.box && keep_points)
        return error_set(error, SAM2_ERROR_ARGUMENT,
                         "a box comes before all points: it cannot be added to earlier ones");
    TRY(check_prompt(&p, features, 0, true, error));
    return tracker_prompt(tracker, features, frame, id, &p, keep_points != 0, error);
}

sam2_status sam2_tracker_step(sam2_tracker *tracker, const sam2_features *features, int64_t frame, int reverse,
                              sam2_error *error)
{
    TRY(check_frame(tracker, features, frame, error));
    return tracker_step(tracker, features, frame, reverse != 0, error);
}

sam2_status sam2_tracker_clear_prompts(sam2_tracker *tracker, int64_t frame, int64_t id, sam2_error *error)
{
    CHECK_POINTER(tracker);
    return tracker_clear(tracker, frame, id, error);
}

sam2_status sam2_tracker_remove(sam2_tracker *tracker, int64_t id, sam2_error *error)
{
    CHECK_POINTER(tracker);
    track_object *o = tracker_object(tracker, id);
    if (!o)
        return error_set(error, SAM2_ERROR_ARGUMENT, "there is no object %lld", (long long)id);
    tracker_remove(tracker, o);
    return SAM2_OK;
}

void sam2_tracker_reset(sam2_tracker *tracker)
{
    if (tracker)
        tracker_reset(tracker);
}

int sam2_tracker_object_count(const sam2_tracker *tracker)
{
    return tracker ? (int)tracker->object_count : 0;
}

/* What an object shows on the latest frame: what it was prompted with before all else. */
static const track_entry *shown(const sam2_tracker *t, const track_object *o)
{
    const track_entry *e = entry_find(o, t->frame, false, true);
    e = e && !entry_find(o, t->frame, true, true) ? e : entry_shown(o, t->frame, true);
    return e && e->logits ? e : NULL;
}

static const float *shown_logits(const sam2_tracker *t, size_t index)
{
    const track_entry *e = shown(t, &t->objects[index]);
    return e ? e->logits : t->nothing;
}

static sam2_status check_started(const sam2_tracker *t, sam2_error *error)
{
    return t->started ? SAM2_OK : error_set(error, SAM2_ERROR_ARGUMENT, "the tracker has not seen a frame");
}

sam2_status sam2_tracker_get(const sam2_tracker *tracker, int index, sam2_tracked *out, sam2_error *error)
{
    CHECK_POINTER(tracker);
    CHECK_POINTER(out);
    sam2_tracked known;
    TRY(check_struct(out, sizeof known, &known, sizeof known, "sam2_tracked", error));
    if (index < 0 || (size_t)index >= tracker->object_count)
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d of %zu", index, tracker->object_count);
    TRY(check_started(tracker, error));
    const track_object *o = &tracker->objects[index];
    const track_entry *e = shown(tracker, o);
    *out = (sam2_tracked){.struct_size = known.struct_size,
                          .id = o->id,
                          .frame = tracker->frame,
                          .present = e && e->present,
                          .conditioning = e && e->conditioning};
    out->mask = (sam2_mask){.struct_size = sizeof(sam2_mask),
                            .low_res_logits = e ? e->logits : tracker->nothing,
                            .low_res_size = (int)model_side(tracker->model->m, 4),
                            .width = tracker->width,
                            .height = tracker->height,
                            .score = e ? e->score : 0.0f,
                            .object_score = e ? e->object_score : -10.0f,
                            .internal = &tracker->enlarger};
    return SAM2_OK;
}

typedef struct labels_out {
    const kernels *k;
    float *greatest, *row; /* [height, width] so far; and [height, width] of an object */
    int32_t *out, label;
    size_t width;
    ptrdiff_t stride;
} labels_out;

/* The first object's logits are the greatest so far, and 0 the least that counts. */
static void put_label(void *user, size_t x, size_t y, size_t n, const float *top, const float *bottom, float v)
{
    const labels_out *o = user;
    float *row = o->row + y * o->width + x, *greatest = o->greatest + y * o->width + x;
    int32_t *out = o->out + (ptrdiff_t)y * o->stride + x;
    o->k->weigh_rows_f32(n, 2, (const float *const[]){top, bottom}, (const float[]){1.0f - v, v}, row);
    for (size_t i = 0; i < n; i++)
        if (row[i] > greatest[i]) {
            greatest[i] = row[i];
            out[i] = o->label;
        }
}

sam2_status sam2_tracker_get_labels(const sam2_tracker *tracker, int32_t *out, ptrdiff_t stride, sam2_error *error)
{
    CHECK_POINTER(tracker);
    CHECK_POINTER(out);
    TRY(check_started(tracker, error));
    const sam2_tracker *t = tracker;
    const size_t width = (size_t)t->width, pixels = width * (size_t)t->height;
    if (stride < t->width && stride > -(ptrdiff_t)t->width)
        return error_set(error, SAM2_ERROR_ARGUMENT, "a stride of %td numbers is less than the width, %d", stride,
                         t->width);
    void *memory = NULL;
    TRY(alloc_array(&t->allocator, pixels, 2 * sizeof(float), "labels", &memory, error));
    for (int y = 0; y < t->height; y++)
        memset(out + (ptrdiff_t)y * stride, 0, width * sizeof *out);
    labels_out o = {.k = &t->enlarger.kernels,
                    .greatest = memory,
                    .row = (float *)memory + pixels,
                    .out = out,
                    .width = width,
                    .stride = stride};
    for (size_t i = 0; i < t->object_count; i++) {
        const enlarge e = {.k = &t->enlarger.kernels,
                           .logits = shown_logits(t, i),
                           .side = model_side(t->model->m, 4),
                           .width = width,
                           .height = (size_t)t->height,
                           .pool = t->enlarger.pool};
        o.label = (int32_t)i + 1;
        enlarge_rows(&e, put_label, &o);
    }
    alloc_release(&t->allocator, memory, pixels * 2 * sizeof(float));
    return SAM2_OK;
}

size_t sam2_tracker_memory(const sam2_tracker *tracker)
{
    if (!tracker)
        return 0;
    const sam2_tracker *t = tracker;
    const model *m = t->model->m;
    size_t bytes = sizeof *t + t->work_bytes + t->frames_bytes + t->pointers_bytes + t->holes_bytes + t->object_bytes;
    bytes += model_side(m, 16) * model_side(m, 16) * (size_t)m->config.d_model * sizeof(float);
    bytes += model_side(m, 4) * model_side(m, 4) * sizeof(float);
    bytes += t->heavy.blocks * t->heavy.bytes + t->light.blocks * t->light.bytes;
    for (size_t i = 0; i < t->object_count; i++) {
        const track_object *o = &t->objects[i];
        bytes += o->entry_bytes + o->input_bytes + o->tracked.bytes;
        for (size_t p = 0; p < o->input_count; p++)
            bytes += o->inputs[p].bytes;
    }
    return bytes;
}

sam2_status sam2_tracker_set_observer(sam2_tracker *tracker, sam2_observer observer, void *user, sam2_error *error)
{
    CHECK_POINTER(tracker);
    tracker->observe = observer;
    tracker->user = user;
    return SAM2_OK;
}
