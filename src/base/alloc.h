/* Allocation: everything the library holds comes from here, and so from the caller's allocator when there is one. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include "base/error.h"

#define ALLOC_ALIGN 64 /* of every block: one cache line, one 512-bit vector */

/* The allocator to use for NULL: aligned_alloc and free, large blocks in huge pages where the system has them. */
extern const sam2_allocator alloc_default;

/* *pointer = `bytes` bytes aligned to ALLOC_ALIGN, not cleared (0 bytes give a valid pointer too); `what` names the
 * purpose in the error. The size must be kept: alloc_release wants it back. */
sam2_status alloc_get(const sam2_allocator *a, size_t bytes, const char *what, void **pointer, sam2_error *error);

/* The same, cleared, for `count` elements of `size` bytes, the product checked. */
sam2_status alloc_array(const sam2_allocator *a, size_t count, size_t size, const char *what, void **pointer,
                        sam2_error *error);

/* Gives back a block of `bytes` bytes. A NULL pointer is allowed. */
void alloc_release(const sam2_allocator *a, void *pointer, size_t bytes);

/* Enlarges a block that holds `used` bytes from `*capacity` to at least `wanted` bytes (doubling), keeping its content.
 * *pointer may be NULL with *capacity 0. On failure nothing changes. */
sam2_status alloc_grow(const sam2_allocator *a, void **pointer, size_t *capacity, size_t used, size_t wanted,
                       const char *what, sam2_error *error);

#endif
