#include "clip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "media.h"
#include "run.h"

int disc_x(int frame)
{
    return 70 + 12 * frame;
}

int in_disc(int x, int y, int frame)
{
    const int dx = x - disc_x(frame), dy = y - 80;
    return dx * dx + dy * dy < RADIUS * RADIUS;
}

uint8_t *clip_pixels(int frame)
{
    uint8_t *pixels = malloc(WIDTH * HEIGHT * 3), *p = pixels;
    assert_non_null(pixels);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++, p += 3) {
            const int inside = frame >= 0 && in_disc(x, y, frame);
            p[0] = (uint8_t)(inside ? 210 : 70 + x / 8);
            p[1] = (uint8_t)(inside ? 50 : 110 + y / 8);
            p[2] = (uint8_t)(inside ? 40 : 90 + (x + y) / 16);
        }
    return pixels;
}

void clip_make(void)
{
    char name[64], error[300];
    FILE *file;
    folder_make("clip");
    for (int f = 0; f < FRAMES; f++) {
        uint8_t *pixels = clip_pixels(f);
        snprintf(name, sizeof name, "clip/frame_%d.png", f + 7); /* 7, 8, 9, 10: natural order */
        if (media_write_png(name, pixels, WIDTH, HEIGHT, 3, WIDTH * 3, error, sizeof error))
            fail_msg("%s", error);
        free(pixels);
    }
    file = fopen("clip.raw", "wb");
    assert_non_null(file);
    for (int f = 0; f < FRAMES; f++) {
        uint8_t *pixels = clip_pixels(f);
        assert_int_equal(fwrite(pixels, 1, WIDTH * HEIGHT * 3, file), WIDTH * HEIGHT * 3);
        free(pixels);
    }
    fclose(file);
}
