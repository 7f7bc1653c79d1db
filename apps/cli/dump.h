/* --dump: the intermediate tensors of the first object as a .npz, written while they are made. */
#ifndef CLI_DUMP_H
#define CLI_DUMP_H

#include <stddef.h>

#include "npz.h"
#include "sam2.h"

typedef struct dump {
    npz_writer *writer;
    char seen[160][32]; /* names that are written; the tensors of later objects come under the same ones */
    size_t seen_count;
    int clamp; /* logits to the bounds within which the official predictor of SAM 2 returns them */
    int failed;
    char error[512];
} dump;

/* 0 or -1 with the reason in d->error, as the following. */
int dump_open(dump *d, const char *path, int clamp);
/* The observer; `user` is the dump. */
void dump_tensor(void *user, const char *name, const float *data, const int64_t *shape, int dims);
/* "masks": [masks, height, width] as bool, in the network's order; `bytes` has room for one mask. */
int dump_masks(dump *d, const sam2_result *result, uint8_t *bytes);
/* Closes; without `keep` nothing is left of it. */
int dump_close(dump *d, int keep);

#endif
