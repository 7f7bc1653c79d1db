/* sam2 eval: predicted masks against the true ones. */
#include <stdio.h>
#include <string.h>

#include "common.h"
#include "vos.h"

static const char usage[] =
    "Usage: sam2 eval --vos GROUND_TRUTH PREDICTION [OPTION]...\n"
    "\n"
    "Measures how well predicted masks of videos agree with the true ones, as the official evaluator does: J is the\n"
    "intersection over union, F the agreement of the outlines, J&F their mean; in percent, mean over an object's "
    "frames\n"
    "but the first and the last, then over all objects of all videos.\n"
    "\n"
    "Both folders have one of these layouts, found by looking at GROUND_TRUTH:\n"
    "  VIDEO/FRAME.png          labels: a palette's indices or grey values (DAVIS)\n"
    "  VIDEO/OBJECT/FRAME.png   one object a file (SA-V)\n"
    "  FRAME.png                labels of one video\n"
    "  OBJECT/FRAME.png         one object a file, of one video, with --per-object\n"
    "Frames, objects and videos of PREDICTION that are not in GROUND_TRUTH do not count; a frame that is missing is "
    "an\n"
    "error; a video that is missing is left out, and with --strict an error.\n";

/* A name as it may be shown on a terminal. */
static const char *shown(const char *name, char *text, size_t size)
{
    snprintf(text, size, "%s", name);
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 32 || *c == 127)
            *c = '?';
    return text;
}

static void print_row(int width, const char *video, const char *object, const vos_score *score, int frames)
{
    char name[300], id[300];
    printf("%-*s  %-8s  %5.1f  %5.1f  %5.1f", width, shown(video, name, sizeof name), shown(object, id, sizeof id),
           score->jf, score->j, score->f);
    if (frames)
        printf("  %6d", frames);
    printf("\n");
}

static void print_table(const vos_result *r)
{
    int width = 12;
    char objects[40];
    for (size_t i = 0; i < r->count; i++) {
        size_t length = strlen(r->videos[i].name);
        width = length > (size_t)width ? (int)(length < 60 ? length : 60) : width;
    }
    printf("%-*s  %-8s  %5s  %5s  %5s  %6s\n", width, "video", "object", "J&F", "J", "F", "frames");
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < r->videos[i].count; k++) {
            const vos_row *row = &r->videos[i].rows[k];
            print_row(width, r->videos[i].name, row->object, &row->score, row->frames);
        }
    snprintf(objects, sizeof objects, "%zu", r->objects);
    print_row(width, "all objects", objects, &r->score, 0);
}

static int add_score(json_t *json, const vos_score *score)
{
    return json_object_set_new(json, "jf", json_number(score->jf)) ||
           json_object_set_new(json, "j", json_number(score->j)) ||
           json_object_set_new(json, "f", json_number(score->f));
}

static json_t *video_json(const vos_video *video)
{
    json_t *objects = json_array(), *json;
    for (size_t k = 0; k < video->count; k++) {
        const vos_row *row = &video->rows[k];
        json_t *object = json_pack("{s:o, s:i}", "object", json_text(row->object), "frames", row->frames);
        if (!object || add_score(object, &row->score) || json_array_append(objects, object)) {
            json_decref(object);
            json_decref(objects);
            return NULL;
        }
        json_decref(object);
    }
    json = json_pack("{s:o, s:s, s:o}", "video", json_text(video->name), "layout",
                     video->per_object ? "object folders" : "labels", "objects", objects);
    if (json && video->count && add_score(json, &video->score)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *result_json(const vos_result *r, const vos_options *options, char **folders)
{
    json_t *videos = json_array(), *missing = json_array(), *json;
    int failed = !videos || !missing;
    for (size_t i = 0; i < r->count && !failed; i++)
        failed = json_array_append_new(videos, video_json(&r->videos[i])) != 0;
    for (size_t i = 0; i < r->missing_count && !failed; i++)
        failed = json_array_append_new(missing, json_text(r->missing[i])) != 0;
    json = json_pack("{s:o, s:o, s:s, s:b, s:I, s:o, s:o}", "ground_truth", json_text(folders[0]), "prediction",
                     json_text(folders[1]), "version", sam2_version(), "all_frames", options->all_frames,
                     "object_count", (json_int_t)r->objects, "videos", videos, "missing_videos", missing);
    if (failed || !json || add_score(json, &r->score)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static int put_out(const vos_result *r, const vos_options *options, char **folders, const char *json_file, int compact,
                   int quiet)
{
    json_t *json;
    int status;
    if (r->missing_count)
        note("%zu of the videos have no prediction and are left out, the first one %s", r->missing_count,
             r->missing[0]);
    for (size_t i = 0; i < r->count; i++)
        if (!r->videos[i].count)
            note("%s: no object in any of the frames that count", r->videos[i].name);
    if (!quiet && !(json_file && !strcmp(json_file, "-")))
        print_table(r);
    if (!json_file)
        return EXIT_DONE;
    json = result_json(r, options, folders);
    status = json_save(json, json_file, compact);
    json_decref(json);
    return status;
}

int run_eval(int count, char **arguments)
{
    common_options common = {0};
    vos_options options = {0};
    const char *json_file = NULL;
    int vos = 0, compact = 0;
    const option own[] = {
        ROW_FLAG(0, "vos", &vos, "the folders hold masks of videos"),
        ROW_TEXT(0, "json", &json_file, "FILE", "the figures as JSON; - is standard output"),
        ROW_FLAG(0, "compact", &compact, "JSON on one line"),
        ROW_FLAG(0, "strict", &options.strict, "both folders must have the same videos"),
        ROW_FLAG(0, "all-frames", &options.all_frames, "the first and the last frame count too"),
        ROW_FLAG(0, "do-not-skip-first-and-last-frame", &options.all_frames, NULL), /* the official name */
        ROW_FLAG(0, "per-object", &options.per_object, "GROUND_TRUTH is one video, with a folder an object"),
        ROW_COUNT(0, "max-pixels", &options.max_pixels, 1, 4294967296.0, "refuse larger masks (default 200 million)"),
        ROW_END};
    option shared[COMMON_ROWS];
    const option *const tables[] = {own, shared, NULL};
    vos_result result;
    file_uses files = {0};
    int operands, status;
    common_rows_make(&common, COMMON_TALK, shared);
    status = common_parse(&common, tables, usage, count, arguments, &operands);
    if (status >= 0)
        return status;
    if (!vos)
        return report(EXIT_USE, "--vos says what the folders hold, and is missing");
    if (operands != 2)
        return report(EXIT_USE, "two folders are needed, GROUND_TRUTH and PREDICTION; there are %d", operands);
    json_file = output_name(json_file);
    file_uses_write(&files, "--json", json_file);
    status = file_uses_check(&files);
    if (status)
        return status;
    status = vos_evaluate(arguments[0], arguments[1], &options, &result);
    if (!status)
        status = put_out(&result, &options, arguments, json_file, compact, common.quiet);
    vos_result_free(&result);
    return status;
}
