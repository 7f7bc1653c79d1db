/* The native file, version 2. Numbers are little-endian, data lies at multiples of 64 bytes and large matrices in the
 * kernels' own layout, so that a mapped file is computed with in place.
 *
 *       0   8  magic: "SAM2" CR LF 1A LF (a transfer as text damages it visibly)
 *       8   4  format version: 2
 *      12   4  CRC-32 of bytes [16, start of the data)
 *      16   8  size of the file
 *      24   8  M, bytes of metadata
 *      32   8  D, bytes of the directory
 *      40   4  number of records
 *      44   4  zero
 *      48   8  fingerprint of the tensors' values (weights_fingerprint); 0: not told
 *      56   8  the same with those values rounded to bfloat16 that bfloat16 products use; 0: not told
 *      64   M  metadata: a JSON object of strings, "sam2.config" among them; then zeros up to a multiple of 8
 *       .   D  the directory: one record a tensor or constant, in the data's order
 *       .      zeros up to a multiple of 64: start of the data
 *       .      the tensors, each from a multiple of 64 on, zeros between them; the file ends with the last one's last
 *              byte
 *
 *   A record:
 *       0   4  bytes of the record, a multiple of 8
 *       4   4  CRC-32 of the tensor's data
 *       8   8  where its data begins in the file
 *      16   8  bytes of its data
 *      24   1  element type: 0 float32, 1 float16, 2 bfloat16
 *      25   1  layout: 0 C order, 1 panels, 2 pairs in panels (weights_layout)
 *      26   1  number of dimensions, 0 to 8
 *      27   1  kind: 0 a tensor of the model under its official name; 1 a constant, computed from tensors
 *      28   4  bytes of the name
 *      32   4  rows in a panel; 0 for C order
 *      36   4  zero
 *      40  8n  the sizes: those of the tensor, whatever its layout
 *       .      the name in UTF-8, then zeros up to a multiple of 8
 *
 * A reader refuses other versions, types, layouts and kinds by name, so that each can be added. The header's
 * checksum is always verified, the tensors' on request. */
#include "weights/native.h"

#include "weights/crc32.h"
#include "weights/internal.h"
#include "weights/metadata.h"

#define METADATA "the native metadata"

typedef struct header {
    uint64_t metadata, directory; /* bytes */
    size_t directory_at, data_at;
    uint32_t records;
} header;

static sam2_status read_header(const uint8_t *bytes, size_t size, header *h, sam2_error *error)
{
    if (size >= 8 && memcmp(bytes, NATIVE_MAGIC, 8) != 0)
        return error_set(error, SAM2_ERROR_FORMAT,
                         "the first bytes of a native file are damaged, as by a transfer as text");
    if (size < NATIVE_HEADER)
        return error_set(error, SAM2_ERROR_FORMAT, "the file is cut off at %zu bytes, within its header", size);
    uint32_t version = get_le32(bytes + 8);
    if (version != NATIVE_VERSION)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "a native file of format version %lu; this library reads version %d%s", (unsigned long)version,
                         NATIVE_VERSION, version < NATIVE_VERSION ? ": convert the checkpoint again" : "");
    uint64_t file = get_le64(bytes + 16);
    if (file != size)
        return error_set(error, SAM2_ERROR_FORMAT,
                         file > size ? "the file is cut off: %zu of %llu bytes"
                                     : "the file has %zu bytes instead of %llu",
                         size, (unsigned long long)file);
    *h = (header){.metadata = get_le64(bytes + 24), .directory = get_le64(bytes + 32), .records = get_le32(bytes + 40)};
    size_t rest = size - NATIVE_HEADER;
    if (h->metadata > rest || round_up((size_t)h->metadata, 8) > rest ||
        h->directory > rest - round_up((size_t)h->metadata, 8))
        return error_set(error, SAM2_ERROR_FORMAT, "the native header's sizes do not fit in the file");
    h->directory_at = NATIVE_HEADER + round_up((size_t)h->metadata, 8);
    size_t end = h->directory_at + (size_t)h->directory;
    h->data_at =
        round_up(end, NATIVE_ALIGN) < size ? round_up(end, NATIVE_ALIGN) : size; /* without data nothing is padded */
    crc32_tables tables;
    crc32_prepare(&tables);
    if (crc32_add(&tables, 0, bytes + 16, h->data_at - 16) != get_le32(bytes + 12))
        return error_set(error, SAM2_ERROR_FORMAT, "the checksum of the native header is wrong; the file is damaged");
    return SAM2_OK;
}

