/* safetensors: 8 bytes with the header's length, the header (a JSON object: name -> dtype, shape, data_offsets), then
 * the data without holes. */
#include "weights/internal.h"
#include "weights/json_scan.h"
#include "weights/metadata.h"
#include "weights/sort.h"

#define MAX_HEADER 100000000u /* as the format says */
#define WHAT "the safetensors header"

typedef struct dtype {
    const char *name;
    size_t size;
    int type; /* a weights_type, or -1: integers, of which single numbers (a counter) are passed over */
} dtype;

static const dtype dtypes[] = {
    {"F32", 4, WEIGHTS_F32}, {"F16", 2, WEIGHTS_F16}, {"BF16", 2, WEIGHTS_BF16},
    {"I64", 8, -1},          {"U64", 8, -1},          {"I32", 4, -1},
    {"U32", 4, -1},          {"I16", 2, -1},          {"U16", 2, -1},
    {"I8", 1, -1},           {"U8", 1, -1},           {"BOOL", 1, -1},
};

/* Where a tensor's bytes are, relative to the data's start. */
typedef struct span {
    uint64_t begin, end;
    const char *name;
} span;

typedef struct reader {
    weights *w;
    json_scan scan;
    const uint8_t *data;
    size_t data_size;
    span *spans;
    size_t span_count, spans_bytes;
} reader;

/* One tensor's description. */
typedef struct entry {
    char type[16]; /* cut when it is longer */
    size_t type_length;
    int dims;
    int64_t shape[WEIGHTS_MAX_DIMS];
    int64_t offsets[2];
    bool has_type, has_shape, has_offsets;
} entry;

static sam2_status damaged(const reader *r, sam2_error *error)
{
    return metadata_damaged(&r->scan, WHAT, error);
}

/* A list of at most `most` sizes; *count is how many. */
static sam2_status read_sizes(reader *r, const char *name, const char *key, int64_t *sizes, int most, int *count,
                              sam2_error *error)
{
    if (!json_take(&r->scan, '['))
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: \"%s\" is no list", name, key);
    *count = 0;
    if (json_take(&r->scan, ']'))
        return SAM2_OK;
    do {
        if (*count == most)
            return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: \"%s\" has more than %d numbers", name, key, most);
        if (!json_size(&r->scan, &sizes[*count]))
            return error_set(error, SAM2_ERROR_FORMAT,
                             "tensor %s: \"%s\" holds what is no whole number from 0 to 2^63 - 1", name, key);
        ++*count;
    } while (json_take(&r->scan, ','));
    return json_take(&r->scan, ']') ? SAM2_OK : damaged(r, error);
}

/* The value of `key` in a tensor's object. */
static sam2_status read_field(reader *r, const char *name, const char *key, entry *e, sam2_error *error)
{
    bool *seen = strcmp(key, "dtype") == 0          ? &e->has_type
                 : strcmp(key, "shape") == 0        ? &e->has_shape
                 : strcmp(key, "data_offsets") == 0 ? &e->has_offsets
                                                    : NULL;
    int count = 2;
    if (!seen)
        return json_skip(&r->scan) ? SAM2_OK : damaged(r, error);
    if (*seen)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: \"%s\" is there twice", name, key);
    *seen = true;
    if (seen == &e->has_type && !json_text(&r->scan, e->type, sizeof e->type, &e->type_length))
        return damaged(r, error);
    if (seen == &e->has_shape)
        return read_sizes(r, name, key, e->shape, WEIGHTS_MAX_DIMS, &e->dims, error);
    if (seen == &e->has_offsets)
        TRY(read_sizes(r, name, key, e->offsets, 2, &count, error));
    if (count != 2 || e->offsets[0] > e->offsets[1])
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: \"data_offsets\" are no [begin, end]", name);
    return SAM2_OK;
}

