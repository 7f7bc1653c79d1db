/* The outputs of `auto`. Records go to the file one at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auto.h"
#include "output.h"

int auto_outputs_check(auto_work *w)
{
    file_uses files = {0};
    w->output = output_name(w->output);
    w->labels_file = output_name(w->labels_file);
    w->overlay_file = output_name(w->overlay_file);
    file_uses_read(&files, "the input", w->input);
    file_uses_read(&files, "the model", w->common.model);
    file_uses_read(&files, "the points", w->grids_file);
    file_uses_write(&files, "-o", w->output);
    file_uses_write(&files, "--labels", w->labels_file);
    file_uses_write(&files, "--overlay", w->overlay_file);
    return file_uses_check(&files);
}

static int get(const auto_work *w, size_t i, sam2_auto_mask *m)
{
    sam2_error error = {SAM2_OK, ""};
    *m = (sam2_auto_mask)SAM2_AUTO_MASK_INIT;
    return sam2_auto_get(w->result, i, m, &error) ? report_library(&error, FROM_OUTPUT) : EXIT_DONE;
}

/* ---- JSON ---- */

/* NULL when out of memory. */
static json_t *mask_json(const auto_work *w, const sam2_auto_mask *m)
{
    const sam2_rle *rle = &m->segmentation;
    json_t *counts = NULL;
    if (w->mode == AUTO_COCO_RLE)
        counts = json_string(rle->counts);
    if (w->mode == AUTO_UNCOMPRESSED_RLE) {
        size_t count = 0;
        int64_t *runs = NULL;
        if (!sam2_rle_to_runs(rle, NULL, 0, &count, NULL) && (runs = malloc((count + 1) * sizeof *runs)) &&
            !sam2_rle_to_runs(rle, runs, count, &count, NULL) && (counts = json_array()))
            for (size_t i = 0; i < count; i++)
                json_array_append_new(counts, json_integer((json_int_t)runs[i]));
        free(runs);
    }
    if (w->mode == AUTO_BINARY_MASK) {
        uint8_t *bytes = malloc((size_t)rle->width * (size_t)rle->height);
        if (bytes && !sam2_rle_to_bytes(rle, 1, bytes, rle->width, NULL) && (counts = json_array()))
            for (int y = 0; y < rle->height; y++) {
                json_t *row = json_array();
                for (int x = 0; x < rle->width; x++)
                    json_array_append_new(row, json_integer(bytes[(size_t)y * (size_t)rle->width + (size_t)x]));
                json_array_append_new(counts, row);
            }
        free(bytes);
        return counts;
    }
    return json_pack("{s:[i,i], s:o}", "size", rle->height, rle->width, "counts", counts);
}

static json_t *record_json(const auto_work *w, size_t i, const sam2_auto_mask *m)
{
    if (w->format == AUTO_COCO) {
        int64_t area;
        int box[4];
        sam2_rle_measure(&m->segmentation, &area, box, NULL);
        return json_pack("{s:I, s:i, s:i, s:o, s:I, s:[i,i,i,i], s:i, s:o}", "id", (json_int_t)i + 1, "image_id", 1,
                         "category_id", 1, "segmentation", mask_json(w, m), "area", (json_int_t)area, "bbox", box[0],
                         box[1], box[2], box[3], "iscrowd", 0, "score", json_number((double)m->predicted_iou));
    }
    return json_pack("{s:I, s:o, s:I, s:[i,i,i,i], s:o, s:[[o,o]], s:o, s:[i,i,i,i]}", "id", (json_int_t)i + 1,
                     "segmentation", mask_json(w, m), "area", (json_int_t)m->area, "bbox", m->bbox[0], m->bbox[1],
                     m->bbox[2], m->bbox[3], "predicted_iou", json_number((double)m->predicted_iou), "point_coords",
                     json_number((double)m->point_coords[0]), json_number((double)m->point_coords[1]),
                     "stability_score", json_number((double)m->stability_score), "crop_box", m->crop_box[0],
                     m->crop_box[1], m->crop_box[2], m->crop_box[3]);
}

static json_t *head_json(const auto_work *w)
{
    json_t *name = json_text(w->input);
    if (w->format == AUTO_COCO)
        return json_pack("{s:i, s:i, s:i, s:o}", "id", 1, "width", w->picture.width, "height", w->picture.height,
                         "file_name", name);
    return json_pack("{s:i, s:i, s:i, s:o}", "image_id", 1, "width", w->picture.width, "height", w->picture.height,
                     "file_name", name);
}

