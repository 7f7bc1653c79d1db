/* safetensors: 8 bytes with the header's length, the header (a JSON object: name -> dtype, shape, data_offsets), then the data without holes. */
#include "weights/internal.h"
#include "weights/metadata.h"
#include "weights/sort.h"

#include <jansson.h>

#define MAX_HEADER 100000000u /* as the format says */

typedef struct dtype {
    const char *name;
    size_t size;
    int type; /* a weights_type, or -1: integers, of which single numbers (a counter) are passed over */
} dtype;

static const dtype dtypes[] = {
    {"F32", 4, WEIGHTS_F32}, {"F16", 2, WEIGHTS_F16}, {"BF16", 2, WEIGHTS_BF16}, {"I64", 8, -1}, {"U64", 8, -1}, {"I32", 4, -1},
    {"U32", 4, -1},          {"I16", 2, -1},          {"U16", 2, -1},            {"I8", 1, -1},  {"U8", 1, -1},  {"BOOL", 1, -1},
};

/* Where a tensor's bytes are, relative to the data's start. */
typedef struct span {
    uint64_t begin, end;
    const char *name; /* in the parsed header */
} span;

typedef struct reader {
    weights *w;
    const uint8_t *data;
    size_t data_size;
    span *spans;
    size_t span_count;
} reader;

static sam2_status read_shape(const json_t *json, const char *name, int *dims, int64_t *shape, sam2_error *error)
{
    if (!json_is_array(json))
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: \"shape\" is missing or no list", name);
    size_t n = json_array_size(json);
    if (n > WEIGHTS_MAX_DIMS)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s has %zu dimensions; at most %d are read", name, n, WEIGHTS_MAX_DIMS);
    for (size_t i = 0; i < n; i++) {
        const json_t *size = json_array_get(json, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: size %zu of its shape is no whole number", name, i);
        shape[i] = json_integer_value(size);
    }
    *dims = (int)n;
    return SAM2_OK;
}

static sam2_status read_span(const reader *r, const json_t *json, const char *name, span *out, sam2_error *error)
{
    const json_t *begin = json_array_get(json, 0), *end = json_array_get(json, 1);
    if (json_array_size(json) != 2 || !json_is_integer(begin) || !json_is_integer(end) || json_integer_value(begin) < 0 ||
        json_integer_value(end) < json_integer_value(begin))
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: \"data_offsets\" are no [begin, end]", name);
    *out = (span){(uint64_t)json_integer_value(begin), (uint64_t)json_integer_value(end), name};
    if (out->end > r->data_size)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s ends at byte %llu of %zu of data: the file is cut off or its header is damaged", name,
                         (unsigned long long)out->end, r->data_size);
    return SAM2_OK;
}

static sam2_status read_tensor(reader *r, const char *key, const json_t *json, sam2_error *error)
{
    shown room;
    const char *name = show(&room, key, strlen(key));
    const char *type_name = json_string_value(json_object_get(json, "dtype"));
    if (!json_is_object(json) || !type_name)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: \"dtype\" is missing", name);
    const dtype *type = NULL;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes && !type; i++)
        if (strcmp(type_name, dtypes[i].name) == 0)
            type = &dtypes[i];
    if (!type) {
        shown shown_type;
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "tensor %s is of type %s; F32, F16 and BF16 are read", name,
                         show(&shown_type, type_name, strlen(type_name)));
    }
    int dims = 0;
    int64_t shape[WEIGHTS_MAX_DIMS];
    size_t count;
    TRY(read_shape(json_object_get(json, "shape"), name, &dims, shape, error));
    if (!weights_shape_count(dims, shape, &count))
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: the product of its sizes overflows", name);
    span *s = &r->spans[r->span_count];
    TRY(read_span(r, json_object_get(json, "data_offsets"), name, s, error));
    s->name = key;
    r->span_count++;
    if (s->end - s->begin != count * type->size)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s takes %llu bytes, but its shape and type %s make %zu", name,
                         (unsigned long long)(s->end - s->begin), type->name, count * type->size);
    if (type->type < 0 && count == 1)
        return SAM2_OK;
    if (type->type < 0)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "tensor %s is of type %s; F32, F16 and BF16 are read", name, type->name);
    return weights_add(r->w, key, strlen(key), (weights_type)type->type, dims, shape, r->data + s->begin, error);
}

