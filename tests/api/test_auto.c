/* The automatic mask generator against the official one (tests/reference/auto.py), against plain prompts, and by
 * itself. */
#include "support/cmocka_all.h"
#include "support/counting.h"
#include "support/fixture.h"

#include "predict/auto.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MICRO SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors"

static sam2_model *micro(const sam2_model_options *options)
{
    sam2_model *model;
    sam2_error error;
    need_ok(sam2_model_open(MICRO, options, &model, &error), &error);
    return model;
}

static sam2_auto_result *generate(const sam2_model *model, const uint8_t *pixels, int width, int height,
                                  const sam2_auto_options *options)
{
    sam2_image image = {pixels, width, height, (ptrdiff_t)width * 3, SAM2_PIXEL_RGB};
    sam2_context *context;
    sam2_auto_result *result;
    sam2_error error;
    need_ok(sam2_context_create(model, &context, &error), &error);
    need_ok(sam2_auto_generate(context, &image, options, &result, &error), &error);
    sam2_context_destroy(context);
    return result;
}

static sam2_auto_mask get(const sam2_auto_result *result, size_t i)
{
    sam2_auto_mask mask = SAM2_AUTO_MASK_INIT;
    sam2_error error;
    need_ok(sam2_auto_get(result, i, &mask, &error), &error);
    return mask;
}

/* ---- the official records ---- */

typedef struct grids {
    sam2_point_grid grid[4];
    double xy[4][32];
} grids;

static void read_grids(const json_t *json, grids *g, sam2_auto_options *o)
{
    o->points_per_side = 0;
    o->point_grids = g->grid;
    o->point_grid_count = (int)json_array_size(json);
    assert_in_range(o->point_grid_count, 1, 4);
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *points = json_array_get(json, i);
        assert_true(json_array_size(points) <= 16);
        g->grid[i] = (sam2_point_grid){g->xy[i], (int)json_array_size(points)};
        for (size_t k = 0; k < 2 * json_array_size(points); k++)
            g->xy[i][k] = json_number_value(json_array_get(json_array_get(points, k / 2), k % 2));
    }
}

static void read_options(const json_t *json, sam2_auto_options *o, grids *g)
{
    const struct {
        const char *name;
        int *whole;
        double *real;
        int64_t *big;
    } fields[] = {
        {"points_per_side", &o->points_per_side, NULL, NULL},
        {"pred_iou_thresh", NULL, &o->pred_iou_thresh, NULL},
        {"stability_score_thresh", NULL, &o->stability_score_thresh, NULL},
        {"stability_score_offset", NULL, &o->stability_score_offset, NULL},
        {"mask_threshold", NULL, &o->mask_threshold, NULL},
        {"box_nms_thresh", NULL, &o->box_nms_thresh, NULL},
        {"crop_n_layers", &o->crop_n_layers, NULL, NULL},
        {"crop_nms_thresh", NULL, &o->crop_nms_thresh, NULL},
        {"crop_overlap_ratio", NULL, &o->crop_overlap_ratio, NULL},
        {"crop_n_points_downscale_factor", &o->crop_n_points_downscale_factor, NULL, NULL},
        {"min_area", NULL, NULL, &o->min_mask_region_area},
        {"use_m2m", &o->use_m2m, NULL, NULL},
        {"multimask_output", &o->multimask_output, NULL, NULL},
    };
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        size_t i = 0, count = sizeof fields / sizeof fields[0];
        while (i < count && strcmp(fields[i].name, key))
            i++;
        if (!strcmp(key, "point_grids"))
            read_grids(value, g, o);
        else if (i == count)
            fail_msg("the fixture has a parameter %s", key);
        else if (fields[i].whole && !json_is_null(value))
            *fields[i].whole = json_is_boolean(value) ? json_is_true(value) : (int)json_integer_value(value);
        else if (fields[i].real)
            *fields[i].real = json_number_value(value);
        else if (fields[i].big)
            *fields[i].big = json_integer_value(value);
    }
}

