#include "base/arena.h"

#include "base/checked.h"

#include <assert.h>
#include <stdlib.h>

/* Under AddressSanitizer each piece is followed by a red zone, and what is given back is poisoned. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define RED_ZONE 64
#else
#define RED_ZONE 0
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)0)
#endif

void *arena_take(arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (!checked_mul(count, size, &bytes) || bytes > SIZE_MAX / 4)
        abort();
    size_t at = a->used;
    a->used = round_up(at + bytes, 64) + RED_ZONE;
    if (a->used > a->peak)
        a->peak = a->used;
    if (!a->base)
        return NULL;
    if (a->used > a->capacity)
        abort();
    ASAN_POISON_MEMORY_REGION(a->base + at, a->used - at);
    ASAN_UNPOISON_MEMORY_REGION(a->base + at, bytes);
    return a->base + at;
}

float *arena_floats(arena *a, size_t count)
{
    return arena_take(a, count, sizeof(float));
}

void arena_reset(arena *a, size_t mark)
{
    assert(mark <= a->used);
    if (a->base)
        ASAN_POISON_MEMORY_REGION(a->base + mark, a->used - mark);
    a->used = mark;
}

void arena_open(arena *a)
{
    if (a->base)
        ASAN_UNPOISON_MEMORY_REGION(a->base, a->capacity);
}
