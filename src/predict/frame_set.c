#include "predict/frame_set.h"

#include <string.h>

void frame_set_free(frame_set *set, const sam2_allocator *a)
{
    alloc_release(a, set->list, set->bytes);
    *set = (frame_set){0};
}

/* The first stretch that does not end before `frame`. */
static size_t place(const frame_set *set, int64_t frame)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->list[middle].last < frame)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool frame_set_has(const frame_set *set, int64_t frame, bool *reverse)
{
    size_t i = place(set, frame);
    if (i == set->count || set->list[i].first > frame)
        return false;
    if (reverse)
        *reverse = set->list[i].reverse;
    return true;
}

/* A frame that is taken out of a stretch leaves one more, and put in again with another direction makes two more. */
sam2_status frame_set_reserve(frame_set *set, const sam2_allocator *a, sam2_error *error)
{
    void *list = set->list;
    TRY(alloc_grow(a, &list, &set->bytes, set->count * sizeof *set->list, (set->count + 2) * sizeof *set->list,
                   "tracked frames", error));
    set->list = list;
    return SAM2_OK;
}

static void insert(frame_set *set, size_t at, frame_stretch s)
{
    memmove(set->list + at + 1, set->list + at, (set->count - at) * sizeof *set->list);
    set->list[at] = s;
    set->count++;
}

static void take_out(frame_set *set, size_t at)
{
    set->count--;
    memmove(set->list + at, set->list + at + 1, (set->count - at) * sizeof *set->list);
}

/* There is room for one stretch more. */
static void drop(frame_set *set, int64_t frame)
{
    if (!frame_set_has(set, frame, NULL))
        return;
    size_t i = place(set, frame);
    frame_stretch *s = &set->list[i];
    if (s->first == frame && s->last == frame)
        take_out(set, i);
    else if (s->first == frame)
        s->first++;
    else if (s->last == frame)
        s->last--;
    else {
        frame_stretch after = {frame + 1, s->last, s->reverse};
        s->last = frame - 1;
        insert(set, i + 1, after);
    }
}

sam2_status frame_set_drop(frame_set *set, const sam2_allocator *a, int64_t frame, sam2_error *error)
{
    TRY(frame_set_reserve(set, a, error));
    drop(set, frame);
    return SAM2_OK;
}

sam2_status frame_set_put(frame_set *set, const sam2_allocator *a, int64_t frame, bool reverse, sam2_error *error)
{
    bool is = false;
    if (frame_set_has(set, frame, &is) && is == reverse)
        return SAM2_OK;
    TRY(frame_set_reserve(set, a, error));
    drop(set, frame);
    size_t i = place(set, frame);
    bool before = i > 0 && set->list[i - 1].last + 1 == frame && set->list[i - 1].reverse == reverse;
    bool after = i < set->count && set->list[i].first - 1 == frame && set->list[i].reverse == reverse;
    if (before && after) {
        set->list[i - 1].last = set->list[i].last;
        take_out(set, i);
    } else if (before)
        set->list[i - 1].last = frame;
    else if (after)
        set->list[i].first = frame;
    else
        insert(set, i, (frame_stretch){frame, frame, reverse});
    return SAM2_OK;
}

sam2_status frame_set_append(frame_set *set, const sam2_allocator *a, frame_stretch stretch, sam2_error *error)
{
    TRY(frame_set_reserve(set, a, error));
    set->list[set->count++] = stretch;
    return SAM2_OK;
}