static bool span_before(const void *context, uint32_t a, uint32_t b)
{
    const span *spans = context;
    return spans[a].begin != spans[b].begin ? spans[a].begin < spans[b].begin : spans[a].end < spans[b].end;
}

/* The tensors have to fill the data exactly: an overlap, a hole or a rest means a damaged or doctored header. */
static sam2_status check_spans(const reader *r, uint32_t *order, sam2_error *error)
{
    uint64_t at = 0;
    for (size_t i = 0; i < r->span_count; i++)
        order[i] = (uint32_t)i;
    sort_indices(order, r->span_count, span_before, r->spans);
    shown room, room_before;
    for (size_t i = 0; i < r->span_count; i++) {
        const span *s = &r->spans[order[i]];
        if (s->begin == s->end)
            continue;
        const char *before = i ? r->spans[order[i - 1]].name : "the start";
        if (s->begin < at)
            return error_set(error, SAM2_ERROR_FORMAT, "tensor %s overlaps %s", show(&room, s->name, strlen(s->name)),
                             show(&room_before, before, strlen(before)));
        if (s->begin > at)
            return error_set(error, SAM2_ERROR_FORMAT, "%llu bytes between %s and tensor %s belong to nothing", (unsigned long long)(s->begin - at),
                             show(&room_before, before, strlen(before)), show(&room, s->name, strlen(s->name)));
        at = s->end;
    }
    if (at != r->data_size)
        return error_set(error, SAM2_ERROR_FORMAT, "%llu bytes after the last tensor belong to nothing", (unsigned long long)(r->data_size - at));
    return SAM2_OK;
}

static sam2_status read_all(reader *r, const json_t *header, sam2_error *error)
{
    const sam2_allocator *a = &r->w->allocator;
    size_t n = json_object_size(header);
    if (n > WEIGHTS_MAX_TENSORS + 1)
        return error_set(error, SAM2_ERROR_FORMAT, "more than %d tensors", WEIGHTS_MAX_TENSORS);
    void *memory;
    TRY(alloc_array(a, n, sizeof *r->spans, "the header", &memory, error));
    r->spans = memory;
    sam2_status status = SAM2_OK;
    for (void *it = json_object_iter((json_t *)(uintptr_t)header); it && status == SAM2_OK;
         it = json_object_iter_next((json_t *)(uintptr_t)header, it)) {
        const char *key = json_object_iter_key(it);
        const json_t *value = json_object_iter_value(it);
        if (strcmp(key, "__metadata__") == 0)
            status = metadata_take(r->w, value, error);
        else
            status = read_tensor(r, key, value, error);
    }
    if (status == SAM2_OK)
        status = alloc_array(a, n, sizeof(uint32_t), "the header", &memory, error);
    if (status == SAM2_OK) {
        status = check_spans(r, memory, error);
        alloc_release(a, memory, n * sizeof(uint32_t));
    }
    alloc_release(a, r->spans, n * sizeof *r->spans);
    return status;
}

sam2_status safetensors_parse(weights *w, const uint8_t *bytes, size_t size, sam2_error *error)
{
    if (size < 8)
        return error_set(error, SAM2_ERROR_FORMAT, "%zu bytes are too few for a safetensors file", size);
    uint64_t length = get_le64(bytes);
    if (length > MAX_HEADER)
        return error_set(error, SAM2_ERROR_FORMAT, "a safetensors header of %llu bytes is over the format's limit of %u", (unsigned long long)length,
                         MAX_HEADER);
    if (length > size - 8)
        return error_set(error, SAM2_ERROR_FORMAT, "the safetensors header takes %llu bytes, but only %zu follow: the file is cut off",
                         (unsigned long long)length, size - 8);
    json_t *header = NULL;
    TRY(metadata_parse((const char *)bytes + 8, (size_t)length, "the safetensors header", &header, error));
    reader r = {.w = w, .data = bytes + 8 + length, .data_size = size - 8 - (size_t)length};
    sam2_status status = read_all(&r, header, error);
    json_decref(header);
    return status;
}
