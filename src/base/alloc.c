#define _DEFAULT_SOURCE /* madvise */

#include "base/alloc.h"

#include "base/checked.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Large blocks (weights, workspaces) are laid out for pages of 2 MiB. With small ones a product that streams packed
 * weights misses the address translation once in 4 KiB, and the first use of a block takes a fault for each. */
#define HUGE_PAGE ((size_t)2 << 20)

static void *default_allocate(void *user, size_t size, size_t alignment)
{
    (void)user;
    const bool large = size >= 2 * HUGE_PAGE;
    if (large && alignment < HUGE_PAGE)
        alignment = HUGE_PAGE;
    if (size > SIZE_MAX - alignment)
        return NULL;
    void *p = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
    /* Whole pages only, so that no memory is used beyond the block. Where there are none, small pages do as well. */
    if (large && p)
        (void)madvise(p, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return p;
}

static void default_release(void *user, void *pointer, size_t size)
{
    (void)user;
    (void)size;
    free(pointer);
}

const sam2_allocator alloc_default = {default_allocate, default_release, NULL};

sam2_status alloc_get(const sam2_allocator *a, size_t bytes, const char *what, void **pointer, sam2_error *error)
{
    void *p = a->allocate(a->user, bytes ? bytes : 1, ALLOC_ALIGN);
    if (!p)
        return error_memory(error, what, bytes);
    *pointer = p;
    return SAM2_OK;
}

sam2_status alloc_array(const sam2_allocator *a, size_t count, size_t size, const char *what, void **pointer,
                        sam2_error *error)
{
    size_t bytes;
    if (!checked_mul(count, size, &bytes))
        return error_memory(error, what, SIZE_MAX);
    TRY(alloc_get(a, bytes, what, pointer, error));
    memset(*pointer, 0, bytes);
    return SAM2_OK;
}

void alloc_release(const sam2_allocator *a, void *pointer, size_t bytes)
{
    if (pointer)
        a->release(a->user, pointer, bytes ? bytes : 1);
}

sam2_status alloc_grow(const sam2_allocator *a, void **pointer, size_t *capacity, size_t used, size_t wanted,
                       const char *what, sam2_error *error)
{
    if (wanted <= *capacity)
        return SAM2_OK;
    size_t size = *capacity <= SIZE_MAX / 2 && *capacity * 2 > wanted ? *capacity * 2 : wanted;
    void *fresh = NULL;
    TRY(alloc_get(a, size, what, &fresh, error));
    if (used)
        memcpy(fresh, *pointer, used);
    alloc_release(a, *pointer, *capacity);
    *pointer = fresh;
    *capacity = size;
    return SAM2_OK;
}
