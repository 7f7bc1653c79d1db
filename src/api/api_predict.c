/* Public functions: features, prediction, masks. */
#include "api/check.h"
#include "predict/features_file.h"
#include "predict/frame_resize.h"
#include "predict/longest_side.h"
#include "predict/rle.h"

#include <math.h>

sam2_status check_image(const sam2_image *image, sam2_error *error)
{
    CHECK_POINTER(image);
    CHECK_POINTER(image->pixels);
    if (image->width < 1 || image->height < 1 || image->width > 65536 || image->height > 65536)
        return error_set(error, SAM2_ERROR_ARGUMENT, "a picture of %d x %d; sides from 1 to 65536 can be used",
                         image->width, image->height);
    int bytes = image->format == SAM2_PIXEL_RGB    ? 3
                : image->format == SAM2_PIXEL_RGBA ? 4
                : image->format == SAM2_PIXEL_GREY ? 1
                                                   : 0;
    if (!bytes)
        return error_set(error, SAM2_ERROR_ARGUMENT, "pixel format %d does not exist", (int)image->format);
    ptrdiff_t row = (ptrdiff_t)image->width * bytes;
    if (image->stride < row && image->stride > -row)
        return error_set(error, SAM2_ERROR_ARGUMENT, "a stride of %td bytes is less than a row's %td", image->stride,
                         row);
    return SAM2_OK;
}

static sam2_status encode(sam2_context *context, const sam2_image *image, bool frame, sam2_features **features,
                          sam2_error *error)
{
    CHECK_POINTER(features);
    *features = NULL;
    CHECK_POINTER(context);
    TRY(check_image(image, error));
    const model *m = context->model->m;
    if (frame && model_is_sam1(m))
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "a SAM 1 model is for pictures alone: it has no frames");
    const input_filler filler = frame ? frame_resize : predict_filler(m);
    sam2_features *f = NULL;
    TRY(features_create(m, image->width, image->height, &m->allocator, &f, error));
    sam2_status status = predict_encode(context, image, filler, f, error);
    if (status != SAM2_OK)
        sam2_features_destroy(f);
    else
        *features = f;
    return status;
}

sam2_status sam2_features_encode(sam2_context *context, const sam2_image *image, sam2_features **features,
                                 sam2_error *error)
{
    return encode(context, image, false, features, error);
}

sam2_status sam2_features_encode_frame(sam2_context *context, const sam2_image *image, sam2_features **features,
                                       sam2_error *error)
{
    return encode(context, image, true, features, error);
}

void sam2_features_destroy(sam2_features *features)
{
    if (!features)
        return;
    sam2_allocator a = features->allocator;
    alloc_release(&a, features->pyramid.embedding, features->bytes);
    alloc_release(&a, features, sizeof *features);
}

void sam2_features_get_size(const sam2_features *features, int *width, int *height)
{
    if (width)
        *width = features ? features->width : 0;
    if (height)
        *height = features ? features->height : 0;
}

sam2_status sam2_features_save(const sam2_features *features, const char *path, sam2_error *error)
{
    CHECK_POINTER(features);
    CHECK_POINTER(path);
    return features_write(features, path, error);
}

sam2_status sam2_features_load(const sam2_model *model, const char *path, sam2_features **features, sam2_error *error)
{
    CHECK_POINTER(features);
    *features = NULL;
    CHECK_POINTER(model);
    CHECK_POINTER(path);
    return features_read(model->m, path, features, error);
}

sam2_status sam2_result_create(const sam2_model *model, sam2_result **result, sam2_error *error)
{
    CHECK_POINTER(result);
    *result = NULL;
    CHECK_POINTER(model);
    void *memory = NULL;
    TRY(alloc_array(&model->m->allocator, 1, sizeof(sam2_result), "a result", &memory, error));
    sam2_result *r = memory;
    r->allocator = model->m->allocator;
    r->enlarger = (enlarger){.kernels = model->m->kernels, .pool = pool_share(model->m->pool)};
    *result = r;
    return SAM2_OK;
}

void sam2_result_destroy(sam2_result *result)
{
    if (!result)
        return;
    sam2_allocator a = result->allocator;
    alloc_release(&a, result->logits, result->logits_bytes);
    alloc_release(&a, result->info, result->info_bytes);
    pool_destroy(result->enlarger.pool);
    alloc_release(&a, result, sizeof *result);
}

