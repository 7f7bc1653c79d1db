/* Pillow's antialiased resize, rounded to bytes after each of its two passes, bit for bit. */
#ifndef PREDICT_BYTE_RESIZE_H
#define PREDICT_BYTE_RESIZE_H

#include "model/model.h"

typedef enum byte_filter { BYTE_BICUBIC, BYTE_BILINEAR } byte_filter;

typedef struct byte_resize {
    const sam2_image *image;
    byte_filter filter;
    size_t width, height; /* of the result */
    float value[3][256];  /* what each byte of a channel becomes */
    float *out;           /* [height][pitch], of which the first 3 width floats of a row are written */
    size_t pitch;
} byte_resize;

void byte_resize_run(const exec *ex, const byte_resize *r);

#endif
