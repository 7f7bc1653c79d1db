/* Zip files as PyTorch writes them. Checksums would stop nearly every changed input, so it is opened without them too.
 */
#include "fuzz/fuzz.h"

#include "weights/zip.h"

static void use_zip(const uint8_t *bytes, size_t size)
{
    zip z;
    sam2_error error = {0};
    if (zip_open(&alloc_default, bytes, size, &z, &error) != SAM2_OK)
        return;
    for (size_t i = 0; i < z.count; i++) {
        const zip_entry *e = &z.entries[i];
        REQUIRE(e->data >= bytes && e->size <= size && (size_t)(e->data - bytes) <= size - e->size);
        REQUIRE(zip_find(&z, e->name, e->name_length) == e);
    }
    (void)zip_verify(&z, &error);
    zip_close(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    use_zip(bytes, size);
    fuzz_weights(bytes, size, 0);
    fuzz_weights(bytes, size, 1);
    return 0;
}
