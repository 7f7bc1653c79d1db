/* What a pickle by torch.save may call, and what it builds. */
#include "weights/pickle.h"

#include "weights/internal.h"

typedef enum global_kind { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, STORAGE_TYPE } global_kind;

static const struct {
    const char *module, *name;
    global_kind kind;
    pickle_element element; /* of a STORAGE_TYPE */
    unsigned least, most;   /* arguments of a callable */
} globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0, 0, 0},
    {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR, 0, 6, 7},
    {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, 0, 3, 3},
    {"torch._utils", "_rebuild_parameter_with_state", REBUILD_PARAMETER, 0, 4, 4},
    {"torch", "FloatStorage", STORAGE_TYPE, PICKLE_F32, 0, 0},
    {"torch", "HalfStorage", STORAGE_TYPE, PICKLE_F16, 0, 0},
    {"torch", "BFloat16Storage", STORAGE_TYPE, PICKLE_BF16, 0, 0},
    {"torch", "DoubleStorage", STORAGE_TYPE, PICKLE_F64, 0, 0},
    {"torch", "LongStorage", STORAGE_TYPE, PICKLE_I64, 0, 0},
    {"torch", "IntStorage", STORAGE_TYPE, PICKLE_I32, 0, 0},
    {"torch", "ShortStorage", STORAGE_TYPE, PICKLE_I16, 0, 0},
    {"torch", "CharStorage", STORAGE_TYPE, PICKLE_I8, 0, 0},
    {"torch", "ByteStorage", STORAGE_TYPE, PICKLE_U8, 0, 0},
    {"torch", "BoolStorage", STORAGE_TYPE, PICKLE_B8, 0, 0},
};

static const struct {
    const char *name;
    size_t size;
} elements[] = {
    [PICKLE_F32] = {"float32", 4}, [PICKLE_F16] = {"float16", 2}, [PICKLE_BF16] = {"bfloat16", 2},
    [PICKLE_F64] = {"float64", 8}, [PICKLE_I64] = {"int64", 8},   [PICKLE_I32] = {"int32", 4},
    [PICKLE_I16] = {"int16", 2},   [PICKLE_I8] = {"int8", 1},     [PICKLE_U8] = {"uint8", 1},
    [PICKLE_B8] = {"bool", 1},
};

size_t pickle_element_size(pickle_element e)
{
    return elements[e].size;
}

const char *pickle_element_name(pickle_element e)
{
    return elements[e].name;
}

static bool is_text(const char *text, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(text, wanted, length) == 0;
}

sam2_status pickle_global(const char *module, size_t module_length, const char *name, size_t name_length,
                          pickle_value *out, sam2_error *error)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (is_text(module, module_length, globals[i].module) && is_text(name, name_length, globals[i].name)) {
            *out = (pickle_value){.type = PICKLE_GLOBAL, .u.integer = (int64_t)i};
            return SAM2_OK;
        }
    shown room_module, room_name;
    return error_set(
        error, SAM2_ERROR_UNSUPPORTED,
        "the pickle refers to \"%s.%s\", which is not needed for weights and could run code; it is not loaded",
        show(&room_module, module, module_length), show(&room_name, name, name_length));
}

static sam2_status bad_tensor(const char *what, sam2_error *error)
{
    return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: a tensor whose %s", what);
}

/* Copies a tuple of whole numbers from 0. */
static bool take_sizes(const pickle_value *tuple, int64_t *out)
{
    for (uint32_t i = 0; i < tuple->length; i++) {
        if (tuple->u.items[i].type != PICKLE_INT || tuple->u.items[i].u.integer < 0)
            return false;
        out[i] = tuple->u.items[i].u.integer;
    }
    return true;
}

/* Whether all elements that offset, shape and strides reach lie within the storage. */
static bool lies_within(const pickle_tensor *t)
{
    size_t last = t->offset, step;
    for (int i = 0; i < t->dims; i++) {
        if (t->shape[i] == 0)
            return t->offset <= t->storage->count;
        if (!checked_mul((size_t)t->shape[i] - 1, (size_t)t->stride[i], &step) || !checked_add(last, step, &last))
            return false;
    }
    return last < t->storage->count;
}

