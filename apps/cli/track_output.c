/* The outputs of `track`: mask files, a line of JSON for each frame, an overlay, arrays. Each frame is written when it
 * is done, and whatever ends the work, what was written stays. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mask_bytes.h"
#include "movie.h"
#include "track.h"

/* ---- the overlay: a video, or where the name ends in a slash a folder of pictures ---- */

static int overlay_is_folder(const track *t)
{
    const size_t length = t->overlay_file ? strlen(t->overlay_file) : 0;
    return length > 1 && t->overlay_file[length - 1] == '/';
}

/* What can be told of an overlay's name before there is a video. */
static int overlay_check(const track *t)
{
    char error[600];
    if (!t->overlay_file || overlay_is_folder(t))
        return EXIT_DONE;
    if (!strcmp(t->overlay_file, "-"))
        return report(EXIT_USE, "--overlay -: a video can be written to a file only");
    if (media_movie_name(t->overlay_file, error, sizeof error))
        return report(EXIT_USE, "--overlay %s", error);
    return EXIT_DONE;
}

static int labels_check(const track *t)
{
    for (int i = 0; t->output && t->layout == LAYOUT_LABELS && i < t->prompts.count; i++)
        if (t->prompts.list[i].id < 1 || t->prompts.list[i].id > 255)
            return report(EXIT_USE, "--layout labels: object %lld cannot be a label; 1 to 255 can",
                          (long long)t->prompts.list[i].id);
    return EXIT_DONE;
}

/* A mask that is named as track itself names masks would be replaced by one of the same folder. */
static void use_mask(file_uses *uses, const char *mask)
{
    const char *slash = strrchr(mask, '/'), *name = slash ? slash + 1 : mask;
    const size_t digits = strspn(name, "0123456789");
    char folder[4096];
    file_uses_read(uses, "a mask of --prompt", mask);
    if (digits < 5 || strcmp(name + digits, ".png"))
        return;
    if (snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - mask) + 1 : 1, slash ? mask : ".") <
        (int)sizeof folder)
        file_uses_read_folder(uses, "a mask of --prompt", folder);
}

static int files_check(const track *t)
{
    file_uses uses = {0}, folders = {0};
    file_uses_read_folder(&folders, "the input", t->input);
    file_uses_read_folder(&folders, "the masks", t->vos_masks);
    file_uses_write_folder(&folders, "-o", t->output);
    const int status = file_uses_check(&folders);
    if (status)
        return status;
    file_uses_read_folder(&uses, "the input", t->input);
    file_uses_read(&uses, "the model", t->common.model);
    for (int i = 0; i < t->prompts.count; i++) {
        const track_prompt *p = &t->prompts.list[i];
        int first = 1;
        char folder[4096];
        if (p->mask)
            use_mask(&uses, p->mask);
        for (int k = 0; k < i && first; k++)
            first = t->prompts.list[k].id != p->id;
        if (t->output && t->layout == LAYOUT_OBJECTS && first &&
            snprintf(folder, sizeof folder, "%s/%lld", t->output, (long long)p->id) < (int)sizeof folder)
            file_uses_write_folder(&uses, "-o", folder);
    }
    if (t->layout == LAYOUT_LABELS)
        file_uses_write_folder(&uses, "-o", t->output);
    if (overlay_is_folder(t))
        file_uses_write_folder(&uses, "--overlay", t->overlay_file);
    else
        file_uses_write(&uses, "--overlay", t->overlay_file);
    file_uses_write(&uses, "--json", t->json_file);
    file_uses_write(&uses, "--dump", t->dump_file);
    return file_uses_check(&uses);
}

int track_outputs_check(track *t)
{
    t->json_file = output_name(t->json_file);
    if (t->dump_file && !strcmp(t->dump_file, "-"))
        return report(EXIT_USE, "--dump -: arrays can be written to a file only");
    if (t->output && !strcmp(t->output, "-"))
        return report(EXIT_USE, "-o -: masks are written to a folder");
    int status = overlay_check(t);
    if (!status)
        status = labels_check(t);
    return status ? status : files_check(t);
}

