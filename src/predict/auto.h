/* The automatic mask generator (sam2.automatic_mask_generator.SAM2AutomaticMaskGenerator). Arguments have been checked
 * (api_auto.c). */
#ifndef PREDICT_AUTO_H
#define PREDICT_AUTO_H

#include "predict/predictor.h"
#include "predict/rle.h"

#define AUTO_MAX_LAYERS 6
#define AUTO_BATCH 64 /* prompts whose masks are in memory together */

/* ---- auto_grid.c: where is asked ---- */

typedef struct auto_box {
    int x0, y0, x1, y1; /* [x0, x1) x [y0, y1) of the picture */
    int layer;
} auto_box;

/* generate_crop_boxes: the picture, then the crops of each layer; those that lie outside of a tiny picture are left
 * out. Writes at most `capacity`, returns how many there are. */
size_t auto_crops(int width, int height, int layers, double overlap_ratio, auto_box *out, size_t capacity);

/* Points a side in a layer. */
int auto_points(int points_per_side, int layer, int downscale_factor);

/* Point `i` of a grid with so many a side, 0 to 1 (build_point_grid). */
void auto_grid_point(int points_per_side, int i, double *x, double *y);

/* ---- what is found ---- */

/* A mask that has passed the filters of its crop. */
typedef struct auto_record {
    char *text; /* run lengths of the whole picture, `bytes` with the NUL */
    size_t bytes;
    int64_t candidate; /* its number among all masks of all prompts */
    int64_t area;
    int box[4]; /* x0, y0, x1, y1, inclusive, in the picture; all 0 for an empty mask of the whole picture */
    float iou, stability, x, y;
    int crop;
    bool changed; /* small regions were removed */
} auto_record;

typedef struct auto_records {
    auto_record *list;
    size_t count, bytes;
} auto_records;

sam2_status auto_records_add(auto_records *r, const sam2_allocator *a, const auto_record *record, sam2_error *error);
void auto_records_free(auto_records *r, const sam2_allocator *a);

struct sam2_auto_result {
    sam2_allocator allocator;
    auto_records records;
    auto_box *crops;
    size_t crop_count;
    int width, height;
};

/* What a thread needs to look at a mask. */
typedef struct auto_worker {
    char *text;
    size_t bytes;
    float *values; /* [height of the crop] */
    size_t value_bytes;
} auto_worker;

/* The generator at work. */
typedef struct auto_run {
    sam2_context *context;
    const sam2_image *image;
    const sam2_auto_options *options;
    const sam2_allocator *a;
    sam2_auto_result *out;
    sam2_result *first, *second; /* second: of masks that are given back */
    auto_worker *workers;        /* [threads] */
    int threads;
    void *taps;
    size_t tap_bytes;
    int64_t candidate_count;
    sam2_auto_candidate *candidates; /* of all masks, where somebody asks what became of them */
    size_t candidate_bytes;
    sam2_auto_progress progress;
} auto_run;

sam2_status auto_generate(sam2_context *context, const sam2_image *image, const sam2_auto_options *options,
                          sam2_auto_result **out, sam2_error *error);
void auto_result_free(sam2_auto_result *result);

/* Masks of one crop, not yet suppressed, behind those in `records`. */
sam2_status auto_crop(auto_run *run, size_t crop, auto_records *records, sam2_error *error);

/* Writes down what became of a candidate, where somebody asks. */
void auto_note(auto_run *run, int64_t candidate, sam2_auto_fate fate, int64_t rival);

/* ---- auto_nms.c ---- */

/* What suppression goes by. */
typedef struct auto_nms {
    sam2_nms kind;
    double threshold;
    sam2_auto_fate fate; /* of those that go */
} auto_nms;

/* torchvision's nms: by descending scores [count], equal ones in order, a record goes when it overlaps an earlier one
 * that stays by more than the threshold. Records from `from` on become those that stay, in that order. */
sam2_status auto_suppress(auto_run *run, auto_records *records, size_t from, const float *scores, const auto_nms *how,
                          sam2_error *error);

#endif
