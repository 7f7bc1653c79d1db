/* Which frames an object has been tracked on, and in what direction: stretches, so that a long video takes no more room
 * than a short one. */
#ifndef PREDICT_FRAME_SET_H
#define PREDICT_FRAME_SET_H

#include "base/alloc.h"

#include <stdbool.h>

typedef struct frame_stretch {
    int64_t first, last;
    bool reverse;
} frame_stretch;

typedef struct frame_set {
    frame_stretch *list; /* in order, apart from each other or of different directions */
    size_t count, bytes;
} frame_set;

void frame_set_free(frame_set *set, const sam2_allocator *a);
/* Puts a frame in, or changes its direction. On failure nothing changes. */
sam2_status frame_set_put(frame_set *set, const sam2_allocator *a, int64_t frame, bool reverse, sam2_error *error);
/* Room for what the next frame_set_put needs, which then does not fail. */
sam2_status frame_set_reserve(frame_set *set, const sam2_allocator *a, sam2_error *error);
/* A stretch behind all others. */
sam2_status frame_set_append(frame_set *set, const sam2_allocator *a, frame_stretch stretch, sam2_error *error);
/* Takes a frame out. */
sam2_status frame_set_drop(frame_set *set, const sam2_allocator *a, int64_t frame, sam2_error *error);
/* Whether it is in; *reverse (or NULL) becomes its direction. */
bool frame_set_has(const frame_set *set, int64_t frame, bool *reverse);

#endif