int track_make_folder(const char *path)
{
    struct stat s;
    if (!mkdir(path, 0777) || (errno == EEXIST && !stat(path, &s) && S_ISDIR(s.st_mode)))
        return EXIT_DONE;
    return report(EXIT_FAULT, "%s: the folder cannot be made: %s", path, strerror(errno == EEXIST ? ENOTDIR : errno));
}

static int open_overlay(track *t)
{
    char error[600];
    t->drawing = 1;
    if (overlay_is_folder(t))
        return track_make_folder(t->overlay_file);
    /* The rate says only how long the last frame lasts; a file may claim any. */
    const double fps = t->about->fps > 1000 ? 1000 : t->about->fps;
    if (media_movie_open(t->overlay_file, t->about->width, t->about->height, fps, &t->movie, error, sizeof error))
        return report(EXIT_FAULT, "%s", error);
    return EXIT_DONE;
}

/* t->pixels is what is to be seen on the frame. */
static int write_overlay(track *t, const media_frame *frame)
{
    char name[4096], error[600];
    if (t->movie)
        return media_movie_frame(t->movie, t->pixels, frame->pts_ms, error, sizeof error)
                   ? report(EXIT_FAULT, "%s", error)
                   : EXIT_DONE;
    if (snprintf(name, sizeof name, "%s%05lld.png", t->overlay_file, (long long)frame->index) >= (int)sizeof name)
        return report(EXIT_FAULT, "%.60s...: the name is too long", t->overlay_file);
    if (media_write_png(name, t->pixels, frame->width, frame->height, 3, (size_t)frame->width * 3, error, sizeof error))
        return report(EXIT_FAULT, "%s", error);
    return EXIT_DONE;
}

int track_outputs_open(track *t)
{
    const size_t pixels = (size_t)t->about->width * (size_t)t->about->height;
    const int backward = t->reverse || t->both;
    char error[600];
    t->mask = malloc(pixels);
    t->labels = t->non_overlap || (t->output && t->layout == LAYOUT_LABELS) ? malloc(pixels * sizeof *t->labels) : NULL;
    t->pixels = t->overlay_file ? malloc(pixels * 3) : NULL;
    t->logits = t->dump_file ? malloc(pixels * sizeof *t->logits) : NULL;
    if (!t->mask || (!t->labels && (t->non_overlap || (t->output && t->layout == LAYOUT_LABELS))) ||
        (t->overlay_file && !t->pixels) || (t->dump_file && !t->logits))
        return report(EXIT_FAULT, "out of memory for masks of %d x %d pixels", t->about->width, t->about->height);
    if (t->output && track_make_folder(t->output))
        return EXIT_FAULT;
    if (t->json_file && media_output_open(&t->json, t->json_file, error, sizeof error))
        return report(EXIT_FAULT, "%s", error);
    if (t->overlay_file && !backward && open_overlay(t))
        return EXIT_FAULT;
    if (t->dump_file && npz_open(&t->dump, t->dump_file, error, sizeof error))
        return report(EXIT_FAULT, "%s", error);
    return EXIT_DONE;
}

/* ---- one object on one frame ---- */

/* Without its ending, the name of a frame's mask: its number, or with --vos the name of the frame. */
static void frame_stem(const track *t, int64_t index, char *out, size_t size)
{
    if (t->vos && (size_t)index < t->stem_count)
        snprintf(out, size, "%s", t->stems[index]);
    else
        snprintf(out, size, "%05lld", (long long)index);
}

