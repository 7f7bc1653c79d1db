/* Masks of one byte a pixel, [height][width] without gaps, 0 outside. Here and not through the library's own
 * measuring, because the program may cut a mask after it was enlarged, and has the bytes anyway. */
#ifndef CLI_MASK_BYTES_H
#define CLI_MASK_BYTES_H

#include <stdint.h>

#include "sam2.h"

/* Area and tight box [x, y, width, height], all 0 for an empty mask. */
void mask_measure(const uint8_t *mask, int width, int height, int64_t *area, int box[4]);

/* COCO's compressed run lengths, as the library writes them. malloc; NULL when out of memory. */
char *mask_rle(const uint8_t *mask, int width, int height);

/* Clears the pixels whose centre is not in the box. */
void mask_clip(uint8_t *mask, int width, int height, const sam2_box *box);

#endif
