/* What `segment` works on, shared by its two files: the flow and the outputs. */
#ifndef CLI_SEGMENT_H
#define CLI_SEGMENT_H

#include "common.h"
#include "dump.h"
#include "prompts.h"

typedef struct segment_times {
    double load, decode_file, encode, decode, output;
} segment_times;

typedef struct segment {
    /* the command line */
    common_options common;
    picture_options reading;
    prompt_list prompts;
    const char *input, *embedding;
    const char *output, *overlay_file, *cutout_file, *json_file, *dump_file;
    int multimask, allow_empty, units, clip_to_box, compact;
    /* what is worked on */
    media_picture picture; /* pixels NULL once they are not needed */
    sam2_model *model;
    sam2_model_info info;
    sam2_context *context;
    sam2_features *features;
    sam2_result *result;
    dump dump;
    int width, height;
    uint8_t *mask;   /* one mask at full size: the only one there is at a time */
    uint8_t *cutout; /* RGBA, or NULL */
    json_t *objects;
    int64_t area; /* of all masks together */
    segment_times times;
} segment;

/* How many files -o makes. */
int segment_file_count(const segment *s);
/* All the following return 0 or an exit status, with the failure reported. */
int segment_outputs_check(segment *s);
int segment_outputs_open(segment *s);
/* The masks of the result, which holds the objects from `first` on. */
int segment_outputs_take(segment *s, int first);
int segment_outputs_finish(segment *s);
void segment_outputs_free(segment *s);

#endif
