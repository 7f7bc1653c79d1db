/* Public functions: masks as run lengths. */
#include "api/check.h"
#include "predict/polygon.h"
#include "predict/rle_regions.h"

#include <math.h>

static sam2_status check_size(int width, int height, sam2_error *error)
{
    if (width >= 1 && height >= 1 && width <= 65536 && height <= 65536)
        return SAM2_OK;
    return error_set(error, SAM2_ERROR_ARGUMENT, "a mask of %d x %d; sides from 1 to 65536 can be used", width, height);
}

static sam2_status check_stride(ptrdiff_t stride, int width, sam2_error *error)
{
    if (stride >= width || stride <= -(ptrdiff_t)width)
        return SAM2_OK;
    return error_set(error, SAM2_ERROR_ARGUMENT, "a stride of %td is less than the width, %d", stride, width);
}

static sam2_status check_output(const char *out, size_t capacity, const size_t *length, sam2_error *error)
{
    CHECK_POINTER(length);
    if (capacity)
        CHECK_POINTER(out);
    return SAM2_OK;
}

static sam2_status check_one(const sam2_rle *rle, sam2_error *error)
{
    CHECK_POINTER(rle);
    return rle_check(rle, "mask", 0, error);
}

/* All of the size of `like`. */
static sam2_status check_list(const sam2_rle *rles, size_t count, const char *what, const sam2_rle *like,
                              sam2_error *error)
{
    if (count)
        CHECK_POINTER(rles);
    for (size_t i = 0; i < count; i++) {
        TRY(rle_check(&rles[i], what, i, error));
        if (rles[i].width != like->width || rles[i].height != like->height)
            return error_set(error, SAM2_ERROR_MISMATCH, "%s %zu has %d x %d pixels, the first %d x %d", what, i,
                             rles[i].width, rles[i].height, like->width, like->height);
    }
    return SAM2_OK;
}

/* ---- in and out ---- */

/* Columns that are read together: their rows are cache lines, which stay in the cache from one column to the next. */
enum { BAND = 64 };

static bool is_empty(const uint8_t *row, int n)
{
    static const uint8_t nothing[BAND];
    return memcmp(row, nothing, (size_t)n) == 0;
}

/* A column in which nothing is above `top` or from `bottom` on. */
static void put_column(rle_writer *w, const uint8_t *column, int height, int top, int bottom, ptrdiff_t stride)
{
    rle_put(w, false, (size_t)top);
    for (int y = top, end; y < bottom; y = end) {
        bool inside = column[(ptrdiff_t)y * stride] != 0;
        for (end = y + 1; end < bottom && (column[(ptrdiff_t)end * stride] != 0) == inside; end++)
            ;
        rle_put(w, inside, (size_t)(end - y));
    }
    rle_put(w, false, (size_t)(height - bottom));
}

sam2_status sam2_rle_from_bytes(const uint8_t *mask, int width, int height, ptrdiff_t stride, char *out,
                                size_t capacity, size_t *length, sam2_error *error)
{
    CHECK_POINTER(mask);
    TRY(check_size(width, height, error));
    TRY(check_stride(stride, width, error));
    TRY(check_output(out, capacity, length, error));
    rle_writer w;
    rle_start(&w, out, capacity);
    for (int x = 0, n; x < width; x += n) {
        n = width - x < BAND ? width - x : BAND;
        int top = 0, bottom = height;
        while (top < height && is_empty(mask + (ptrdiff_t)top * stride + x, n))
            top++;
        while (bottom > top && is_empty(mask + (ptrdiff_t)(bottom - 1) * stride + x, n))
            bottom--;
        for (int i = 0; i < n; i++)
            put_column(&w, mask + x + i, height, top, bottom, stride);
    }
    rle_end(&w);
    *length = w.length;
    return SAM2_OK;
}

sam2_status sam2_rle_to_bytes(const sam2_rle *rle, uint8_t inside, uint8_t *out, ptrdiff_t stride, sam2_error *error)
{
    TRY(check_one(rle, error));
    CHECK_POINTER(out);
    TRY(check_stride(stride, rle->width, error));
    for (int y = 0; y < rle->height; y++)
        memset(out + (ptrdiff_t)y * stride, 0, (size_t)rle->width);
    rle_reader r;
    rle_open(&r, rle);
    for (int64_t at = 0; rle_next(&r); at += r.run)
        if (r.inside) {
            int64_t x = at / rle->height, y = at % rle->height;
            for (int64_t i = 0; i < r.run; i++) {
                out[y * stride + x] = inside;
                if (++y == rle->height) {
                    y = 0;
                    x++;
                }
            }
        }
    return SAM2_OK;
}

