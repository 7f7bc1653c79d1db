#include "predict/tracker.h"

#include "predict/components.h"

#include <stdio.h>
#include <string.h>

/* ---- making and freeing ---- */

static size_t token_count(const model *m)
{
    return model_side(m, 16) * model_side(m, 16);
}

void tracker_free(sam2_tracker *t)
{
    if (!t)
        return;
    const sam2_allocator a = t->allocator;
    const model *m = t->model->m;
    const size_t low = model_side(m, 4) * model_side(m, 4) * sizeof(float);
    tracker_reset(t);
    block_list_free(&t->heavy, &a);
    block_list_free(&t->light, &a);
    alloc_release(&a, t->objects, t->object_bytes);
    arena whole = {.base = t->work, .capacity = t->work_bytes};
    arena_open(&whole);
    alloc_release(&a, t->work, t->work_bytes);
    alloc_release(&a, t->begun, token_count(m) * (size_t)m->config.d_model * sizeof(float));
    alloc_release(&a, t->frames, t->frames_bytes);
    alloc_release(&a, t->pointers, t->pointers_bytes);
    alloc_release(&a, t->holes, t->holes_bytes);
    alloc_release(&a, t->nothing, low);
    pool_destroy(t->enlarger.pool);
    alloc_release(&a, t, sizeof *t);
}

static void take_options(sam2_tracker *t, const sam2_tracker_options *o)
{
    t->evaluation = o->evaluation != 0;
    t->keep_corrections = o->keep_corrections != 0;
    t->slots = o->memory_frames ? o->memory_frames : t->model->m->config.memory_slots;
    t->conditioning_limit = o->conditioning_limit;
    t->stride = o->memory_stride;
    t->hole_area = o->hole_area >= 0 ? o->hole_area : t->evaluation ? 0 : 8;
    t->frame_count = o->frame_count;
    t->history = o->history;
}

sam2_status tracker_create(const sam2_model *model_, const sam2_tracker_options *options, sam2_tracker **out,
                           sam2_error *error)
{
    const model *m = model_->m;
    const size_t side = model_side(m, 4), dim = (size_t)m->config.d_model;
    void *memory = NULL;
    TRY(alloc_array(&m->allocator, 1, sizeof(sam2_tracker), "a tracker", &memory, error));
    sam2_tracker *t = memory;
    t->model = model_;
    t->allocator = m->allocator;
    t->enlarger = (enlarger){.kernels = m->kernels, .pool = pool_share(m->pool)};
    take_options(t, options);
    t->heavy.bytes = token_count(m) * (size_t)m->config.memory_dim * sizeof(uint16_t) + side * side * sizeof(float);
    t->light.bytes = dim * sizeof(float);
    t->holes_bytes = fill_holes_bytes(side);
    sam2_status status = alloc_get(&t->allocator, token_count(m) * dim * sizeof(float), "a tracker", &memory, error);
    if (status == SAM2_OK) {
        t->begun = memory;
        status = alloc_get(&t->allocator, t->holes_bytes, "a tracker", &memory, error);
    }
    if (status == SAM2_OK) {
        t->holes = memory;
        status = alloc_get(&t->allocator, side * side * sizeof(float), "a tracker", &memory, error);
    }
    if (status != SAM2_OK) {
        tracker_free(t);
        return status;
    }
    t->nothing = memory;
    for (size_t i = 0; i < side * side; i++)
        t->nothing[i] = TRACK_ABSENT;
    *out = t;
    return SAM2_OK;
}

/* ---- objects ---- */

track_object *tracker_object(const sam2_tracker *t, int64_t id)
{
    for (size_t i = 0; i < t->object_count; i++)
        if (t->objects[i].id == id)
            return &t->objects[i];
    return NULL;
}

