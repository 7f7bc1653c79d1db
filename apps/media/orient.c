/* The eight EXIF orientations. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* Where the pixel at (0, 0) of the upright picture lies in the stored one, and how far one step right and one step down
 * go there. */
typedef struct walk {
    ptrdiff_t start, right, down; /* in pixels */
} walk;

static walk walk_of(int orientation, ptrdiff_t width, ptrdiff_t height)
{
    ptrdiff_t last_x = width - 1, last_y = (height - 1) * width;
    switch (orientation) {
    case 2: /* mirrored left to right */
        return (walk){last_x, -1, width};
    case 3: /* half a turn */
        return (walk){last_y + last_x, -1, -width};
    case 4: /* mirrored top to bottom */
        return (walk){last_y, 1, -width};
    case 5: /* transposed */
        return (walk){0, width, 1};
    case 6: /* a quarter turn clockwise makes it upright */
        return (walk){last_y, -width, 1};
    case 7: /* transposed over the other diagonal */
        return (walk){last_y + last_x, -width, -1};
    case 8: /* a quarter turn anticlockwise */
        return (walk){last_x, width, -1};
    default:
        return (walk){0, 1, width};
    }
}

/* Rows against columns: in squares of this side both sides of the copy stay in the cache. */
#define TILE 32

int media_orient(const media_reader *reader, media_picture *picture, int orientation)
{
    int width = picture->width, height = picture->height;
    int turned = orientation >= 5 && orientation <= 8;
    int new_width = turned ? height : width, new_height = turned ? width : height;
    walk step = walk_of(orientation, width, height);
    uint8_t *pixels;
    if (orientation < 2 || orientation > 8)
        return 0;
    pixels = malloc((size_t)width * (size_t)height * 3);
    if (!pixels)
        return media_fail(reader, "out of memory for %d x %d pixels", width, height);
    for (int y0 = 0; y0 < new_height; y0 += TILE)
        for (int x0 = 0; x0 < new_width; x0 += TILE)
            for (int y = y0; y < new_height && y < y0 + TILE; y++) {
                uint8_t *to = pixels + ((size_t)y * (size_t)new_width + (size_t)x0) * 3;
                const uint8_t *from = picture->pixels + (step.start + x0 * step.right + y * step.down) * 3;
                for (int x = x0; x < new_width && x < x0 + TILE; x++, to += 3, from += step.right * 3)
                    memcpy(to, from, 3);
            }
    free(picture->pixels);
    picture->pixels = pixels;
    picture->width = new_width;
    picture->height = new_height;
    return 0;
}
