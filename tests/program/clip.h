/* A made clip: a red disc that goes to the right over a soft ground. */
#ifndef TEST_PROGRAM_CLIP_H
#define TEST_PROGRAM_CLIP_H

#include <stdint.h>

enum { WIDTH = 240, HEIGHT = 160, FRAMES = 6, RADIUS = 34 };

int disc_x(int frame); /* its middle; 80 down */
int in_disc(int x, int y, int frame);
/* [HEIGHT][WIDTH][3]; malloc. Frame -1 has the ground alone. */
uint8_t *clip_pixels(int frame);
/* The folder `clip` of PNG pictures, frame_7.png and so on, and clip.raw of the same as rgb24. */
void clip_make(void);

#endif