sam2_status tracker_object_add(sam2_tracker *t, int64_t id, track_object **out, sam2_error *error)
{
    void *objects = t->objects;
    TRY(alloc_grow(&t->allocator, &objects, &t->object_bytes, t->object_count * sizeof *t->objects,
                   (t->object_count + 1) * sizeof *t->objects, "objects", error));
    t->objects = objects;
    *out = &t->objects[t->object_count++];
    **out = (track_object){.id = id};
    return SAM2_OK;
}

sam2_status tracker_object_put(sam2_tracker *t, int64_t id, track_object **out, sam2_error *error)
{
    *out = tracker_object(t, id);
    return *out ? SAM2_OK : tracker_object_add(t, id, out, error);
}

void tracker_remove(sam2_tracker *t, track_object *object)
{
    object_free(t, object);
    t->object_count--;
    memmove(object, object + 1, (size_t)(t->objects + t->object_count - object) * sizeof *object);
}

void tracker_reset(sam2_tracker *t)
{
    for (size_t i = 0; i < t->object_count; i++)
        object_free(t, &t->objects[i]);
    t->object_count = 0;
    t->started = false;
    t->width = t->height = 0;
}

/* ---- clicks ---- */

static track_points *points_of(const track_object *o, int64_t frame)
{
    for (size_t i = 0; i < o->input_count; i++)
        if (o->inputs[i].frame == frame)
            return &o->inputs[i];
    return NULL;
}

static void forget_points(sam2_tracker *t, track_object *o, int64_t frame)
{
    track_points *p = points_of(o, frame);
    if (!p)
        return;
    alloc_release(&t->allocator, p->points, p->bytes);
    *p = o->inputs[--o->input_count];
}

/* The frame's points with the prompt's: behind the earlier ones where those are kept, else without them. A copy, to be
 * kept once all has gone well. */
static sam2_status join_points(const sam2_tracker *t, const track_object *o, const sam2_features *f, int64_t frame,
                               const sam2_prompt *prompt, bool keep, track_points *out, sam2_error *error)
{
    const track_points *old = keep ? points_of(o, frame) : NULL;
    const size_t kept = old ? old->count : 0, added = (size_t)prompt->point_count + (prompt->box ? 2 : 0);
    if (kept + added > PREDICT_MAX_POINTS)
        return error_set(error, SAM2_ERROR_ARGUMENT, "%zu points on frame %lld; up to %d can be used", kept + added,
                         (long long)frame, PREDICT_MAX_POINTS);
    void *memory = NULL;
    *out = (track_points){.frame = frame, .count = kept + added, .bytes = (kept + added) * sizeof *out->points};
    TRY(alloc_get(&t->allocator, out->bytes, "clicks", &memory, error));
    out->points = memory;
    if (kept)
        memcpy(out->points, old->points, kept * sizeof *out->points);
    predict_place_points(t->model->m, f, prompt, out->points + kept);
    return SAM2_OK;
}

/* ---- the network ---- */

/* One object on one frame. */
typedef struct run {
    sam2_tracker *t;
    const sam2_features *features;
    const memory_bank *bank; /* NULL: no memory is looked at */
    const net_point *points;
    size_t point_count;
    const sam2_prompt *mask; /* a mask prompt, instead of points */
    const float *previous;   /* logits of the frame so far, clamped; or NULL */
    bool prompted;
    track_entry *out;
} run;

static void fill(const sam2_tracker *t, track_entry *e)
{
    if (t->hole_area > 0)
        fill_holes(e->logits, model_side(t->model->m, 4), (size_t)t->hole_area, t->holes);
}

