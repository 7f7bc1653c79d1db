/* Opening, the index by name, closing. */
#include "weights/internal.h"

#include "weights/sort.h"

const char *weights_format_name(weights_format format)
{
    switch (format) {
    case WEIGHTS_PT:
        return "PyTorch zip";
    case WEIGHTS_SAFETENSORS:
        return "safetensors";
    case WEIGHTS_NATIVE:
        return "native";
    case WEIGHTS_SYNTHETIC:
        return "synthetic";
    }
    return "unknown";
}

/* Longer labels keep their end, where the file's name is: an error's text has to hold the reason too. */
#define LABEL_SHOWN 200

static sam2_status keep_label(weights *w, const char *label, sam2_error *error)
{
    size_t length = strlen(label), skipped = 0;
    if (length > LABEL_SHOWN)
        for (skipped = length - LABEL_SHOWN; ((unsigned char)label[skipped] & 0xC0) == 0x80; skipped++)
            ;
    void *memory;
    TRY(chunks_take(&w->texts, length - skipped + 4, &memory, error));
    char *text = memory;
    strcpy(text, skipped ? "..." : "");
    strcat(text, label + skipped);
    w->label = text;
    return SAM2_OK;
}

sam2_status weights_new(const sam2_allocator *a, weights_format format, const char *label, weights **out,
                        sam2_error *error)
{
    if (!a)
        a = &alloc_default;
    void *memory;
    TRY(alloc_array(a, 1, sizeof(weights), "the weights' index", &memory, error));
    weights *w = memory;
    w->allocator = *a;
    w->format = format;
    w->texts = (chunks){.allocator = *a, .what = "the tensors' names"};
    sam2_status status = keep_label(w, label, error);
    if (status != SAM2_OK) {
        weights_close(w);
        return status;
    }
    *out = w;
    return SAM2_OK;
}

void weights_close(weights *w)
{
    if (!w)
        return;
    sam2_allocator a = w->allocator;
    alloc_release(&a, w->tensors, w->tensors_bytes);
    alloc_release(&a, w->constants, w->constants_bytes);
    alloc_release(&a, w->by_name, w->by_name_count * sizeof *w->by_name);
    alloc_release(&a, w->values, w->values_bytes);
    chunks_free(&w->texts);
    mapfile_close(&w->map);
    alloc_release(&a, w, sizeof *w);
}

bool weights_shape_count(int dims, const int64_t *shape, size_t *count)
{
    /* A size of 0 must not hide an overflow among the others, so zeros are left out of the product and put back at the
     * end. */
    bool empty = false;
    *count = 1;
    for (int i = 0; i < dims; i++) {
        if (shape[i] < 0)
            return false;
        if (shape[i] == 0)
            empty = true;
        else if (!checked_mul(*count, (size_t)shape[i], count))
            return false;
    }
    if (*count > SIZE_MAX / 8) /* bytes of any element type fit too */
        return false;
    if (empty)
        *count = 0;
    return true;
}

sam2_status weights_keep_text(weights *w, const char *text, size_t length, const char **out, sam2_error *error)
{
    void *memory;
    if (length == SIZE_MAX)
        return error_memory(error, "a text", length);
    TRY(chunks_take(&w->texts, length + 1, &memory, error));
    char *copy = memory;
    memcpy(copy, text, length);
    copy[length] = '\0';
    *out = copy;
    return SAM2_OK;
}

/* Length of the UTF-8 character at `p` (of `left` bytes), 0 when it is malformed, over-long or a surrogate. */
static size_t character(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || length > left)
        return 0;
    uint32_t code = p[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    if ((length == 3 && code < 0x800) || (length == 4 && code < 0x10000) || code > 0x10FFFF ||
        (code >= 0xD800 && code < 0xE000))
        return 0;
    return length;
}

bool weights_is_utf8(const char *text, size_t length)
{
    for (size_t at = 0, step; at < length; at += step)
        if ((step = character((const unsigned char *)text + at, length - at)) == 0)
            return false;
    return true;
}