/* One record at `p`, of which `left` bytes are there. *end is where the data so far ends. */
static sam2_status read_record(weights *w, const uint8_t *bytes, size_t size, const uint8_t *p, size_t left,
                               size_t *end, sam2_error *error)
{
    if (left < NATIVE_RECORD || get_le32(p) > left)
        return error_set(error, SAM2_ERROR_FORMAT, "the native directory is damaged");
    const size_t record = get_le32(p), name_length = get_le32(p + 28);
    const uint64_t at = get_le64(p + 8), length = get_le64(p + 16);
    const unsigned type = p[24], layout = p[25], dims = p[26], kind = p[27];
    if (dims > WEIGHTS_MAX_DIMS || name_length > WEIGHTS_MAX_NAME ||
        record != round_up(NATIVE_RECORD + 8 * dims + name_length, 8))
        return error_set(error, SAM2_ERROR_FORMAT, "the native directory is damaged");
    const char *name = (const char *)p + NATIVE_RECORD + 8 * dims;
    shown room;
    show(&room, name, name_length);
    if (type > WEIGHTS_BF16)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "tensor %s has element type %u, which this library does not know", room.text, type);
    if (layout > WEIGHTS_PAIRS || kind > NATIVE_CONSTANT)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "tensor %s is packed in layout %u, kind %u, which this library does not know", room.text,
                         layout, kind);
    weights_tensor t = {
        .type = (weights_type)type, .dims = (int)dims, .layout = (weights_layout)layout, .width = get_le32(p + 32)};
    for (unsigned i = 0; i < dims; i++)
        t.shape[i] = (int64_t)get_le64(p + NATIVE_RECORD + 8 * i);
    size_t expected_length;
    if (!weights_shape_count(t.dims, t.shape, &t.count) || !panels_bytes(&t, &expected_length) ||
        length != expected_length)
        return error_set(error, SAM2_ERROR_FORMAT, "tensor %s: its shape, layout and %llu bytes do not agree",
                         room.text, (unsigned long long)length);
    /* Empty tensors take no place, wherever the file ends. */
    const size_t expected = length ? round_up(*end, NATIVE_ALIGN) : *end;
    if (at != expected || !checked_range(at, length, size))
        return error_set(error, SAM2_ERROR_FORMAT,
                         "tensor %s: its data begins at byte %llu instead of %zu, or reaches beyond the file",
                         room.text, (unsigned long long)at, expected);
    *end = (size_t)(at + length);
    t.data = bytes + at;
    return weights_add_packed(w, kind == NATIVE_CONSTANT, name, name_length, &t, error);
}

/* The records again, in the order in which they were read. */
static sam2_status verify_data(const weights *w, const uint8_t *directory, sam2_error *error)
{
    crc32_tables tables;
    crc32_prepare(&tables);
    for (size_t i = 0, tensors = 0; i < w->count + w->constant_count; i++) {
        const weights_tensor *t =
            directory[27] == NATIVE_CONSTANT ? &w->constants[i - tensors] : &w->tensors[tensors++];
        if (crc32_add(&tables, 0, t->data, weights_bytes(t)) != get_le32(directory + 4))
            return error_set(error, SAM2_ERROR_FORMAT, "CRC mismatch in tensor %s; the file is damaged", t->name);
        directory += get_le32(directory);
    }
    return SAM2_OK;
}

sam2_status native_parse(weights *w, const uint8_t *bytes, size_t size, int verify, sam2_error *error)
{
    header h = {0};
    TRY(read_header(bytes, size, &h, error));
    const char *text = (const char *)bytes + NATIVE_HEADER;
    json_scan scan = {text, text, text + h.metadata};
    TRY(metadata_read(w, &scan, METADATA, error));
    if (!json_at_end(&scan))
        return metadata_damaged(&scan, METADATA, error);
    w->fingerprints[0] = get_le64(bytes + 48);
    w->fingerprints[1] = get_le64(bytes + 56);
    size_t at = h.directory_at, left = (size_t)h.directory, end = h.data_at;
    for (uint32_t i = 0; i < h.records; i++) {
        TRY(read_record(w, bytes, size, bytes + at, left, &end, error));
        size_t record = get_le32(bytes + at);
        at += record;
        left -= record;
    }
    if (left || end != size)
        return error_set(error, SAM2_ERROR_FORMAT, "the native directory does not describe the whole file");
    return verify ? verify_data(w, bytes + h.directory_at, error) : SAM2_OK;
}