/* SAM2Base._use_mask_as_output. */
static void run_mask(const run *r, const exec *ex, const pyramid *raw)
{
    const model *m = r->t->model->m;
    const size_t side = (size_t)m->config.image_size, low = model_side(m, 4), mark = arena_mark(ex->arena);
    float *whole = arena_floats(ex->arena, side * side), *logits = arena_floats(ex->arena, low * low),
          *reduced = arena_floats(ex->arena, low * low);
    track_entry *e = r->out;
    bool any = mask_input(m, ex, r->mask->mask, r->mask->mask_width, r->mask->mask_height, r->mask->mask_stride, whole,
                          logits);
    if (!exec_dry(ex))
        mask_reduce(m, whole, reduced);
    /* Of this the pointer alone is of use. */
    heads_run(r->t, ex, &(heads_input){.maps = raw, .with_mask = true, .mask_logits = reduced}, e);
    if (!exec_dry(ex)) {
        memcpy(e->logits, logits, low * low * sizeof *logits);
        e->object_score = any ? 10.0f : -10.0f;
        e->present = any;
        e->score = 1.0f;
        if (!any)
            memcpy(e->pointer, m->memory.no_pointer, (size_t)m->config.d_model * sizeof(float));
    }
    arena_reset(ex->arena, mark);
}

static void run_heads(const run *r, const exec *ex, const pyramid *raw)
{
    sam2_tracker *t = r->t;
    const model *m = t->model->m;
    pyramid maps = *raw;
    image_products products = {0};
    heads_input in = {.maps = &maps,
                      .points = r->points,
                      .point_count = r->point_count,
                      .with_mask = r->previous != NULL,
                      .mask_logits = r->previous,
                      .multimask = r->point_count <= 1};
    if (r->bank) {
        maps.embedding = arena_floats(ex->arena, token_count(m) * (size_t)m->config.d_model);
        if (exec_dry(ex) || !t->begun_there)
            memory_begin(m, ex, raw->embedding, t->begun);
        t->begun_there |= !exec_dry(ex);
        memory_attend(m, ex, t->begun, r->bank, maps.embedding);
    } else {
        maps.extra = m->no_mem_embed;
        in.products = r->features ? features_products(m, r->features, &products) : &products;
    }
    heads_run(t, ex, &in, r->out);
}

/* Everything, from features to an entry with its memory (track_step, _encode_memory_in_output). A frame that was
 * prompted is remembered as its holes are filled, and by the sign of its logits; a tracked one as it comes. */
static void run_frame(const run *r, const exec *ex)
{
    sam2_tracker *t = r->t;
    const model *m = t->model->m;
    const size_t mark = arena_mark(ex->arena);
    const pyramid raw = r->features ? r->features->pyramid : (pyramid){0};
    track_entry *e = r->out, dry = {0};
    const bool is_dry = exec_dry(ex);
    if (r->mask)
        run_mask(r, ex, &raw);
    else
        run_heads(r, ex, &raw);
    if (is_dry)
        e = &dry;
    else if (r->prompted)
        fill(t, e);
    memory_encode(m, ex, raw.embedding, e->logits, r->prompted && !t->evaluation, e->present, e->memory);
    if (!is_dry && !r->prompted)
        fill(t, e);
    arena_reset(ex->arena, mark);
}

/* Runs with a workspace that is large enough. */
static sam2_status run_measured(const run *r, sam2_error *error)
{
    sam2_tracker *t = r->t;
    const model *m = t->model->m;
    arena measured = {0};
    exec ex = {&m->kernels, m->pool, &measured, NULL};
    run_frame(r, &ex);
    if (measured.peak > t->work_bytes) {
        arena whole = {.base = t->work, .capacity = t->work_bytes};
        arena_open(&whole);
        TRY(alloc_grow(&t->allocator, &t->work, &t->work_bytes, 0, measured.peak, "the workspace of a tracker", error));
    }
    arena work = {.base = t->work, .capacity = t->work_bytes};
    ex.arena = &work;
    run_frame(r, &ex);
    arena_reset(&work, 0);
    return SAM2_OK;
}

/* ---- the calls ---- */

static sam2_status check_size(const sam2_tracker *t, const sam2_features *f, sam2_error *error)
{
    if (t->width && (f->width != t->width || f->height != t->height))
        return error_set(error, SAM2_ERROR_MISMATCH, "a frame of %d x %d in a video of %d x %d", f->width, f->height,
                         t->width, t->height);
    return SAM2_OK;
}

