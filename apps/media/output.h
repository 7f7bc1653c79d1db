/* A file that appears only once it is whole. */
#ifndef MEDIA_OUTPUT_H
#define MEDIA_OUTPUT_H

#include <stdio.h>

typedef struct media_output {
    FILE *file;      /* to write to */
    char *temporary; /* the name until the end; NULL when written directly: standard output, devices, pipes */
    char *final;
    const char *label;
} media_output;

/* Both return 0, or -1 with one line in `error`. Closing with keep = 0 drops what was written. */
int media_output_open(media_output *output, const char *path, char *error, size_t error_size);
int media_output_close(media_output *output, int keep, char *error, size_t error_size);

#endif
