#define _POSIX_C_SOURCE 200809L
#include "vos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "media.h"
#include "message.h"
#include "vos_measure.h"

/* One folder of frames against its prediction. */
typedef struct pair {
    const char *truth, *prediction;
    const vos_options *options;
    int one_object; /* a file is one object's: what is not 0 is the object */
} pair;

static int out_of_memory(const char *path)
{
    return report(EXIT_FAULT, "%s: out of memory", path);
}

/* Of one object's mask: all that is not 0 becomes label 1. There may be two values in the file, as in the official
 * evaluator: more is a sign of the other layout. */
static int make_binary(media_indices *mask, const char *path)
{
    size_t count = (size_t)mask->width * (size_t)mask->height;
    int seen[256] = {0}, values = 0;
    for (size_t i = 0; i < count; i++) {
        seen[mask->values[i]] = 1;
        mask->values[i] = mask->values[i] > 0;
    }
    for (int i = 0; i < 256; i++)
        values += seen[i];
    if (values > 2)
        return report(EXIT_PICTURE,
                      "%s: %d values, where a mask in an object's folder has two: the object's and the background's",
                      path, values);
    return 0;
}

static int read_mask(const pair *p, const char *path, media_indices *out)
{
    media_options options = {.max_pixels = p->options->max_pixels};
    char text[600];
    if (media_read_indices(path, &options, out, text, sizeof text))
        return report_picture(text);
    return p->one_object ? make_binary(out, path) : 0;
}

static int measure_files(const pair *p, const char *truth_path, const char *path, vos_measure *measure)
{
    media_indices truth = {0}, prediction = {0};
    int status = read_mask(p, truth_path, &truth);
    if (!status)
        status = read_mask(p, path, &prediction);
    if (!status && (truth.width != prediction.width || truth.height != prediction.height))
        status = report(EXIT_USE, "%s: %d x %d pixels, and the true mask %s has %d x %d", path, prediction.width,
                        prediction.height, truth_path, truth.width, truth.height);
    if (!status && vos_measure_frame(measure, truth.values, prediction.values, truth.width, truth.height))
        status = out_of_memory(path);
    media_indices_free(&truth);
    media_indices_free(&prediction);
    return status;
}

static int measure_frames(const pair *p, const folder *truth, vos_measure *measure)
{
    size_t skip = p->options->all_frames ? 0 : 1;
    int status = 0;
    if (truth->other_count || truth->folder_count)
        return report(EXIT_PICTURE, "%s/%s: not a .png file, where a folder of masks has nothing else", p->truth,
                      truth->other_count ? truth->others[0] : truth->folders[0]);
    for (size_t i = skip; i + skip < truth->frame_count && !status; i++) {
        char *truth_path = folder_join(p->truth, truth->frames[i]),
             *path = folder_join(p->prediction, truth->frames[i]);
        status = truth_path && path ? measure_files(p, truth_path, path, measure) : out_of_memory(p->truth);
        free(truth_path);
        free(path);
    }
    return status;
}