/* _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None) */
static sam2_status rebuild_tensor(pickle *p, const pickle_value *arguments, pickle_value *out, sam2_error *error)
{
    const pickle_value *storage = &arguments[0], *offset = &arguments[1], *size = &arguments[2],
                       *stride = &arguments[3];
    if (storage->type != PICKLE_STORAGE)
        return bad_tensor("storage is none", error);
    if (offset->type != PICKLE_INT || offset->u.integer < 0)
        return bad_tensor("offset is no whole number", error);
    if (size->type != PICKLE_TUPLE || stride->type != PICKLE_TUPLE || size->length != stride->length)
        return bad_tensor("sizes and strides are no tuples of the same length", error);
    if (size->length > PICKLE_MAX_DIMS)
        return bad_tensor("dimensions are more than 8", error);
    void *memory;
    TRY(chunks_take(&p->objects, sizeof(pickle_tensor), &memory, error));
    pickle_tensor *t = memory;
    *t = (pickle_tensor){.storage = storage->u.storage, .offset = (size_t)offset->u.integer, .dims = (int)size->length};
    if (!take_sizes(size, t->shape) || !take_sizes(stride, t->stride))
        return bad_tensor("sizes or strides are no whole numbers", error);
    if (!lies_within(t))
        return bad_tensor("elements lie outside of its storage", error);
    *out = (pickle_value){.type = PICKLE_TENSOR, .u.tensor = t};
    return SAM2_OK;
}

sam2_status pickle_call(pickle *p, const pickle_value *callable, const pickle_value *arguments, pickle_value *out,
                        sam2_error *error)
{
    if (callable->type != PICKLE_GLOBAL)
        return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: it calls what is not a function");
    size_t i = (size_t)callable->u.integer;
    if (globals[i].kind == STORAGE_TYPE || arguments->length < globals[i].least || arguments->length > globals[i].most)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "the pickle calls %s.%s with %u arguments", globals[i].module,
                         globals[i].name, (unsigned)arguments->length);
    if (globals[i].kind == ORDERED_DICT)
        return pickle_new_dict(p, out, error);
    if (globals[i].kind == REBUILD_TENSOR)
        return rebuild_tensor(p, arguments->u.items, out, error);
    if (arguments->u.items[0].type != PICKLE_TENSOR)
        return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: a parameter that is no tensor");
    *out = arguments->u.items[0];
    return SAM2_OK;
}

/* ("storage", type, key, location, number of elements) */
sam2_status pickle_persistent(pickle *p, const pickle_value *id, pickle_value *out, sam2_error *error)
{
    const pickle_value *part = id->type == PICKLE_TUPLE && id->length == 5 ? id->u.items : NULL;
    if (!part || part[0].type != PICKLE_TEXT || !is_text(part[0].u.text, part[0].length, "storage") ||
        part[1].type != PICKLE_GLOBAL || globals[part[1].u.integer].kind != STORAGE_TYPE ||
        part[2].type != PICKLE_TEXT || part[4].type != PICKLE_INT || part[4].u.integer < 0)
        return error_set(error, SAM2_ERROR_FORMAT, "damaged pickle: a persistent id that stands for no storage");
    pickle_storage s = {.element = globals[part[1].u.integer].element, .count = (size_t)part[4].u.integer};
    size_t size = 0;
    TRY(p->find_storage(p->context, part[2].u.text, part[2].length, &s.data, &size, error));
    if (s.count > size / elements[s.element].size) {
        shown room;
        return error_set(error, SAM2_ERROR_FORMAT, "storage %s is said to have %zu elements of %s, but has %zu bytes",
                         show(&room, part[2].u.text, part[2].length), s.count, elements[s.element].name, size);
    }
    void *memory;
    TRY(chunks_take(&p->objects, sizeof s, &memory, error));
    memcpy(memory, &s, sizeof s);
    *out = (pickle_value){.type = PICKLE_STORAGE, .u.storage = memory};
    return SAM2_OK;
}
