/* Public functions: automatic masks. */
#include "api/check.h"
#include "predict/auto.h"

#include <math.h>

static sam2_status check_number(const char *name, double value, double low, double high, sam2_error *error)
{
    if (value >= low && value <= high) /* false for NaN */
        return SAM2_OK;
    return error_set(error, SAM2_ERROR_ARGUMENT, "%s is %g; %g to %g can be used", name, value, low, high);
}

static sam2_status check_grids(const sam2_auto_options *o, sam2_error *error)
{
    if (o->points_per_side)
        return error_set(error, SAM2_ERROR_ARGUMENT,
                         "both points_per_side and point_grids are given; set points_per_side to 0 with grids");
    if (o->point_grid_count < o->crop_n_layers + 1)
        return error_set(error, SAM2_ERROR_ARGUMENT, "%d point grids for the picture and %d layers of crops",
                         o->point_grid_count, o->crop_n_layers);
    for (int i = 0; i <= o->crop_n_layers; i++) {
        const sam2_point_grid *g = &o->point_grids[i];
        if (g->count < 0 || g->count > 1 << 20)
            return error_set(error, SAM2_ERROR_ARGUMENT, "point grid %d has %d points; 0 to %d can be used", i,
                             g->count, 1 << 20);
        if (g->count)
            CHECK_POINTER(g->xy);
        for (int k = 0; k < 2 * g->count; k++)
            if (!(g->xy[k] >= 0 && g->xy[k] <= 1))
                return error_set(error, SAM2_ERROR_ARGUMENT, "point %d of grid %d: %g is not from 0 to 1", k / 2, i,
                                 g->xy[k]);
    }
    return SAM2_OK;
}

static sam2_status check_options(const sam2_auto_options *o, sam2_error *error)
{
    const double most = 1e30;
    TRY(check_number("points_per_batch", o->points_per_batch, 1, INT32_MAX, error));
    TRY(check_number("pred_iou_thresh", o->pred_iou_thresh, -most, most, error));
    TRY(check_number("stability_score_thresh", o->stability_score_thresh, -most, most, error));
    TRY(check_number("stability_score_offset", o->stability_score_offset, 0, most, error));
    TRY(check_number("mask_threshold", o->mask_threshold, -most, most, error));
    TRY(check_number("box_nms_thresh", o->box_nms_thresh, -most, most, error));
    TRY(check_number("crop_nms_thresh", o->crop_nms_thresh, -most, most, error));
    TRY(check_number("crop_n_layers", o->crop_n_layers, 0, AUTO_MAX_LAYERS, error));
    TRY(check_number("crop_overlap_ratio", o->crop_overlap_ratio, 0, 1, error));
    TRY(check_number("crop_n_points_downscale_factor", o->crop_n_points_downscale_factor, 1, 1024, error));
    TRY(check_number("min_mask_region_area", (double)o->min_mask_region_area, 0, 0x1p32, error));
    TRY(check_number("min_area", (double)o->min_area, 0, 0x1p32, error));
    TRY(check_number("max_area", (double)o->max_area, 0, 0x1p32, error));
    TRY(check_number("nms", (double)o->nms, SAM2_NMS_BOX, SAM2_NMS_MASK, error));
    if (o->point_grids)
        return check_grids(o, error);
    TRY(check_number("points_per_side", o->points_per_side, 1, 1024, error));
    if (!auto_points(o->points_per_side, o->crop_n_layers, o->crop_n_points_downscale_factor))
        return error_set(error, SAM2_ERROR_ARGUMENT,
                         "%d points a side, %d times divided by %d, leave none for the crops of the last layer",
                         o->points_per_side, o->crop_n_layers, o->crop_n_points_downscale_factor);
    return SAM2_OK;
}

sam2_status sam2_auto_generate(sam2_context *context, const sam2_image *image, const sam2_auto_options *options,
                               sam2_auto_result **result, sam2_error *error)
{
    CHECK_POINTER(result);
    *result = NULL;
    CHECK_POINTER(context);
    TRY(check_image(image, error));
    sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
    if (options)
        TRY(check_struct(options, sizeof o, &o, sizeof o, "sam2_auto_options", error));
    TRY(check_options(&o, error));
    return auto_generate(context, image, &o, result, error);
}

void sam2_auto_destroy(sam2_auto_result *result)
{
    if (result)
        auto_result_free(result);
}

size_t sam2_auto_count(const sam2_auto_result *result)
{
    return result ? result->records.count : 0;
}

sam2_status sam2_auto_get(const sam2_auto_result *result, size_t index, sam2_auto_mask *out, sam2_error *error)
{
    CHECK_POINTER(result);
    CHECK_POINTER(out);
    sam2_auto_mask known = SAM2_AUTO_MASK_INIT;
    TRY(check_struct(out, sizeof known, &known, sizeof known, "sam2_auto_mask", error));
    if (index >= result->records.count)
        return error_set(error, SAM2_ERROR_ARGUMENT, "mask %zu of %zu", index, result->records.count);
    const auto_record *r = &result->records.list[index];
    const auto_box *c = &result->crops[r->crop];
    *out = (sam2_auto_mask){
        .struct_size = known.struct_size,
        .segmentation = {result->width, result->height, r->text},
        .length = r->bytes - 1,
        .area = r->area,
        .bbox = {r->box[0], r->box[1], r->box[2] - r->box[0], r->box[3] - r->box[1]},
        .predicted_iou = r->iou,
        .point_coords = {r->x, r->y},
        .stability_score = r->stability,
        .crop_box = {c->x0, c->y0, c->x1 - c->x0, c->y1 - c->y0},
    };
    return SAM2_OK;
}