static double at(const json_t *record, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(record, key), i));
}

static void compare_record(const char *name, size_t i, const json_t *want, const sam2_auto_mask *got)
{
    const json_t *segmentation = json_object_get(want, "segmentation");
    const sam2_rle theirs = {got->segmentation.width, got->segmentation.height,
                             json_string_value(json_object_get(segmentation, "counts"))};
    double iou = 0, area = json_number_value(json_object_get(want, "area"));
    sam2_error error;
    need_ok(sam2_rle_iou(&theirs, 1, &got->segmentation, 1, NULL, &iou, &error), &error);
    if (area > 0 ? iou < 0.999 : got->area != 0)
        fail_msg("%s: mask %zu has IoU %g", name, i, iou);
    assert_true(fabs(json_number_value(json_object_get(want, "predicted_iou")) - (double)got->predicted_iou) < 1e-4);
    /* Of small masks a pixel is more than that. */
    const json_t *stability = json_object_get(want, "stability_score");
    assert_true(json_is_number(stability)
                    ? fabs(json_number_value(stability) - (double)got->stability_score) < (area < 2000 ? 1e-3 : 1e-4)
                    : isnan(got->stability_score));
    assert_true(fabs(area - (double)got->area) <= 0.001 * area);
    for (size_t k = 0; k < 4; k++) {
        assert_true(fabs(at(want, "bbox", k) - got->bbox[k]) <= 1);
        assert_true(at(want, "crop_box", k) == got->crop_box[k]);
    }
    for (size_t k = 0; k < 2; k++)
        assert_true(json_number_value(json_array_get(json_array_get(json_object_get(want, "point_coords"), 0), k)) ==
                    (double)got->point_coords[k]);
}

static void like_official(void **state)
{
    (void)state;
    json_error_t fault;
    json_t *cases = json_load_file(TEST_DATA "/reference/auto.json", 0, &fault), *c;
    assert_non_null(cases);
    weights *fixture = fixture_open("small_2.1");
    sam2_model_options f32 = SAM2_MODEL_OPTIONS_INIT;
    f32.precision = SAM2_PRECISION_F32;
    sam2_model *trained = micro(&f32), *noise = fixture_model(fixture, &f32);
    const char *name;
    int compared = 0;
    json_object_foreach(cases, name, c)
    {
        if (!strcmp(name, "made_by"))
            continue;
        bool made = json_is_string(json_object_get(c, "model"));
        int width = (int)at(c, "picture", 0), height = (int)at(c, "picture", 1);
        uint8_t *pixels = made ? picture_pattern(width, height) : picture_scene(width, height);
        sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
        grids g;
        read_options(json_object_get(c, "parameters"), &o, &g);
        const json_t *want = json_object_get(c, "records");
        sam2_auto_result *got = generate(made ? noise : trained, pixels, width, height, &o);
        if (json_array_size(want) != sam2_auto_count(got))
            fail_msg("%s: %zu masks, not %zu", name, sam2_auto_count(got), json_array_size(want));
        for (size_t i = 0; i < json_array_size(want); i++) {
            sam2_auto_mask mask = get(got, i);
            compare_record(name, i, json_array_get(want, i), &mask);
        }
        sam2_auto_destroy(got);
        free(pixels);
        compared++;
    }
    assert_int_equal(compared, 13);
    sam2_model_close(noise);
    sam2_model_close(trained);
    weights_close(fixture);
    json_decref(cases);
}

/* ---- the same as plain prompts, to the bit ---- */