/* The frame is the latest one now. */
static void arrive(sam2_tracker *t, const sam2_features *f, int64_t frame)
{
    t->width = f->width;
    t->height = f->height;
    t->frame = frame;
    t->started = true;
}

/* Runs into the entry of a frame. What fails does so before anything is written: then a new entry is taken back, and
 * one that was there is as it was. */
static sam2_status run_into(run *r, track_object *o, int64_t frame, bool conditioning, sam2_error *error)
{
    const track_entry *before = entry_find(o, frame, conditioning, r->prompted);
    const bool old = before != NULL, light = old && !before->memory; /* of a light one the pointer alone is left */
    TRY(entry_put(r->t, o, frame, conditioning, r->prompted, &r->out, error));
    sam2_status status = run_measured(r, error);
    if (status != SAM2_OK && !old)
        entry_drop(r->t, o, r->out);
    else if (status != SAM2_OK && light)
        entry_lighten(r->t, r->out);
    return status;
}

/* The mask of the frame so far, clamped, as a copy: the entry it is in may be written. */
static sam2_status copy_shown(const sam2_tracker *t, const track_entry *shown, float **out, sam2_error *error)
{
    const size_t low = model_side(t->model->m, 4) * model_side(t->model->m, 4);
    void *memory = NULL;
    TRY(alloc_get(&t->allocator, low * sizeof **out, "a mask", &memory, error));
    *out = memory;
    for (size_t i = 0; i < low; i++) {
        const float v = shown->logits[i];
        (*out)[i] = v < -32.0f ? -32.0f : v > 32.0f ? 32.0f : v;
    }
    return SAM2_OK;
}

/* A prompt of an object that is there. `points` are the frame's with it, or of a mask none. */
static sam2_status prompt_object(sam2_tracker *t, track_object *o, const sam2_features *f, int64_t frame,
                                 const sam2_prompt *prompt, const track_points *points, sam2_error *error)
{
    bool reverse = false;
    const bool first = !frame_set_has(&o->tracked, frame, &reverse), conditioning = first || t->keep_corrections;
    run r = {.t = t,
             .features = f,
             .points = points->points,
             .point_count = points->count,
             .mask = prompt->mask ? prompt : NULL,
             .prompted = true};
    void *inputs = o->inputs;
    TRY(alloc_grow(&t->allocator, &inputs, &o->input_bytes, o->input_count * sizeof *o->inputs,
                   (o->input_count + 1) * sizeof *o->inputs, "clicks", error));
    o->inputs = inputs;
    memory_bank bank;
    if (!first && !r.mask) {
        TRY(bank_select(t, o, frame, reverse, &bank, error));
        r.bank = bank.frame_count ? &bank : NULL;
    }
    float *previous = NULL;
    const track_entry *shown = entry_shown(o, frame, conditioning);
    if (shown && shown->logits && !r.mask)
        TRY(copy_shown(t, shown, &previous, error));
    r.previous = previous;
    t->begun_there = false;
    const sam2_status status = run_into(&r, o, frame, conditioning, error);
    alloc_release(&t->allocator, previous, model_side(t->model->m, 4) * model_side(t->model->m, 4) * sizeof *previous);
    if (status != SAM2_OK)
        return status;
    forget_points(t, o, frame);
    if (points->count)
        o->inputs[o->input_count++] = *points;
    return SAM2_OK;
}

sam2_status tracker_prompt(sam2_tracker *t, const sam2_features *f, int64_t frame, int64_t id,
                           const sam2_prompt *prompt, bool keep_points, sam2_error *error)
{
    TRY(check_size(t, f, error));
    const bool known = tracker_object(t, id) != NULL;
    track_object *o = NULL;
    track_points points = {0};
    TRY(tracker_object_put(t, id, &o, error));
    sam2_status status = prompt->mask ? SAM2_OK : join_points(t, o, f, frame, prompt, keep_points, &points, error);
    if (status == SAM2_OK)
        status = prompt_object(t, o, f, frame, prompt, &points, error);
    if (status == SAM2_OK) {
        arrive(t, f, frame);
        return SAM2_OK;
    }
    alloc_release(&t->allocator, points.points, points.bytes);
    if (!known)
        tracker_remove(t, o);
    return status;
}

