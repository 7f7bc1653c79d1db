/* Automatic masks of the picture, 32 x 32 points, none filtered by its scores: with stand-in weights, whose scores mean
 * nothing, every mask is made and looked at, as the worst picture would have it. */
#include "bench.h"

sam2_status bench_auto(bench *b, const char *path, const sam2_model_options *options, bench_times *out,
                       sam2_error *error)
{
    const sam2_image image = {b->picture.pixels, b->picture.width, b->picture.height, (ptrdiff_t)b->picture.width * 3,
                              SAM2_PIXEL_RGB};
    sam2_auto_options what = SAM2_AUTO_OPTIONS_INIT;
    sam2_model *model = NULL;
    sam2_context *context = NULL;
    sam2_auto_result *result = NULL;
    what.pred_iou_thresh = what.stability_score_thresh = 0.0;
    int failed = model_load(path, options, &model, error) || sam2_context_create(model, &context, error);
    /* Of seconds each, one is enough. */
    const double start = now_ms();
    failed = failed || sam2_auto_generate(context, &image, &what, &result, error);
    const double ms = now_ms() - start;
    if (!failed)
        *out = (bench_times){ms, ms, ms};
    sam2_auto_destroy(result);
    sam2_context_destroy(context);
    sam2_model_close(model);
    return failed ? error->code : SAM2_OK;
}
