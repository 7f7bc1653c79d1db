/* Frames of a video to the network's input. */
#ifndef PREDICT_FRAME_RESIZE_H
#define PREDICT_FRAME_RESIZE_H

#include "predict/preprocess.h"

/* An input_filler over a preprocess_job, for frames as the official video predictor reads them: Pillow's antialiased
 * bicubic resize to the square, rounded to bytes after each of its two passes, bit for bit; then [0, 1], minus mean,
 * divided by standard deviation; with the border of zeros that the patch embedding wants. Scratch memory is largest for
 * the picture with the longest sides. */
void frame_resize(void *context, const exec *ex, float *input);

#endif
