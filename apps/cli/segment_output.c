/* The outputs of `segment`. Masks pass through one at a time, so that memory does not grow with their number. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mask_bytes.h"
#include "segment.h"

static int masks_per_object(const segment *s)
{
    return s->multimask ? 3 : 1;
}

int segment_file_count(const segment *s)
{
    return s->prompts.count * masks_per_object(s);
}

/* The name for mask `k` of object `object`: the given one if there is only one mask or it is a device's, else with
 * numbers before the ending. */
static int mask_name(const segment *s, int object, int k, char *name, size_t size)
{
    const char *slash = strrchr(s->output, '/');
    const char *dot = strrchr(slash ? slash : s->output, '.');
    char number[32] = "";
    struct stat about;
    const int device = !stat(s->output, &about) && S_ISCHR(about.st_mode);
    int used;
    if (s->prompts.count > 1 && s->multimask && !device)
        snprintf(number, sizeof number, "_%d_%d", object, k);
    else if (segment_file_count(s) > 1 && !device)
        snprintf(number, sizeof number, "_%d", s->multimask ? k : object);
    if (!dot || dot == s->output || dot[-1] == '/')
        used = snprintf(name, size, "%s%s", s->output, number);
    else
        used = snprintf(name, size, "%.*s%s%s", (int)(dot - s->output), s->output, number, dot);
    return used < (int)size ? EXIT_DONE
                            : report(EXIT_FAULT, "%.60s...: cannot be written: the name is too long", s->output);
}

int segment_outputs_check(segment *s)
{
    file_uses files = {0};
    s->output = output_name(s->output);
    s->overlay_file = output_name(s->overlay_file);
    s->cutout_file = output_name(s->cutout_file);
    s->json_file = output_name(s->json_file);
    if (s->dump_file && !strcmp(s->dump_file, "-"))
        return report(EXIT_USE, "--dump -: arrays can be written to a file only");
    if (s->output && !strcmp(s->output, "-") && segment_file_count(s) > 1)
        return report(EXIT_USE, "-o -: standard output takes one mask, and there are %d", segment_file_count(s));
    file_uses_read(&files, "the input", s->input);
    file_uses_read(&files, "the model", s->common.model);
    file_uses_read(&files, "the features of --embedding", s->embedding);
    for (int i = 0; i < s->prompts.count; i++)
        file_uses_read(&files, "a mask of --mask", s->prompts.objects[i].mask);
    for (int i = 0; s->output && i < segment_file_count(s); i++) {
        char name[4096];
        const int masks = masks_per_object(s);
        if (mask_name(s, i / masks, i % masks, name, sizeof name)) {
            file_uses_free(&files);
            return EXIT_FAULT;
        }
        file_uses_write(&files, "-o", name);
    }
    file_uses_write(&files, "--overlay", s->overlay_file);
    file_uses_write(&files, "--cutout", s->cutout_file);
    file_uses_write(&files, "--json", s->json_file);
    file_uses_write(&files, "--dump", s->dump_file);
    return file_uses_check(&files);
}

int segment_outputs_open(segment *s)
{
    size_t count = (size_t)s->width * (size_t)s->height;
    s->mask = malloc(count);
    if (!s->mask)
        return report(EXIT_FAULT, "out of memory for a mask of %d x %d pixels", s->width, s->height);
    if (s->json_file && !(s->objects = json_array()))
        return report(EXIT_FAULT, "out of memory");
    if (s->cutout_file) {
        s->cutout = malloc(count * 4);
        if (!s->cutout)
            return report(EXIT_FAULT, "out of memory for a cut-out of %d x %d pixels", s->width, s->height);
        for (size_t i = 0; i < count; i++) {
            memcpy(s->cutout + 4 * i, s->picture.pixels + 3 * i, 3);
            s->cutout[4 * i + 3] = 0;
        }
    }
    if (!s->overlay_file) { /* an overlay is drawn on the picture itself, which nothing else needs any more */
        free(s->picture.pixels);
        s->picture.pixels = NULL;
    }
    return EXIT_DONE;
}

