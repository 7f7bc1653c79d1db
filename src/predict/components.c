#include "predict/components.h"

#include <stdint.h>

#define FILLED 0.1f

/* Background pixels side by side in a row. Runs that touch are joined into trees; the root is the tree's first run and
 * knows the area of all. */
typedef struct run {
    uint32_t from, to; /* places in the map, the second one behind the last pixel */
    uint32_t parent, area;
} run;

size_t fill_holes_bytes(size_t side)
{
    return side * ((side + 1) / 2) * sizeof(run);
}

static uint32_t root_of(run *runs, uint32_t i)
{
    while (runs[i].parent != i) {
        runs[i].parent = runs[runs[i].parent].parent;
        i = runs[i].parent;
    }
    return i;
}

static void join(run *runs, uint32_t a, uint32_t b)
{
    a = root_of(runs, a);
    b = root_of(runs, b);
    if (a == b)
        return;
    uint32_t first = a < b ? a : b, second = a < b ? b : a;
    runs[second].parent = first;
    runs[first].area += runs[second].area;
}

/* The runs of row y behind the `count` runs that are there; returns the new number. */
static uint32_t add_row(run *runs, uint32_t count, const float *logits, size_t side, size_t y)
{
    size_t x = y * side, end = x + side;
    while (x < end) {
        if (!(logits[x] <= 0.0f)) {
            x++;
            continue;
        }
        size_t from = x;
        while (x < end && logits[x] <= 0.0f)
            x++;
        runs[count] = (run){(uint32_t)from, (uint32_t)x, count, (uint32_t)(x - from)};
        count++;
    }
    return count;
}

/* Joins the runs [middle, count) of a row with those of the row above, [above, middle): both are in order, and two
 * touch, if only by a corner, when neither ends before the other begins. */
static void join_rows(run *runs, uint32_t above, uint32_t middle, uint32_t count, size_t side)
{
    for (uint32_t a = above, b = middle; a < middle && b < count;) {
        size_t a_from = runs[a].from + side, a_to = runs[a].to + side;
        if (a_from <= runs[b].to && runs[b].from <= a_to)
            join(runs, a, b);
        /* The one that ends first touches nothing further: the other row's next run begins beyond its corner. */
        if (a_to < runs[b].to)
            a++;
        else
            b++;
    }
}

void fill_holes(float *logits, size_t side, size_t max_area, void *scratch)
{
    run *runs = scratch;
    uint32_t above = 0, middle = 0, count = 0;
    if (!max_area)
        return;
    for (size_t y = 0; y < side; y++) {
        above = middle;
        middle = count;
        count = add_row(runs, count, logits, side, y);
        join_rows(runs, above, middle, count, side);
    }
    for (uint32_t i = 0; i < count; i++)
        if (runs[root_of(runs, i)].area <= max_area)
            for (size_t x = runs[i].from; x < runs[i].to; x++)
                logits[x] = FILLED;
}