/* A row for an object that was measured; takes the name. */
static int add_row(vos_video *video, char *name, const vos_object *object)
{
    vos_row *grown = name ? realloc(video->rows, (video->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(name);
        return out_of_memory(video->name);
    }
    video->rows = grown;
    vos_row *row = &grown[video->count++];
    *row = (vos_row){.object = name, .frames = object->frames};
    row->score.j = object->j / object->frames * 100.0;
    row->score.f = object->f / object->frames * 100.0;
    row->score.jf = (row->score.j + row->score.f) / 2.0;
    return 0;
}

/* The objects of a folder with labels. */
static int measure_labels(const pair *p, const folder *truth, vos_video *video)
{
    vos_measure measure = {0};
    int status = measure_frames(p, truth, &measure);
    for (int label = 1; label < 256 && !status; label++) {
        char name[16];
        if (!measure.objects[label].in_truth)
            continue;
        snprintf(name, sizeof name, "%d", label);
        status = add_row(video, strdup(name), &measure.objects[label]);
    }
    vos_measure_free(&measure);
    return status;
}

static int measure_object(const pair *video_pair, const char *object, vos_video *video)
{
    vos_measure measure = {0};
    char *truth_path = folder_join(video_pair->truth, object), *path = folder_join(video_pair->prediction, object);
    pair p = {truth_path, path, video_pair->options, 1};
    folder truth = {0};
    int status = truth_path && path ? folder_read(truth_path, &truth) : out_of_memory(object);
    if (!status)
        status = measure_frames(&p, &truth, &measure);
    if (!status && !measure.objects[1].in_truth)
        status = report(EXIT_PICTURE, "%s: the object is in none of the frames that count", truth_path);
    if (!status)
        status = add_row(video, strdup(object), &measure.objects[1]);
    folder_free(&truth);
    vos_measure_free(&measure);
    free(truth_path);
    free(path);
    return status;
}

static void add_score(vos_score *sum, const vos_score *score)
{
    sum->j += score->j;
    sum->f += score->f;
}

static void finish_mean(vos_score *sum, size_t count)
{
    if (!count)
        return;
    sum->j /= (double)count;
    sum->f /= (double)count;
    sum->jf = (sum->j + sum->f) / 2.0;
}

/* Takes the name. `p` has the video's folders. */
static int measure_video(const pair *p, char *name, vos_result *out)
{
    vos_video *grown = name ? realloc(out->videos, (out->count + 1) * sizeof *grown) : NULL;
    folder truth = {0};
    int status;
    if (!grown) {
        free(name);
        return out_of_memory(p->truth);
    }
    out->videos = grown;
    vos_video *video = &grown[out->count++];
    *video = (vos_video){.name = name};
    status = folder_read(p->truth, &truth);
    if (!status && !truth.folder_count && !truth.frame_count)
        status = report(EXIT_PICTURE, "%s: neither .png files nor folders of objects", p->truth);
    video->per_object = truth.folder_count > 0;
    if (!status && video->per_object && (truth.frame_count || truth.other_count))
        status = report(EXIT_PICTURE, "%s/%s: a file among folders of objects", p->truth,
                        truth.frame_count ? truth.frames[0] : truth.others[0]);
    if (!status && !video->per_object)
        status = measure_labels(p, &truth, video);
    for (size_t i = 0; i < truth.folder_count && !status; i++)
        status = measure_object(p, truth.folders[i], video);
    folder_free(&truth);
    for (size_t i = 0; i < video->count; i++) {
        add_score(&video->score, &video->rows[i].score);
        add_score(&out->score, &video->rows[i].score);
    }
    out->objects += video->count;
    finish_mean(&video->score, video->count);
    return status;
}

/* The folder's own name, for a video that is given by its path. */
static char *last_part(const char *path)
{
    size_t end = strlen(path), start;
    while (end > 1 && path[end - 1] == '/')
        end--;
    for (start = end; start && path[start - 1] != '/'; start--)
        ;
    return strndup(path + start, end - start);
}

/* Both folders must have the same videos, or one that only one of them has is reported. */
static int check_same(const pair *p, const folder *truth, const folder *prediction)
{
    for (size_t i = 0; i < truth->folder_count; i++)
        if (!folder_has(prediction->folders, prediction->folder_count, truth->folders[i]))
            return report(EXIT_USE, "--strict: video %s of %s is not in %s", truth->folders[i], p->truth,
                          p->prediction);
    for (size_t i = 0; i < prediction->folder_count; i++)
        if (!folder_has(truth->folders, truth->folder_count, prediction->folders[i]))
            return report(EXIT_USE, "--strict: video %s of %s is not in %s", prediction->folders[i], p->prediction,
                          p->truth);
    return 0;
}

static int measure_videos(const pair *p, const folder *truth, const folder *prediction, vos_result *out)
{
    int status = p->options->strict ? check_same(p, truth, prediction) : 0;
    out->missing = calloc(truth->folder_count + 1, sizeof *out->missing);
    if (!out->missing)
        return out_of_memory(p->truth);
    for (size_t i = 0; i < truth->folder_count && !status; i++) {
        const char *name = truth->folders[i];
        if (!folder_has(prediction->folders, prediction->folder_count, name)) {
            out->missing[out->missing_count] = strdup(name);
            status = out->missing[out->missing_count++] ? 0 : out_of_memory(p->truth);
            continue;
        }
        char *truth_path = folder_join(p->truth, name), *path = folder_join(p->prediction, name);
        pair video = {truth_path, path, p->options, 0};
        status = truth_path && path ? measure_video(&video, strdup(name), out) : out_of_memory(p->truth);
        free(truth_path);
        free(path);
    }
    if (!status && !out->count)
        status = report(EXIT_USE, "%s and %s have no video in common", p->truth, p->prediction);
    return status;
}

int vos_evaluate(const char *truth_path, const char *prediction_path, const vos_options *options, vos_result *out)
{
    folder truth = {0}, prediction = {0};
    pair p = {truth_path, prediction_path, options, 0};
    char *inner = NULL;
    int status;
    *out = (vos_result){0};
    status = folder_read(truth_path, &truth);
    if (!status)
        status = folder_read(prediction_path, &prediction);
    /* The data set's own folder was given, beside whose Annotations there are pictures. */
    if (!status && folder_has(truth.folders, truth.folder_count, "Annotations") &&
        !folder_has(prediction.folders, prediction.folder_count, "Annotations")) {
        folder_free(&truth);
        p.truth = inner = folder_join(truth_path, "Annotations");
        status = inner ? folder_read(inner, &truth) : out_of_memory(truth_path);
    }
    if (!status && options->per_object && !truth.folder_count)
        status = report(EXIT_USE, "--per-object: %s has no folders of objects", p.truth);
    if (!status && (options->per_object || truth.frame_count))
        status = measure_video(&p, last_part(p.truth), out);
    else if (!status)
        status = measure_videos(&p, &truth, &prediction, out);
    if (!status && !out->objects)
        status = report(EXIT_PICTURE, "%s: no object in any of the frames that count", p.truth);
    finish_mean(&out->score, out->objects);
    folder_free(&truth);
    folder_free(&prediction);
    free(inner);
    return status;
}

void vos_result_free(vos_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        for (size_t k = 0; k < result->videos[i].count; k++)
            free(result->videos[i].rows[k].object);
        free(result->videos[i].rows);
        free(result->videos[i].name);
    }
    for (size_t i = 0; i < result->missing_count; i++)
        free(result->missing[i]);
    free(result->missing);
    free(result->videos);
    memset(result, 0, sizeof *result);
}
