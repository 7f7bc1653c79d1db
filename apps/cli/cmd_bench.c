/* sam2 bench: times of the stages on this machine. */
#define _DEFAULT_SOURCE /* mkstemps */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "common.h"

static const char usage[] =
    "Usage: sam2 bench [-m MODEL|NAME]... [--precision LIST] [--threads LIST] [--runs N] [--json FILE]\n"
    "\n"
    "Times loading, encoding a picture, and decoding: one click with its three masks enlarged to the picture, and ten\n"
    "clicks one after the other. -m takes a checkpoint file, micro, or a model's name (sam2.1_t ...), for which "
    "stand-in\n"
    "weights are made. Medians of the runs, with the least and the greatest.\n";

enum { MOST_MODELS = 32, MOST_VALUES = 16, MOST_RUNS = 1000, CLICKS = 10 };

typedef struct bench {
    common_options common;
    const char *models[MOST_MODELS];
    int model_count;
    int precisions[MOST_VALUES], precision_count;
    int threads[MOST_VALUES], thread_count;
    int runs;
    const char *input, *json_file;
    media_picture picture;
    uint8_t *mask;
    json_t *results;
    char cpu[256];
    char isa[32]; /* the instruction set of the latest model */
    double samples[4][MOST_RUNS];
} bench;

enum { LOAD, ENCODE, DECODE, TEN_CLICKS, STAGES };

static int add_model(void *target, const char *value, char *error, size_t error_size)
{
    bench *b = target;
    if (b->model_count == MOST_MODELS)
        return explain(error, error_size, "too many models");
    if (!*value)
        return explain(error, error_size, "an empty value");
    b->models[b->model_count++] = value;
    return 0;
}

/* The next word of a list divided by commas, or NULL at its end (or where a word is too long). */
static const char *next_word(const char *list, char word[32])
{
    size_t length = strcspn(list, ",");
    if (!length || length >= 32)
        return NULL;
    memcpy(word, list, length);
    word[length] = 0;
    return list + length;
}

static int add_precisions(void *target, const char *value, char *error, size_t error_size)
{
    bench *b = target;
    char word[32];
    b->precision_count = 0;
    for (const char *rest = value;; rest++) {
        int found = -1;
        rest = next_word(rest, word);
        for (int p = SAM2_PRECISION_AUTO; rest && p <= SAM2_PRECISION_INT8; p++)
            if (!strcmp(word, precision_name((sam2_precision)p)))
                found = p;
        if (found < 0 || b->precision_count == MOST_VALUES)
            return explain(error, error_size, "a list of " PRECISION_WORDS ", divided by commas, is needed");
        b->precisions[b->precision_count++] = found;
        if (!*rest)
            return 0;
    }
}

static int add_threads(void *target, const char *value, char *error, size_t error_size)
{
    bench *b = target;
    char word[32];
    b->thread_count = 0;
    for (const char *rest = value;; rest++) {
        uint64_t threads = 0;
        rest = next_word(rest, word);
        if (!rest || parse_count(word, &threads) || threads < 1 || threads > 256 || b->thread_count == MOST_VALUES)
            return explain(error, error_size, "a list of numbers from 1 to 256, divided by commas, is needed");
        b->threads[b->thread_count++] = (int)threads;
        if (!*rest)
            return 0;
    }
}

/* A click whose place depends on its number, with its three masks as bytes. */
static int click(bench *b, sam2_context *context, const sam2_features *features, sam2_result *result, int number,
                 sam2_error *error)
{
    sam2_point point = {(float)b->picture.width * (0.5f + 0.04f * (float)(number % 5 - 2)),
                        (float)b->picture.height * (0.5f + 0.06f * (float)(number / 5)), 1};
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    prompt.points = &point;
    prompt.point_count = 1;
    if (sam2_predict(context, features, &prompt, 1, NULL, result, error))
        return -1;
    for (int k = 0; k < sam2_result_mask_count(result); k++) {
        sam2_mask mask = SAM2_MASK_INIT;
        if (sam2_result_get_mask(result, 0, k, &mask, error) ||
            sam2_mask_to_bytes(&mask, 255, b->mask, b->picture.width, error))
            return -1;
    }
    return 0;
}

