#include "weights/zip.h"

#include "weights/crc32.h"
#include "weights/internal.h"
#include "weights/sort.h"

#define END_SIZE 22
#define LOCATOR_SIZE 20
#define END64_SIZE 56
#define CENTRAL_SIZE 46
#define LOCAL_SIZE 30
#define MAX_NAME 512
#define SATURATED 0xFFFFFFFFu /* a 32-bit field whose value is in a zip64 field */

typedef struct place {
    const uint8_t *bytes;
    size_t size;
    uint64_t count, offset, length; /* the central directory */
} place;

static bool has_mark(const uint8_t *p, int third, int fourth)
{
    return p[0] == 'P' && p[1] == 'K' && p[2] == third && p[3] == fourth;
}

/* Where the end record begins: the last one whose comment reaches the file's end exactly. */
static bool find_end(const uint8_t *bytes, size_t size, size_t *at)
{
    for (size_t comment = 0; comment <= 0xFFFF && comment + END_SIZE <= size; comment++) {
        const uint8_t *p = bytes + size - END_SIZE - comment;
        if (has_mark(p, 5, 6) && get_le16(p + 20) == comment) {
            *at = size - END_SIZE - comment;
            return true;
        }
    }
    return false;
}

/* A 16- or 32-bit field of the end record agrees with its zip64 twin when it is equal or saturated. */
static bool agrees(uint64_t small, uint64_t saturated, uint64_t large)
{
    return small == large || small == saturated;
}

/* The zip64 end record, when its locator stands before the end record. */
static sam2_status read_end64(place *d, size_t *end, sam2_error *error)
{
    size_t locator_at = *end - LOCATOR_SIZE;
    const uint8_t *locator = d->bytes + locator_at, *small = d->bytes + *end;
    uint64_t at = get_le64(locator + 8);
    if (get_le32(locator + 4) != 0 || get_le32(locator + 16) > 1)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "a zip file in several parts");
    if (!checked_range(at, END64_SIZE, locator_at) || !has_mark(d->bytes + at, 6, 6))
        return error_set(error, SAM2_ERROR_FORMAT, "the zip64 end record is not where its locator says (byte %llu)",
                         (unsigned long long)at);
    const uint8_t *p = d->bytes + at;
    uint64_t record = get_le64(p + 4);
    if (record < END64_SIZE - 12 || record > locator_at - at - 12)
        return error_set(error, SAM2_ERROR_FORMAT, "the zip64 end record's size of %llu bytes is not possible",
                         (unsigned long long)record);
    if (get_le32(p + 16) != 0 || get_le32(p + 20) != 0 || get_le64(p + 24) != get_le64(p + 32))
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "a zip file in several parts");
    d->count = get_le64(p + 32);
    d->length = get_le64(p + 40);
    d->offset = get_le64(p + 48);
    if (!agrees(get_le16(small + 10), 0xFFFF, d->count) || !agrees(get_le32(small + 12), SATURATED, d->length) ||
        !agrees(get_le32(small + 16), SATURATED, d->offset))
        return error_set(error, SAM2_ERROR_FORMAT, "the zip file's two end records contradict each other");
    *end = (size_t)at;
    return SAM2_OK;
}

/* Finds the central directory. */
static sam2_status find_directory(place *d, sam2_error *error)
{
    size_t end;
    if (!find_end(d->bytes, d->size, &end))
        return error_set(error, SAM2_ERROR_FORMAT, "zip central directory missing: the file is cut off at %zu bytes",
                         d->size);
    const uint8_t *p = d->bytes + end;
    d->count = get_le16(p + 10);
    d->length = get_le32(p + 12);
    d->offset = get_le32(p + 16);
    if (get_le16(p + 4) != 0 || get_le16(p + 6) != 0 || get_le16(p + 8) != d->count)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "a zip file in several parts");
    if (end >= LOCATOR_SIZE && has_mark(p - LOCATOR_SIZE, 6, 7))
        TRY(read_end64(d, &end, error));
    if (!checked_range(d->offset, d->length, end) || d->offset + d->length != end)
        return error_set(
            error, SAM2_ERROR_FORMAT,
            "the zip central directory (byte %llu, %llu bytes) does not end where the end record begins (byte %zu)",
            (unsigned long long)d->offset, (unsigned long long)d->length, end);
    if (d->count > d->length / CENTRAL_SIZE)
        return error_set(error, SAM2_ERROR_FORMAT, "the zip central directory of %llu bytes cannot hold %llu entries",
                         (unsigned long long)d->length, (unsigned long long)d->count);
    if (d->count > ZIP_MAX_ENTRIES)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "a zip file of more than %d entries", ZIP_MAX_ENTRIES);
    return SAM2_OK;
}

/* Sizes and place of one entry, from the directory or its local header. */
typedef struct numbers {
    uint64_t stored, size, header;
} numbers;

/* Replaces saturated numbers by those of the zip64 extra field, which holds them in this order and only them.
 * `with_header`: the directory. */
