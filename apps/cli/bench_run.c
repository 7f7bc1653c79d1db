/* The measurement of one line: rounds over all stages, the first of which is not counted. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Places spread around the middle of the picture. */
static sam2_point place(const bench *b, int number)
{
    return (sam2_point){(float)b->picture.width * (0.5f + 0.04f * (float)(number % 5 - 2)),
                        (float)b->picture.height * (0.5f + 0.06f * (float)(number / 5)), 1};
}

/* All masks of a result as bytes, one after the other into the same place. */
static int enlarge_all(bench *b, const sam2_result *result, sam2_error *error)
{
    for (int object = 0; object < sam2_result_object_count(result); object++)
        for (int k = 0; k < sam2_result_mask_count(result); k++) {
            sam2_mask mask = SAM2_MASK_INIT;
            if (sam2_result_get_mask(result, object, k, &mask, error) ||
                sam2_mask_to_bytes(&mask, 255, b->mask, b->picture.width, error))
                return -1;
        }
    return 0;
}

int bench_click(bench *b, sam2_context *context, const sam2_features *features, sam2_result *result, int number,
                sam2_error *error)
{
    sam2_point point = place(b, number);
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    prompt.points = &point;
    prompt.point_count = 1;
    if (sam2_predict(context, features, &prompt, 1, NULL, result, error))
        return -1;
    double start = now_ms();
    int failed = enlarge_all(b, result, error);
    b->enlarge_ms = now_ms() - start;
    return failed;
}

/* Ten objects with a click each, answered in one call. */
static int ten_objects(bench *b, sam2_context *context, const sam2_features *features, sam2_result *result,
                       sam2_error *error)
{
    sam2_point points[BENCH_TEN];
    sam2_prompt prompts[BENCH_TEN];
    for (int i = 0; i < BENCH_TEN; i++) {
        points[i] = place(b, i);
        prompts[i] = (sam2_prompt)SAM2_PROMPT_INIT;
        prompts[i].points = &points[i];
        prompts[i].point_count = 1;
    }
    return sam2_predict(context, features, prompts, BENCH_TEN, NULL, result, error) || enlarge_all(b, result, error);
}

/* One round over all stages; its times go to place `run`, or nowhere when that is negative. */
static int round_of(bench *b, const char *path, const sam2_model_options *options, int run, sam2_model_info *info,
                    char model_name[64], sam2_error *error)
{
    sam2_image image = {b->picture.pixels, b->picture.width, b->picture.height, (ptrdiff_t)b->picture.width * 3,
                        SAM2_PIXEL_RGB};
    sam2_model *model = NULL;
    sam2_context *context = NULL;
    sam2_features *features = NULL;
    sam2_result *result = NULL;
    double times[BENCH_STAGES + 1];
    int failed;
    times[BENCH_LOAD] = now_ms();
    failed = model_load(path, options, &model, error) || sam2_context_create(model, &context, error) ||
             sam2_result_create(model, &result, error) || sam2_model_get_info(model, info, error);
    times[BENCH_ENCODE] = now_ms();
    failed = failed || sam2_features_encode(context, &image, &features, error);
    times[BENCH_DECODE] = now_ms();
    failed = failed || bench_click(b, context, features, result, 2, error);
    times[BENCH_CLICKS] = now_ms();
    for (int i = 0; i < BENCH_TEN && !failed; i++)
        failed = bench_click(b, context, features, result, i, error);
    times[BENCH_OBJECTS] = now_ms();
    failed = failed || ten_objects(b, context, features, result, error);
    times[BENCH_STAGES] = now_ms();
    for (int stage = 0; stage < BENCH_STAGES && run >= 0; stage++)
        b->samples[stage][run] = times[stage + 1] - times[stage];
    if (!failed) { /* the texts end with the model */
        snprintf(b->isa, sizeof b->isa, "%s", info->isa);
        snprintf(model_name, 64, "%s", info->name);
    }
    info->name = info->isa = NULL;
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    return failed;
}

peak_kind bench_peak_kind(sam2_precision precision)
{
    switch (precision) {
    case SAM2_PRECISION_BF16:
        return PEAK_BF16;
    case SAM2_PRECISION_INT8:
        return PEAK_INT8;
    default:
        return PEAK_F32;
    }
}

static int measure_profile(bench *b, const char *path, const sam2_model_options *options, bench_row *row,
                           sam2_error *error)
{
    row->encode = calloc(1, sizeof *row->encode);
    row->decode = calloc(1, sizeof *row->decode);
    if (row->encode && row->decode)
        return profile_measure(b, path, options, row->encode, row->decode, error);
    *error = (sam2_error){SAM2_ERROR_MEMORY, "out of memory"};
    return -1;
}

sam2_status bench_measure(bench *b, const char *path, int precision, int threads, bench_row *row, sam2_error *error)
{
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    double before = 0.0, after;
    int known = 0;
    options.precision = (sam2_precision)precision;
    options.threads = threads;
    options.image_size = b->common.size;
    options.isa = b->common.isa;
    options.plain_graph = b->plain;
    for (int run = -1; run < b->runs; run++) { /* the first warms files and clocks up, and is not counted */
        if (round_of(b, path, &options, run, &info, row->model, error))
            return error->code;
        if (run >= 0)
            continue;
        if (!b->precision_count && info.precision != options.precision) {
            error->code = SAM2_ERROR_UNSUPPORTED;
            snprintf(error->text, sizeof error->text, "this processor has no arithmetic in %s",
                     precision_name(options.precision));
            return error->code;
        }
        before = peak_measure(bench_peak_kind(info.precision), info.threads).gflops;
        known = !machine_peak_reset();
    }
    row->memory_mib = known ? machine_peak_mib() : 0.0;
    after = peak_measure(bench_peak_kind(info.precision), info.threads).gflops;
    row->peak = before > after ? before : after;
    if (info.threads == b->most_threads && row->peak > b->peaks[bench_peak_kind(info.precision)].gflops)
        b->peaks[bench_peak_kind(info.precision)].gflops = row->peak;
    if (!strcmp(row->model, "custom"))
        snprintf(row->model, sizeof row->model, "%s", row->file);
    row->precision = info.precision;
    row->threads = info.threads;
    row->parameters = (double)info.parameters;
    row->gflop = 1e-9 * (double)info.encode_flop;
    for (int stage = 0; stage < BENCH_STAGES; stage++)
        row->times[stage] = bench_summary(b->samples[stage], b->runs);
    if (b->track && bench_track(b, path, &options, &row->track, error) && error->code != SAM2_ERROR_UNSUPPORTED)
        return error->code;
    if (b->automatic && bench_auto(b, path, &options, &row->automatic, error))
        return error->code;
    if (b->profile && measure_profile(b, path, &options, row, error))
        return error->code;
    return SAM2_OK;
}
