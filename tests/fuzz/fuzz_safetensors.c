/* safetensors files, and what identify.c makes of anything else. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_weights(bytes, size, 1);
    return 0;
}