/* Returns 0, or -1 when something cannot be written or made. */
static int put(json_t *json, FILE *file)
{
    int failed = !json || json_dumpf(json, file, JSON_REAL_PRECISION(9) | JSON_COMPACT);
    json_decref(json);
    return failed ? -1 : 0;
}

static int write_json(const auto_work *w, FILE *file)
{
    const size_t count = sam2_auto_count(w->result);
    fputs(w->format == AUTO_COCO ? "{\"images\": [" : "{\"image\": ", file);
    if (put(head_json(w), file))
        return -1;
    if (w->format == AUTO_COCO)
        fputs("],\n\"categories\": [{\"id\": 1, \"name\": \"object\"}]", file);
    if (w->format == AUTO_SA1B) {
        fputs(",\n\"model\": ", file);
        if (put(json_pack("{s:s, s:s, s:s, s:s}", "name", w->info.name, "precision", precision_name(w->info.precision),
                          "isa", w->info.isa, "version", sam2_version()),
                file))
            return -1;
        fprintf(file, ",\n\"format\": \"%s\"",
                w->mode == AUTO_COCO_RLE           ? "coco_rle"
                : w->mode == AUTO_UNCOMPRESSED_RLE ? "uncompressed_rle"
                                                   : "binary_mask");
    }
    fputs(",\n\"annotations\": [", file);
    for (size_t i = 0; i < count; i++) {
        sam2_auto_mask m;
        fputs(i ? ",\n" : "\n", file);
        if (get(w, i, &m) || put(record_json(w, i, &m), file))
            return -1;
    }
    return fputs("\n]}\n", file) < 0 ? -1 : 0;
}

/* ---- polygons ---- */

/* A line's corners: all polygons of a mask as one, each after the first reached from the first one's start and left the
 * same way, so that filled by even and odd crossings it is the mask. */
typedef struct yolo_line {
    FILE *file;
    double width, height;
    int start[2];
    int polygons;
} yolo_line;

static void put_corner(const yolo_line *l, const int *xy)
{
    fprintf(l->file, " %.6g %.6g", xy[0] / l->width, xy[1] / l->height);
}

static void put_polygon(void *user, const int *xy, size_t points, int hole)
{
    yolo_line *l = user;
    (void)hole;
    if (!l->polygons++) {
        fputc('0', l->file);
        memcpy(l->start, xy, sizeof l->start);
    }
    for (size_t i = 0; i < points; i++)
        put_corner(l, xy + 2 * i);
    if (l->polygons > 1) {
        put_corner(l, xy);
        put_corner(l, l->start);
    }
}

static int write_yolo(const auto_work *w, FILE *file)
{
    for (size_t i = 0; i < sam2_auto_count(w->result); i++) {
        sam2_auto_mask m;
        yolo_line l = {.file = file, .width = w->picture.width, .height = w->picture.height};
        if (get(w, i, &m) || sam2_rle_polygons(&m.segmentation, w->tolerance, put_polygon, &l, NULL, NULL))
            return -1;
        if (l.polygons)
            fputc('\n', file);
    }
    return 0;
}

/* ---- pictures ---- */

typedef struct sized {
    int64_t area;
    size_t index;
} sized;

static int smaller_first(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->area != y->area)
        return x->area < y->area ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The masks' places by area; NULL when out of memory. */
static sized *by_area(const auto_work *w)
{
    const size_t count = sam2_auto_count(w->result);
    sized *order = malloc((count + 1) * sizeof *order);
    for (size_t i = 0; order && i < count; i++) {
        sam2_auto_mask m;
        if (get(w, i, &m)) {
            free(order);
            return NULL;
        }
        order[i] = (sized){m.area, i};
    }
    if (order)
        qsort(order, count, sizeof *order, smaller_first);
    return order;
}

/* A number for each pixel, from 1 on in the order of the records. */
static int fill_labels(const auto_work *w, const sized *order, int32_t *labels)
{
    const size_t count = sam2_auto_count(w->result), pixels = (size_t)w->picture.width * (size_t)w->picture.height;
    sam2_error error = {SAM2_OK, ""};
    sam2_rle *rles = malloc((count + 1) * sizeof *rles);
    int status = rles ? EXIT_DONE : report(EXIT_FAULT, "out of memory");
    memset(labels, 0, pixels * sizeof *labels);
    for (size_t i = 0; i < count && !status; i++) {
        sam2_auto_mask m;
        status = get(w, order[i].index, &m);
        rles[i] = m.segmentation;
    }
    if (!status && count && sam2_rle_to_labels(rles, count, labels, w->picture.width, &error))
        status = report_library(&error, FROM_OUTPUT);
    for (size_t i = 0; i < pixels && !status; i++)
        labels[i] = labels[i] ? (int32_t)order[labels[i] - 1].index + 1 : 0;
    free(rles);
    return status;
}