static bool name_is_valid(const char *name, size_t length)
{
    if (length == 0 || length > WEIGHTS_MAX_NAME || !weights_is_utf8(name, length))
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F)
            return false;
    return true;
}

/* One more tensor or constant; its name is valid. */
static sam2_status append(weights *w, bool constant, const char *name, size_t name_length, const weights_tensor *t,
                          sam2_error *error)
{
    size_t *count = constant ? &w->constant_count : &w->count;
    size_t *bytes = constant ? &w->constants_bytes : &w->tensors_bytes;
    weights_tensor **list = constant ? &w->constants : &w->tensors;
    if (*count == (constant ? WEIGHTS_MAX_CONSTANTS : WEIGHTS_MAX_TENSORS))
        return error_set(error, SAM2_ERROR_FORMAT, "more than %zu %s", *count, constant ? "constants" : "tensors");
    void *grown = *list;
    sam2_status status = alloc_grow(&w->allocator, &grown, bytes, *count * sizeof *t, (*count + 1) * sizeof *t,
                                    "the tensors' index", error);
    *list = grown;
    TRY(status);
    weights_tensor *added = &(*list)[*count];
    *added = *t;
    TRY(weights_keep_text(w, name, name_length, &added->name, error));
    ++*count;
    return SAM2_OK;
}

sam2_status weights_add_packed(weights *w, bool constant, const char *name, size_t name_length,
                               const weights_tensor *like, sam2_error *error)
{
    static const char prefix[] = "module."; /* put there by torch.nn.DataParallel */
    if (!constant && name_length > sizeof prefix - 1 && memcmp(name, prefix, sizeof prefix - 1) == 0) {
        name += sizeof prefix - 1;
        name_length -= sizeof prefix - 1;
    }
    shown room;
    if (!name_is_valid(name, name_length))
        return error_set(error, SAM2_ERROR_FORMAT, "a tensor's name of %zu bytes is not valid: \"%s\"", name_length,
                         show(&room, name, name_length));
    return append(w, constant, name, name_length, like, error);
}

sam2_status weights_add(weights *w, const char *name, size_t name_length, weights_type type, int dims,
                        const int64_t *shape, const void *data, sam2_error *error)
{
    shown room;
    weights_tensor t = {.type = type, .dims = dims, .data = data};
    if (dims < 0 || dims > WEIGHTS_MAX_DIMS)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s has %d dimensions; at most %d are read",
                         show(&room, name, name_length), dims, WEIGHTS_MAX_DIMS);
    if (dims)
        memcpy(t.shape, shape, (size_t)dims * sizeof *shape);
    if (!weights_shape_count(dims, shape, &t.count))
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: the product of its sizes overflows",
                         show(&room, name, name_length));
    return weights_add_packed(w, false, name, name_length, &t, error);
}

static bool name_before(const void *context, uint32_t a, uint32_t b)
{
    const weights *w = context;
    return strcmp(w->tensors[a].name, w->tensors[b].name) < 0;
}

sam2_status weights_finish(weights *w, sam2_error *error)
{
    if (w->count == 0)
        return error_set(error, SAM2_ERROR_FORMAT, "there are no tensors in it");
    TRY(weights_from_hugging_face(w, error));
    void *memory;
    TRY(alloc_array(&w->allocator, w->count, sizeof *w->by_name, "the tensors' index", &memory, error));
    w->by_name = memory;
    w->by_name_count = w->count;
    for (size_t i = 0; i < w->count; i++)
        w->by_name[i] = (uint32_t)i;
    sort_indices(w->by_name, w->count, name_before, w);
    for (size_t i = 1; i < w->count; i++)
        if (!name_before(w, w->by_name[i - 1], w->by_name[i]))
            return error_set(error, SAM2_ERROR_FORMAT, "tensor %s is there twice", w->tensors[w->by_name[i]].name);
    return SAM2_OK;
}

