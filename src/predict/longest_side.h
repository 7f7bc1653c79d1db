/* Pictures to SAM 1's input (segment_anything.utils.transforms.ResizeLongestSide, Sam.preprocess). */
#ifndef PREDICT_LONGEST_SIDE_H
#define PREDICT_LONGEST_SIDE_H

#include "predict/preprocess.h"

/* An input_filler over a preprocess_job: the longest side becomes the network's, by Pillow's antialiased bilinear
 * resize with the aspect ratio kept; minus mean, divided by standard deviation; then zeros at the right or at the
 * bottom. */
void longest_side(void *context, const exec *ex, float *input);

/* What of the network's square is the picture. */
void longest_side_size(const model *m, int width, int height, size_t *to_width, size_t *to_height);

/* The pictures of which one takes most memory, and dry runs of the encoder with them. */
#define LONGEST_SIDE_WORST 5
void longest_side_worst(const model *m, int index, int *width, int *height);
void longest_side_measure(const model *m, const exec *ex);

#endif
