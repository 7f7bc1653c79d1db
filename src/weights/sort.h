/* Sorting of indices by heap: no allocation, no recursion, and the same time whatever order a hostile file comes in. */
#ifndef WEIGHTS_SORT_H
#define WEIGHTS_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when what index `a` stands for comes before what `b` stands for. */
typedef bool (*sort_before)(const void *context, uint32_t a, uint32_t b);

void sort_indices(uint32_t *indices, size_t count, sort_before before, const void *context);

#endif
