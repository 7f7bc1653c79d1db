#include "base/alloc.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

static void *default_allocate(void *user, size_t size, size_t alignment)
{
    (void)user;
    if (size > SIZE_MAX - alignment)
        return NULL;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
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
