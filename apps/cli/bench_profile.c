/* Where the time of encoding and of a click goes: the library's profile, averaged over the runs. */
#include <string.h>

#include "bench.h"

typedef struct collector {
    bench_profile *profile;
    double runs, threads;
} collector;

static void collect(void *user, const sam2_profile_entry *entry)
{
    const collector *c = user;
    bench_profile *p = c->profile;
    if (p->count == PROFILE_LINES)
        return;
    p->lines[p->count++] =
        (profile_line){entry->stage, entry->operation, (double)entry->calls / c->runs,
                       entry->ms / c->runs / (entry->operation ? c->threads : 1.0), 1e-9 * entry->flop / c->runs};
    if (!entry->operation)
        p->ms += entry->ms / c->runs;
}

static int read_profile(const bench *b, const sam2_context *context, int threads, bench_profile *out, sam2_error *error)
{
    collector c = {out, b->runs, threads};
    return sam2_context_read_profile(context, collect, &c, error) != SAM2_OK;
}

static int profile_encode(const bench *b, sam2_context *context, sam2_features **features, sam2_error *error)
{
    sam2_image image = {b->picture.pixels, b->picture.width, b->picture.height, (ptrdiff_t)b->picture.width * 3,
                        SAM2_PIXEL_RGB};
    for (int run = -1; run < b->runs; run++) {
        sam2_features_destroy(*features);
        *features = NULL;
        if (run <= 0 && sam2_context_set_profiling(context, run == 0, error))
            return -1;
        if (sam2_features_encode(context, &image, features, error))
            return -1;
    }
    return 0;
}

static int profile_click(bench *b, sam2_context *context, const sam2_features *features, sam2_result *result,
                         double *enlarge_ms, sam2_error *error)
{
    *enlarge_ms = 0.0;
    for (int run = -1; run < b->runs; run++) {
        if (run <= 0 && sam2_context_set_profiling(context, run == 0, error))
            return -1;
        if (bench_click(b, context, features, result, 2, error))
            return -1;
        *enlarge_ms += run < 0 ? 0.0 : b->enlarge_ms / b->runs;
    }
    return 0;
}

/* Enlarging works on a result, without a context, so the library's profile does not know of it. */
static void add_enlargement(bench_profile *p, double ms, int masks)
{
    if (p->count < PROFILE_LINES)
        p->lines[p->count++] = (profile_line){.stage = "enlargement", .calls = masks, .ms = ms};
    p->ms += ms;
}

int profile_measure(bench *b, const char *path, const sam2_model_options *options, bench_profile *encode,
                    bench_profile *decode, sam2_error *error)
{
    sam2_model *model = NULL;
    sam2_context *context = NULL;
    sam2_features *features = NULL;
    sam2_result *result = NULL;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    double enlarge_ms = 0.0;
    int failed = model_load(path, options, &model, error) || sam2_model_get_info(model, &info, error) ||
                 sam2_context_create(model, &context, error) || sam2_result_create(model, &result, error) ||
                 profile_encode(b, context, &features, error) ||
                 read_profile(b, context, info.threads, encode, error) ||
                 profile_click(b, context, features, result, &enlarge_ms, error) ||
                 read_profile(b, context, info.threads, decode, error);
    if (!failed)
        add_enlargement(decode, enlarge_ms, sam2_result_mask_count(result));
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    return failed;
}

void profile_total(const bench_profile *profile, bench_profile *operations)
{
    double left = profile->ms;
    *operations = (bench_profile){.ms = profile->ms};
    for (int i = 0; i < profile->count; i++) {
        const profile_line *line = &profile->lines[i];
        int at = 0;
        if (!line->operation)
            continue;
        while (at < operations->count && strcmp(operations->lines[at].operation, line->operation))
            at++;
        if (at == operations->count)
            operations->lines[operations->count++] = (profile_line){.operation = line->operation};
        operations->lines[at].calls += line->calls;
        operations->lines[at].ms += line->ms;
        operations->lines[at].gflop += line->gflop;
        left -= line->ms;
    }
    if (operations->count < PROFILE_LINES)
        operations->lines[operations->count++] = (profile_line){.operation = "other and waiting", .ms = left};
}