static sam2_status read_entry(reader *r, const char *name, entry *e, sam2_error *error)
{
    if (!json_take(&r->scan, '{'))
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: its description is no object", name);
    if (!json_take(&r->scan, '}')) {
        do {
            char key[16] = {0}; /* longer keys are none of ours */
            size_t length;
            if (!json_text(&r->scan, key, sizeof key - 1, &length) || !json_take(&r->scan, ':'))
                return damaged(r, error);
            TRY(read_field(r, name, length < sizeof key ? key : "", e, error));
        } while (json_take(&r->scan, ','));
        if (!json_take(&r->scan, '}'))
            return damaged(r, error);
    }
    if (!e->has_type || !e->has_shape || !e->has_offsets)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: \"%s\" is missing", name,
                         !e->has_type    ? "dtype"
                         : !e->has_shape ? "shape"
                                         : "data_offsets");
    return SAM2_OK;
}

static sam2_status keep_span(reader *r, span s, sam2_error *error)
{
    if (r->span_count == WEIGHTS_MAX_TENSORS)
        return error_set(error, SAM2_ERROR_FORMAT, "more than %d tensors", WEIGHTS_MAX_TENSORS);
    void *spans = r->spans;
    sam2_status status = alloc_grow(&r->w->allocator, &spans, &r->spans_bytes, r->span_count * sizeof s,
                                    (r->span_count + 1) * sizeof s, "the header", error);
    r->spans = spans;
    TRY(status);
    r->spans[r->span_count++] = s;
    return SAM2_OK;
}

static sam2_status read_tensor(reader *r, const char *key, size_t key_length, sam2_error *error)
{
    shown room, shown_type;
    const char *name = show(&room, key, key_length);
    entry e = {0};
    TRY(read_entry(r, name, &e, error));
    const dtype *type = NULL;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes && !type; i++)
        if (e.type_length == strlen(dtypes[i].name) && memcmp(e.type, dtypes[i].name, e.type_length) == 0)
            type = &dtypes[i];
    show(&shown_type, e.type, e.type_length < sizeof e.type ? e.type_length : sizeof e.type);
    size_t count;
    if (!weights_shape_count(e.dims, e.shape, &count))
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: the product of its sizes overflows", name);
    if (!type || (type->type < 0 && count != 1))
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "tensor %s is of type %s; F32, F16 and BF16 are read", name,
                         shown_type.text);
    span s = {(uint64_t)e.offsets[0], (uint64_t)e.offsets[1], NULL};
    if (s.end > r->data_size)
        return error_set(error, SAM2_ERROR_FORMAT,
                         "tensor %s ends at byte %llu of %zu of data: the file is cut off or its header is damaged",
                         name, (unsigned long long)s.end, r->data_size);
    if (s.end - s.begin != count * type->size)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s takes %llu bytes, but its shape and type %s make %zu",
                         name, (unsigned long long)(s.end - s.begin), type->name, count * type->size);
    TRY(weights_keep_text(r->w, key, key_length, &s.name, error));
    TRY(keep_span(r, s, error));
    if (type->type < 0)
        return SAM2_OK;
    return weights_add(r->w, key, key_length, (weights_type)type->type, e.dims, e.shape, r->data + s.begin, error);
}

static sam2_status read_header(reader *r, sam2_error *error)
{
    static const char metadata[] = "__metadata__";
    bool has_metadata = false;
    if (!json_take(&r->scan, '{'))
        return damaged(r, error);
    if (!json_take(&r->scan, '}')) {
        do {
            char key[WEIGHTS_MAX_NAME + 1];
            size_t length;
            if (!json_text(&r->scan, key, sizeof key, &length) || !json_take(&r->scan, ':'))
                return damaged(r, error);
            if (length > WEIGHTS_MAX_NAME)
                return error_set(error, SAM2_ERROR_FORMAT, "a tensor's name has %zu bytes; at most %d are read", length,
                                 WEIGHTS_MAX_NAME);
            if (length != sizeof metadata - 1 || memcmp(key, metadata, length) != 0) {
                TRY(read_tensor(r, key, length, error));
            } else {
                if (has_metadata)
                    return error_set(error, SAM2_ERROR_FORMAT, WHAT " has \"%s\" twice", metadata);
                has_metadata = true;
                TRY(metadata_read(r->w, &r->scan, WHAT, error));
            }
        } while (json_take(&r->scan, ','));
        if (!json_take(&r->scan, '}'))
            return damaged(r, error);
    }
    return json_at_end(&r->scan) ? SAM2_OK : damaged(r, error);
}