/* The mask of one object: 0 and 255; with --vos numbers 0 and 1 of a palette, as the official tool has it. */
static int write_mask(track *t, int64_t index, int64_t id)
{
    char name[4096], stem[300], error[600];
    const int width = t->about->width, height = t->about->height;
    const size_t pixels = (size_t)width * (size_t)height;
    uint8_t palette[256][3];
    int used = snprintf(name, sizeof name, "%s/", t->output), failed;
    if (used >= (int)sizeof name - 600)
        return report(EXIT_FAULT, "%.60s...: the name is too long", t->output);
    if (t->vos)
        used += snprintf(name + used, 256, "%s", track_vos_folder(t, id));
    else
        used += snprintf(name + used, 40, "%lld", (long long)id);
    if (track_make_folder(name))
        return EXIT_FAULT;
    frame_stem(t, index, stem, sizeof stem);
    snprintf(name + used, sizeof name - (size_t)used, "/%s.png", stem);
    if (t->vos) {
        media_davis_palette(palette);
        for (size_t i = 0; i < pixels; i++)
            t->mask[i] = t->mask[i] != 0;
        failed = media_write_png_indexed(name, t->mask, width, height, (size_t)width, palette[0], error, sizeof error);
    } else
        failed = media_write_png(name, t->mask, width, height, 1, (size_t)width, error, sizeof error);
    return failed ? report(EXIT_FAULT, "%s", error) : EXIT_DONE;
}

int track_outputs_empty(track *t, int64_t id, int64_t before)
{
    int status = EXIT_DONE;
    for (int64_t i = 0; i < before && !status; i++) {
        memset(t->mask, 0, (size_t)t->about->width * (size_t)t->about->height);
        status = write_mask(t, i, id);
    }
    return status;
}

static json_t *object_json(const track *t, const sam2_tracked *o, int64_t area, const int box[4])
{
    char *counts = mask_rle(t->mask, t->about->width, t->about->height);
    json_t *bounds = area ? json_pack("[i,i,i,i]", box[0], box[1], box[2], box[3]) : json_null();
    json_t *json = !counts
                       ? NULL
                       : json_pack("{s:I, s:b, s:o, s:o, s:b, s:I, s:O, s:{s:[i,i], s:s}}", "id", (json_int_t)o->id,
                                   "present", o->present, "object_score", json_number(o->mask.object_score), "score",
                                   json_number(o->mask.score), "prompted", o->conditioning, "area", (json_int_t)area,
                                   "bbox", bounds, "rle", "size", t->about->height, t->about->width, "counts", counts);
    json_decref(bounds);
    free(counts);
    return json;
}

/* A mask's runs, until the overlay can be drawn. */
static int keep(track *t, int64_t frame, int object)
{
    const size_t pixels = (size_t)t->about->width * (size_t)t->about->height;
    size_t count = 1;
    for (size_t i = 0; i < pixels; i++)
        count += (t->mask[i] != 0) != (i ? t->mask[i - 1] != 0 : 0);
    if (t->kept_count == t->kept_capacity) {
        size_t capacity = t->kept_capacity ? 2 * t->kept_capacity : 64;
        kept_mask *list = realloc(t->kept, capacity * sizeof *list);
        if (!list)
            return report(EXIT_FAULT, "out of memory for the overlay's masks");
        t->kept = list;
        t->kept_capacity = capacity;
    }
    uint32_t *runs = calloc(count, sizeof *runs);
    if (!runs)
        return report(EXIT_FAULT, "out of memory for the overlay's masks");
    size_t at = 0;
    for (size_t i = 0; i < pixels; i++) {
        at += (t->mask[i] != 0) != (i ? t->mask[i - 1] != 0 : 0);
        runs[at]++;
    }
    t->kept[t->kept_count++] = (kept_mask){frame, object, runs, count};
    return EXIT_DONE;
}

static void draw(track *t, int object)
{
    const int width = t->about->width, height = t->about->height, side = width > height ? width : height;
    media_draw_mask(t->pixels, width, height, t->mask, media_palette(object), 0.45f, 1 + side / 500);
}

/* What was pointed at on a frame. */
static void draw_prompts(track *t, int64_t frame)
{
    const int width = t->about->width, height = t->about->height, side = width > height ? width : height;
    const float across = t->units ? (float)width : 1.0f, down = t->units ? (float)height : 1.0f;
    for (int i = 0; i < t->prompts.count; i++) {
        const track_prompt *p = &t->prompts.list[i];
        if (p->frame != frame)
            continue;
        if (p->has_box)
            media_draw_box(t->pixels, width, height, p->box.x0 * across, p->box.y0 * down, p->box.x1 * across,
                           p->box.y1 * down, (media_colour){255, 255, 255}, 1 + side / 400);
        for (int k = 0; k < p->point_count; k++)
            media_draw_point(t->pixels, width, height, p->points[k].x * across, p->points[k].y * down,
                             p->points[k].label, 3 + side / 200);
    }
}

