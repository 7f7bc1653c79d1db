/* Pictures to the network's input. */
#ifndef PREDICT_PREPROCESS_H
#define PREDICT_PREPROCESS_H

#include "model/model.h"

#define PICTURE_MAX_SIDE 65536

/* Scratch floats that preprocess takes for any picture of at most PICTURE_MAX_SIDE a side are found by a dry run with
 * `image` of that size. */
typedef struct preprocess_job {
    const model *m;
    const sam2_image *image;
} preprocess_job;

/* An input_filler over a preprocess_job: SAM2Transforms, that is [0, 1], antialiased bilinear resize to the square
 * without keeping the aspect ratio (torchvision's Resize on a tensor), minus mean, divided by standard deviation; with
 * the border of zeros that the patch embedding wants. */
void preprocess(void *context, const exec *ex, float *input);

#endif
