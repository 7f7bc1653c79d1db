/* What torch.save({"model": state_dict}) writes, or torch.save(state_dict): the pickle (protocol 2) of a dict with an
 * OrderedDict of tensors, each with a storage of its own. */
#include "weights/write_pt.h"
#include "weights/internal.h"
#include "weights/values.h"
#include "weights/zip_write.h"

#include <stdio.h>

/* Memo indices of what is referred to again. */
enum { MEMO_ORDERED_DICT, MEMO_REBUILD, MEMO_STORAGE_TYPE, MEMO_STORAGE, MEMO_CPU };

static sam2_status add_text(buffer *b, const char *text, sam2_error *error)
{
    TRY(buffer_text(b, "X", error));
    TRY(buffer_number(b, strlen(text), 4, error));
    return buffer_text(b, text, error);
}

static sam2_status add_integer(buffer *b, uint64_t value, sam2_error *error)
{
    if (value < 0x100)
        return buffer_number(b, 'K' | value << 8, 2, error);
    if (value < 0x10000)
        return buffer_number(b, 'M' | value << 8, 3, error);
    if (value < 0x80000000u)
        return buffer_number(b, 'J' | value << 8, 5, error);
    TRY(buffer_number(b, 0x8A | 8 << 8, 2, error)); /* LONG1 of 8 bytes; sizes are below 2^63 */
    return buffer_number(b, value, 8, error);
}

static sam2_status add_tuple(buffer *b, const int64_t *values, int count, sam2_error *error)
{
    static const char *const ends[] = {")", "\x85", "\x86", "\x87"};
    if (count > 3)
        TRY(buffer_text(b, "(", error));
    for (int i = 0; i < count; i++)
        TRY(add_integer(b, (uint64_t)values[i], error));
    return buffer_text(b, count > 3 ? "t" : ends[count], error);
}

/* Pushes something of the memo; the first time it is spelled out and put there. */
static sam2_status add_shared(buffer *b, int index, const char *spelled, bool *known, sam2_error *error)
{
    if (known[index])
        return buffer_number(b, 'h' | (uint64_t)index << 8, 2, error);
    known[index] = true;
    TRY(*spelled == 'c' && strchr(spelled, '\n') ? buffer_text(b, spelled, error) : add_text(b, spelled, error));
    return buffer_number(b, 'q' | (uint64_t)index << 8, 2, error);
}

/* _rebuild_tensor_v2(("storage", FloatStorage, key, "cpu", count), 0, shape, strides, False, OrderedDict()) */
static sam2_status add_tensor(buffer *b, const weights_tensor *t, size_t number, bool *known, sam2_error *error)
{
    char key[24];
    int64_t strides[WEIGHTS_MAX_DIMS], step = 1;
    for (int i = t->dims; i-- > 0;) {
        strides[i] = step;
        step *= t->shape[i] ? t->shape[i] : 1;
    }
    snprintf(key, sizeof key, "%zu", number);
    TRY(add_text(b, t->name, error));
    TRY(add_shared(b, MEMO_REBUILD, "ctorch._utils\n_rebuild_tensor_v2\n", known, error));
    TRY(buffer_text(b, "((", error));
    TRY(add_shared(b, MEMO_STORAGE, "storage", known, error));
    TRY(add_shared(b, MEMO_STORAGE_TYPE, "ctorch\nFloatStorage\n", known, error));
    TRY(add_text(b, key, error));
    TRY(add_shared(b, MEMO_CPU, "cpu", known, error));
    TRY(add_integer(b, t->count, error));
    TRY(buffer_text(b, "tQK", error));
    TRY(buffer_number(b, 0, 1, error));
    TRY(add_tuple(b, t->shape, t->dims, error));
    TRY(add_tuple(b, strides, t->dims, error));
    TRY(buffer_text(b, "\x89", error));
    TRY(add_shared(b, MEMO_ORDERED_DICT, "ccollections\nOrderedDict\n", known, error));
    return buffer_text(b, ")RtR", error);
}

static sam2_status make_pickle(const weights *w, bool under_model, buffer *b, sam2_error *error)
{
    bool known[5] = {false};
    TRY(buffer_text(b, under_model ? "\x80\x02}" : "\x80\x02", error));
    if (under_model)
        TRY(add_text(b, "model", error));
    TRY(add_shared(b, MEMO_ORDERED_DICT, "ccollections\nOrderedDict\n", known, error));
    TRY(buffer_text(b, ")R(", error));
    for (size_t i = 0; i < w->count; i++)
        TRY(add_tensor(b, &w->tensors[i], i, known, error));
    return buffer_text(b, under_model ? "us." : "u.", error);
}

static sam2_status add_entry(zip_writer *z, const crc32_tables *tables, const char *name, const void *bytes,
                             size_t size, sam2_error *error)
{
    TRY(zip_write_entry(z, name, size, crc32_add(tables, 0, bytes, size), error));
    return outfile_write(z->out, bytes, size, error);
}

static sam2_status write_all(const weights *w, const buffer *pickled, zip_writer *z, sam2_error *error)
{
    crc32_tables tables;
    crc32_prepare(&tables);
    TRY(add_entry(z, &tables, "archive/data.pkl", pickled->bytes, pickled->size, error));
    TRY(add_entry(z, &tables, "archive/byteorder", "little", 6, error));
    for (size_t i = 0; i < w->count; i++) {
        const weights_tensor *t = &w->tensors[i];
        char name[48];
        snprintf(name, sizeof name, "archive/data/%zu", i);
        TRY(zip_write_entry(z, name, t->count * sizeof(float), values_crc(t, WEIGHTS_F32, &tables), error));
        TRY(values_write(t, WEIGHTS_F32, z->out, error));
    }
    TRY(add_entry(z, &tables, "archive/version", "3\n", 2, error));
    TRY(zip_write_end(z, error));
    return outfile_commit(z->out, error);
}

sam2_status write_pt_limited(const weights *w, const char *path, bool under_model, uint64_t zip64_from,
                             sam2_error *error)
{
    buffer pickled = {.allocator = w->allocator};
    outfile out = {0};
    sam2_status status = make_pickle(w, under_model, &pickled, error);
    if (status == SAM2_OK)
        status = outfile_open(&out, path, error);
    if (status == SAM2_OK) {
        zip_writer z = {.out = &out, .directory = {.allocator = w->allocator}, .limit = zip64_from};
        status = write_all(w, &pickled, &z, error);
        buffer_free(&z.directory);
        outfile_discard(&out);
    }
    buffer_free(&pickled);
    return status;
}

sam2_status weights_write_pt(const weights *w, const char *path, sam2_error *error)
{
    return write_pt_limited(w, path, true, ZIP_LIMIT, error);
}

sam2_status weights_write_pth(const weights *w, const char *path, sam2_error *error)
{
    return write_pt_limited(w, path, false, ZIP_LIMIT, error);
}