sam2_status sam2_rle_from_runs(const int64_t *runs, size_t count, int width, int height, char *out, size_t capacity,
                               size_t *length, sam2_error *error)
{
    if (count)
        CHECK_POINTER(runs);
    TRY(check_size(width, height, error));
    TRY(check_output(out, capacity, length, error));
    const int64_t pixels = (int64_t)width * height;
    int64_t left = pixels;
    for (size_t i = 0; i < count; i++) {
        if (runs[i] < 0 || runs[i] > left)
            return error_set(error, SAM2_ERROR_FORMAT, "run %zu of %lld pixels does not fit a mask of %d x %d", i,
                             (long long)runs[i], width, height);
        left -= runs[i];
    }
    if (left)
        return error_set(error, SAM2_ERROR_FORMAT, "the run lengths end %lld pixels before the mask of %d x %d does",
                         (long long)left, width, height);
    rle_writer w;
    rle_start(&w, out, capacity);
    for (size_t i = 0; i < count; i++)
        rle_put(&w, i % 2, (size_t)runs[i]);
    rle_end(&w);
    *length = w.length;
    return SAM2_OK;
}

sam2_status sam2_rle_to_runs(const sam2_rle *rle, int64_t *runs, size_t capacity, size_t *count, sam2_error *error)
{
    TRY(check_one(rle, error));
    CHECK_POINTER(count);
    if (capacity)
        CHECK_POINTER(runs);
    rle_reader r;
    size_t n = 0;
    rle_open(&r, rle);
    for (; rle_next(&r); n++)
        if (n < capacity)
            runs[n] = r.run;
    *count = n;
    return SAM2_OK;
}

/* ---- numbers ---- */

sam2_status sam2_rle_measure(const sam2_rle *rle, int64_t *area, int box[4], sam2_error *error)
{
    TRY(check_one(rle, error));
    rle_extent e = rle_measure(rle);
    if (area)
        *area = e.area;
    if (box) {
        box[0] = e.x0;
        box[1] = e.y0;
        box[2] = e.area ? e.x1 - e.x0 + 1 : 0;
        box[3] = e.area ? e.y1 - e.y0 + 1 : 0;
    }
    return SAM2_OK;
}

sam2_status sam2_rle_iou(const sam2_rle *found, size_t found_count, const sam2_rle *truth, size_t truth_count,
                         const uint8_t *crowd, double *out, sam2_error *error)
{
    if (!found_count || !truth_count)
        return SAM2_OK;
    CHECK_POINTER(found);
    CHECK_POINTER(out);
    TRY(check_list(found, found_count, "found mask", &found[0], error));
    TRY(check_list(truth, truth_count, "true mask", &found[0], error));
    for (size_t i = 0; i < found_count; i++) {
        rle_extent a = rle_measure(&found[i]);
        for (size_t j = 0; j < truth_count; j++) {
            int64_t common = rle_common(&found[i], &truth[j]);
            int64_t both = crowd && crowd[j] ? a.area : a.area + rle_measure(&truth[j]).area - common;
            out[i * truth_count + j] = common ? (double)common / (double)both : 0.0;
        }
    }
    return SAM2_OK;
}

/* ---- masks of masks ---- */

static bool combined(const rle_reader *r, size_t count, sam2_rle_operation operation)
{
    size_t inside = 0;
    for (size_t i = 0; i < count; i++)
        inside += r[i].inside;
    return operation == SAM2_RLE_UNION          ? inside > 0
           : operation == SAM2_RLE_INTERSECTION ? inside == count
                                                : r[0].inside && inside == 1;
}

/* Goes through all masks side by side, in pieces in which none changes. */
static void merge(rle_reader *r, size_t count, int64_t pixels, sam2_rle_operation operation, rle_writer *w)
{
    for (int64_t at = 0, n; at < pixels; at += n) {
        n = pixels - at;
        for (size_t i = 0; i < count; i++) {
            while (!r[i].run && rle_next(&r[i]))
                ;
            n = r[i].run < n ? r[i].run : n;
        }
        rle_put(w, combined(r, count, operation), (size_t)n);
        for (size_t i = 0; i < count; i++)
            r[i].run -= n;
    }
}

sam2_status sam2_rle_merge(const sam2_rle *rles, size_t count, sam2_rle_operation operation, char *out, size_t capacity,
                           size_t *length, const sam2_allocator *allocator, sam2_error *error)
{
    CHECK_POINTER(rles);
    if (!count)
        return error_set(error, SAM2_ERROR_ARGUMENT, "no mask to merge");
    if (operation < SAM2_RLE_UNION || operation > SAM2_RLE_DIFFERENCE)
        return error_set(error, SAM2_ERROR_ARGUMENT, "operation %d does not exist", (int)operation);
    TRY(check_list(rles, count, "mask", &rles[0], error));
    TRY(check_output(out, capacity, length, error));
    const sam2_allocator *a;
    TRY(check_allocator(allocator, &a, error));
    void *memory = NULL;
    TRY(alloc_array(a, count, sizeof(rle_reader), "masks to merge", &memory, error));
    rle_reader *readers = memory;
    for (size_t i = 0; i < count; i++)
        rle_open(&readers[i], &rles[i]);
    rle_writer w;
    rle_start(&w, out, capacity);
    merge(readers, count, (int64_t)rles[0].width * rles[0].height, operation, &w);
    rle_end(&w);
    *length = w.length;
    alloc_release(a, memory, count * sizeof(rle_reader));
    return SAM2_OK;
}

