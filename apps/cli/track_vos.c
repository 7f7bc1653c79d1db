/* track --vos: a data set of videos with the first masks of their objects, as the official evaluation tool takes them
 * (tools/vos_inference.py, with objects that appear later): each object is tracked from its own first mask on. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "folder.h"
#include "track.h"

static int is_folder(const char *path)
{
    struct stat s;
    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

static int is_known(const track *t, int64_t id)
{
    for (int i = 0; i < sam2_tracker_object_count(t->tracker); i++) {
        sam2_tracked o = SAM2_TRACKED_INIT;
        if (!sam2_tracker_get(t->tracker, i, &o, NULL) && o.id == id)
            return 1;
    }
    return 0;
}

/* The mask of label `value`, or of all that is not 0 for value 0; empty ones say nothing. */
static int give_mask(track *t, const media_frame *frame, const media_indices *from, int value, int64_t id,
                     const char *path)
{
    const size_t pixels = (size_t)from->width * (size_t)from->height;
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_error error = {SAM2_OK, ""};
    int any = 0, status;
    if (from->width != frame->width || from->height != frame->height)
        return report(EXIT_PICTURE, "%s: the mask has %d x %d pixels, the frame %d x %d", path, from->width,
                      from->height, frame->width, frame->height);
    uint8_t *mask = malloc(pixels);
    if (!mask)
        return report(EXIT_FAULT, "out of memory");
    for (size_t i = 0; i < pixels; i++)
        any |= mask[i] = value ? from->values[i] == value : from->values[i] != 0;
    prompt.mask = mask;
    prompt.mask_width = frame->width;
    prompt.mask_height = frame->height;
    prompt.mask_stride = frame->width;
    status = any ? track_encode(t, frame) : EXIT_DONE;
    if (!status && any && sam2_tracker_prompt(t->tracker, t->features, frame->index, id, &prompt, 0, &error))
        status = report_library(&error, FROM_PROMPT);
    free(mask);
    if (!status && any && t->layout == LAYOUT_OBJECTS)
        status = track_outputs_empty(t, id, frame->index);
    return status;
}

static int read_indices(const track *t, const char *path, media_indices *out)
{
    char error[600];
    if (media_read_indices(path, &t->reading.media, out, error, sizeof error))
        return report_picture(error);
    return EXIT_DONE;
}

/* FRAME.png: every number that is new. */
static int take_labels(track *t, const media_frame *frame, const char *path)
{
    media_indices labels = {0};
    unsigned char there[256] = {0};
    int status = read_indices(t, path, &labels);
    for (size_t i = 0; !status && i < (size_t)labels.width * (size_t)labels.height; i++)
        there[labels.values[i]] = 1;
    for (int v = 1; v < 256 && !status; v++)
        if (there[v] && !is_known(t, v))
            status = give_mask(t, frame, &labels, v, v, path);
    media_indices_free(&labels);
    return status;
}

/* The number in the name of an object's folder, or -1. */
static int64_t number_of(const char *name)
{
    char *end;
    errno = 0;
    const long long id = strtoll(name, &end, 10);
    return errno || *end || end == name || id < 0 ? -1 : id;
}

const char *track_vos_folder(const track *t, int64_t id)
{
    for (size_t i = 0; i < t->vos_list->folder_count; i++)
        if (number_of(t->vos_list->folders[i]) == id)
            return t->vos_list->folders[i];
    return NULL;
}

/* Every folder of an object has a number, of its own: 1 and 001 are the same. */
static int check_numbers(const track *t)
{
    for (size_t i = 0; i < t->vos_list->folder_count; i++) {
        const char *name = t->vos_list->folders[i], *first;
        if (number_of(name) < 0)
            return report(EXIT_PICTURE, "%s/%s: the folder of an object has a number for its name", t->masks, name);
        first = track_vos_folder(t, number_of(name));
        if (strcmp(first, name))
            return report(EXIT_PICTURE, "%s: its folders %s and %s have the same number", t->masks, first, name);
    }
    return EXIT_DONE;
}

/* ID/FRAME.png. */
static int take_object(track *t, const media_frame *frame, const char *name, const char *stem)
{
    char path[4096];
    struct stat s;
    media_indices mask = {0};
    const int64_t id = number_of(name);
    if (is_known(t, id))
        return EXIT_DONE;
    if (snprintf(path, sizeof path, "%s/%s/%s.png", t->masks, name, stem) >= (int)sizeof path)
        return report(EXIT_PICTURE, "%.60s...: the name is too long", t->masks);
    if (stat(path, &s))
        return EXIT_DONE;
    int status = read_indices(t, path, &mask);
    if (!status)
        status = give_mask(t, frame, &mask, 0, id, path);
    media_indices_free(&mask);
    return status;
}

static int add_stem(track *t, const media_frame *frame)
{
    if (t->stem_count == t->stem_capacity) {
        size_t capacity = t->stem_capacity ? 2 * t->stem_capacity : 64;
        char **stems = realloc(t->stems, capacity * sizeof *stems);
        if (!stems)
            return report(EXIT_FAULT, "out of memory");
        t->stems = stems;
        t->stem_capacity = capacity;
    }
    char *stem = strdup(frame->file ? frame->file : "");
    if (!stem)
        return report(EXIT_FAULT, "out of memory");
    char *dot = strrchr(stem, '.');
    if (dot && dot != stem)
        *dot = 0;
    t->stems[t->stem_count++] = stem;
    return EXIT_DONE;
}

