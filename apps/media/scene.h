/* Made pictures with known masks: a few clear shapes on a soft background, the same bytes on every machine. */
#ifndef MEDIA_SCENE_H
#define MEDIA_SCENE_H

#include "media.h"

#define MEDIA_SCENE_MOST 5

typedef struct media_shape {
    char kind[12]; /* "ellipse", "rectangle", "capsule", "polygon", "star" */
    media_colour colour;
    int x, y;           /* a pixel well inside: the middle */
    int x0, y0, x1, y1; /* the tight box, [x0, x1) x [y0, y1) */
    long long area;     /* in pixels */
} media_shape;

typedef struct media_scene_info {
    int count; /* 3 to 5; fewer only where the picture has no room for them */
    media_shape shapes[MEDIA_SCENE_MOST];
} media_scene_info;

/* `rgb` is [height][width][3]. `labels`, [height][width], is 0 for the background and i + 1 for shape i. Either may be
 * NULL, as may `info`. Shapes do not touch each other or the border; each is longer than a quarter of the shorter side.
 */
void media_make_scene(uint64_t seed, int width, int height, uint8_t *rgb, media_scene_info *info);
void media_scene_labels(uint64_t seed, int width, int height, uint8_t *labels);

#endif
