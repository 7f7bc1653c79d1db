/* An allocator that counts, for tests of what the library allocates. */
#ifndef SUPPORT_COUNTING_H
#define SUPPORT_COUNTING_H

#include "sam2.h"

/* What goes out and comes back; the `fail_at`-th allocation fails (from 1; 0: none). Not thread-safe, as one thread
 * allocates at a time. */
typedef struct counter {
    size_t calls, live_blocks, live_bytes, peak_bytes, fail_at;
} counter;

/* An allocator over *c, which is cleared. Memory comes filled with a pattern, so that nothing relies on zeros. */
sam2_allocator counting(counter *c);

#endif