static void dump_logits(track *t, int64_t frame, const sam2_tracked *o)
{
    char name[64];
    sam2_error error;
    const int64_t shape[] = {t->about->height, t->about->width};
    const size_t bytes = (size_t)t->about->width * (size_t)t->about->height * sizeof *t->logits;
    if (t->dump_failed || sam2_mask_to_logits(&o->mask, t->logits, t->about->width, &error))
        return;
    snprintf(name, sizeof name, "logits_f%lld_o%lld", (long long)frame, (long long)o->id);
    t->dump_failed = npz_begin(t->dump, name, NPZ_FLOAT32, shape, 2, t->dump_error, sizeof t->dump_error) ||
                     npz_write(t->dump, t->logits, bytes, t->dump_error, sizeof t->dump_error) ||
                     npz_end(t->dump, t->dump_error, sizeof t->dump_error);
}

static int take_object(track *t, const media_frame *frame, int index, json_t *objects)
{
    const size_t pixels = (size_t)frame->width * (size_t)frame->height;
    sam2_error error = {SAM2_OK, ""};
    sam2_tracked o = SAM2_TRACKED_INIT;
    int64_t area;
    int box[4], status = EXIT_DONE;
    if (sam2_tracker_get(t->tracker, index, &o, &error))
        return report_library(&error, FROM_PROMPT);
    if (t->non_overlap)
        for (size_t i = 0; i < pixels; i++)
            t->mask[i] = t->labels[i] == index + 1 ? 255 : 0;
    else if (sam2_mask_to_bytes(&o.mask, 255, t->mask, frame->width, &error))
        return report_library(&error, FROM_PROMPT);
    mask_measure(t->mask, frame->width, frame->height, &area, box);
    t->area += area;
    if (t->dump)
        dump_logits(t, frame->index, &o);
    if (t->output && t->layout == LAYOUT_OBJECTS)
        status = write_mask(t, frame->index, o.id);
    if (!status && objects && json_array_append_new(objects, object_json(t, &o, area, box)))
        status = report(EXIT_FAULT, "out of memory");
    if (!status && t->drawing)
        draw(t, index);
    else if (!status && t->overlay_file)
        status = keep(t, frame->index, index);
    return status;
}

/* ---- a frame ---- */

/* All objects in one picture, numbered by their ids. */
static int write_labels(track *t, const media_frame *frame)
{
    uint8_t palette[256][3];
    char name[4096], stem[300], error[600];
    const size_t pixels = (size_t)frame->width * (size_t)frame->height;
    media_davis_palette(palette);
    for (size_t i = 0; i < pixels; i++) {
        sam2_tracked o = SAM2_TRACKED_INIT;
        t->mask[i] = 0;
        if (!t->labels[i])
            continue;
        if (i && t->labels[i] == t->labels[i - 1]) {
            t->mask[i] = t->mask[i - 1];
            continue;
        }
        if (sam2_tracker_get(t->tracker, t->labels[i] - 1, &o, NULL) || o.id < 1 || o.id > 255)
            return report(EXIT_USE, "--layout labels: object %lld cannot be a label; 1 to 255 can", (long long)o.id);
        t->mask[i] = (uint8_t)o.id;
    }
    frame_stem(t, frame->index, stem, sizeof stem);
    if (snprintf(name, sizeof name, "%s/%s.png", t->output, stem) >= (int)sizeof name)
        return report(EXIT_FAULT, "%.60s...: the name is too long", t->output);
    if (media_write_png_indexed(name, t->mask, frame->width, frame->height, (size_t)frame->width, palette[0], error,
                                sizeof error))
        return report(EXIT_FAULT, "%s", error);
    return EXIT_DONE;
}

