/* Reading of zip files whose entries are stored as they are, as PyTorch writes them: the central directory becomes a
 * list of ranges in the file. Everything is checked before it is handed out: local headers against the directory,
 * ranges against the file and each other, names. */
#ifndef WEIGHTS_ZIP_H
#define WEIGHTS_ZIP_H

#include "base/alloc.h"

#define ZIP_MAX_ENTRIES 131072

typedef struct zip_entry {
    const char *name; /* name_length bytes in the file; not NUL-terminated */
    size_t name_length;
    size_t header; /* where its local header begins */
    const uint8_t *data;
    size_t size;
    uint32_t crc; /* as the directory says */
} zip_entry;

typedef struct zip {
    sam2_allocator allocator;
    zip_entry *entries; /* in the directory's order */
    uint32_t *by_name;  /* [count] indices by ascending name */
    size_t count;
} zip;

/* Reads the directory of `size` bytes that stay. Takes 52 bytes of memory an entry, each of which takes 76 and twice
 * its name in the file. Errors: FORMAT (damaged, cut off, contradictions, unsafe or doubled names), UNSUPPORTED
 * (compressed, encrypted, in several parts), MEMORY. */
sam2_status zip_open(const sam2_allocator *a, const uint8_t *bytes, size_t size, zip *out, sam2_error *error);
void zip_close(zip *z);

/* The entry of this name, or NULL. */
const zip_entry *zip_find(const zip *z, const char *name, size_t name_length);

/* Compares every entry's data with its CRC-32; the error names the entry. A file in which all checksums are 0 has none.
 */
sam2_status zip_verify(const zip *z, sam2_error *error);

#endif
