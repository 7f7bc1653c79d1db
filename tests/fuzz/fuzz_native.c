/* Native files, as they are and with the header's size and checksum put right, which a changed input would otherwise
 * never pass. */
#include "fuzz/fuzz.h"

#include "weights/crc32.h"
#include "weights/internal.h"
#include "weights/native.h"

#include <stdlib.h>

/* Where the header says that the data begins, as native.c describes the format; 0 when it does not fit. */
static size_t header_end(const uint8_t *bytes, size_t size)
{
    uint64_t metadata = get_le64(bytes + 24), directory = get_le64(bytes + 32);
    if (metadata > size || directory > size)
        return 0;
    size_t end = NATIVE_HEADER + round_up((size_t)metadata, 8) + (size_t)directory;
    if (end > size)
        return 0;
    end = round_up(end, NATIVE_ALIGN);
    return end < size ? end : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_weights(bytes, size, 1);
    size_t end = size < NATIVE_HEADER ? 0 : header_end(bytes, size);
    if (!end)
        return 0;
    uint8_t *copy = malloc(size);
    REQUIRE(copy);
    memcpy(copy, bytes, size);
    memcpy(copy, NATIVE_MAGIC, 8);
    put_le32(copy + 8, NATIVE_VERSION);
    put_le64(copy + 16, size);
    crc32_tables tables;
    crc32_prepare(&tables);
    put_le32(copy + 12, crc32_add(&tables, 0, copy + 16, end - 16));
    fuzz_weights(copy, size, 0);
    fuzz_weights(copy, size, 1);
    free(copy);
    return 0;
}
