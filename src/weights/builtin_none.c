#include "weights/builtin.h"

const void *builtin_model(size_t *size)
{
    *size = 0;
    return NULL;
}
