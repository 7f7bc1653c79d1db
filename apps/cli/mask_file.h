/* The file of --mask: a binary picture, or low-resolution logits of an earlier prediction. */
#ifndef CLI_MASK_FILE_H
#define CLI_MASK_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "media.h"

typedef struct mask_file {
    uint8_t *bytes; /* [height][width], 255 inside; or NULL */
    float *logits;  /* [height][width]; or NULL */
    int width, height;
} mask_file;

/* The kind of file is told by its bytes: a picture (inside where the grey is above 127), .npz (array low_res, the first
 * mask), .npy. */
int mask_file_read(const char *path, const media_options *options, mask_file *out, char *error, size_t error_size);
void mask_file_free(mask_file *mask);

#endif