static int write_labels(const auto_work *w, const sized *order)
{
    const int width = w->picture.width, height = w->picture.height;
    const size_t pixels = (size_t)width * (size_t)height;
    const int wide = sam2_auto_count(w->result) > 255;
    int32_t *labels = malloc(pixels * sizeof *labels);
    uint8_t *bytes = malloc(pixels * 3), palette[256][3];
    char text[600];
    int status = labels && bytes ? EXIT_DONE : report(EXIT_FAULT, "out of memory for %d x %d numbers", width, height);
    if (!status)
        status = fill_labels(w, order, labels);
    for (size_t i = 0; i < pixels && !status; i++) {
        if (!wide)
            bytes[i] = (uint8_t)labels[i];
        for (int c = 0; wide && c < 3; c++)
            bytes[3 * i + (size_t)c] = (uint8_t)(labels[i] >> 8 * c);
    }
    media_davis_palette(palette);
    if (!status &&
        (wide ? media_write_png(w->labels_file, bytes, width, height, 3, (size_t)width * 3, text, sizeof text)
              : media_write_png_indexed(w->labels_file, bytes, width, height, (size_t)width, &palette[0][0], text,
                                        sizeof text)))
        status = report(EXIT_FAULT, "%s", text);
    free(labels);
    free(bytes);
    return status;
}

/* Large masks first, so that small ones lie on them. */
static int write_overlay(auto_work *w, const sized *order)
{
    const int width = w->picture.width, height = w->picture.height, side = width > height ? width : height;
    uint8_t *mask = malloc((size_t)width * (size_t)height);
    char text[600];
    int status = mask ? EXIT_DONE : report(EXIT_FAULT, "out of memory for a mask of %d x %d pixels", width, height);
    for (size_t i = sam2_auto_count(w->result); i-- > 0 && !status;) {
        sam2_auto_mask m;
        status = get(w, order[i].index, &m);
        if (!status && !sam2_rle_to_bytes(&m.segmentation, 1, mask, width, NULL))
            media_draw_mask(w->picture.pixels, width, height, mask, media_palette((int)order[i].index), 0.45f,
                            1 + side / 800);
    }
    free(mask);
    if (!status &&
        media_write_png(w->overlay_file, w->picture.pixels, width, height, 3, (size_t)width * 3, text, sizeof text))
        status = report(EXIT_FAULT, "%s", text);
    return status;
}

static int write_records(const auto_work *w)
{
    media_output output;
    char text[600];
    int failed;
    if (media_output_open(&output, w->output, text, sizeof text))
        return report(EXIT_FAULT, "%s", text);
    errno = 0;
    failed = w->format == AUTO_YOLO ? write_yolo(w, output.file) : write_json(w, output.file);
    failed = failed || ferror(output.file);
    if (failed)
        explain(text, sizeof text, "%s: cannot be written: %s", output.label,
                errno ? strerror(errno) : "out of memory");
    if (media_output_close(&output, !failed, failed ? NULL : text, failed ? 0 : sizeof text) || failed)
        return report(EXIT_FAULT, "%s", text);
    return EXIT_DONE;
}

static int print_records(const auto_work *w)
{
    for (size_t i = 0; i < sam2_auto_count(w->result); i++) {
        sam2_auto_mask m;
        if (get(w, i, &m))
            return EXIT_FAULT;
        printf("mask %zu: iou %.4f, stability %.4f, area %lld, box %d,%d,%d,%d, point %g,%g\n", i + 1,
               (double)m.predicted_iou, (double)m.stability_score, (long long)m.area, m.bbox[0], m.bbox[1], m.bbox[2],
               m.bbox[3], (double)m.point_coords[0], (double)m.point_coords[1]);
    }
    return EXIT_DONE;
}

int auto_outputs_write(auto_work *w)
{
    int status = EXIT_DONE;
    const int pictures = w->labels_file || w->overlay_file;
    sized *order = pictures ? by_area(w) : NULL;
    if (pictures && !order)
        return report(EXIT_FAULT, "out of memory");
    if (w->output)
        status = write_records(w);
    else if (!pictures && !w->common.quiet)
        status = print_records(w);
    if (!status && w->labels_file)
        status = write_labels(w, order);
    if (!status && w->overlay_file)
        status = write_overlay(w, order);
    free(order);
    return status;
}
