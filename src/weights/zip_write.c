#include "weights/zip_write.h"

#include "weights/internal.h"

#define ALIGN 64
#define LOCAL_SIZE 30
#define UTF8_NAMES 0x800
#define ZIP64_VERSION 45
#define PLAIN_VERSION 20
#define DATE 0x21 /* 1980-01-01, so that the same weights give the same file */

static uint32_t small(const zip_writer *z, uint64_t value)
{
    return value >= z->limit ? ZIP_LIMIT : (uint32_t)value;
}

/* From "version needed" on to the entry's sizes: local headers and the directory have this in common. */
static sam2_status add_common(const zip_writer *z, buffer *b, uint64_t size, uint32_t crc, bool zip64,
                              sam2_error *error)
{
    TRY(buffer_number(b, zip64 ? ZIP64_VERSION : PLAIN_VERSION, 2, error));
    TRY(buffer_number(b, UTF8_NAMES, 2, error));
    TRY(buffer_number(b, 0, 2, error)); /* stored */
    TRY(buffer_number(b, 0, 2, error)); /* time */
    TRY(buffer_number(b, DATE, 2, error));
    TRY(buffer_number(b, crc, 4, error));
    TRY(buffer_number(b, small(z, size), 4, error));
    return buffer_number(b, small(z, size), 4, error);
}

/* Local header, name, zip64 field, and a field of padding as PyTorch's writer has it. */
static sam2_status add_local(const zip_writer *z, buffer *b, const char *name, uint64_t size, uint32_t crc,
                             sam2_error *error)
{
    bool zip64 = size >= z->limit;
    size_t name_length = strlen(name), field = zip64 ? 20 : 0;
    uint64_t before = z->out->written + LOCAL_SIZE + name_length + field + 4;
    size_t padding = (size_t)((ALIGN - before % ALIGN) % ALIGN);
    TRY(buffer_text(b, "PK\3\4", error));
    TRY(add_common(z, b, size, crc, zip64, error));
    TRY(buffer_number(b, name_length, 2, error));
    TRY(buffer_number(b, field + 4 + padding, 2, error));
    TRY(buffer_text(b, name, error));
    if (zip64) {
        TRY(buffer_number(b, 1 | 16 << 16, 4, error));
        TRY(buffer_number(b, size, 8, error));
        TRY(buffer_number(b, size, 8, error));
    }
    TRY(buffer_text(b, "FB", error));
    TRY(buffer_number(b, padding, 2, error));
    return buffer_fill(b, 'Z', padding, error);
}

static sam2_status add_central(const zip_writer *z, buffer *b, const char *name, uint64_t size, uint32_t crc,
                               sam2_error *error)
{
    uint64_t at = z->out->written;
    size_t name_length = strlen(name), field = (size >= z->limit ? 16 : 0) + (at >= z->limit ? 8 : 0);
    TRY(buffer_text(b, "PK\1\2", error));
    TRY(buffer_number(b, field ? ZIP64_VERSION : PLAIN_VERSION, 2, error)); /* made by */
    TRY(add_common(z, b, size, crc, field != 0, error));
    TRY(buffer_number(b, name_length, 2, error));
    TRY(buffer_number(b, field ? field + 4 : 0, 2, error));
    TRY(buffer_fill(b, 0, 10, error)); /* comment, disk, attributes */
    TRY(buffer_number(b, small(z, at), 4, error));
    TRY(buffer_text(b, name, error));
    if (field)
        TRY(buffer_number(b, 1 | (uint64_t)field << 16, 4, error));
    if (size >= z->limit) {
        TRY(buffer_number(b, size, 8, error));
        TRY(buffer_number(b, size, 8, error));
    }
    return at >= z->limit ? buffer_number(b, at, 8, error) : SAM2_OK;
}

sam2_status zip_write_entry(zip_writer *z, const char *name, uint64_t size, uint32_t crc, sam2_error *error)
{
    buffer local = {.allocator = z->directory.allocator};
    sam2_status status = add_central(z, &z->directory, name, size, crc, error);
    if (status == SAM2_OK)
        status = add_local(z, &local, name, size, crc, error);
    if (status == SAM2_OK)
        status = outfile_write(z->out, local.bytes, local.size, error);
    buffer_free(&local);
    z->count++;
    return status;
}

sam2_status zip_write_end(zip_writer *z, sam2_error *error)
{
    buffer *b = &z->directory;
    uint64_t at = z->out->written, length = b->size;
    if (at >= z->limit || length >= z->limit || z->count >= 0xFFFF) {
        TRY(buffer_text(b, "PK\6\6", error));
        TRY(buffer_number(b, 44, 8, error));
        TRY(buffer_number(b, ZIP64_VERSION | ZIP64_VERSION << 16, 4, error));
        TRY(buffer_number(b, 0, 8, error));
        TRY(buffer_number(b, z->count, 8, error));
        TRY(buffer_number(b, z->count, 8, error));
        TRY(buffer_number(b, length, 8, error));
        TRY(buffer_number(b, at, 8, error));
        TRY(buffer_text(b, "PK\6\7", error));
        TRY(buffer_number(b, 0, 4, error));
        TRY(buffer_number(b, at + length, 8, error));
        TRY(buffer_number(b, 1, 4, error));
    }
    uint64_t count = z->count < 0xFFFF ? z->count : 0xFFFF;
    TRY(buffer_text(b, "PK\5\6", error));
    TRY(buffer_number(b, 0, 4, error));
    TRY(buffer_number(b, count | count << 16, 4, error));
    TRY(buffer_number(b, small(z, length), 4, error));
    TRY(buffer_number(b, small(z, at), 4, error));
    TRY(buffer_number(b, 0, 2, error));
    return outfile_write(z->out, b->bytes, b->size, error);
}
