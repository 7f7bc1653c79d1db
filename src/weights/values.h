/* Conversion of elements for the writers. */
#ifndef WEIGHTS_VALUES_H
#define WEIGHTS_VALUES_H

#include "weights/weights.h"

/* float32 to the storage `type`, rounded to nearest, ties to even. `to` is aligned for its type. */
void values_convert(const float *from, size_t count, weights_type type, void *to);

#endif