static sam2_status check_box(const sam2_box *b, const sam2_features *f, int object, sam2_error *error)
{
    if (!isfinite(b->x0) || !isfinite(b->y0) || !isfinite(b->x1) || !isfinite(b->y1))
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: a corner of the box is not a finite number", object);
    float x0 = fminf(b->x0, b->x1), x1 = fmaxf(b->x0, b->x1), y0 = fminf(b->y0, b->y1), y1 = fmaxf(b->y0, b->y1);
    if (x0 == x1 || y0 == y1)
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: the box %g,%g,%g,%g has no area", object,
                         (double)b->x0, (double)b->y0, (double)b->x1, (double)b->y1);
    if (x1 <= 0.0f || y1 <= 0.0f || x0 >= (float)f->width || y0 >= (float)f->height)
        return error_set(error, SAM2_ERROR_ARGUMENT,
                         "object %d: the box %g,%g,%g,%g lies outside the picture of %d x %d", object, (double)b->x0,
                         (double)b->y0, (double)b->x1, (double)b->y1, f->width, f->height);
    return SAM2_OK;
}

sam2_status check_prompt(const sam2_prompt *p, const sam2_features *f, int object, bool any_size, sam2_error *error)
{
    if (p->point_count < 0 || p->point_count > PREDICT_MAX_POINTS)
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: %d points; 0 to %d can be used", object,
                         p->point_count, PREDICT_MAX_POINTS);
    if (p->point_count && !p->points)
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: points is NULL", object);
    for (int i = 0; i < p->point_count; i++) {
        if (!isfinite(p->points[i].x) || !isfinite(p->points[i].y))
            return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: point %d is not a pair of finite numbers", object,
                             i);
        if (p->points[i].label != 0 && p->points[i].label != 1)
            return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: point %d has the label %d; 1 is inside, 0 outside",
                             object, i, p->points[i].label);
    }
    if (p->box)
        TRY(check_box(p->box, f, object, error));
    if (p->mask && p->low_res_logits)
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: both a mask and low-resolution logits are given",
                         object);
    if (p->mask && (p->mask_width < 1 || p->mask_height < 1 || p->mask_width > 65536 || p->mask_height > 65536))
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: a mask of %d x %d; sides from 1 to 65536 can be used",
                         object, p->mask_width, p->mask_height);
    if (p->mask && !any_size && (p->mask_width != f->width || p->mask_height != f->height))
        return error_set(error, SAM2_ERROR_MISMATCH, "object %d: the mask is %d x %d, the picture %d x %d", object,
                         p->mask_width, p->mask_height, f->width, f->height);
    if (p->mask && p->mask_stride < p->mask_width && p->mask_stride > -(ptrdiff_t)p->mask_width)
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d: a mask stride of %td bytes is less than a row's %d",
                         object, p->mask_stride, p->mask_width);
    return SAM2_OK;
}

/* A caller's array element: the array's pitch is the struct size of its first element. */
static sam2_status read_prompt(const sam2_prompt *prompts, int index, sam2_prompt *out, sam2_error *error)
{
    *out = (sam2_prompt)SAM2_PROMPT_INIT;
    const uint8_t *at = (const uint8_t *)prompts + (size_t)index * prompts->struct_size;
    return check_struct(at, sizeof(sam2_prompt), out, sizeof *out, "sam2_prompt", error);
}

sam2_status check_features(const sam2_features *features, const model *m, sam2_error *error)
{
    if (features->identity == m->identity && features_fit(features, m))
        return SAM2_OK;
    return error_set(error, SAM2_ERROR_MISMATCH,
                     "the features were made by another model (identity %016llx, the model's is %016llx)",
                     (unsigned long long)features->identity, (unsigned long long)m->identity);
}

