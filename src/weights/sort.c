#include "weights/sort.h"

static void sift_down(uint32_t *heap, size_t root, size_t count, sort_before before, const void *context)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && before(context, heap[child], heap[child + 1]))
            child++;
        if (!before(context, heap[root], heap[child]))
            return;
        uint32_t t = heap[root];
        heap[root] = heap[child];
        heap[child] = t;
        root = child;
    }
}

void sort_indices(uint32_t *indices, size_t count, sort_before before, const void *context)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(indices, i, count, before, context);
    for (size_t last = count; last-- > 1;) {
        uint32_t t = indices[0];
        indices[0] = indices[last];
        indices[last] = t;
        sift_down(indices, 0, last, before, context);
    }
}
