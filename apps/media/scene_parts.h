/* What made scenes and made clips share: shapes and backgrounds, and how they are painted. */
#ifndef MEDIA_SCENE_PARTS_H
#define MEDIA_SCENE_PARTS_H

#include "scene.h"

#define MOST_CORNERS 12

typedef enum kind { ELLIPSE, RECTANGLE, CAPSULE, POLYGON, STAR, KINDS } kind;

typedef struct shape {
    kind kind;
    double x, y, radius; /* the circle around it, in pixels */
    double c, s;         /* its turn */
    double narrow;       /* the short half axis over the radius */
    double round;        /* of a rectangle's corners, over the radius */
    int corners;
    double corner[MOST_CORNERS][2]; /* in the unit circle */
    double colour[3], shade[2];     /* brightness changes along this direction, over the radius */
} shape;

typedef struct scene {
    int count;
    shape shapes[MEDIA_SCENE_MOST];
    double ground[2][3]; /* the background runs from one colour to the other */
    double rough;        /* how strong the noise of the background is */
    double slope[2];
    uint64_t noise;
} scene;

/* A scene without its pixels. */
void scene_make(scene *made, uint64_t seed, int width, int height);
/* Kind, form and colour of a shape, without its place and size; *state is the generator's. */
void scene_make_shape(shape *p, uint64_t *state, double hue);
void scene_paint_ground(const scene *made, int width, int height, uint8_t *rgb);
/* `seed`: of the shape's own surface. */
void scene_paint_shape(const shape *p, uint64_t seed, int width, int height, uint8_t *rgb);
void scene_label_shape(const shape *p, uint8_t label, int width, int height, uint8_t *labels);
void scene_describe(const shape *p, int width, int height, media_shape *out);

#endif
