#include "weights/crc32.h"
#include "weights/support.h"

/* The fields that local headers and the directory share, from the flags on. */
static void put_common(buffer *b, const test_entry *e, uint32_t crc, uint64_t size, size_t name_length)
{
    put_number(b, e->flags | (e->stream ? 8u : 0), 2);
    put_number(b, e->method, 2);
    put_number(b, 0, 4);
    put_number(b, crc, 4);
    put_number(b, size, 4);
    put_number(b, size, 4);
    put_number(b, name_length, 2);
}

static void put_local(buffer *b, const test_entry *e, uint32_t crc)
{
    const char *name = e->local_name ? e->local_name : e->name;
    uint64_t size = e->stream ? 0 : e->zip64 ? 0xFFFFFFFFu : e->size;
    put_text(b, "PK\3\4");
    put_number(b, 20, 2);
    put_common(b, e, e->stream ? 0 : crc, size, strlen(name));
    put_number(b, e->zip64 && !e->stream ? 20 : 0, 2);
    put_text(b, name);
    if (e->zip64 && !e->stream) {
        put_number(b, 1 | 16 << 16, 4);
        put_number(b, e->size, 8);
        put_number(b, e->size, 8);
    }
    put(b, e->data, e->size);
    if (e->stream) {
        put_text(b, "PK\7\10");
        put_number(b, crc, 4);
        put_number(b, e->size, 4);
        put_number(b, e->size, 4);
    }
}

static void put_central(buffer *b, const test_entry *e, uint32_t crc, uint64_t at)
{
    uint64_t size = e->directory_size ? e->directory_size : e->size;
    if (e->directory_offset)
        at = e->directory_offset;
    put_text(b, "PK\1\2");
    put_number(b, 20, 2);
    put_number(b, 20, 2);
    put_common(b, e, crc ^ e->crc_flip, e->zip64 ? 0xFFFFFFFFu : size, strlen(e->name));
    put_number(b, e->zip64 ? 28 : 0, 2);
    put_number(b, 0, 8);
    put_number(b, 0, 2);
    put_number(b, e->zip64 ? 0xFFFFFFFFu : at, 4);
    put_text(b, e->name);
    if (e->zip64) {
        put_number(b, 1 | 24 << 16, 4);
        put_number(b, size, 8);
        put_number(b, size, 8);
        put_number(b, at, 8);
    }
}

buffer make_zip(const test_entry *entries, size_t count)
{
    crc32_tables tables;
    crc32_prepare(&tables);
    buffer b = new_bytes(), directory = new_bytes();
    for (size_t i = 0; i < count; i++) {
        uint32_t crc = crc32_add(&tables, 0, entries[i].data, entries[i].size);
        put_central(&directory, &entries[i], crc, b.size);
        put_local(&b, &entries[i], crc);
    }
    size_t at = b.size;
    put(&b, directory.bytes, directory.size);
    put_text(&b, "PK\5\6");
    put_number(&b, 0, 4);
    put_number(&b, count | count << 16, 4);
    put_number(&b, directory.size, 4);
    put_number(&b, at, 4);
    put_number(&b, 0, 2);
    buffer_free(&directory);
    return b;
}

buffer make_pt(const void *pickled, size_t pickled_size, const void *storage, size_t storage_size)
{
    const test_entry entries[] = {
        {.name = "archive/data.pkl", .data = pickled, .size = pickled_size},
        {.name = "archive/byteorder", .data = "little", .size = 6},
        {.name = "archive/data/0", .data = storage, .size = storage_size},
    };
    return make_zip(entries, 3);
}