/* One round over all stages; its times go to place `run`, or nowhere when that is negative. */
static int round_of(bench *b, const char *path, const sam2_model_options *options, int run, sam2_model_info *info,
                    sam2_error *error)
{
    sam2_image image = {b->picture.pixels, b->picture.width, b->picture.height, (ptrdiff_t)b->picture.width * 3,
                        SAM2_PIXEL_RGB};
    sam2_model *model = NULL;
    sam2_context *context = NULL;
    sam2_features *features = NULL;
    sam2_result *result = NULL;
    double times[STAGES + 1];
    int failed;
    times[LOAD] = now_ms();
    failed = sam2_model_open(path, options, &model, error) || sam2_context_create(model, &context, error) ||
             sam2_result_create(model, &result, error) || sam2_model_get_info(model, info, error);
    times[ENCODE] = now_ms();
    failed = failed || sam2_features_encode(context, &image, &features, error);
    times[DECODE] = now_ms();
    failed = failed || click(b, context, features, result, 2, error);
    times[TEN_CLICKS] = now_ms();
    for (int i = 0; i < CLICKS && !failed; i++)
        failed = click(b, context, features, result, i, error);
    times[STAGES] = now_ms();
    for (int stage = 0; stage < STAGES && run >= 0; stage++)
        b->samples[stage][run] = times[stage + 1] - times[stage];
    if (!failed)
        snprintf(b->isa, sizeof b->isa, "%s", info->isa);
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    return failed;
}

static int set_times(json_t *row, const char *name, bench_times t)
{
    char key[40];
    int failed = json_object_set_new(row, name, json_number(round(t.median * 1000) / 1000));
    snprintf(key, sizeof key, "%s_min", name);
    failed |= json_object_set_new(row, key, json_number(round(t.least * 1000) / 1000));
    snprintf(key, sizeof key, "%s_max", name);
    return failed | json_object_set_new(row, key, json_number(round(t.greatest * 1000) / 1000));
}

static void print_row(const bench *b, const char *model, const sam2_model_info *info, const bench_times times[STAGES],
                      double peak)
{
    if (json_array_size(b->results) == 1)
        printf("%s, %d processors; picture %d x %d; medians of %d, ms\n%-12s %-5s %7s %9s %9s %9s %9s %9s\n", b->cpu,
               machine_threads(), b->picture.width, b->picture.height, b->runs, "model", "prec", "threads", "load",
               "encode", "decode", "10 clicks", "peak MiB");
    printf("%-12s %-5s %7d %9.1f %9.1f %9.2f %9.1f %9.0f   encode %.1f to %.1f, decode %.2f to %.2f\n", model,
           precision_name(info->precision), info->threads, times[LOAD].median, times[ENCODE].median,
           times[DECODE].median, times[TEN_CLICKS].median, peak, times[ENCODE].least, times[ENCODE].greatest,
           times[DECODE].least, times[DECODE].greatest);
}

/* One line of the table: a model in one precision with one number of threads. */
static int measure(bench *b, const char *shown, const char *path, int precision, int threads)
{
    static const char *const names[STAGES] = {"load_ms", "encode_ms", "decode_ms", "ten_clicks_ms"};
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    sam2_error error = {SAM2_OK, ""};
    bench_times times[STAGES];
    char model[64] = "";
    double peak;
    json_t *row;
    int failed = 0;
    options.precision = (sam2_precision)precision;
    options.threads = threads;
    options.image_size = b->common.size;
    options.isa = b->common.isa;
    machine_peak_reset();
    for (int run = -1; run < b->runs; run++) { /* the first warms files and clocks up, and is not counted */
        if (round_of(b, path, &options, run, &info, &error))
            return report_model(&error, path);
        if (run < 0)
            machine_peak_reset();
    }
    snprintf(model, sizeof model, "%s", shown); /* the information's own pointers ended with the model */
    peak = machine_peak_mib();
    row = json_pack("{s:o, s:s, s:i}", "model", json_text(model), "precision", precision_name(info.precision),
                    "threads", info.threads);
    for (int stage = 0; stage < STAGES; stage++) {
        times[stage] = bench_summary(b->samples[stage], b->runs);
        failed |= set_times(row, names[stage], times[stage]);
    }
    if (peak > 0)
        failed |= json_object_set_new(row, "peak_mib", json_number(round(peak * 10) / 10));
    if (failed | json_array_append_new(b->results, row))
        return report(EXIT_FAULT, "out of memory");
    if (!b->json_file || strcmp(b->json_file, "-"))
        print_row(b, model, &info, times, peak);
    return fflush(stdout) ? report(EXIT_FAULT, "standard output: cannot be written") : EXIT_DONE;
}

