/* Connected parts of a mask or its background, at full resolution, found on its runs: no picture is made. */
#ifndef PREDICT_RLE_REGIONS_H
#define PREDICT_RLE_REGIONS_H

#include "predict/rle.h"

/* Pixels below each other in a column. Those that touch, if only by a corner, are joined into trees; the root knows the
 * area of all. */
typedef struct rle_span {
    uint32_t x, y0, y1; /* y1 is behind the last pixel */
    uint32_t parent;
    int64_t area;
    uint64_t block; /* the first block of 2 x 2 pixels, row by row, that the part has a pixel in */
} rle_span;

typedef struct rle_regions {
    rle_span *spans;
    size_t count, bytes;
} rle_regions;

/* The text has been checked. To be released with rle_regions_free. */
sam2_status rle_regions_find(const sam2_rle *rle, bool inside, const sam2_allocator *a, rle_regions *out,
                             sam2_error *error);
void rle_regions_free(rle_regions *r, const sam2_allocator *a);
uint32_t rle_regions_root(const rle_regions *r, uint32_t span);

/* The parts' roots in the order of their blocks: `*order` [parts], to be released as a block of (parts + 1) numbers. */
sam2_status rle_regions_order(const rle_regions *r, const sam2_allocator *a, uint32_t **order, size_t *parts,
                              sam2_error *error);

/* The official remove_small_regions, holes then islands: the new mask as text of exactly *bytes bytes with its NUL, or
 * *text NULL where nothing changes. */
sam2_status rle_clean(const sam2_rle *rle, int64_t min_area, const sam2_allocator *a, char **text, size_t *bytes,
                      sam2_error *error);

#endif