static void compare_with_logits(const sam2_mask *mask, const sam2_auto_options *o, const sam2_auto_mask *got)
{
    const size_t pixels = (size_t)mask->width * (size_t)mask->height;
    float *logits = malloc(pixels * sizeof *logits);
    uint8_t *ours = malloc(pixels);
    int64_t more = 0, less = 0;
    sam2_error error;
    need_ok(sam2_mask_to_logits(mask, logits, mask->width, &error), &error);
    need_ok(sam2_rle_to_bytes(&got->segmentation, 1, ours, mask->width, &error), &error);
    for (size_t i = 0; i < pixels; i++) {
        assert_int_equal(ours[i], logits[i] > (float)o->mask_threshold);
        more += logits[i] > (float)(o->mask_threshold + o->stability_score_offset);
        less += logits[i] > (float)(o->mask_threshold - o->stability_score_offset);
    }
    float stability = (float)more / (float)less;
    assert_memory_equal(&stability, &got->stability_score, sizeof stability);
    assert_memory_equal(&mask->score, &got->predicted_iou, sizeof(float));
    free(logits);
    free(ours);
}

static void like_prompts(void **state)
{
    (void)state;
    enum { WIDTH = 333, HEIGHT = 97 };
    weights *fixture = fixture_open("small_2.1");
    sam2_error error;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        sam2_model_options mo = SAM2_MODEL_OPTIONS_INIT;
        mo.precision = bf16 ? SAM2_PRECISION_BF16 : SAM2_PRECISION_F32;
        sam2_model *model = bf16 ? micro(&mo) : fixture_model(fixture, &mo);
        uint8_t *pixels = picture_pattern(WIDTH, HEIGHT);
        sam2_image image = {pixels, WIDTH, HEIGHT, WIDTH * 3, SAM2_PIXEL_RGB};
        sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
        o.points_per_side = 3;
        o.pred_iou_thresh = o.stability_score_thresh = 0;
        o.mask_threshold = 0.125;
        o.stability_score_offset = 0.3;
        o.box_nms_thresh = 1;
        sam2_context *context;
        sam2_features *features;
        sam2_result *result;
        need_ok(sam2_context_create(model, &context, &error), &error);
        need_ok(sam2_features_encode(context, &image, &features, &error), &error);
        need_ok(sam2_result_create(model, &result, &error), &error);
        sam2_auto_result *got = generate(model, pixels, WIDTH, HEIGHT, &o);
        assert_int_equal(sam2_auto_count(got), 27);
        for (size_t i = 0; i < 27; i++) {
            sam2_auto_mask mask = get(got, i);
            sam2_point p = {mask.point_coords[0], mask.point_coords[1], 1};
            sam2_prompt prompt = SAM2_PROMPT_INIT;
            prompt.points = &p;
            prompt.point_count = 1;
            need_ok(sam2_predict(context, features, &prompt, 1, NULL, result, &error), &error);
            int place = 0;
            sam2_mask asked = SAM2_MASK_INIT;
            for (; place < 3; place++) {
                need_ok(sam2_result_get_mask(result, 0, place, &asked, &error), &error);
                if (memcmp(&asked.score, &mask.predicted_iou, sizeof(float)) == 0)
                    break;
            }
            assert_in_range(place, 0, 2);
            compare_with_logits(&asked, &o, &mask);
        }
        sam2_auto_destroy(got);
        sam2_result_destroy(result);
        sam2_features_destroy(features);
        sam2_context_destroy(context);
        sam2_model_close(model);
        free(pixels);
    }
    weights_close(fixture);
}

/* ---- by itself ---- */

static void need_same(const sam2_auto_result *a, const sam2_auto_result *b)
{
    assert_int_equal(sam2_auto_count(a), sam2_auto_count(b));
    for (size_t i = 0; i < sam2_auto_count(a); i++) {
        sam2_auto_mask x = get(a, i), y = get(b, i);
        assert_string_equal(x.segmentation.counts, y.segmentation.counts);
        assert_int_equal(x.length, strlen(x.segmentation.counts));
        assert_memory_equal(&x.predicted_iou, &y.predicted_iou, sizeof(float));
        assert_memory_equal(&x.stability_score, &y.stability_score, sizeof(float));
        assert_memory_equal(x.bbox, y.bbox, sizeof x.bbox);
        assert_memory_equal(x.point_coords, y.point_coords, sizeof x.point_coords);
        assert_memory_equal(x.crop_box, y.crop_box, sizeof x.crop_box);
    }
}

