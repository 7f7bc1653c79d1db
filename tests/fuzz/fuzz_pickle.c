/* The input is a pickle: read by the machine alone, and as data.pkl of a file with one storage, so that what walks the
 * result is reached too. */
#include "fuzz/fuzz.h"

#include "weights/internal.h"
#include "weights/pickle.h"

#include <stdlib.h>

#define STORAGE 256 /* bytes of storage "0" */

static const uint8_t storage[STORAGE] = {0};

static sam2_status find_storage(void *context, const char *key, size_t key_length, const uint8_t **data, size_t *size,
                                sam2_error *error)
{
    (void)context;
    if (key_length != 1 || *key != '0')
        return error_set(error, SAM2_ERROR_FORMAT, "no such storage");
    *data = storage;
    *size = sizeof storage;
    return SAM2_OK;
}

typedef struct archive {
    uint8_t *bytes, *at;
    uint8_t directory[512];
    size_t directory_size, entries;
} archive;

static void copy_bytes(uint8_t **at, const void *bytes, size_t size)
{
    if (size)
        memcpy(*at, bytes, size);
    *at += size;
}

/* Stored, with all checksums 0, which the reader takes as a file without them. */
static void add_entry(archive *a, const char *name, const void *data, size_t size)
{
    uint8_t *central = a->directory + a->directory_size;
    uint8_t header[46] = "PK\1\2\24\0\24", local[30] = "PK\3\4\24";
    size_t length = strlen(name);
    put_le32(header + 20, (uint32_t)size);
    put_le32(header + 24, (uint32_t)size);
    put_le16(header + 28, (uint16_t)length);
    put_le32(header + 42, (uint32_t)(a->at - a->bytes));
    memcpy(local + 4, header + 6, 26); /* the fields from the version on are the same */
    copy_bytes(&central, header, sizeof header);
    copy_bytes(&central, name, length);
    a->directory_size = (size_t)(central - a->directory);
    a->entries++;
    copy_bytes(&a->at, local, sizeof local);
    copy_bytes(&a->at, name, length);
    copy_bytes(&a->at, data, size);
}

static void use_archive(const uint8_t *bytes, size_t size)
{
    archive a = {.bytes = malloc(size + STORAGE + 1024)};
    REQUIRE(a.bytes);
    a.at = a.bytes;
    add_entry(&a, "a/data.pkl", bytes, size);
    add_entry(&a, "a/byteorder", "little", 6);
    add_entry(&a, "a/data/0", storage, sizeof storage);
    uint8_t end[22] = "PK\5\6";
    put_le16(end + 8, (uint16_t)a.entries);
    put_le16(end + 10, (uint16_t)a.entries);
    put_le32(end + 12, (uint32_t)a.directory_size);
    put_le32(end + 16, (uint32_t)(a.at - a.bytes));
    copy_bytes(&a.at, a.directory, a.directory_size);
    copy_bytes(&a.at, end, sizeof end);
    fuzz_weights(a.bytes, (size_t)(a.at - a.bytes), 0);
    free(a.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pickle p;
    sam2_error error = {0};
    if (pickle_load(&p, &alloc_default, bytes, size, find_storage, NULL, &error) == SAM2_OK)
        pickle_free(&p);
    use_archive(bytes, size);
    return 0;
}
