/* Films for the tests, encoded when they run: each frame shows its number as a barcode. */
#ifndef MEDIA_TESTS_CLIP_H
#define MEDIA_TESTS_CLIP_H

#include <stdint.h>

typedef struct clip {
    const char *container, *codec; /* FFmpeg's names of the muxer and the encoder */
    int width, height, frames;     /* at least 96 x 32 */
    int gop, b_frames;
    int rotation; /* degrees clockwise that the player is told to turn by: the frames are stored turned back */
    double (*time)(int index); /* in ms; NULL: 40 ms a frame */
    int grey;                  /* 1: all frames are one colour, for tests of colours */
    uint8_t colour[3];
    int colour_space, full_range; /* AVColorSpace; 0: not written down */
} clip;

/* A picture with the number in eight bits along its upper edge; below it something that moves. */
void clip_draw(uint8_t *rgb, int width, int height, int number);
/* The number in a decoded picture; -1 when it is not clear. */
int clip_number(const uint8_t *rgb, int width, int height);
/* Fails the test when it cannot be done. */
void clip_write(const char *path, const clip *about);

#endif