/* The tensors of an object's entry, under the names that `--dump` has. */
static sam2_status show_entry(const sam2_tracker *t, const track_object *o, const track_entry *e, sam2_error *error)
{
    const model *m = t->model->m;
    const int64_t side = (int64_t)model_side(m, 4), tokens = (int64_t)model_side(m, 16), dim = m->config.d_model;
    watcher w = {t->observe, t->user, &t->allocator, 0};
    char name[64];
#define NAME(what) (snprintf(name, sizeof name, what "_f%lld_o%lld", (long long)e->frame, (long long)o->id), name)
    if (!t->observe || !e->logits)
        return SAM2_OK;
    watch(&w, NAME("low"), e->logits, (const int64_t[]){side, side}, 2);
    watch(&w, NAME("score"), &e->object_score, (const int64_t[]){1, 1}, 2);
    watch(&w, NAME("pointer"), e->pointer, (const int64_t[]){1, dim}, 2);
    const size_t count = (size_t)(tokens * tokens * m->config.memory_dim);
    void *memory = NULL;
    TRY(alloc_get(&t->allocator, count * sizeof(float), "a copy of a memory", &memory, error));
    m->kernels.bf16_to_f32(count, e->memory, memory);
    watch_map(&w, NAME("memory"), memory, (size_t)tokens, (size_t)tokens, (size_t)m->config.memory_dim);
    alloc_release(&t->allocator, memory, count * sizeof(float));
    return w.failed ? error_memory(error, "a copy for the observer", 0) : SAM2_OK;
#undef NAME
}

static sam2_status step_object(sam2_tracker *t, track_object *o, const sam2_features *f, int64_t frame, bool reverse,
                               sam2_error *error)
{
    const track_entry *given = entry_find(o, frame, true, false);
    memory_bank bank;
    TRY(frame_set_reserve(&o->tracked, &t->allocator, error));
    if (!given) {
        TRY(bank_select(t, o, frame, reverse, &bank, error));
        if (!bank.frame_count) /* nothing was ever said about it, or all that was has been taken back */
            return SAM2_OK;
        run r = {.t = t, .features = f, .bank = &bank};
        TRY(run_into(&r, o, frame, false, error));
        given = r.out;
    }
    TRY(frame_set_put(&o->tracked, &t->allocator, frame, reverse, error)); /* there is room */
    const sam2_status shown = show_entry(t, o, given, error);
    entries_prune(t, o, frame);
    return shown;
}

sam2_status tracker_step(sam2_tracker *t, const sam2_features *f, int64_t frame, bool reverse, sam2_error *error)
{
    TRY(check_size(t, f, error));
    for (size_t i = 0; i < t->object_count; i++)
        entries_commit(t, &t->objects[i]);
    t->begun_there = false;
    for (size_t i = 0; i < t->object_count; i++)
        TRY(step_object(t, &t->objects[i], f, frame, reverse, error));
    arrive(t, f, frame);
    return SAM2_OK;
}

sam2_status tracker_clear(sam2_tracker *t, int64_t frame, int64_t id, sam2_error *error)
{
    track_object *o = tracker_object(t, id);
    if (!o)
        return SAM2_OK;
    forget_points(t, o, frame);
    entry_drop(t, o, entry_find(o, frame, true, true));
    entry_drop(t, o, entry_find(o, frame, false, true));
    track_entry *e = entry_find(o, frame, true, false);
    if (!e)
        return SAM2_OK;
    TRY(frame_set_drop(&o->tracked, &t->allocator, frame, error));
    entry_drop(t, o, entry_find(o, frame, false, false));
    e = entry_find(o, frame, true, false);
    e->conditioning = false;
    return SAM2_OK;
}
