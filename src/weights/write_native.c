/* The way into a native file; native.c describes it. */
#include "weights/internal.h"
#include "weights/metadata.h"
#include "weights/native.h"
#include "weights/values.h"

typedef struct writer {
    const weights *w;
    const weights_form *forms; /* [w->count + constants] */
    size_t count;              /* tensors and constants */
    crc32_tables tables;
} writer;

/* Entry i as it goes into the file; data is NULL where it has to be converted from the tensor. */
static weights_tensor stored(const writer *wr, size_t i)
{
    const weights_form *f = &wr->forms[i];
    weights_tensor t = {.name = f->name, .dims = f->dims, .count = 1};
    if (i < wr->w->count) {
        t = wr->w->tensors[i];
        if (!f->given && t.layout == WEIGHTS_ROWS)
            return t;
    } else
        for (int d = 0; d < f->dims; d++) {
            t.shape[d] = f->shape[d];
            t.count *= (size_t)f->shape[d];
        }
    t.type = f->given ? f->type : t.type;
    t.layout = f->given ? f->layout : WEIGHTS_ROWS;
    t.width = f->given ? f->width : 0;
    t.data = f->given ? f->data : NULL;
    return t;
}

static uint32_t crc_of(const writer *wr, size_t i, const weights_tensor *t)
{
    return t->data ? crc32_add(&wr->tables, 0, t->data, weights_bytes(t))
                   : values_crc(&wr->w->tensors[i], t->type, &wr->tables);
}

/* The record of an entry, whose data follows what ends at *end. */
static sam2_status add_record(const writer *wr, size_t i, buffer *b, uint64_t *end, sam2_error *error)
{
    const weights_tensor t = stored(wr, i);
    const size_t name = strlen(t.name), bytes = weights_bytes(&t);
    const uint64_t kind = i < wr->w->count ? NATIVE_TENSOR : NATIVE_CONSTANT;
    if (bytes)
        *end = (*end + NATIVE_ALIGN - 1) / NATIVE_ALIGN * NATIVE_ALIGN;
    TRY(buffer_number(b, round_up(NATIVE_RECORD + 8 * (size_t)t.dims + name, 8), 4, error));
    TRY(buffer_number(b, crc_of(wr, i, &t), 4, error));
    TRY(buffer_number(b, *end, 8, error));
    TRY(buffer_number(b, bytes, 8, error));
    TRY(buffer_number(b, (uint64_t)t.type | (uint64_t)t.layout << 8 | (uint64_t)t.dims << 16 | kind << 24, 4, error));
    TRY(buffer_number(b, name, 4, error));
    TRY(buffer_number(b, t.width, 8, error));
    for (int d = 0; d < t.dims; d++)
        TRY(buffer_number(b, (uint64_t)t.shape[d], 8, error));
    TRY(buffer_add(b, t.name, name, error));
    *end += bytes;
    return buffer_pad(b, 0, 8, error);
}

/* Fingerprints of what the file will hold: the values are rounded to what they are stored as, and for bfloat16 those of
 * its products once more. */
static sam2_status add_fingerprints(const writer *wr, buffer *b, sam2_error *error)
{
    const sam2_allocator *a = &wr->w->allocator;
    const size_t bytes = wr->w->count * sizeof(weights_sample);
    void *memory = NULL;
    bool known = false;
    TRY(alloc_get(a, bytes, "samples of the weights", &memory, error));
    weights_sample *samples = memory;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        for (size_t i = 0; i < wr->w->count; i++) {
            weights_type type = stored(wr, i).type;
            known |= wr->forms[i].bf16;
            weights_samples(&wr->w->tensors[i], bf16 && wr->forms[i].bf16 ? WEIGHTS_BF16 : type, &samples[i]);
        }
        put_le64(b->bytes + 48 + 8 * bf16, bf16 && !known ? 0 : weights_fingerprint_of(wr->w, samples));
    }
    alloc_release(a, memory, bytes);
    return SAM2_OK;
}

/* Header, metadata and directory, with room for the data's alignment. */
static sam2_status make_header(const writer *wr, const char *config, buffer *b, sam2_error *error)
{
    size_t directory = 0, data = 0;
    TRY(buffer_fill(b, 0, NATIVE_HEADER, error));
    TRY(add_fingerprints(wr, b, error));
    TRY(metadata_make(b, config, NULL, error));
    const size_t metadata = b->size - NATIVE_HEADER;
    TRY(buffer_pad(b, 0, 8, error));
    for (size_t i = 0; i < wr->count; i++) {
        const weights_tensor t = stored(wr, i);
        directory += round_up(NATIVE_RECORD + 8 * (size_t)t.dims + strlen(t.name), 8);
        data += t.count;
    }
    const size_t directory_end = b->size + directory;
    const size_t data_at = data ? round_up(directory_end, NATIVE_ALIGN) : directory_end;
    uint64_t end = data_at;
    for (size_t i = 0; i < wr->count; i++)
        TRY(add_record(wr, i, b, &end, error));
    TRY(buffer_fill(b, 0, data_at - b->size, error));
    memcpy(b->bytes, NATIVE_MAGIC, 8);
    put_le32(b->bytes + 8, NATIVE_VERSION);
    put_le64(b->bytes + 16, end);
    put_le64(b->bytes + 24, metadata);
    put_le64(b->bytes + 32, directory);
    put_le32(b->bytes + 40, (uint32_t)wr->count);
    put_le32(b->bytes + 12, crc32_add(&wr->tables, 0, b->bytes + 16, b->size - 16));
    return SAM2_OK;
}

static sam2_status write_all(const writer *wr, const buffer *head, outfile *out, sam2_error *error)
{
    TRY(outfile_write(out, head->bytes, head->size, error));
    for (size_t i = 0; i < wr->count; i++) {
        const weights_tensor t = stored(wr, i);
        if (t.count)
            TRY(outfile_pad(out, NATIVE_ALIGN, error));
        if (t.data)
            TRY(outfile_write(out, t.data, weights_bytes(&t), error));
        else
            TRY(values_write(&wr->w->tensors[i], t.type, out, error));
    }
    return outfile_commit(out, error);
}

sam2_status weights_write_packed(const weights *w, const char *path, const char *config, const weights_form *forms,
                                 size_t constants, sam2_error *error)
{
    writer wr = {.w = w, .forms = forms, .count = w->count + constants};
    buffer head = {.allocator = w->allocator};
    outfile out = {0};
    crc32_prepare(&wr.tables);
    sam2_status status = make_header(&wr, config, &head, error);
    if (status == SAM2_OK)
        status = outfile_open(&out, path, error);
    if (status == SAM2_OK) {
        status = write_all(&wr, &head, &out, error);
        outfile_discard(&out);
    }
    buffer_free(&head);
    return status;
}

sam2_status weights_write_native(const weights *w, const char *path, const char *config, int keep, weights_type type,
                                 sam2_error *error)
{
    void *memory = NULL;
    TRY(alloc_array(&w->allocator, w->count, sizeof(weights_form), "the tensors' index", &memory, error));
    weights_form *forms = memory;
    for (size_t i = 0; i < w->count && !keep; i++) {
        forms[i].given = true;
        forms[i].type = type;
    }
    sam2_status status = weights_write_packed(w, path, config, forms, 0, error);
    alloc_release(&w->allocator, memory, w->count * sizeof *forms);
    return status;
}
