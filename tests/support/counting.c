#include "support/counting.h"

#include "support/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

static void *count_allocate(void *user, size_t size, size_t alignment)
{
    counter *c = user;
    if (++c->calls == c->fail_at)
        return NULL;
    void *p = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    assert_non_null(p);
    c->live_blocks++;
    c->live_bytes += size;
    if (c->live_bytes > c->peak_bytes)
        c->peak_bytes = c->live_bytes;
    memset(p, 0xA5, size);
    return p;
}

static void count_release(void *user, void *pointer, size_t size)
{
    counter *c = user;
    assert_true(c->live_blocks > 0 && c->live_bytes >= size);
    c->live_blocks--;
    c->live_bytes -= size;
    free(pointer);
}

sam2_allocator counting(counter *c)
{
    *c = (counter){0};
    return (sam2_allocator){count_allocate, count_release, c};
}