sam2_status sam2_predict(sam2_context *context, const sam2_features *features, const sam2_prompt *prompts,
                         int prompt_count, const sam2_predict_options *options, sam2_result *result, sam2_error *error)
{
    CHECK_POINTER(result);
    result->objects = 0;
    CHECK_POINTER(context);
    CHECK_POINTER(features);
    CHECK_POINTER(prompts);
    const model *m = context->model->m;
    sam2_predict_options o = SAM2_PREDICT_OPTIONS_INIT;
    if (options)
        TRY(check_struct(options, sizeof o, &o, sizeof o, "sam2_predict_options", error));
    if (prompt_count < 1 || prompt_count > PREDICT_MAX_OBJECTS)
        return error_set(error, SAM2_ERROR_ARGUMENT, "%d objects; 1 to %d can be asked for", prompt_count,
                         PREDICT_MAX_OBJECTS);
    TRY(check_features(features, m, error));
    sam2_prompt p;
    for (int i = 0; i < prompt_count; i++) {
        TRY(read_prompt(prompts, i, &p, error));
        TRY(check_prompt(&p, features, i, false, error));
    }
    TRY(result_make_room(result, m, features, prompt_count, o.multimask ? 3 : 1, error));
    for (int i = 0, done = 0; i < prompt_count; i += done) {
        sam2_prompt next[DECODE_OBJECTS];
        int n = 0;
        for (; n < DECODE_OBJECTS && i + n < prompt_count; n++)
            TRY(read_prompt(prompts, i + n, &next[n], error));
        TRY(predict_objects(context, features, next, n, &o, -INFINITY, result, i, &done, error));
    }
    result->objects = prompt_count;
    return SAM2_OK;
}

int sam2_result_object_count(const sam2_result *result)
{
    return result ? result->objects : 0;
}

int sam2_result_mask_count(const sam2_result *result)
{
    return result && result->objects ? result->masks : 0;
}

sam2_status sam2_result_get_mask(const sam2_result *result, int object, int mask, sam2_mask *out, sam2_error *error)
{
    CHECK_POINTER(result);
    CHECK_POINTER(out);
    sam2_mask known = SAM2_MASK_INIT;
    TRY(check_struct(out, sizeof known, &known, sizeof known, "sam2_mask", error));
    if (object < 0 || object >= result->objects)
        return error_set(error, SAM2_ERROR_ARGUMENT, "object %d of a result with %d", object, result->objects);
    if (mask < 0 || mask >= result->masks)
        return error_set(error, SAM2_ERROR_ARGUMENT, "mask %d of %d", mask, result->masks);
    size_t slot = (size_t)object * (size_t)result->masks + (size_t)mask, side = (size_t)result->side;
    const result_mask *info = (const result_mask *)result->info + slot;
    *out = (sam2_mask){.struct_size = known.struct_size,
                       .low_res_logits = (const float *)result->logits + slot * side * side,
                       .low_res_size = result->side,
                       .width = result->width,
                       .height = result->height,
                       .score = info->score,
                       .object_score = info->object_score,
                       .index = info->index,
                       .internal = &result->enlarger};
    return SAM2_OK;
}

/* Checks a caller's mask and makes what enlarges it; `own` is filled where the mask is of no result. */
static sam2_status open_mask(const sam2_mask *mask, enlarger *own, enlarge *out, sam2_error *error)
{
    CHECK_POINTER(mask);
    sam2_mask m = SAM2_MASK_INIT;
    TRY(check_struct(mask, sizeof m, &m, sizeof m, "sam2_mask", error));
    CHECK_POINTER(m.low_res_logits);
    if (m.low_res_size < 1 || m.low_res_size > ENLARGE_MAX_SIDE)
        return error_set(error, SAM2_ERROR_ARGUMENT, "low_res_size is %d; 1 to %d can be used", m.low_res_size,
                         ENLARGE_MAX_SIDE);
    if (m.width < 1 || m.height < 1 || m.width > 65536 || m.height > 65536)
        return error_set(error, SAM2_ERROR_ARGUMENT, "a mask of %d x %d; sides from 1 to 65536 can be used", m.width,
                         m.height);
    const enlarger *by = m.internal ? m.internal : own;
    if (!m.internal) {
        kernels_select(&own->kernels, CPU_REF);
        own->pool = NULL;
    }
    *out = (enlarge){.k = &by->kernels,
                     .logits = m.low_res_logits,
                     .side = (size_t)m.low_res_size,
                     .width = (size_t)m.width,
                     .height = (size_t)m.height,
                     .pool = by->pool,
                     .middle = m.internal ? by->middle : 0,
                     .columns = m.internal ? by->columns : 0,
                     .rows = m.internal ? by->rows : 0};
    return SAM2_OK;
}