static bool apply_zip64(const uint8_t *extra, size_t length, bool with_header, numbers *n)
{
    uint64_t *wanted[3] = {&n->size, &n->stored, &n->header};
    bool needed = n->size == SATURATED || n->stored == SATURATED || (with_header && n->header == SATURATED);
    while (length >= 4) {
        size_t kind = get_le16(extra), bytes = get_le16(extra + 2);
        if (bytes > length - 4)
            break; /* padding that is no proper field: as PyTorch's zip writer leaves it in local headers */
        if (kind == 1) {
            const uint8_t *p = extra + 4;
            for (int i = 0; i < (with_header ? 3 : 2); i++) {
                if (*wanted[i] != SATURATED)
                    continue;
                if (bytes < 8)
                    return false;
                *wanted[i] = get_le64(p);
                p += 8;
                bytes -= 8;
            }
            return true;
        }
        extra += 4 + bytes;
        length -= 4 + bytes;
    }
    return !needed;
}

/* Names are only looked up, never opened; but what points out of a folder is an attack on somebody, and such a file is
 * not to be trusted. */
static bool name_is_safe(const char *name, size_t length)
{
    if (length == 0 || length > MAX_NAME || name[0] == '/' || memchr(name, '\\', length) || memchr(name, '\0', length))
        return false;
    for (size_t at = 0; at < length;) {
        const char *slash = memchr(name + at, '/', length - at);
        size_t part = slash ? (size_t)(slash - name) - at : length - at;
        if (part == 2 && name[at] == '.' && name[at + 1] == '.')
            return false;
        at += part + 1;
    }
    return true;
}

/* The local header of `e` has to say the same as the directory. Sets e->data. */
static sam2_status check_local(const place *d, zip_entry *e, uint64_t header, unsigned flags, sam2_error *error)
{
    shown room;
    const char *name = show(&room, e->name, e->name_length);
    if (!checked_range(header, LOCAL_SIZE, d->offset))
        return error_set(error, SAM2_ERROR_FORMAT, "entry %s: its header at byte %llu is outside of the file", name,
                         (unsigned long long)header);
    const uint8_t *p = d->bytes + header;
    if (!has_mark(p, 3, 4))
        return error_set(error, SAM2_ERROR_FORMAT, "entry %s: there is no header at byte %llu", name,
                         (unsigned long long)header);
    size_t name_length = get_le16(p + 26), extra = get_le16(p + 28), head = LOCAL_SIZE + name_length + extra;
    if (!checked_range(header, head, d->offset))
        return error_set(error, SAM2_ERROR_FORMAT, "entry %s: its header is cut off", name);
    numbers n = {get_le32(p + 18), get_le32(p + 22), 0};
    bool same = name_length == e->name_length && memcmp(p + LOCAL_SIZE, e->name, name_length) == 0 &&
                get_le16(p + 8) == 0 && apply_zip64(p + LOCAL_SIZE + name_length, extra, false, &n);
    /* Written as a stream, an entry has its numbers after its data, and zeros here. */
    bool later = (flags & 8) && get_le32(p + 14) == 0 && n.size == 0 && n.stored == 0;
    if (!same || (!later && (get_le32(p + 14) != e->crc || n.size != e->size || n.stored != e->size)))
        return error_set(error, SAM2_ERROR_FORMAT, "entry %s: its header contradicts the central directory", name);
    if (!checked_range(header + head, e->size, d->offset))
        return error_set(error, SAM2_ERROR_FORMAT, "entry %s: its %zu bytes reach beyond the file's data", name,
                         e->size);
    e->header = (size_t)header;
    e->data = p + head;
    return SAM2_OK;
}

/* Reads the directory's entry at *at and moves *at behind it. */
static sam2_status read_entry(const place *d, const uint8_t **at, size_t *left, zip_entry *e, sam2_error *error)
{
    const uint8_t *p = *at;
    if (*left < CENTRAL_SIZE || !has_mark(p, 1, 2))
        return error_set(error, SAM2_ERROR_FORMAT, "the zip central directory is damaged");
    size_t name_length = get_le16(p + 28), extra = get_le16(p + 30),
           bytes = CENTRAL_SIZE + name_length + extra + get_le16(p + 32);
    if (bytes > *left)
        return error_set(error, SAM2_ERROR_FORMAT, "the zip central directory is damaged");
    *at += bytes;
    *left -= bytes;
    e->name = (const char *)p + CENTRAL_SIZE;
    e->name_length = name_length;
    e->crc = get_le32(p + 16);
    shown room;
    const char *name = show(&room, e->name, name_length);
    if (!name_is_safe(e->name, name_length))
        return error_set(error, SAM2_ERROR_FORMAT, "an unsafe entry name in the zip file: \"%s\"", name);
    unsigned flags = get_le16(p + 8), method = get_le16(p + 10);
    if (flags & 0x2061) /* encryption of three kinds, patches */
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "entry %s is encrypted", name);
    if (method != 0)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "entry %s is compressed (method %u); PyTorch stores entries as they are", name, method);
    if (get_le16(p + 34) != 0)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "a zip file in several parts");
    numbers n = {get_le32(p + 20), get_le32(p + 24), get_le32(p + 42)};
    if (!apply_zip64(p + CENTRAL_SIZE + name_length, extra, true, &n))
        return error_set(error, SAM2_ERROR_FORMAT, "entry %s: its zip64 field is damaged", name);
    if (n.stored != n.size || n.size > d->size)
        return error_set(error, SAM2_ERROR_FORMAT, "entry %s: its size of %llu bytes is not possible", name,
                         (unsigned long long)n.size);
    e->size = (size_t)n.size;
    return check_local(d, e, n.header, flags, error);
}