/* Neither the number of threads nor of points in a batch, nor the layout of the picture, changes a bit. */
static void same_bits(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 3, 7}, batches[] = {64, 1, 5, 1000};
    sam2_auto_result *first = NULL;
    uint8_t *pixels = picture_scene(320, 240);
    for (int i = 0; i < 4; i++) {
        sam2_model_options mo = SAM2_MODEL_OPTIONS_INIT;
        sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
        mo.threads = threads[i];
        o.points_per_side = 7;
        o.points_per_batch = batches[i];
        o.crop_n_layers = 1;
        o.pred_iou_thresh = 0.3;
        o.stability_score_thresh = 0.5;
        o.box_nms_thresh = 0.9;
        o.nms = SAM2_NMS_MASK;
        o.min_mask_region_area = 30;
        sam2_model *model = micro(&mo);
        sam2_auto_result *got = generate(model, pixels, 320, 240, &o);
        if (!first)
            first = got;
        else {
            need_same(first, got);
            sam2_auto_destroy(got);
        }
        sam2_model_close(model);
    }
    assert_true(sam2_auto_count(first) > 3);
    sam2_auto_destroy(first);
    free(pixels);
}

static void suppression_by_masks(void **state)
{
    (void)state;
    sam2_model *model = micro(NULL);
    uint8_t *pixels = picture_scene(320, 240);
    sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
    o.points_per_side = 8;
    o.crop_n_layers = 1;
    o.pred_iou_thresh = 0.2;
    o.stability_score_thresh = 0.3;
    o.nms = SAM2_NMS_MASK;
    o.box_nms_thresh = o.crop_nms_thresh = 0.8;
    sam2_auto_result *got = generate(model, pixels, 320, 240, &o);
    size_t count = sam2_auto_count(got);
    assert_in_range(count, 4, 500);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            sam2_auto_mask a = get(got, i), b = get(got, k);
            double iou = 0;
            sam2_error error;
            need_ok(sam2_rle_iou(&a.segmentation, 1, &b.segmentation, 1, NULL, &iou, &error), &error);
            assert_true(iou <= 0.8);
        }
    sam2_auto_destroy(got);
    free(pixels);
    sam2_model_close(model);
}

/* Two masks of one thing, of which one has a stray pixel: their boxes overlap by 0.663 (117 of 176 rows or so), the
 * masks by more than 0.99. */
static void stray_pixel(void **state)
{
    (void)state;
    enum { WIDTH = 900, HEIGHT = 600 };
    sam2_model *model = micro(NULL);
    sam2_context *context;
    sam2_error error;
    need_ok(sam2_context_create(model, &context, &error), &error);
    static uint8_t mask[2][WIDTH * HEIGHT];
    for (int k = 0; k < 2; k++)
        for (int y = 312; y < 429; y++)
            memset(&mask[k][y * WIDTH + 456], 1, 358);
    mask[0][253 * WIDTH + 500] = 1;
    sam2_image image = {mask[0], WIDTH, HEIGHT, WIDTH, SAM2_PIXEL_GREY};
    sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
    for (int kind = 0; kind < 2; kind++) {
        auto_run run = {.context = context, .image = &image, .options = &o, .a = &context->model->m->allocator};
        auto_records records = {0};
        for (int k = 0; k < 2; k++) {
            size_t length;
            void *text = NULL;
            need_ok(sam2_rle_from_bytes(mask[k], WIDTH, HEIGHT, WIDTH, NULL, 0, &length, &error), &error);
            need_ok(alloc_get(run.a, length + 1, "a test's mask", &text, &error), &error);
            need_ok(sam2_rle_from_bytes(mask[k], WIDTH, HEIGHT, WIDTH, text, length + 1, &length, &error), &error);
            sam2_rle rle = {WIDTH, HEIGHT, text};
            rle_extent e = rle_measure(&rle);
            auto_record r = {text, length + 1, k, e.area, {e.x0, e.y0, e.x1, e.y1}, 0.9f, 0.99f, 0, 0, 0, false};
            need_ok(auto_records_add(&records, run.a, &r, &error), &error);
        }
        assert_int_equal(records.list[0].box[1], 253);
        auto_nms how = {kind ? SAM2_NMS_MASK : SAM2_NMS_BOX, 0.7, SAM2_AUTO_BOX_NMS};
        need_ok(auto_suppress(&run, &records, 0, (const float[]){0.9f, 0.9f}, &how, &error), &error);
        assert_int_equal(records.count, kind ? 1 : 2);
        assert_int_equal(records.list[0].candidate, 0); /* the first of equal scores stays */
        auto_records_free(&records, run.a);
    }
    sam2_context_destroy(context);
    sam2_model_close(model);
}