typedef struct logits_out {
    const kernels *k;
    float *out;
    ptrdiff_t stride;
} logits_out;

static void put_logits(void *user, size_t x, size_t y, size_t n, const float *top, const float *bottom, float v)
{
    const logits_out *o = user;
    o->k->weigh_rows_f32(n, 2, (const float *const[]){top, bottom}, (const float[]){1.0f - v, v},
                         o->out + (ptrdiff_t)y * o->stride + x);
}

sam2_status sam2_mask_to_logits(const sam2_mask *mask, float *out, ptrdiff_t stride, sam2_error *error)
{
    enlarger own;
    enlarge e;
    TRY(open_mask(mask, &own, &e, error));
    CHECK_POINTER(out);
    if (stride < mask->width && stride > -(ptrdiff_t)mask->width)
        return error_set(error, SAM2_ERROR_ARGUMENT, "a stride of %td floats is less than the width, %d", stride,
                         mask->width);
    enlarge_rows(&e, put_logits, &(logits_out){e.k, out, stride});
    return SAM2_OK;
}

typedef struct bytes_out {
    const kernels *k;
    uint8_t inside, *out;
    ptrdiff_t stride;
} bytes_out;

static void put_bytes(void *user, size_t x, size_t y, size_t n, const float *top, const float *bottom, float v)
{
    const bytes_out *o = user;
    o->k->blend_threshold_f32(n, top, bottom, v, o->inside, o->out + (ptrdiff_t)y * o->stride + x);
}

sam2_status sam2_mask_to_bytes(const sam2_mask *mask, uint8_t inside, uint8_t *out, ptrdiff_t stride, sam2_error *error)
{
    enlarger own;
    enlarge e;
    TRY(open_mask(mask, &own, &e, error));
    CHECK_POINTER(out);
    if (stride < mask->width && stride > -(ptrdiff_t)mask->width)
        return error_set(error, SAM2_ERROR_ARGUMENT, "a stride of %td bytes is less than the width, %d", stride,
                         mask->width);
    enlarge_rows(&e, put_bytes, &(bytes_out){e.k, inside, out, stride});
    return SAM2_OK;
}

typedef struct extent {
    int64_t area;
    size_t x0, y0, x1, y1; /* inclusive, valid once area > 0 */
} extent;

static void measure_run(void *user, size_t x, size_t y, size_t n, int level)
{
    extent *e = user;
    if (!level)
        return;
    if (!e->area) { /* columns come from left to right */
        e->x0 = x;
        e->y0 = y;
    }
    e->x1 = x;
    e->y0 = y < e->y0 ? y : e->y0;
    e->y1 = y + n - 1 > e->y1 ? y + n - 1 : e->y1;
    e->area += (int64_t)n;
}

sam2_status sam2_mask_measure(const sam2_mask *mask, int64_t *area, int box[4], sam2_error *error)
{
    enlarger own;
    enlarge e;
    TRY(open_mask(mask, &own, &e, error));
    extent found = {0};
    enlarge_levels(&e, &(float){0.0f}, 1, NULL, NULL, measure_run, &found);
    if (area)
        *area = found.area;
    if (box) {
        box[0] = (int)found.x0;
        box[1] = (int)found.y0;
        box[2] = found.area ? (int)(found.x1 - found.x0 + 1) : 0;
        box[3] = found.area ? (int)(found.y1 - found.y0 + 1) : 0;
    }
    return SAM2_OK;
}

static void put_rle(void *user, size_t x, size_t y, size_t n, int level)
{
    (void)x;
    (void)y;
    rle_put(user, level > 0, n);
}

sam2_status sam2_mask_to_rle(const sam2_mask *mask, char *out, size_t capacity, size_t *length, sam2_error *error)
{
    enlarger own;
    enlarge e;
    TRY(open_mask(mask, &own, &e, error));
    CHECK_POINTER(length);
    if (capacity)
        CHECK_POINTER(out);
    rle_writer w;
    rle_start(&w, out, capacity);
    enlarge_levels(&e, &(float){0.0f}, 1, NULL, NULL, put_rle, &w);
    rle_end(&w);
    *length = w.length;
    return SAM2_OK;
}
