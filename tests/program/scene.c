#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "media.h"
#include "run.h"

int scene_in_disc(int x, int y)
{
    int dx = x - 150, dy = y - 140;
    return dx * dx + dy * dy < 70 * 70;
}

int scene_in_bar(int x, int y)
{
    return x >= 290 && x < 420 && y >= 60 && y < 250;
}

uint8_t *scene_pixels(void)
{
    uint8_t *pixels = malloc((size_t)SCENE_WIDTH * SCENE_HEIGHT * 3), *p = pixels;
    uint32_t noise = 7;
    for (int y = 0; y < SCENE_HEIGHT; y++) {
        for (int x = 0; x < SCENE_WIDTH; x++, p += 3) {
            int grain;
            noise = noise * 1664525u + 1013904223u;
            grain = (int)(noise >> 28);
            if (scene_in_disc(x, y)) {
                p[0] = (uint8_t)(210 + grain), p[1] = (uint8_t)(60 + grain), p[2] = (uint8_t)(40 + grain);
            } else if (scene_in_bar(x, y)) {
                p[0] = (uint8_t)(30 + grain), p[1] = (uint8_t)(70 + grain), p[2] = (uint8_t)(190 + grain);
            } else {
                p[0] = (uint8_t)(150 + grain), p[1] = (uint8_t)(160 + x / 20 + grain), p[2] = (uint8_t)(140 + y / 20);
            }
        }
    }
    return pixels;
}

void scene_write(const char *name)
{
    char error[300];
    uint8_t *pixels = scene_pixels();
    if (media_write_png(name, pixels, SCENE_WIDTH, SCENE_HEIGHT, 3, SCENE_WIDTH * 3, error, sizeof error))
        fail_msg("%s", error);
    free(pixels);
}

/* Where the upright pixel (x, y) of a width x height picture is stored; *sw becomes the width of the stored one. */
static size_t stored_place(int orientation, int width, int height, int x, int y, int *sw)
{
    int sx, sy;
    *sw = orientation >= 5 ? height : width;
    switch (orientation) {
    case 2:
        sx = width - 1 - x, sy = y;
        break;
    case 3:
        sx = width - 1 - x, sy = height - 1 - y;
        break;
    case 4:
        sx = x, sy = height - 1 - y;
        break;
    case 5:
        sx = y, sy = x;
        break;
    case 6:
        sx = y, sy = width - 1 - x;
        break;
    case 7:
        sx = height - 1 - y, sy = width - 1 - x;
        break;
    case 8:
        sx = height - 1 - y, sy = x;
        break;
    default:
        sx = x, sy = y;
        break;
    }
    return (size_t)sy * (size_t)*sw + (size_t)sx;
}

static void put_big(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24), p[1] = (uint8_t)(value >> 16), p[2] = (uint8_t)(value >> 8), p[3] = (uint8_t)value;
}

void scene_write_oriented(const char *name, int orientation)
{
    /* A chunk eXIf: a TIFF header with the one entry 0x0112. */
    uint8_t chunk[12 + 26] = {0, 0, 0, 26, 'e', 'X',  'I', 'f', 'M', 'M', 0, 42, 0, 0,
                              0, 8, 0, 1,  1,   0x12, 0,   3,   0,   0,   0, 1,  0, (uint8_t)orientation};
    const size_t header = 8 + 25; /* signature and IHDR */
    uint8_t *pixels = scene_pixels(), *stored = malloc((size_t)SCENE_WIDTH * SCENE_HEIGHT * 3), *file, *whole;
    char error[300];
    size_t size;
    int sw = SCENE_WIDTH;
    for (int y = 0; y < SCENE_HEIGHT; y++)
        for (int x = 0; x < SCENE_WIDTH; x++)
            memcpy(stored + 3 * stored_place(orientation, SCENE_WIDTH, SCENE_HEIGHT, x, y, &sw),
                   pixels + 3 * ((size_t)y * SCENE_WIDTH + (size_t)x), 3);
    if (media_write_png(name, stored, sw, SCENE_WIDTH * SCENE_HEIGHT / sw, 3, (size_t)sw * 3, error, sizeof error))
        fail_msg("%s", error);
    file = file_read(name, &size);
    whole = malloc(size + sizeof chunk);
    put_big(chunk + sizeof chunk - 4, (uint32_t)crc32(0, chunk + 4, sizeof chunk - 8));
    memcpy(whole, file, header);
    memcpy(whole + header, chunk, sizeof chunk);
    memcpy(whole + header + sizeof chunk, file + header, size - header);
    file_write(name, whole, size + sizeof chunk);
    free(whole);
    free(file);
    free(stored);
    free(pixels);
}

uint8_t *mask_read(const char *name, int width, int height)
{
    media_picture picture;
    char error[300];
    size_t count = (size_t)width * (size_t)height;
    if (media_read(name, NULL, &picture, error, sizeof error))
        fail_msg("%s", error);
    if (picture.width != width || picture.height != height)
        fail_msg("%s: %d x %d, not %d x %d", name, picture.width, picture.height, width, height);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = picture.pixels + 3 * i;
        if (p[0] != p[1] || p[1] != p[2] || (p[0] != 0 && p[0] != 255))
            fail_msg("%s: a value %d %d %d", name, p[0], p[1], p[2]);
        picture.pixels[i] = p[0];
    }
    return picture.pixels;
}

double mask_overlap(const uint8_t *mask, int (*inside)(int x, int y))
{
    int both = 0, either = 0;
    for (int y = 0; y < SCENE_HEIGHT; y++) {
        for (int x = 0; x < SCENE_WIDTH; x++) {
            int a = mask[y * SCENE_WIDTH + x] != 0, b = inside(x, y);
            both += a & b;
            either += a | b;
        }
    }
    return either ? (double)both / either : 1;
}
