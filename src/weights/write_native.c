#include "weights/internal.h"
#include "weights/metadata.h"
#include "weights/native.h"
#include "weights/values.h"

/* The record of one tensor, whose data follows what ends at *end. */
static sam2_status add_record(buffer *b, const weights_tensor *t, weights_type type, const crc32_tables *tables,
                              uint64_t *end, sam2_error *error)
{
    size_t name = strlen(t->name), bytes = t->count * weights_type_size(type);
    if (bytes)
        *end = (*end + NATIVE_ALIGN - 1) / NATIVE_ALIGN * NATIVE_ALIGN;
    TRY(buffer_number(b, round_up(NATIVE_RECORD + 8 * (size_t)t->dims + name, 8), 4, error));
    TRY(buffer_number(b, values_crc(t, type, tables), 4, error));
    TRY(buffer_number(b, *end, 8, error));
    TRY(buffer_number(b, bytes, 8, error));
    TRY(buffer_number(b, (uint64_t)type | NATIVE_LAYOUT_C << 8 | (uint64_t)t->dims << 16, 4, error));
    TRY(buffer_number(b, name, 4, error));
    for (int i = 0; i < t->dims; i++)
        TRY(buffer_number(b, (uint64_t)t->shape[i], 8, error));
    TRY(buffer_add(b, t->name, name, error));
    *end += bytes;
    return buffer_pad(b, 0, 8, error);
}

static size_t directory_size(const weights *w)
{
    size_t bytes = 0;
    for (size_t i = 0; i < w->count; i++)
        bytes += round_up(NATIVE_RECORD + 8 * (size_t)w->tensors[i].dims + strlen(w->tensors[i].name), 8);
    return bytes;
}

/* Header, metadata and directory, with room for the data's alignment. */
static sam2_status make_header(const weights *w, const char *config, int keep, weights_type type, buffer *b,
                               sam2_error *error)
{
    crc32_tables tables;
    crc32_prepare(&tables);
    TRY(buffer_fill(b, 0, NATIVE_HEADER, error));
    TRY(metadata_make(b, config, NULL, error));
    size_t metadata = b->size - NATIVE_HEADER;
    TRY(buffer_pad(b, 0, 8, error));
    size_t directory_at = b->size, directory = directory_size(w), data = 0;
    for (size_t i = 0; i < w->count; i++)
        data += w->tensors[i].count;
    size_t data_at = data ? round_up(directory_at + directory, NATIVE_ALIGN) : directory_at + directory;
    uint64_t end = data_at;
    for (size_t i = 0; i < w->count; i++)
        TRY(add_record(b, &w->tensors[i], keep ? w->tensors[i].type : type, &tables, &end, error));
    TRY(buffer_fill(b, 0, data_at - b->size, error));
    memcpy(b->bytes, NATIVE_MAGIC, 8);
    put_le32(b->bytes + 8, NATIVE_VERSION);
    put_le64(b->bytes + 16, end);
    put_le64(b->bytes + 24, metadata);
    put_le64(b->bytes + 32, directory);
    put_le32(b->bytes + 40, (uint32_t)w->count);
    put_le32(b->bytes + 12, crc32_add(&tables, 0, b->bytes + 16, b->size - 16));
    return SAM2_OK;
}

static sam2_status write_all(const weights *w, int keep, weights_type type, const buffer *head, outfile *out,
                             sam2_error *error)
{
    TRY(outfile_write(out, head->bytes, head->size, error));
    for (size_t i = 0; i < w->count; i++) {
        const weights_tensor *t = &w->tensors[i];
        if (t->count)
            TRY(outfile_pad(out, NATIVE_ALIGN, error));
        TRY(values_write(t, keep ? t->type : type, out, error));
    }
    return outfile_commit(out, error);
}

sam2_status weights_write_native(const weights *w, const char *path, const char *config, int keep, weights_type type,
                                 sam2_error *error)
{
    buffer head = {.allocator = w->allocator};
    outfile out = {0};
    sam2_status status = make_header(w, config, keep, type, &head, error);
    if (status == SAM2_OK)
        status = outfile_open(&out, path, error);
    if (status == SAM2_OK) {
        status = write_all(w, keep, type, &head, &out, error);
        outfile_discard(&out);
    }
    buffer_free(&head);
    return status;
}