static bool span_before(const void *context, uint32_t a, uint32_t b)
{
    const span *spans = context;
    return spans[a].begin != spans[b].begin ? spans[a].begin < spans[b].begin : spans[a].end < spans[b].end;
}

static bool name_before(const void *context, uint32_t a, uint32_t b)
{
    const span *spans = context;
    return strcmp(spans[a].name, spans[b].name) < 0;
}

/* No key twice; and the tensors have to fill the data exactly: an overlap, a hole or a rest means a damaged or doctored
 * header. */
static sam2_status check_spans(const reader *r, uint32_t *order, sam2_error *error)
{
    uint64_t at = 0;
    shown room, room_before;
    for (size_t i = 0; i < r->span_count; i++)
        order[i] = (uint32_t)i;
    sort_indices(order, r->span_count, name_before, r->spans);
    for (size_t i = 1; i < r->span_count; i++) {
        const char *name = r->spans[order[i]].name;
        if (strcmp(r->spans[order[i - 1]].name, name) == 0)
            return error_set(error, SAM2_ERROR_FORMAT, "tensor %s is there twice", show(&room, name, strlen(name)));
    }
    sort_indices(order, r->span_count, span_before, r->spans);
    for (size_t i = 0; i < r->span_count; i++) {
        const span *s = &r->spans[order[i]];
        const char *before = i ? r->spans[order[i - 1]].name : "the start";
        if (s->begin == s->end)
            continue;
        show(&room, s->name, strlen(s->name));
        show(&room_before, before, strlen(before));
        if (s->begin < at)
            return error_set(error, SAM2_ERROR_FORMAT, "tensor %s overlaps %s", room.text, room_before.text);
        if (s->begin > at)
            return error_set(error, SAM2_ERROR_FORMAT, "%llu bytes between %s and tensor %s belong to nothing",
                             (unsigned long long)(s->begin - at), room_before.text, room.text);
        at = s->end;
    }
    if (at != r->data_size)
        return error_set(error, SAM2_ERROR_FORMAT, "%llu bytes after the last tensor belong to nothing",
                         (unsigned long long)(r->data_size - at));
    return SAM2_OK;
}

static sam2_status read_all(reader *r, sam2_error *error)
{
    TRY(read_header(r, error));
    void *order;
    TRY(alloc_array(&r->w->allocator, r->span_count, sizeof(uint32_t), "the header", &order, error));
    sam2_status status = check_spans(r, order, error);
    alloc_release(&r->w->allocator, order, r->span_count * sizeof(uint32_t));
    return status;
}

sam2_status safetensors_parse(weights *w, const uint8_t *bytes, size_t size, sam2_error *error)
{
    if (size < 8)
        return error_set(error, SAM2_ERROR_FORMAT, "%zu bytes are too few for a safetensors file", size);
    uint64_t length = get_le64(bytes);
    if (length > MAX_HEADER)
        return error_set(error, SAM2_ERROR_FORMAT,
                         "a safetensors header of %llu bytes is over the format's limit of %u",
                         (unsigned long long)length, MAX_HEADER);
    if (length > size - 8)
        return error_set(error, SAM2_ERROR_FORMAT, WHAT " takes %llu bytes, but only %zu follow: the file is cut off",
                         (unsigned long long)length, size - 8);
    const char *text = (const char *)bytes + 8;
    reader r = {.w = w,
                .scan = {text, text, text + length},
                .data = bytes + 8 + length,
                .data_size = size - 8 - (size_t)length};
    sam2_status status = read_all(&r, error);
    alloc_release(&w->allocator, r.spans, r.spans_bytes);
    return status;
}