sam2_status sam2_rle_to_labels(const sam2_rle *rles, size_t count, int32_t *out, ptrdiff_t stride, sam2_error *error)
{
    CHECK_POINTER(rles);
    CHECK_POINTER(out);
    if (count < 1 || count > INT32_MAX)
        return error_set(error, SAM2_ERROR_ARGUMENT, "%zu masks; 1 to %d can be numbered", count, INT32_MAX);
    TRY(check_list(rles, count, "mask", &rles[0], error));
    TRY(check_stride(stride, rles[0].width, error));
    const int height = rles[0].height;
    for (int y = 0; y < height; y++)
        memset(out + (ptrdiff_t)y * stride, 0, (size_t)rles[0].width * sizeof *out);
    for (size_t i = count; i-- > 0;) { /* the first is painted last */
        rle_reader r;
        rle_open(&r, &rles[i]);
        for (int64_t at = 0; rle_next(&r); at += r.run)
            for (int64_t k = at; r.inside && k < at + r.run; k++)
                out[k % height * stride + k / height] = (int32_t)i + 1;
    }
    return SAM2_OK;
}

/* ---- parts ---- */

static void label_parts(const rle_regions *r, const uint32_t *order, size_t parts, int32_t *labels, ptrdiff_t stride,
                        int width, int height)
{
    for (int y = 0; y < height; y++)
        memset(labels + (ptrdiff_t)y * stride, 0, (size_t)width * sizeof *labels);
    for (uint32_t i = 0; i < r->count; i++) /* roots last come to know their number, in their block's place */
        rle_regions_root(r, i);
    for (size_t k = 0; k < parts; k++)
        r->spans[order[k]].block = k + 1;
    for (uint32_t i = 0; i < r->count; i++) {
        const rle_span *s = &r->spans[i];
        for (uint32_t y = s->y0; y < s->y1; y++)
            labels[(ptrdiff_t)y * stride + s->x] = (int32_t)r->spans[rle_regions_root(r, i)].block;
    }
}

sam2_status sam2_rle_components(const sam2_rle *rle, int inside, int64_t *areas, size_t capacity, size_t *count,
                                int32_t *labels, ptrdiff_t stride, const sam2_allocator *allocator, sam2_error *error)
{
    TRY(check_one(rle, error));
    CHECK_POINTER(count);
    if (capacity)
        CHECK_POINTER(areas);
    if (labels)
        TRY(check_stride(stride, rle->width, error));
    const sam2_allocator *a;
    TRY(check_allocator(allocator, &a, error));
    rle_regions r;
    TRY(rle_regions_find(rle, inside != 0, a, &r, error));
    uint32_t *order = NULL;
    size_t parts = 0;
    sam2_status status = rle_regions_order(&r, a, &order, &parts, error);
    if (status == SAM2_OK) {
        for (size_t k = 0; k < parts && k < capacity; k++)
            areas[k] = r.spans[order[k]].area;
        if (labels)
            label_parts(&r, order, parts, labels, stride, rle->width, rle->height);
        *count = parts;
        alloc_release(a, order, (parts + 1) * sizeof *order);
    }
    rle_regions_free(&r, a);
    return status;
}

sam2_status sam2_rle_remove_small_regions(const sam2_rle *rle, int64_t min_area, char *out, size_t capacity,
                                          size_t *length, int *changed, const sam2_allocator *allocator,
                                          sam2_error *error)
{
    TRY(check_one(rle, error));
    TRY(check_output(out, capacity, length, error));
    const sam2_allocator *a;
    TRY(check_allocator(allocator, &a, error));
    char *text = NULL;
    size_t bytes = 0;
    TRY(rle_clean(rle, min_area, a, &text, &bytes, error));
    const char *from = text ? text : rle->counts;
    *length = strlen(from);
    if (capacity) {
        size_t n = *length < capacity ? *length : capacity - 1;
        memcpy(out, from, n);
        out[n] = '\0';
    }
    if (changed)
        *changed = text != NULL;
    alloc_release(a, text, bytes);
    return SAM2_OK;
}

sam2_status sam2_rle_polygons(const sam2_rle *rle, double tolerance, sam2_polygon_visitor visit, void *user,
                              const sam2_allocator *allocator, sam2_error *error)
{
    TRY(check_one(rle, error));
    CHECK_POINTER(visit);
    if (!isfinite(tolerance) || tolerance < 0)
        return error_set(error, SAM2_ERROR_ARGUMENT, "a tolerance of %g; 0 or more pixels can be used", tolerance);
    const sam2_allocator *a;
    TRY(check_allocator(allocator, &a, error));
    return polygons_show(rle, tolerance, visit, user, a, error);
}
