/* A frame of a video at full memory: one object, tracked over the same picture again and again, from pixels to a mask
 * of bytes. */
#include <stdlib.h>

#include "bench.h"

enum { FRAMES_BEFORE = 8 }; /* then all memories are there */

typedef struct video_parts {
    sam2_model *model;
    sam2_context *context;
    sam2_features *features;
    sam2_tracker *tracker;
} video_parts;

static int run_frame(bench *b, video_parts *v, int frame, sam2_error *error)
{
    const sam2_image image = {b->picture.pixels, b->picture.width, b->picture.height, (ptrdiff_t)b->picture.width * 3,
                              SAM2_PIXEL_RGB};
    sam2_tracked object = SAM2_TRACKED_INIT;
    sam2_features_destroy(v->features);
    v->features = NULL;
    if (sam2_features_encode_frame(v->context, &image, &v->features, error))
        return -1;
    if (frame == 0) {
        const sam2_point point = {(float)b->picture.width * 0.5f, (float)b->picture.height * 0.5f, 1};
        sam2_prompt prompt = SAM2_PROMPT_INIT;
        prompt.points = &point;
        prompt.point_count = 1;
        if (sam2_tracker_prompt(v->tracker, v->features, 0, 1, &prompt, 0, error))
            return -1;
    }
    return sam2_tracker_step(v->tracker, v->features, frame, 0, error) ||
           sam2_tracker_get(v->tracker, 0, &object, error) ||
           sam2_mask_to_bytes(&object.mask, 255, b->mask, b->picture.width, error);
}

sam2_status bench_track(bench *b, const char *path, const sam2_model_options *options, bench_times *out,
                        sam2_error *error)
{
    video_parts v = {0};
    double *times = b->samples[0];
    int failed = model_load(path, options, &v.model, error) || sam2_context_create(v.model, &v.context, error) ||
                 sam2_tracker_create(v.model, NULL, &v.tracker, error);
    for (int frame = 0; frame < FRAMES_BEFORE + b->runs && !failed; frame++) {
        const double start = now_ms();
        failed = run_frame(b, &v, frame, error);
        if (frame >= FRAMES_BEFORE)
            times[frame - FRAMES_BEFORE] = now_ms() - start;
    }
    if (!failed)
        *out = bench_summary(times, b->runs);
    sam2_features_destroy(v.features);
    sam2_tracker_destroy(v.tracker);
    sam2_context_destroy(v.context);
    sam2_model_close(v.model);
    return failed ? error->code : SAM2_OK;
}
