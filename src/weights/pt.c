/* PyTorch files: a zip with <prefix>/data.pkl, which describes the objects, and <prefix>/data/<key>, the tensors'
 * bytes. */
#include "weights/internal.h"
#include "weights/pickle.h"
#include "weights/zip.h"

#define PICKLE_NAME "data.pkl"
#define MAX_KEY 64 /* keys are numbers */

typedef struct pt {
    weights *w;
    zip archive;
    const zip_entry *pickle;
    const char *prefix; /* "archive/" */
    size_t prefix_length;
} pt;

static bool ends_with(const zip_entry *e, const char *end, size_t length)
{
    return e->name_length >= length && memcmp(e->name + e->name_length - length, end, length) == 0;
}

static sam2_status find_pickle(pt *f, sam2_error *error)
{
    const size_t length = sizeof PICKLE_NAME - 1;
    for (size_t i = 0; i < f->archive.count; i++) {
        const zip_entry *e = &f->archive.entries[i];
        const char *slash = memchr(e->name, '/', e->name_length);
        if (!slash || !ends_with(e, PICKLE_NAME, length) || (size_t)(slash + 1 - e->name) + length != e->name_length)
            continue;
        if (f->pickle)
            return error_set(error, SAM2_ERROR_FORMAT, "a zip file with more than one " PICKLE_NAME);
        f->pickle = e;
        f->prefix = e->name;
        f->prefix_length = e->name_length - length;
    }
    if (!f->pickle)
        return error_set(error, SAM2_ERROR_FORMAT,
                         "a zip file without " PICKLE_NAME ": not a checkpoint that PyTorch wrote");
    return SAM2_OK;
}

/* The entry <prefix>/<folder><key>, or NULL. */
static const zip_entry *find_entry(const pt *f, const char *folder, const char *key, size_t key_length)
{
    char name[512 + 16 + MAX_KEY];
    size_t folder_length = strlen(folder);
    if (f->prefix_length > 512 || key_length > MAX_KEY)
        return NULL;
    memcpy(name, f->prefix, f->prefix_length);
    memcpy(name + f->prefix_length, folder, folder_length);
    memcpy(name + f->prefix_length + folder_length, key, key_length);
    return zip_find(&f->archive, name, f->prefix_length + folder_length + key_length);
}

static sam2_status find_storage(void *context, const char *key, size_t key_length, const uint8_t **data, size_t *size,
                                sam2_error *error)
{
    const zip_entry *e = find_entry(context, "data/", key, key_length);
    if (!e) {
        shown room;
        return error_set(error, SAM2_ERROR_FORMAT, "storage data/%s is missing in the zip file",
                         show(&room, key, key_length));
    }
    *data = e->data;
    *size = e->size;
    return SAM2_OK;
}

static sam2_status check_byte_order(const pt *f, sam2_error *error)
{
    const zip_entry *e = find_entry(f, "", "byteorder", 9);
    shown room;
    if (e && (e->size != 6 || memcmp(e->data, "little", 6) != 0))
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "its byte order is \"%s\"; only little-endian files are read",
                         show(&room, e->data, e->size));
    return SAM2_OK;
}

/* Whether the elements follow each other in C order; strides of sizes of 1 do not matter. */
static bool is_contiguous(const pickle_tensor *t, size_t count)
{
    uint64_t step = 1;
    for (int i = t->dims; count && i-- > 0;) {
        if (t->shape[i] == 1)
            continue;
        if ((uint64_t)t->stride[i] != step)
            return false;
        step *= (uint64_t)t->shape[i]; /* at most count */
    }
    return true;
}

static sam2_status add_tensor(weights *w, const pickle_value *key, const pickle_tensor *t, sam2_error *error)
{
    shown room;
    const char *name = show(&room, key->u.text, key->length);
    const pickle_storage *s = t->storage;
    size_t count;
    if (!weights_shape_count(t->dims, t->shape, &count))
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: the product of its sizes overflows", name);
    if (s->element > PICKLE_F64 && count == 1)
        return SAM2_OK; /* a counter */
    if (s->element > PICKLE_BF16)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "tensor %s is of type %s; float32, float16 and bfloat16 are read", name,
                         pickle_element_name(s->element));
    if (!is_contiguous(t, count))
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "tensor %s is stored with gaps or transposed; save it again after .contiguous()", name);
    weights_type type = s->element == PICKLE_F32 ? WEIGHTS_F32 : s->element == PICKLE_F16 ? WEIGHTS_F16 : WEIGHTS_BF16;
    return weights_add(w, key->u.text, key->length, type, t->dims, t->shape,
                       s->data + t->offset * pickle_element_size(s->element), error);
}

/* The tensors of the root dict, or of the dict under its key "model" when it has one. What else is there does not
 * matter. */
static sam2_status collect(weights *w, const pickle_value *root, sam2_error *error)
{
    if (root->type != PICKLE_DICT)
        return error_set(error, SAM2_ERROR_FORMAT, "what was saved is not a dict of tensors");
    const pickle_dict *dict = root->u.dict;
    for (size_t i = 0; i < root->u.dict->count; i++) {
        const pickle_pair *pair = &root->u.dict->pairs[i];
        if (pair->key.type == PICKLE_TEXT && pair->key.length == 5 && memcmp(pair->key.u.text, "model", 5) == 0 &&
            pair->value.type == PICKLE_DICT)
            dict = pair->value.u.dict;
    }
    for (size_t i = 0; i < dict->count; i++) {
        const pickle_pair *pair = &dict->pairs[i];
        if (pair->key.type == PICKLE_TEXT && pair->value.type == PICKLE_TENSOR)
            TRY(add_tensor(w, &pair->key, pair->value.u.tensor, error));
    }
    return SAM2_OK;
}

static sam2_status read_archive(pt *f, int verify, sam2_error *error)
{
    TRY(find_pickle(f, error));
    TRY(check_byte_order(f, error));
    if (verify)
        TRY(zip_verify(&f->archive, error));
    pickle p;
    sam2_status status = pickle_load(&p, &f->w->allocator, f->pickle->data, f->pickle->size, find_storage, f, error);
    if (status == SAM2_OK) {
        status = collect(f->w, &p.root, error);
        pickle_free(&p);
    }
    return status;
}

sam2_status pt_parse(weights *w, const uint8_t *bytes, size_t size, int verify, sam2_error *error)
{
    pt f = {.w = w};
    TRY(zip_open(&w->allocator, bytes, size, &f.archive, error));
    sam2_status status = read_archive(&f, verify, error);
    zip_close(&f.archive);
    return status;
}
