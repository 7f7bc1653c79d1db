#include "weights/builtin.h"

#include <stdint.h>

extern const uint8_t sam2_builtin_begin[], sam2_builtin_end[]; /* builtin_blob.S */

const void *builtin_model(size_t *size)
{
    *size = (size_t)((uintptr_t)sam2_builtin_end - (uintptr_t)sam2_builtin_begin);
    return sam2_builtin_begin;
}
