#include "weights/support.h"

#include <stdlib.h>

static void *tally_allocate(void *user, size_t size, size_t alignment)
{
    tally *t = user;
    t->calls++;
    if (t->calls == t->fail_at || size > t->limit || t->held > t->limit - size)
        return NULL;
    void *p = aligned_alloc(alignment, round_up(size, alignment));
    if (p) {
        memset(p, 0xA5, size);
        t->held += size;
        t->blocks++;
        if (t->held > t->peak)
            t->peak = t->held;
    }
    return p;
}

static void tally_release(void *user, void *pointer, size_t size)
{
    tally *t = user;
    assert_true(t->blocks > 0 && t->held >= size);
    t->held -= size;
    t->blocks--;
    free(pointer);
}

sam2_allocator tally_allocator(tally *t)
{
    return (sam2_allocator){tally_allocate, tally_release, t};
}

void expect_failure(sam2_status status, const sam2_error *error, sam2_status code, const char *part)
{
    if (status != code)
        fail_msg("status %d instead of %d: %s", (int)status, (int)code, status == SAM2_OK ? "" : error->text);
    assert_int_equal(error->code, code);
    if (!strstr(error->text, part))
        fail_msg("\"%s\" does not say \"%s\"", error->text, part);
}

void expect_ok(sam2_status status, const sam2_error *error)
{
    if (status != SAM2_OK)
        fail_msg("status %d: %s", (int)status, error->text);
}
