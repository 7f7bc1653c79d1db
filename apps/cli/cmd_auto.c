/* sam2 auto: masks of everything in a picture. */
#include <stdlib.h>
#include <string.h>

#include "auto.h"

static const char usage[] =
    "Usage: sam2 auto [-m MODEL] -i PICTURE [-o OUT.json] [--labels FILE.png] [--overlay FILE.png] ...\n"
    "\n"
    "Cuts out everything in a picture: asks for a grid of points and leaves out what is bad or double, as the "
    "official\n"
    "automatic mask generator does, whose parameters have their names and defaults here.\n"
    "\n"
    "-o holds SA-1B's JSON, COCO instances or YOLO polygons (--format); docs/json.md. --min-mask-region-area counts\n"
    "pixels of the picture, as SAM 1's generator; SAM 2's own does nothing where its CUDA extension is missing.\n"
    "\n"
    "Exit status: 0 done; 1 wrong use; 2 the picture cannot be read; 3 the model file cannot be used; 4 out of "
    "memory,\n"
    "an output cannot be written, an internal fault; 5 done, but there is no mask.\n";

static int show_progress(void *user, const sam2_auto_progress *p)
{
    auto_work *w = user;
    if (!p->points_done && !p->crop)
        w->progress = progress_start((progress_kind)w->progress_kind, w->common.quiet, "point", p->points_total);
    progress_show(&w->progress, p->points_done);
    return 0;
}

static int generate(auto_work *w)
{
    sam2_error error = {SAM2_OK, ""};
    const sam2_image image = {w->picture.pixels, w->picture.width, w->picture.height, (ptrdiff_t)w->picture.width * 3,
                              SAM2_PIXEL_RGB};
    sam2_status status;
    w->options.progress = show_progress;
    w->options.explain = w->explain ? auto_explain : NULL;
    w->options.user = w;
    status = sam2_auto_generate(w->context, &image, &w->options, &w->result, &error);
    progress_clear(&w->progress);
    return status ? report_library(&error, FROM_PROMPT) : EXIT_DONE;
}

static int work(auto_work *w)
{
    char text[600];
    sam2_error error = {SAM2_OK, ""};
    double start = now_ms(), times[4];
    int status;
    if (w->grids_file && (status = auto_grids_read(w->grids_file, &w->grids)))
        return status;
    w->options.point_grids = w->grids.grids;
    w->options.point_grid_count = w->grids.count;
    if (w->grids.count)
        w->options.points_per_side = 0;
    if (media_read(w->input, &w->reading.media, &w->picture, text, sizeof text))
        return report_picture(text);
    if (w->picture.notice[0])
        warn("%s: %s", w->input, w->picture.notice);
    times[0] = now_ms() - start;
    start = now_ms();
    if ((status = model_open(&w->common, &w->model, &w->info)))
        return status;
    if (sam2_context_create(w->model, &w->context, &error))
        return report_library(&error, FROM_PROMPT);
    times[1] = now_ms() - start;
    start = now_ms();
    if ((status = generate(w)))
        return status;
    times[2] = now_ms() - start;
    start = now_ms();
    if (w->explain)
        auto_explain_summary(w);
    if ((status = auto_outputs_write(w)))
        return status;
    times[3] = now_ms() - start;
    model_remark(&w->common);
    if (w->common.verbose)
        fprintf(stderr,
                "sam2: %s %s, %s, %d threads; read picture %.1f ms, load %.1f ms, masks %.1f ms, output %.1f ms\n",
                w->info.name, precision_name(w->info.precision), w->info.isa, w->info.threads, times[0], times[1],
                times[2], times[3]);
    if (!sam2_auto_count(w->result))
        return report(EXIT_EMPTY, "%s: done, but there is no mask", w->input);
    return EXIT_DONE;
}

static int parse_nms(void *target, const char *value, char *error, size_t error_size)
{
    sam2_auto_options *o = target;
    double threshold;
    size_t length = strcspn(value, ":");
    if (length == 3 && !strncmp(value, "box", 3))
        o->nms = SAM2_NMS_BOX;
    else if (length == 4 && !strncmp(value, "mask", 4))
        o->nms = SAM2_NMS_MASK;
    else
        return explain(error, error_size, "box or mask, with a threshold after a colon if need be, such as mask:0.8");
    if (!value[length])
        return 0;
    if (parse_real(value + length + 1, &threshold))
        return explain(error, error_size, "'%s' is not a number", value + length + 1);
    o->box_nms_thresh = o->crop_nms_thresh = threshold;
    return 0;
}

static int check(auto_work *w, int operands, char **arguments)
{
    if (operands && !w->input) {
        w->input = arguments[0];
        operands--;
        arguments++;
    }
    if (operands)
        return report(EXIT_USE, "%s: one picture is taken, and this is a second", arguments[0]);
    if (!w->input)
        return report(EXIT_USE, "no picture: -i PICTURE is missing");
    if (w->max_area && w->max_area < w->min_area)
        return report(EXIT_USE, "--max-area is less than --min-area");
    w->options.multimask_output = !w->single;
    w->options.min_mask_region_area = (int64_t)w->min_region;
    w->options.min_area = (int64_t)w->min_area;
    w->options.max_area = (int64_t)w->max_area;
    w->reading.media.alpha = (media_alpha)w->reading.alpha;
    return auto_outputs_check(w);
}