/* Numbers of the official formulae. */
static void crops_and_points(void **state)
{
    (void)state;
    auto_box box[21];
    const int want[5][4] = {
        {0, 0, 1800, 1200}, {0, 0, 1105, 805}, {0, 396, 1105, 1200}, {696, 0, 1800, 805}, {696, 396, 1800, 1200}};
    assert_int_equal(auto_crops(1800, 1200, 1, 512.0 / 1500, box, 21), 5);
    for (int i = 0; i < 5; i++) {
        const int got[4] = {box[i].x0, box[i].y0, box[i].x1, box[i].y1};
        assert_memory_equal(got, want[i], sizeof got);
        assert_int_equal(box[i].layer, i > 0);
    }
    assert_int_equal(auto_crops(1800, 1200, 2, 512.0 / 1500, box, 21), 21);
    const double grid[4][2] = {{0.25, 0.25}, {0.75, 0.25}, {0.25, 0.75}, {0.75, 0.75}};
    for (int i = 0; i < 4; i++) {
        double x, y;
        auto_grid_point(2, i, &x, &y);
        assert_true(x == grid[i][0] && y == grid[i][1]);
    }
    /* Crops of pictures with fewer pixels than crops lie within them. */
    for (int w = 1; w < 12; w++) {
        auto_box all[400];
        size_t count = auto_crops(w, 3, 3, 0.3, all, 400);
        assert_true(count <= 85);
        for (size_t i = 0; i < count; i++)
            assert_true(all[i].x0 < all[i].x1 && all[i].x1 <= w && all[i].y0 < all[i].y1 && all[i].y1 <= 3);
    }
}

typedef struct account {
    int fates[SAM2_AUTO_AREA + 1], all, calls, stop_after;
    int64_t last;
    bool unfiltered; /* masks pass whatever their stability is: an empty one has none */
} account;

static void count_fate(void *user, const sam2_auto_candidate *c)
{
    account *a = user;
    a->fates[c->fate]++;
    assert_int_equal(c->mask, a->all % 3);
    assert_int_equal(c->point, a->all / 3 % 81);
    if (c->fate == SAM2_AUTO_LOW_IOU)
        assert_true(isnan(c->stability_score));
    else
        assert_true(!isnan(c->stability_score) || c->fate == SAM2_AUTO_UNSTABLE || a->unfiltered);
    assert_true((c->rival >= 0) == (c->fate >= SAM2_AUTO_BOX_NMS && c->fate <= SAM2_AUTO_REGION_NMS));
    a->all++;
}

static int count_calls(void *user, const sam2_auto_progress *p)
{
    account *a = user;
    assert_true(p->points_done >= a->last && p->points_done <= p->points_total);
    assert_int_equal(p->points_total, 5 * 81);
    assert_int_equal(p->crop_count, 5);
    a->last = p->points_done;
    return ++a->calls == a->stop_after;
}

