/* Conversion of elements, and their way out for the writers. */
#ifndef WEIGHTS_VALUES_H
#define WEIGHTS_VALUES_H

#include "base/mapfile.h"
#include "weights/crc32.h"
#include "weights/weights.h"

/* float32 to the storage `type`, rounded to nearest, ties to even. `to` is aligned for its type. */
void values_convert(const float *from, size_t count, weights_type type, void *to);

/* Writes all elements as `type`; as they are when that is what they are. */
sam2_status values_write(const weights_tensor *t, weights_type type, outfile *out, sam2_error *error);

/* The CRC-32 of what values_write would write. */
uint32_t values_crc(const weights_tensor *t, weights_type type, const crc32_tables *tables);

#endif
