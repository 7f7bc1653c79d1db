/* A picture with known shapes for the program to cut out. */
#ifndef TEST_SCENE_H
#define TEST_SCENE_H

#include <stdint.h>

enum { SCENE_WIDTH = 480, SCENE_HEIGHT = 320 };

/* A disc at (150, 140) of radius 70 and a bar from (290, 60) to (420, 250) on a noisy ground; [height][width][3];
 * malloc. */
uint8_t *scene_pixels(void);
int scene_in_disc(int x, int y);
int scene_in_bar(int x, int y);

void scene_write(const char *name);
/* A PNG whose stored pixels are turned, and whose EXIF orientation turns them back. */
void scene_write_oriented(const char *name, int orientation);

/* A mask that the program wrote: one byte a pixel; malloc. Fails the test if it is not grey, 0 or 255, of this size. */
uint8_t *mask_read(const char *name, int width, int height);
/* Intersection over union with a shape of the scene. */
double mask_overlap(const uint8_t *mask, int (*inside)(int x, int y));

#endif
