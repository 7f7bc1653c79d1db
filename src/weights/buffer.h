/* A growing run of bytes, for headers that are made in memory. */
#ifndef WEIGHTS_BUFFER_H
#define WEIGHTS_BUFFER_H

#include "base/alloc.h"

typedef struct buffer {
    sam2_allocator allocator;
    uint8_t *bytes;
    size_t size, capacity;
} buffer;

sam2_status buffer_add(buffer *b, const void *bytes, size_t size, sam2_error *error);
sam2_status buffer_text(buffer *b, const char *text, sam2_error *error);            /* without the NUL */
sam2_status buffer_number(buffer *b, uint64_t value, int bytes, sam2_error *error); /* little-endian, 1 to 8 bytes */
sam2_status buffer_fill(buffer *b, uint8_t value, size_t count, sam2_error *error);
/* `value` until the size is a multiple of `step`, a power of two. */
sam2_status buffer_pad(buffer *b, uint8_t value, size_t step, sam2_error *error);
void buffer_free(buffer *b);

#endif
