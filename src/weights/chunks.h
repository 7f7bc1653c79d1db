/* Small pieces of memory that live and die together: taken one by one from larger blocks, all given back at once. */
#ifndef WEIGHTS_CHUNKS_H
#define WEIGHTS_CHUNKS_H

#include "base/alloc.h"

typedef struct chunk chunk;

typedef struct chunks {
    sam2_allocator allocator;
    chunk *first;
    size_t held;      /* bytes of all blocks */
    size_t limit;     /* of `held`; 0: none */
    const char *what; /* for the error */
} chunks;

/* *pointer = `size` bytes aligned to 16, not cleared. Errors: MEMORY; FORMAT when the limit is reached. */
sam2_status chunks_take(chunks *c, size_t size, void **pointer, sam2_error *error);
void chunks_free(chunks *c);

#endif