static int write_line(track *t, const media_frame *frame, json_t *objects)
{
    json_t *line =
        json_pack("{s:I, s:o, s:o, s:O}", "frame", (json_int_t)frame->index, "pts_ms", json_number(frame->pts_ms),
                  "file", frame->file ? json_text(frame->file) : json_null(), "objects", objects);
    int failed = !line || json_dumpf(line, t->json.file, JSON_COMPACT | JSON_REAL_PRECISION(9)) ||
                 fputc('\n', t->json.file) == EOF || fflush(t->json.file);
    json_decref(line);
    return failed ? report(EXIT_FAULT, "%s: cannot be written", t->json.label) : EXIT_DONE;
}

int track_outputs_take(track *t, const media_frame *frame)
{
    const int count = sam2_tracker_object_count(t->tracker);
    json_t *objects = t->json.file ? json_array() : NULL;
    sam2_error error = {SAM2_OK, ""};
    int status = EXIT_DONE;
    if (t->labels && !count)
        memset(t->labels, 0, (size_t)frame->width * (size_t)frame->height * sizeof *t->labels);
    else if (t->labels && sam2_tracker_get_labels(t->tracker, t->labels, frame->width, &error))
        status = report_library(&error, FROM_PROMPT);
    if (t->drawing)
        memcpy(t->pixels, frame->pixels, (size_t)frame->width * (size_t)frame->height * 3);
    for (int i = 0; i < count && !status; i++)
        status = take_object(t, frame, i, objects);
    if (!status && t->output && t->layout == LAYOUT_LABELS)
        status = write_labels(t, frame);
    if (!status && objects)
        status = write_line(t, frame, objects);
    json_decref(objects);
    if (!status && t->drawing) {
        draw_prompts(t, frame->index);
        status = write_overlay(t, frame);
    }
    if (!status && t->dump_failed)
        status = report(EXIT_FAULT, "%s", t->dump_error);
    return status;
}

/* ---- the end ---- */

static int by_frame(const void *a, const void *b)
{
    const kept_mask *x = a, *y = b;
    return x->frame != y->frame ? (x->frame < y->frame ? -1 : 1) : x->object - y->object;
}

int track_overlay_kept(track *t)
{
    char error[600];
    if (!t->kept_count)
        return EXIT_DONE;
    qsort(t->kept, t->kept_count, sizeof *t->kept, by_frame);
    if (open_overlay(t))
        return EXIT_FAULT;
    for (size_t i = 0; i < t->kept_count;) {
        media_frame frame;
        const int64_t index = t->kept[i].frame;
        if (media_video_read(t->video, index, &frame, error, sizeof error) != 1)
            return report(EXIT_PICTURE, "%s", error);
        memcpy(t->pixels, frame.pixels, (size_t)frame.width * (size_t)frame.height * 3);
        for (; i < t->kept_count && t->kept[i].frame == index; i++) {
            uint8_t *to = t->mask;
            for (size_t r = 0; r < t->kept[i].run_count; to += t->kept[i].runs[r++])
                memset(to, r % 2 ? 255 : 0, t->kept[i].runs[r]);
            draw(t, t->kept[i].object);
        }
        draw_prompts(t, index);
        if (write_overlay(t, &frame))
            return EXIT_FAULT;
    }
    return EXIT_DONE;
}

int track_outputs_close(track *t, int failed)
{
    const int keep = t->done > 0 || !failed;
    int status = EXIT_DONE;
    char error[600];
    if (t->json.file && media_output_close(&t->json, keep, error, sizeof error))
        status = report(EXIT_FAULT, "%s", error);
    if (t->movie && media_movie_close(t->movie, t->done > 0, error, sizeof error))
        status = report(EXIT_FAULT, "%s", error);
    if (t->dump && npz_close(t->dump, keep && !t->dump_failed, error, sizeof error))
        status = report(EXIT_FAULT, "%s", error);
    t->movie = NULL;
    t->dump = NULL;
    for (size_t i = 0; i < t->kept_count; i++)
        free(t->kept[i].runs);
    free(t->kept);
    free(t->mask);
    free(t->labels);
    free(t->pixels);
    free(t->logits);
    t->kept = NULL;
    t->mask = t->pixels = NULL;
    t->labels = NULL;
    t->logits = NULL;
    return status;
}