/* The official generator's parameters. */
#define OFFICIAL_ROWS(w)                                                                                               \
    ROW_INT(0, "points-per-side", &(w)->options.points_per_side, 1, 1024, "points along each side (32)"),              \
        ROW_INT(0, "points-per-batch", &(w)->options.points_per_batch, 1, 1000000,                                     \
                "points at a time (64); more than 64 are as 64"),                                                      \
        ROW_REAL(0, "pred-iou-thresh", &(w)->options.pred_iou_thresh, -1e30, 1e30,                                     \
                 "least score that the model gives a mask (0.8)"),                                                     \
        ROW_REAL(0, "stability-score-thresh", &(w)->options.stability_score_thresh, -1e30, 1e30,                       \
                 "least stability of a mask (0.95)"),                                                                  \
        ROW_REAL(0, "stability-score-offset", &(w)->options.stability_score_offset, 0, 1e30,                           \
                 "by how much its threshold is moved for that (1)"),                                                   \
        ROW_REAL(0, "mask-threshold", &(w)->options.mask_threshold, -1e30, 1e30, "logits above it are inside (0)"),    \
        ROW_REAL(0, "box-nms-thresh", &(w)->options.box_nms_thresh, -1e30, 1e30,                                       \
                 "masks whose boxes overlap more are the same (0.7)"),                                                 \
        ROW_INT(0, "crop-n-layers", &(w)->options.crop_n_layers, 0, 6,                                                 \
                "layers of crops; layer i has 4^i of them (0)"),                                                       \
        ROW_REAL(0, "crop-nms-thresh", &(w)->options.crop_nms_thresh, -1e30, 1e30,                                     \
                 "box-nms-thresh between crops (0.7)"),                                                                \
        ROW_REAL(0, "crop-overlap-ratio", &(w)->options.crop_overlap_ratio, 0, 1,                                      \
                 "overlap of crops by the shorter side (512/1500)"),                                                   \
        ROW_INT(0, "crop-n-points-downscale-factor", &(w)->options.crop_n_points_downscale_factor, 1, 1024,            \
                "by how much a layer has fewer points a side (1)"),                                                    \
        ROW_TEXT(0, "point-grids", &(w)->grids_file, "FILE",                                                           \
                 "your own points: JSON, a list for each layer of [x, y] from\n0 to 1"),                               \
        ROW_COUNT(0, "min-mask-region-area", &(w)->min_region, 0, 4294967296.0,                                        \
                  "fill holes and remove islands of fewer pixels (0)"),                                                \
        ROW_FLAG(0, "use-m2m", &(w)->options.use_m2m, "give each mask back to the decoder once"),                      \
        ROW_FLAG(0, "no-multimask-output", &(w)->single, "one mask a point instead of three")

static int parse(auto_work *w, int count, char **arguments)
{
    const option own[] = {
        ROW_TEXT('i', "input", &w->input, "PICTURE", "the picture"),
        ROW_TEXT('o', "output", &w->output, "FILE", "the masks, as --format says"),
        ROW_CHOICE(0, "format", &w->format, AUTO_FORMAT_WORDS,
                   "sa1b (default): SA-1B's JSON; coco: instances; yolo: polygons,\na line each"),
        ROW_CHOICE(0, "output-mode", &w->mode, AUTO_MODE_WORDS,
                   "masks in JSON: coco_rle (default), uncompressed_rle,\nbinary_mask"),
        ROW_REAL(0, "tolerance", &w->tolerance, 0, 1000, "of polygons: pixels that they may be off (0.5)"),
        ROW_TEXT(0, "labels", &w->labels_file, "FILE",
                 "a PNG of the masks' numbers from 1 on, small masks above large\n"
                 "ones: palette, or beyond 255 masks R + 256 G + 65536 B"),
        ROW_TEXT(0, "overlay", &w->overlay_file, "FILE", "the picture with the masks drawn on it, as PNG"),
        OFFICIAL_ROWS(w),
        ROW_CALL(0, "nms", &w->options, parse_nms, "KIND[:T]",
                 "what tells that masks are the same: box (default), or mask,\n"
                 "their own overlap; T sets both thresholds"),
        ROW_COUNT(0, "min-area", &w->min_area, 0, 4294967296.0, "leave out masks of fewer pixels"),
        ROW_COUNT(0, "max-area", &w->max_area, 0, 4294967296.0, "leave out masks of more pixels"),
        ROW_FLAG(0, "explain", &w->explain, "say on stderr what became of each point's masks"),
        ROW_CHOICE(0, "progress", &w->progress_kind, PROGRESS_WORDS,
                   "on stderr: bar (default, on a terminal), json, none"),
        ROW_END};
    option picture[PICTURE_ROWS], shared[COMMON_ROWS];
    const option *const tables[] = {own, picture, shared, NULL};
    int operands, status;
    picture_rows_make(&w->reading, picture);
    common_rows_make(&w->common, COMMON_ALL, shared);
    status = common_parse(&w->common, tables, usage, count, arguments, &operands);
    return status >= 0 ? status : check(w, operands, arguments);
}

int run_auto(int count, char **arguments)
{
    auto_work *w = calloc(1, sizeof *w);
    int status;
    if (!w)
        return report(EXIT_FAULT, "out of memory");
    w->options = (sam2_auto_options)SAM2_AUTO_OPTIONS_INIT;
    w->tolerance = 0.5;
    status = parse(w, count, arguments);
    if (!status && !w->common.help)
        status = work(w);
    sam2_auto_destroy(w->result);
    sam2_context_destroy(w->context);
    sam2_model_close(w->model);
    media_picture_free(&w->picture);
    auto_grids_free(&w->grids);
    free(w);
    return status;
}