/* Stand-in weights in a file of their own, to be removed. */
static int synthesize(const char *name, char *path, size_t size)
{
    const char *folder = getenv("TMPDIR");
    sam2_error error = {SAM2_OK, ""};
    sam2_status status;
    if (snprintf(path, size, "%s/sam2-bench-XXXXXX.safetensors", folder && *folder ? folder : "/tmp") >= (int)size)
        return report(EXIT_FAULT, "TMPDIR: the name is too long");
    int fd = mkstemps(path, 12);
    if (fd < 0)
        return report(EXIT_FAULT, "%s: cannot be written", path);
    close(fd);
    status = sam2_synthesize(name, path, 0, 0, NULL, &error);
    if (!status)
        return EXIT_DONE;
    unlink(path);
    if (status == SAM2_ERROR_ARGUMENT)
        return report(EXIT_MODEL, "%s: neither a file nor the name of a model", name);
    return report_library(&error, FROM_OUTPUT);
}

static int bench_model(bench *b, const char *name)
{
    const char *slash = strrchr(name, '/');
    struct stat about;
    char path[4096];
    int made = 0, status;
    if (strcmp(name, "micro") && stat(name, &about)) {
        status = synthesize(name, path, sizeof path);
        made = !status;
    } else {
        status = model_path(name, path, sizeof path);
    }
    for (int p = 0; p < b->precision_count && !status; p++)
        for (int t = 0; t < b->thread_count && !status; t++)
            status = measure(b, made || !slash ? name : slash + 1, path, b->precisions[p], b->threads[t]);
    if (made)
        unlink(path);
    return status;
}

static int work(bench *b)
{
    char text[600];
    json_t *json;
    int status = EXIT_DONE;
    if (b->input && media_read(b->input, NULL, &b->picture, text, sizeof text))
        return report_picture(text);
    if (!b->input) {
        b->picture = (media_picture){.width = 1800, .height = 1200};
        b->picture.pixels = bench_picture(b->picture.width, b->picture.height);
    }
    b->mask = malloc((size_t)b->picture.width * (size_t)b->picture.height);
    b->results = json_array();
    if (!b->picture.pixels || !b->mask || !b->results)
        return report(EXIT_FAULT, "out of memory");
    machine_cpu(b->cpu, sizeof b->cpu);
    for (int i = 0; i < b->model_count && !status; i++)
        status = bench_model(b, b->models[i]);
    if (status || !b->json_file)
        return status;
    json = json_pack("{s:{s:o, s:s, s:i}, s:{s:i, s:i}, s:i, s:s, s:O}", "machine", "cpu", json_text(b->cpu), "isa",
                     b->isa, "threads", machine_threads(), "picture", "width", b->picture.width, "height",
                     b->picture.height, "runs", b->runs, "version", sam2_version(), "results", b->results);
    status = json_save(json, b->json_file, 0);
    json_decref(json);
    return status;
}

int run_bench(int count, char **arguments)
{
    bench *b = calloc(1, sizeof *b);
    int operands, status;
    if (!b)
        return report(EXIT_FAULT, "out of memory");
    const option own[] = {
        ROW_CALL('m', "model", b, add_model, "MODEL",
                 "a checkpoint, micro (default), or the name of a model; several times"),
        ROW_CALL(0, "precision", b, add_precisions, "LIST", "auto (default), f32, bf16, int8, divided by commas"),
        ROW_CALL(0, "threads", b, add_threads, "LIST", "numbers of threads, divided by commas (default: all)"),
        ROW_INT(0, "runs", &b->runs, 1, MOST_RUNS, "runs that are counted (default 5)"),
        ROW_TEXT('i', "input", &b->input, "PICTURE", "a picture (default: one made up, 1800 x 1200)"),
        ROW_TEXT(0, "json", &b->json_file, "FILE", "the results as JSON; - is standard output"),
        ROW_END};
    option shared[COMMON_ROWS];
    const option *const tables[] = {own, shared, NULL};
    b->runs = 5;
    b->precision_count = b->thread_count = 1; /* of 0: automatic, all */
    common_rows_make(&b->common, COMMON_MACHINE | COMMON_TALK, shared);
    status = common_parse(&b->common, tables, usage, count, arguments, &operands);
    if (status < 0) {
        status = operands ? report(EXIT_USE, "%s: bench takes no operands; models are given with -m", arguments[0])
                          : output_check("--json", b->json_file, b->input);
        if (!b->model_count)
            b->models[b->model_count++] = "micro";
        if (!status)
            status = work(b);
    }
    json_decref(b->results);
    free(b->mask);
    media_picture_free(&b->picture);
    free(b);
    return status;
}