static void told(void **state)
{
    (void)state;
    sam2_model *model = micro(NULL);
    uint8_t *pixels = picture_scene(320, 240);
    account a = {0};
    sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
    o.points_per_side = 9;
    o.points_per_batch = 20;
    o.crop_n_layers = 1;
    o.pred_iou_thresh = 0.4;
    o.stability_score_thresh = 0.7;
    o.min_area = 300;
    o.max_area = 20000;
    o.progress = count_calls;
    o.explain = count_fate;
    o.user = &a;
    sam2_auto_result *got = generate(model, pixels, 320, 240, &o);
    assert_int_equal(a.all, 5 * 81 * 3);
    assert_int_equal(a.fates[SAM2_AUTO_KEPT], sam2_auto_count(got));
    assert_int_equal(a.calls, 5 * (1 + 5));
    assert_int_equal(a.last, 5 * 81);
    assert_true(a.fates[SAM2_AUTO_LOW_IOU] > 0 && a.fates[SAM2_AUTO_UNSTABLE] > 0 && a.fates[SAM2_AUTO_BOX_NMS] > 0);
    for (size_t i = 0; i < sam2_auto_count(got); i++)
        assert_in_range(get(got, i).area, 300, 20000);
    sam2_auto_destroy(got);
    sam2_context *context;
    sam2_error error;
    sam2_image image = {pixels, 320, 240, 960, SAM2_PIXEL_RGB};
    need_ok(sam2_context_create(model, &context, &error), &error);
    for (int stop = 1; stop < 30; stop += 9) {
        a = (account){.stop_after = stop};
        assert_int_equal(sam2_auto_generate(context, &image, &o, &got, &error), SAM2_ERROR_CANCELLED);
        assert_null(got);
        assert_int_equal(a.calls, stop);
    }
    sam2_context_destroy(context);
    free(pixels);
    sam2_model_close(model);
}

/* Pictures of a pixel or a row, in crops too: an answer, not a fault. */
static void tiny_pictures(void **state)
{
    (void)state;
    sam2_model *model = micro(NULL);
    const int sizes[][2] = {{1, 1}, {1, 50}, {50, 1}, {3, 2}};
    for (int i = 0; i < 4; i++) {
        uint8_t *pixels = picture_pattern(sizes[i][0], sizes[i][1]);
        sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
        o.points_per_side = 2;
        o.crop_n_layers = 1;
        o.pred_iou_thresh = o.stability_score_thresh = 0;
        o.min_mask_region_area = 4;
        sam2_auto_result *got = generate(model, pixels, sizes[i][0], sizes[i][1], &o);
        assert_true(sam2_auto_count(got) > 0);
        sam2_auto_destroy(got);
        free(pixels);
    }
    sam2_model_close(model);
}

/* ---- memory ---- */

static sam2_status whole(const sam2_model *model, const uint8_t *pixels, const sam2_auto_options *o, sam2_error *error)
{
    sam2_image image = {pixels, 320, 240, 960, SAM2_PIXEL_RGB};
    sam2_context *context = NULL;
    sam2_auto_result *got = NULL;
    sam2_status status = sam2_context_create(model, &context, error);
    if (status == SAM2_OK)
        status = sam2_auto_generate(context, &image, o, &got, error);
    sam2_auto_destroy(got);
    sam2_context_destroy(context);
    return status;
}

/* Four times the points, and a picture of no more than the run lengths: the same peak. */
static void flat_memory(void **state)
{
    (void)state;
    counter c;
    sam2_allocator a = counting(&c);
    sam2_model_options mo = SAM2_MODEL_OPTIONS_INIT;
    mo.allocator = &a;
    mo.threads = 1;
    sam2_model *model = micro(&mo);
    uint8_t *pixels = picture_scene(320, 240);
    size_t peak[2];
    for (int i = 0; i < 2; i++) {
        sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
        sam2_error error;
        o.points_per_side = i ? 16 : 8;
        o.pred_iou_thresh = 0;
        c.peak_bytes = c.live_bytes;
        need_ok(whole(model, pixels, &o, &error), &error);
        peak[i] = c.peak_bytes;
    }
    assert_true(peak[1] < peak[0] + 512 * 1024);
    free(pixels);
    sam2_model_close(model);
    assert_int_equal(c.live_blocks, 0);
}

