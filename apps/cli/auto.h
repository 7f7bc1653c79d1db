/* What `auto` works on, shared by its two files: the flow and the outputs. */
#ifndef CLI_AUTO_H
#define CLI_AUTO_H

#include "common.h"
#include "progress.h"

/* What -o holds, and how masks are written in JSON: the official output_mode. */
#define AUTO_FORMAT_WORDS "sa1b|coco|yolo"
typedef enum auto_format { AUTO_SA1B, AUTO_COCO, AUTO_YOLO } auto_format;
#define AUTO_MODE_WORDS "coco_rle|uncompressed_rle|binary_mask"
typedef enum auto_mode { AUTO_COCO_RLE, AUTO_UNCOMPRESSED_RLE, AUTO_BINARY_MASK } auto_mode;

/* Points of --point-grids. */
typedef struct auto_grids {
    sam2_point_grid *grids; /* [count] */
    int count;
} auto_grids;

typedef struct auto_work {
    /* the command line */
    common_options common;
    picture_options reading;
    sam2_auto_options options;
    const char *input, *output, *labels_file, *overlay_file, *grids_file;
    int format, mode, progress_kind, explain, single;
    uint64_t min_region, min_area, max_area;
    double tolerance; /* of polygons, in pixels */
    /* what is worked on */
    auto_grids grids;
    media_picture picture; /* pixels NULL once they are not needed */
    sam2_model *model;
    sam2_model_info info;
    sam2_context *context;
    sam2_auto_result *result;
    progress progress;
    int fates[SAM2_AUTO_AREA + 1]; /* of --explain: how many masks had each */
    int explained;                 /* masks of the point whose line is being written */
} auto_work;

/* Your own points: a JSON file with a list for each layer of crops, of points [x, y] from 0 to 1. 0 or an exit status.
 */
int auto_grids_read(const char *path, auto_grids *out);
void auto_grids_free(auto_grids *grids);

/* Says what became of a candidate: a line on stderr for each point. `user` is the auto_work. */
void auto_explain(void *user, const sam2_auto_candidate *candidate);
void auto_explain_summary(const auto_work *w);

/* The following return 0 or an exit status, with the failure reported. */
int auto_outputs_check(auto_work *w);
int auto_outputs_write(auto_work *w);

#endif