static sam2_status parse(weights *w, const uint8_t *bytes, size_t size, int verify, sam2_error *error)
{
    switch (w->format) {
    case WEIGHTS_PT:
        TRY(pt_parse(w, bytes, size, verify, error));
        break;
    case WEIGHTS_NATIVE:
        TRY(native_parse(w, bytes, size, verify, error));
        break;
    default:
        TRY(safetensors_parse(w, bytes, size, error));
    }
    return weights_finish(w, error);
}

/* The kind by its bytes, or false. A safetensors file has no magic but "{" after its header's length. */
static bool recognise(const uint8_t *bytes, size_t size, weights_format *format)
{
    if (size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0)
        *format = WEIGHTS_PT;
    else if (size >= 4 && memcmp(bytes, "SAM2", 4) == 0)
        *format = WEIGHTS_NATIVE;
    else if (size >= 9 && bytes[8] == '{' && (get_le64(bytes) <= size || bytes[7] == 0))
        *format = WEIGHTS_SAFETENSORS;
    else
        return false;
    return true;
}

/* Takes over `map`. */
static sam2_status open_bytes(const sam2_allocator *a, const uint8_t *bytes, size_t size, const char *label, int verify,
                              mapfile map, weights **out, sam2_error *error)
{
    weights_format format = WEIGHTS_SAFETENSORS;
    bool known = recognise(bytes, size, &format);
    weights *w = NULL;
    sam2_status status = weights_new(a, format, label, &w, error);
    if (status != SAM2_OK) {
        mapfile_close(&map);
        return error_prefix(error, status, label);
    }
    w->map = map;
    status = known ? parse(w, bytes, size, verify, error) : weights_refuse_unknown(bytes, size, error);
    if (status != SAM2_OK) {
        error_prefix(error, status, w->label);
        weights_close(w);
        return status;
    }
    *out = w;
    return SAM2_OK;
}

sam2_status weights_open(const sam2_allocator *a, const char *path, int verify, weights **out, sam2_error *error)
{
    mapfile map;
    TRY(mapfile_open(path, &map, error));
    return open_bytes(a, map.data, map.size, path, verify, map, out, error);
}

sam2_status weights_open_memory(const sam2_allocator *a, const void *bytes, size_t size, const char *label, int verify,
                                weights **out, sam2_error *error)
{
    return open_bytes(a, bytes, size, label, verify, (mapfile){NULL, 0}, out, error);
}

weights_format weights_get_format(const weights *w)
{
    return w->format;
}

const char *weights_config(const weights *w)
{
    return w->config;
}

size_t weights_count(const weights *w)
{
    return w->count;
}

const weights_tensor *weights_at(const weights *w, size_t index)
{
    return index < w->count ? &w->tensors[index] : NULL;
}

const weights_tensor *weights_constant(const weights *w, const char *name)
{
    for (size_t i = 0; i < w->constant_count; i++)
        if (strcmp(w->constants[i].name, name) == 0)
            return &w->constants[i];
    return NULL;
}

size_t weights_constant_count(const weights *w)
{
    return w->constant_count;
}

const weights_tensor *weights_constant_at(const weights *w, size_t index)
{
    return index < w->constant_count ? &w->constants[index] : NULL;
}

void weights_drop(const weights *w, const weights_tensor *t)
{
    if (w->map.data)
        mapfile_drop(&w->map, t ? t->data : w->map.data, t ? weights_bytes(t) : w->map.size);
}

bool weights_mapped(const weights *w)
{
    return w->map.data != NULL;
}

mapfile weights_close_index(weights *w)
{
    mapfile map = w->map;
    w->map = (mapfile){NULL, 0};
    weights_close(w);
    return map;
}

bool weights_stored_fingerprint(const weights *w, bool bf16, uint64_t *fingerprint)
{
    *fingerprint = w->fingerprints[bf16];
    return *fingerprint != 0;
}

const weights_tensor *weights_find(const weights *w, const char *name)
{
    size_t low = 0, high = w->by_name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const weights_tensor *t = &w->tensors[w->by_name[middle]];
        int order = strcmp(name, t->name);
        if (order == 0)
            return t;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
