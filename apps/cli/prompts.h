/* Prompts of a command line: objects with points, a box, a mask, first as they were written, then in pixels of a
 * picture. */
#ifndef CLI_PROMPTS_H
#define CLI_PROMPTS_H

#include <stddef.h>

#include "sam2.h"

typedef struct raw_point {
    double x, y;
    int label;
} raw_point;

typedef enum box_form { BOX_CORNERS, BOX_SIZE, BOX_FRACTION } box_form;

typedef struct prompt_object {
    raw_point *raw;
    int point_count, point_capacity;
    int has_box;
    box_form form;
    double raw_box[4];
    const char *mask; /* the file, or NULL */
    /* After prompts_resolve: */
    sam2_point *points;
    sam2_box box;
} prompt_object;

typedef struct prompt_list {
    prompt_object *objects;
    int count, capacity;
    int explicit_start; /* an --object stood before the first prompt */
} prompt_list;

/* For the option table: `target` is a prompt_list that began as all zeros. */
int prompts_point(void *target, const char *value, char *error, size_t error_size);
int prompts_box(void *target, const char *value, char *error, size_t error_size);
int prompts_mask(void *target, const char *value, char *error, size_t error_size);
int prompts_object(void *target, const char *value, char *error, size_t error_size);

/* After the command line: every object has a prompt. With `allow_empty` a list without prompts becomes one empty
 * object. */
int prompts_check(prompt_list *list, int allow_empty, char *error, size_t error_size);

/* To pixels of a picture of this size; `fraction`: points and boxes are given as 0 to 1. Warns of what is likely a
 * mistake. */
int prompts_resolve(prompt_list *list, int width, int height, int fraction, char *error, size_t error_size);

void prompts_free(prompt_list *list);

#endif
