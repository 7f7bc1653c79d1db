#include "weights/chunks.h"

#include "base/checked.h"

struct chunk {
    chunk *next;
    size_t size; /* of the block with this head */
    size_t used;
};

#define HEAD ((sizeof(chunk) + 15) & ~(size_t)15)
#define LEAST 4096             /* blocks double from here, so that small files cost little */
#define MOST ((size_t)1 << 20) /* ... up to here */

sam2_status chunks_take(chunks *c, size_t size, void **pointer, sam2_error *error)
{
    if (size > SIZE_MAX - 64)
        return error_memory(error, c->what, size);
    size = round_up(size ? size : 1, 16);
    if (!c->first || c->first->size - c->first->used < size) {
        size_t wanted = c->held < LEAST ? LEAST : c->held > MOST ? MOST : c->held;
        if (!checked_add(size, HEAD, &size))
            return error_memory(error, c->what, size);
        if (wanted < size)
            wanted = size;
        size -= HEAD;
        if (c->limit && (c->held > c->limit || wanted > c->limit - c->held))
            return error_set(error, SAM2_ERROR_FORMAT, "%s take more than %zu bytes of memory", c->what, c->limit);
        void *block;
        TRY(alloc_get(&c->allocator, wanted, c->what, &block, error));
        chunk *fresh = block;
        *fresh = (chunk){c->first, wanted, HEAD};
        c->first = fresh;
        c->held += wanted;
    }
    *pointer = (uint8_t *)c->first + c->first->used;
    c->first->used += size;
    return SAM2_OK;
}

void chunks_free(chunks *c)
{
    for (chunk *at = c->first; at;) {
        chunk *next = at->next;
        alloc_release(&c->allocator, at, at->size);
        at = next;
    }
    c->first = NULL;
    c->held = 0;
}