static json_t *mask_json(const segment *s, const sam2_mask *mask, int64_t area, const int box[4], const char *file)
{
    char *counts = mask_rle(s->mask, s->width, s->height);
    const int sam1 = is_sam1(&s->info); /* which has no object score */
    json_t *json;
    if (!counts)
        return NULL;
    json = json_pack("{s:o, s:o, s:o, s:i, s:I, s:[i,i,i,i], s:{s:[i,i], s:s}}", "score", json_number(mask->score),
                     "object_score", sam1 ? json_null() : json_number(mask->object_score), "object_prob",
                     sam1 ? json_null() : json_number(1 / (1 + exp(-(double)mask->object_score))), "index", mask->index,
                     "area", (json_int_t)area, "bbox", box[0], box[1], box[2], box[3], "rle", "size", s->height,
                     s->width, "counts", counts);
    free(counts);
    if (json && file && strcmp(file, "-") && json_object_set_new(json, "file", json_text(file))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static void draw(segment *s, int object)
{
    size_t count = (size_t)s->width * (size_t)s->height;
    if (s->overlay_file) {
        int line = 1 + (s->width > s->height ? s->width : s->height) / 500;
        media_draw_mask(s->picture.pixels, s->width, s->height, s->mask, media_palette(object), 0.45f, line);
    }
    for (size_t i = 0; s->cutout && i < count; i++)
        if (s->mask[i])
            s->cutout[4 * i + 3] = 255;
}

static int standard_output_is_free(const segment *s)
{
    const char *const paths[] = {s->output, s->overlay_file, s->cutout_file, s->json_file};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (paths[i] && !strcmp(paths[i], "-"))
            return 0;
    return 1;
}

/* Mask `k` of the object, best first: enlarged, cut, and given to every output. */
static int take_mask(segment *s, const sam2_mask *mask, int object, int k, json_t *masks)
{
    const prompt_object *prompt = &s->prompts.objects[object];
    char name[4096] = "", text[600], there[40] = "";
    sam2_error error = {SAM2_OK, ""};
    int64_t area = 0;
    int box[4], status;
    if (sam2_mask_to_bytes(mask, 255, s->mask, s->width, &error))
        return report_library(&error, FROM_PROMPT);
    if (s->clip_to_box && prompt->has_box)
        mask_clip(s->mask, s->width, s->height, &prompt->box);
    mask_measure(s->mask, s->width, s->height, &area, box);
    s->area += area;
    if (s->output) {
        status = mask_name(s, object, k, name, sizeof name);
        if (status)
            return status;
        if (media_write_png(name, s->mask, s->width, s->height, 1, (size_t)s->width, text, sizeof text))
            return report(EXIT_FAULT, "%s", text);
    }
    if (masks && json_array_append_new(masks, mask_json(s, mask, area, box, s->output ? name : NULL)))
        return report(EXIT_FAULT, "out of memory");
    if (!k)
        draw(s, object);
    if (!is_sam1(&s->info))
        snprintf(there, sizeof there, "object score %.3f, ", (double)mask->object_score);
    if (!s->common.quiet && standard_output_is_free(s))
        printf("object %d mask %d: score %.4f, %sarea %lld, box %d,%d,%d,%d%s%s\n", object, k, (double)mask->score,
               there, (long long)area, box[0], box[1], box[2], box[3], s->output ? " -> " : "", name);
    return EXIT_DONE;
}

/* Places of an object's masks, best score first. The result keeps the network's order, which is that of the dump. */
static int order_by_score(const sam2_result *result, int object, int order[4], sam2_error *error)
{
    float scores[4];
    int count = sam2_result_mask_count(result);
    for (int k = 0; k < count && k < 4; k++) {
        sam2_mask mask = SAM2_MASK_INIT;
        int place = k;
        if (sam2_result_get_mask(result, object, k, &mask, error))
            return -1;
        for (; place && mask.score > scores[place - 1]; place--) {
            scores[place] = scores[place - 1];
            order[place] = order[place - 1];
        }
        scores[place] = mask.score;
        order[place] = k;
    }
    return 0;
}

static int take_object(segment *s, int first, int place)
{
    int count = sam2_result_mask_count(s->result), status = EXIT_DONE, order[4];
    sam2_error error = {SAM2_OK, ""};
    json_t *masks = NULL;
    if (order_by_score(s->result, place, order, &error))
        return report_library(&error, FROM_PROMPT);
    if (s->objects) {
        masks = json_array();
        if (json_array_append_new(s->objects, json_pack("{s:i, s:O}", "id", first + place, "masks", masks))) {
            json_decref(masks);
            return report(EXIT_FAULT, "out of memory");
        }
    }
    for (int k = 0; k < count && !status; k++) {
        sam2_mask mask = SAM2_MASK_INIT;
        if (sam2_result_get_mask(s->result, place, order[k], &mask, &error))
            status = report_library(&error, FROM_PROMPT);
        else
            status = take_mask(s, &mask, first + place, k, masks);
    }
    json_decref(masks);
    return status;
}

int segment_outputs_take(segment *s, int first)
{
    int objects = sam2_result_object_count(s->result), status = EXIT_DONE;
    if (s->dump_file && !first && dump_masks(&s->dump, s->result, s->mask))
        return report(EXIT_FAULT, "%s", s->dump.error);
    for (int place = 0; place < objects && !status; place++)
        status = take_object(s, first, place);
    return status;
}

static double rounded(double ms)
{
    return round(ms * 1000) / 1000;
}

static int write_json(segment *s)
{
    json_t *image = json_pack("{s:o, s:i, s:i}", "file", s->input ? json_text(s->input) : json_null(), "width",
                              s->width, "height", s->height);
    json_t *times = json_pack("{s:f, s:f, s:f, s:f, s:f}", "load", rounded(s->times.load), "decode_file",
                              rounded(s->times.decode_file), "encode", rounded(s->times.encode), "decode",
                              rounded(s->times.decode), "output", rounded(s->times.output));
    json_t *json;
    int status;
    if (image && s->picture.format[0]) {
        json_object_set_new(image, "format", json_text(s->picture.format));
        json_object_set_new(image, "orientation", json_integer(s->picture.orientation));
    }
    if (image && s->embedding)
        json_object_set_new(image, "embedding", json_text(s->embedding));
    json = json_pack("{s:o, s:s, s:s, s:s, s:i, s:s, s:O, s:o}", "image", image, "model", s->info.name, "precision",
                     precision_name(s->info.precision), "isa", s->info.isa, "threads", s->info.threads, "version",
                     sam2_version(), "objects", s->objects, "timing_ms", times);
    status = json_save(json, s->json_file, s->compact);
    json_decref(json);
    return status;
}

static int write_overlay(segment *s)
{
    int side = s->width > s->height ? s->width : s->height;
    char text[600];
    uint8_t *pixels = s->picture.pixels;
    for (int k = 0; k < s->prompts.count; k++) {
        const prompt_object *object = &s->prompts.objects[k];
        if (object->has_box)
            media_draw_box(pixels, s->width, s->height, object->box.x0, object->box.y0, object->box.x1, object->box.y1,
                           media_palette(k), 1 + side / 400);
        for (int i = 0; i < object->point_count; i++)
            media_draw_point(pixels, s->width, s->height, object->points[i].x, object->points[i].y,
                             object->points[i].label, 3 + side / 200);
    }
    if (media_write_png(s->overlay_file, pixels, s->width, s->height, 3, (size_t)s->width * 3, text, sizeof text))
        return report(EXIT_FAULT, "%s", text);
    return EXIT_DONE;
}

int segment_outputs_finish(segment *s)
{
    char text[600];
    int status = EXIT_DONE;
    if (s->overlay_file)
        status = write_overlay(s);
    if (!status && s->cutout_file &&
        media_write_png(s->cutout_file, s->cutout, s->width, s->height, 4, (size_t)s->width * 4, text, sizeof text))
        status = report(EXIT_FAULT, "%s", text);
    if (!status && s->dump_file && dump_close(&s->dump, 1))
        status = report(EXIT_FAULT, "%s", s->dump.error);
    return !status && s->json_file ? write_json(s) : status;
}

void segment_outputs_free(segment *s)
{
    if (s->dump.writer)
        dump_close(&s->dump, 0);
    free(s->mask);
    free(s->cutout);
    json_decref(s->objects);
    media_picture_free(&s->picture);
}