static void out_of_memory(void **state)
{
    (void)state;
    counter c;
    sam2_allocator a = counting(&c);
    sam2_model_options mo = SAM2_MODEL_OPTIONS_INIT;
    mo.allocator = &a;
    mo.threads = 1;
    mo.image_size = 64;
    sam2_model *model = micro(&mo);
    uint8_t *pixels = picture_scene(320, 240);
    sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;
    account told = {.unfiltered = true};
    o.points_per_side = 9;
    o.crop_n_layers = 0;
    o.pred_iou_thresh = o.stability_score_thresh = 0;
    o.min_mask_region_area = 20;
    o.use_m2m = 1;
    o.explain = count_fate;
    o.user = &told;
    const size_t blocks = c.live_blocks, before = c.calls;
    sam2_error error = {SAM2_OK, ""};
    need_ok(whole(model, pixels, &o, &error), &error);
    const size_t calls = c.calls - before;
    for (size_t fail = 1; fail <= calls; fail += 1 + fail / 12) {
        c.fail_at = c.calls + fail;
        assert_int_equal(whole(model, pixels, &o, &error), SAM2_ERROR_MEMORY);
        assert_int_equal(c.live_blocks, blocks);
    }
    c.fail_at = 0;
    free(pixels);
    sam2_model_close(model);
}

static void refused(void **state)
{
    (void)state;
    sam2_model *model = micro(NULL);
    uint8_t *pixels = picture_scene(320, 240);
    sam2_error error;
    const double xy[2] = {0.5, 1.5};
    const sam2_point_grid bad = {xy, 1}, none = {NULL, 3};
#define REFUSE(change)                                                                                                 \
    do {                                                                                                               \
        sam2_auto_options o = SAM2_AUTO_OPTIONS_INIT;                                                                  \
        change;                                                                                                        \
        assert_int_equal(whole(model, pixels, &o, &error), SAM2_ERROR_ARGUMENT);                                       \
    } while (0)
    REFUSE(o.points_per_side = 0);
    REFUSE(o.points_per_side = 1025);
    REFUSE(o.points_per_batch = 0);
    REFUSE(o.pred_iou_thresh = (double)NAN);
    REFUSE(o.stability_score_offset = -1);
    REFUSE(o.stability_score_thresh = (double)INFINITY);
    REFUSE(o.crop_n_layers = 7);
    REFUSE(o.crop_overlap_ratio = 1.5);
    REFUSE(o.crop_n_points_downscale_factor = 0);
    REFUSE((o.points_per_side = 3, o.crop_n_layers = 2, o.crop_n_points_downscale_factor = 2));
    REFUSE(o.min_mask_region_area = -1);
    REFUSE(o.max_area = -1);
    REFUSE(o.nms = 2);
    REFUSE((o.point_grids = &bad, o.point_grid_count = 1));
    REFUSE((o.point_grids = &bad, o.point_grid_count = 1, o.points_per_side = 0));
    REFUSE((o.point_grids = &none, o.point_grid_count = 1, o.points_per_side = 0));
    REFUSE((o.point_grids = &bad, o.point_grid_count = 0, o.points_per_side = 0));
    REFUSE(o.struct_size = 3);
#undef REFUSE
    sam2_auto_mask mask = SAM2_AUTO_MASK_INIT;
    assert_int_equal(sam2_auto_get(NULL, 0, &mask, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_auto_count(NULL), 0);
    sam2_auto_destroy(NULL);
    free(pixels);
    sam2_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_official), cmocka_unit_test(like_prompts),
        cmocka_unit_test(same_bits),     cmocka_unit_test(suppression_by_masks),
        cmocka_unit_test(stray_pixel),   cmocka_unit_test(crops_and_points),
        cmocka_unit_test(told),          cmocka_unit_test(tiny_pictures),
        cmocka_unit_test(flat_memory),   cmocka_unit_test(out_of_memory),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
