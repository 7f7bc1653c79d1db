/* What became of every mask of `auto`, and points from a file. */
#include <math.h>
#include <stdlib.h>

#include "auto.h"

int auto_grids_read(const char *path, auto_grids *out)
{
    json_error_t fault;
    json_t *json = json_load_file(path, 0, &fault);
    int status = EXIT_DONE;
    if (!json)
        return report(EXIT_USE, "--point-grids %s: %s (line %d)", path, fault.text, fault.line);
    if (!json_is_array(json) || !json_array_size(json) || json_array_size(json) > 100)
        status = report(EXIT_USE, "--point-grids %s: not a list with a list of points for each layer", path);
    else if (!(out->grids = calloc(json_array_size(json), sizeof *out->grids)))
        status = report(EXIT_FAULT, "out of memory");
    for (size_t i = 0; !status && i < json_array_size(json); i++) {
        const json_t *grid = json_array_get(json, i);
        size_t count = json_array_size(grid);
        double *xy = count <= 1 << 20 ? malloc((2 * count + 1) * sizeof *xy) : NULL;
        out->grids[out->count++] = (sam2_point_grid){xy, (int)count};
        if (!json_is_array(grid) || !xy)
            status = report(EXIT_USE, "--point-grids %s: layer %zu is no list of points, or has more than %d", path, i,
                            1 << 20);
        for (size_t k = 0; !status && k < count; k++) {
            const json_t *point = json_array_get(grid, k), *x = json_array_get(point, 0), *y = json_array_get(point, 1);
            if (!json_is_number(x) || !json_is_number(y) || json_array_size(point) != 2)
                status =
                    report(EXIT_USE, "--point-grids %s: point %zu of layer %zu is not a pair of numbers", path, k, i);
            xy[2 * k] = json_number_value(x);
            xy[2 * k + 1] = json_number_value(y);
        }
    }
    json_decref(json);
    return status;
}

void auto_grids_free(auto_grids *g)
{
    for (int i = 0; i < g->count; i++)
        free((void *)(uintptr_t)g->grids[i].xy);
    free(g->grids);
    *g = (auto_grids){0};
}

void auto_explain(void *user, const sam2_auto_candidate *c)
{
    auto_work *w = user;
    const int masks = w->options.multimask_output ? 3 : 1;
    progress_clear(&w->progress);
    if (!w->explained)
        fprintf(stderr, "crop %d point %d at %g,%g:", c->crop, c->point, (double)c->x, (double)c->y);
    fprintf(stderr, "%s mask %d ", w->explained ? ";" : "", c->mask);
    switch (c->fate) {
    case SAM2_AUTO_LOW_IOU:
        fprintf(stderr, "iou %.4f <= %g", (double)c->predicted_iou, w->options.pred_iou_thresh);
        break;
    case SAM2_AUTO_UNSTABLE:
        fprintf(stderr, "iou %.4f stability %.4f < %g", (double)c->predicted_iou, (double)c->stability_score,
                w->options.stability_score_thresh);
        break;
    case SAM2_AUTO_KEPT:
    case SAM2_AUTO_CROP_EDGE:
    case SAM2_AUTO_BOX_NMS:
    case SAM2_AUTO_CROP_NMS:
    case SAM2_AUTO_REGION_NMS:
    case SAM2_AUTO_AREA:
        fprintf(stderr, "iou %.4f stability %.4f ", (double)c->predicted_iou, (double)c->stability_score);
        break;
    }
    switch (c->fate) {
    case SAM2_AUTO_KEPT:
        fprintf(stderr, "kept");
        break;
    case SAM2_AUTO_CROP_EDGE:
        fprintf(stderr, "ends at the crop's edge");
        break;
    case SAM2_AUTO_BOX_NMS:
    case SAM2_AUTO_CROP_NMS:
    case SAM2_AUTO_REGION_NMS:
        fprintf(stderr, "the same as mask %lld of point %lld%s", (long long)(c->rival % masks),
                (long long)(c->rival / masks),
                c->fate == SAM2_AUTO_BOX_NMS    ? " (box-nms)"
                : c->fate == SAM2_AUTO_CROP_NMS ? " (crop-nms)"
                                                : " without small regions");
        break;
    case SAM2_AUTO_AREA:
        fprintf(stderr, "area out of the limits");
        break;
    case SAM2_AUTO_LOW_IOU:
    case SAM2_AUTO_UNSTABLE:
        break;
    }
    w->fates[c->fate]++;
    if (++w->explained == masks) {
        fputc('\n', stderr);
        w->explained = 0;
    }
}

void auto_explain_summary(const auto_work *w)
{
    static const char *const names[] = {"kept",    "iou",      "stability",  "crop-edge",
                                        "box-nms", "crop-nms", "region-nms", "area"};
    int all = 0;
    for (int i = 0; i <= SAM2_AUTO_AREA; i++)
        all += w->fates[i];
    fprintf(stderr, "%d masks:", all);
    for (int i = 0; i <= SAM2_AUTO_AREA; i++)
        fprintf(stderr, "%s %s %d", i ? "," : "", names[i], w->fates[i]);
    fputc('\n', stderr);
}