static bool header_before(const void *context, uint32_t a, uint32_t b)
{
    const zip_entry *entries = context;
    return entries[a].header < entries[b].header;
}

static int compare_names(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static bool name_before(const void *context, uint32_t a, uint32_t b)
{
    const zip_entry *entries = context, *x = &entries[a], *y = &entries[b];
    return compare_names(x->name, x->name_length, y->name, y->name_length) < 0;
}

static sam2_status read_entries(const place *d, zip *z, sam2_error *error)
{
    const uint8_t *at = d->bytes + d->offset;
    size_t left = (size_t)d->length;
    for (size_t i = 0; i < z->count; i++)
        TRY(read_entry(d, &at, &left, &z->entries[i], error));
    if (left)
        return error_set(error, SAM2_ERROR_FORMAT, "the zip central directory holds more than the end record says");

    shown room, other;
    for (size_t i = 0; i < z->count; i++)
        z->by_name[i] = (uint32_t)i;
    sort_indices(z->by_name, z->count, header_before, z->entries);
    for (size_t i = 1; i < z->count; i++) {
        const zip_entry *a = &z->entries[z->by_name[i - 1]], *b = &z->entries[z->by_name[i]];
        if ((size_t)(a->data - d->bytes) + a->size > b->header)
            return error_set(error, SAM2_ERROR_FORMAT, "entries %s and %s overlap",
                             show(&room, a->name, a->name_length), show(&other, b->name, b->name_length));
    }
    sort_indices(z->by_name, z->count, name_before, z->entries);
    for (size_t i = 1; i < z->count; i++)
        if (!name_before(z->entries, z->by_name[i - 1], z->by_name[i])) {
            const zip_entry *e = &z->entries[z->by_name[i]];
            return error_set(error, SAM2_ERROR_FORMAT, "entry %s is there twice", show(&room, e->name, e->name_length));
        }
    return SAM2_OK;
}

sam2_status zip_open(const sam2_allocator *a, const uint8_t *bytes, size_t size, zip *out, sam2_error *error)
{
    place d = {.bytes = bytes, .size = size};
    TRY(find_directory(&d, error));
    zip z = {.allocator = *a, .count = (size_t)d.count};
    void *memory = NULL;
    TRY(alloc_array(a, z.count, sizeof *z.entries, "the zip directory", &memory, error));
    z.entries = memory;
    sam2_status status = alloc_array(a, z.count, sizeof *z.by_name, "the zip directory", &memory, error);
    z.by_name = status == SAM2_OK ? memory : NULL;
    if (status == SAM2_OK)
        status = read_entries(&d, &z, error);
    if (status != SAM2_OK) {
        zip_close(&z);
        return status;
    }
    *out = z;
    return SAM2_OK;
}

void zip_close(zip *z)
{
    alloc_release(&z->allocator, z->entries, z->count * sizeof *z->entries);
    alloc_release(&z->allocator, z->by_name, z->count * sizeof *z->by_name);
    z->entries = NULL;
    z->by_name = NULL;
    z->count = 0;
}

const zip_entry *zip_find(const zip *z, const char *name, size_t name_length)
{
    size_t low = 0, high = z->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const zip_entry *e = &z->entries[z->by_name[middle]];
        int order = compare_names(name, name_length, e->name, e->name_length);
        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

sam2_status zip_verify(const zip *z, sam2_error *error)
{
    crc32_tables tables;
    crc32_prepare(&tables);
    bool none = true; /* PyTorch can be told to leave the checksums out; they are all 0 then */
    for (size_t i = 0; i < z->count; i++)
        none = none && z->entries[i].crc == 0;
    for (size_t i = 0; i < z->count && !none; i++) {
        const zip_entry *e = &z->entries[i];
        uint32_t crc = crc32_add(&tables, 0, e->data, e->size);
        shown room;
        if (crc != e->crc)
            return error_set(error, SAM2_ERROR_FORMAT, "CRC mismatch in %s: %08X instead of %08X; the file is damaged",
                             show(&room, e->name, e->name_length), crc, e->crc);
    }
    return SAM2_OK;
}
