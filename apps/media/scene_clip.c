#include "scene_clip.h"

#include "scene_parts.h"

#include <string.h>

const char *const media_clip_names[MEDIA_CLIP_KINDS] = {"wall", "crossing"};

/* Where a shape is at `t`, 0 to 1. */
static void move(shape *p, double radius, double x0, double x1, double y, double t)
{
    p->radius = radius;
    p->x = x0 + (x1 - x0) * t;
    p->y = y;
}

/* An upright bar over the whole height, of the background's darker colour made darker. */
static void paint_wall(const scene *made, double from, double to, int width, int height, uint8_t *rgb, uint8_t *labels)
{
    const int x0 = (int)(from * width), x1 = (int)(to * width);
    for (int y = 0; y < height; y++)
        for (int x = x0; x < x1; x++) {
            const size_t at = (size_t)y * (size_t)width + (size_t)x;
            const int edge = x < x0 + 3 || x >= x1 - 3, brick = (y / 24 + (x - x0) / 40) & 1;
            for (int c = 0; rgb && c < 3; c++)
                rgb[at * 3 + (size_t)c] = (uint8_t)(made->ground[0][c] * (edge ? 0.25 : brick ? 0.42 : 0.48));
            if (labels)
                labels[at] = 0;
        }
}

void media_make_clip(media_clip_kind kind, uint64_t seed, int width, int height, int frame, int frames, uint8_t *rgb,
                     uint8_t *labels, media_scene_info *info)
{
    const double side = width < height ? width : height, t = (double)frame / (frames - 1);
    const int count = kind == MEDIA_CLIP_WALL ? 1 : 2;
    uint64_t state = seed ^ UINT64_C(0x1A57C11B);
    double hue = (double)(seed % 89) / 89;
    scene made; /* whose background is used, and its shapes' places are not */
    scene_make(&made, seed, width, height);
    for (int i = 0; i < count; i++, hue = hue < 0.6 ? hue + 0.4 : hue - 0.6)
        scene_make_shape(&made.shapes[i], &state, hue);
    if (kind == MEDIA_CLIP_WALL) {
        made.shapes[0].kind = ELLIPSE;
        made.shapes[0].narrow = 1;
        move(&made.shapes[0], 0.1 * side, 0.13 * width, 0.87 * width, 0.5 * height, t);
    } else {
        move(&made.shapes[0], 0.15 * side, 0.2 * width, 0.8 * width, 0.42 * height, t);
        move(&made.shapes[1], 0.13 * side, 0.8 * width, 0.2 * width, 0.56 * height, t);
    }
    if (rgb)
        scene_paint_ground(&made, width, height, rgb);
    if (labels)
        memset(labels, 0, (size_t)width * (size_t)height);
    if (info)
        *info = (media_scene_info){.count = count};
    for (int i = 0; i < count; i++) {
        if (rgb)
            scene_paint_shape(&made.shapes[i], made.noise + (uint64_t)i + 1, width, height, rgb);
        if (labels)
            scene_label_shape(&made.shapes[i], (uint8_t)(i + 1), width, height, labels);
        if (info)
            scene_describe(&made.shapes[i], width, height, &info->shapes[i]);
    }
    if (kind == MEDIA_CLIP_WALL)
        paint_wall(&made, 0.35, 0.65, width, height, rgb, labels);
}
