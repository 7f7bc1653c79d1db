/* The workspace: one block, cut from the front, given back to a mark. Its peak is found beforehand by a dry run: an
 * arena without a block hands out NULL and only counts, and every operator returns at once for it, so that the code
 * that runs is the code that is measured. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct arena {
    uint8_t *base;   /* NULL: a dry run */
    size_t capacity; /* bytes of the block; ignored in a dry run */
    size_t used;
    size_t peak; /* the largest `used` so far */
} arena;

/* `count` elements of `size` bytes aligned to 64, or NULL in a dry run. The sizes come from a checked configuration.
 * Running past the measured peak is a fault of the library and ends the process rather than overwriting memory. */
void *arena_take(arena *a, size_t count, size_t size);
float *arena_floats(arena *a, size_t count);

/* Everything taken after arena_mark is given back by arena_reset. */
static inline size_t arena_mark(const arena *a)
{
    return a->used;
}
void arena_reset(arena *a, size_t mark);

/* Makes the whole block readable and writable again for AddressSanitizer, before it goes back to where it came from. */
void arena_open(arena *a);

#endif
