#include "mask_bytes.h"

#include <stdlib.h>
#include <string.h>

/* The first place from `x` on that is not 0, or `width`; eight bytes at a time, for most of a large mask is empty. */
static int skip_outside(const uint8_t *row, int x, int width)
{
    uint64_t eight = 0;
    for (; x + 8 <= width; x += 8) {
        memcpy(&eight, row + x, 8);
        if (eight)
            break;
    }
    while (x < width && !row[x])
        x++;
    return x;
}

void mask_measure(const uint8_t *mask, int width, int height, int64_t *area, int box[4])
{
    int left = width, right = -1, top = -1, bottom = -1;
    *area = 0;
    for (int y = 0; y < height; y++) {
        const uint8_t *row = mask + (size_t)y * (size_t)width;
        int first = skip_outside(row, 0, width), last = width - 1, inside = 0;
        if (first == width)
            continue;
        while (!row[last])
            last--;
        for (int x = first; x <= last; x++)
            inside += row[x] != 0;
        *area += inside;
        left = first < left ? first : left;
        right = last > right ? last : right;
        top = top < 0 ? y : top;
        bottom = y;
    }
    box[0] = box[1] = box[2] = box[3] = 0;
    if (bottom >= 0) {
        box[0] = left;
        box[1] = top;
        box[2] = right - left + 1;
        box[3] = bottom - top + 1;
    }
}

char *mask_rle(const uint8_t *mask, int width, int height)
{
    size_t capacity = 4096, length = 0;
    for (;;) {
        char *text = malloc(capacity);
        if (!text || sam2_rle_from_bytes(mask, width, height, width, text, capacity, &length, NULL)) {
            free(text);
            return NULL;
        }
        if (length < capacity)
            return text;
        free(text); /* it was only measured */
        capacity = length + 1;
    }
}

void mask_clip(uint8_t *mask, int width, int height, const sam2_box *box)
{
    for (int y = 0; y < height; y++) {
        uint8_t *row = mask + (size_t)y * (size_t)width;
        double centre = y + 0.5;
        if (centre < box->y0 || centre >= box->y1) {
            memset(row, 0, (size_t)width);
            continue;
        }
        for (int x = 0; x < width; x++)
            if (x + 0.5 < box->x0 || x + 0.5 >= box->x1)
                row[x] = 0;
    }
}