int track_vos_prompts(track *t, const media_frame *frame)
{
    char path[4096];
    struct stat s;
    int status = add_stem(t, frame);
    if (status)
        return status;
    const char *stem = t->stems[t->stem_count - 1];
    if (t->layout == LAYOUT_LABELS) {
        if (snprintf(path, sizeof path, "%s/%s.png", t->masks, stem) >= (int)sizeof path)
            return report(EXIT_PICTURE, "%.60s...: the name is too long", t->masks);
        return stat(path, &s) ? EXIT_DONE : take_labels(t, frame, path);
    }
    for (size_t i = 0; i < t->vos_list->folder_count && !status; i++)
        status = take_object(t, frame, t->vos_list->folders[i], stem);
    return status;
}

/* One video, whose frames are in t->input. */
static int run_video(track *t)
{
    folder list = {0};
    int status = folder_read(t->masks, &list);
    t->vos_list = &list;
    t->layout = list.frame_count ? LAYOUT_LABELS : LAYOUT_OBJECTS;
    if (!status && !list.frame_count && !list.folder_count)
        status = report(EXIT_PICTURE, "%s: there is no mask", t->masks);
    if (!status && t->layout == LAYOUT_OBJECTS)
        status = check_numbers(t);
    if (!status)
        status = track_open_video(t);
    if (!status)
        status = track_open_tracker(t);
    if (!status)
        status = track_outputs_open(t);
    t->progress = progress_start(t->progress_kind, t->common.quiet, "frame", t->frame_total > 0 ? t->frame_total : 0);
    t->done = 0;
    if (!status)
        status = track_sweep(t, 0, 0);
    progress_clear(&t->progress);
    if (!status && !track_interrupted() && !sam2_tracker_object_count(t->tracker))
        warn("%s: no mask belongs to a frame of %s", t->masks, t->input);
    const int closed = track_outputs_close(t, status || track_interrupted());
    sam2_features_destroy(t->features);
    sam2_tracker_destroy(t->tracker);
    media_video_close(t->video);
    for (size_t i = 0; i < t->stem_count; i++)
        free(t->stems[i]);
    free(t->stems);
    folder_free(&list);
    t->features = NULL;
    t->tracker = NULL;
    t->video = NULL;
    t->stems = NULL;
    t->vos_list = NULL;
    t->stem_count = t->stem_capacity = 0;
    return status ? status : closed;
}

/* One video of the data set, by its name. */
static int take_video(track *t, const char *name)
{
    const char *const base = t->input, *const output = t->output;
    char *in = folder_join(base, name), *of = folder_join(t->vos_masks, name), *out = folder_join(output, name);
    int status;
    if (!in || !of || !out)
        status = report(EXIT_FAULT, "out of memory");
    else {
        t->input = in;
        t->masks = of;
        t->output = out;
        status = run_video(t);
    }
    if (!status)
        note(track_interrupted() ? "%s: stopped after %lld frames" : "%s: %lld frames", name, (long long)t->done);
    free(in);
    free(of);
    free(out);
    t->input = base;
    t->output = output;
    return status;
}

/* Names of videos that have masks move to the front; how many they are. Nothing that is read may be written over. */
static int choose_videos(const track *t, folder *videos, size_t *count)
{
    file_uses uses = {0};
    int status = EXIT_DONE;
    *count = 0;
    for (size_t i = 0; i < videos->folder_count && !status; i++) {
        char *name = videos->folders[i], *in = folder_join(t->input, name), *of = folder_join(t->vos_masks, name),
             *out = folder_join(t->output, name);
        if (!in || !of || !out)
            status = report(EXIT_FAULT, "out of memory");
        else if (!is_folder(of))
            note("%s: there are no masks of %s", t->vos_masks, name);
        else {
            file_uses_read_folder(&uses, "a video", in);
            file_uses_read_folder(&uses, "a video's masks", of);
            file_uses_write_folder(&uses, "-o", out);
            videos->folders[i] = videos->folders[*count];
            videos->folders[(*count)++] = name;
        }
        free(in);
        free(of);
        free(out);
    }
    if (status)
        file_uses_free(&uses);
    else
        status = file_uses_check(&uses);
    if (!status && !*count)
        status = report(EXIT_PICTURE, "%s: no folder of it has masks in %s", t->input, t->vos_masks);
    return status;
}

int track_vos(track *t)
{
    folder videos;
    size_t count = 0, done = 0;
    int status = folder_read(t->input, &videos);
    if (!status)
        status = choose_videos(t, &videos, &count);
    if (!status)
        status = track_make_folder(t->output);
    t->live = t->evaluation = 1;
    while (!status && done < count && !track_interrupted())
        status = take_video(t, videos.folders[done++]);
    if (track_interrupted() && done < count)
        note("%zu of %zu videos were not begun, from %s on", count - done, count, videos.folders[done]);
    folder_free(&videos);
    return status || !track_interrupted() ? status : 128 + track_interrupted();
}
