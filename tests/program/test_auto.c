/* sam2 auto on a made-up picture: what is found, formats, what is said, wrong uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media.h"
#include "run.h"
#include "sam2.h"
#include "scene.h"

enum { COUNT = SCENE_WIDTH * SCENE_HEIGHT };

/* Masks that the small model is sure enough of, and that are left of them. */
#define LOOSE "--points-per-side 8 --pred-iou-thresh 0.5 --stability-score-thresh 0.8"

static json_t *json_of_file(const char *name)
{
    size_t size;
    uint8_t *bytes = file_read(name, &size);
    json_error_t error;
    json_t *json;
    assert_non_null(bytes);
    json = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s: %s", name, error.text);
    free(bytes);
    return json;
}

static uint8_t *mask_of(const json_t *record)
{
    const json_t *segmentation = json_object_get(record, "segmentation");
    sam2_rle rle = {SCENE_WIDTH, SCENE_HEIGHT, json_string_value(json_object_get(segmentation, "counts"))};
    uint8_t *mask = malloc(COUNT);
    sam2_error error;
    assert_int_equal(json_integer_value(json_array_get(json_object_get(segmentation, "size"), 0)), SCENE_HEIGHT);
    if (sam2_rle_to_bytes(&rle, 255, mask, SCENE_WIDTH, &error))
        fail_msg("%s", error.text);
    return mask;
}

/* The best overlap of a record with a shape. */
static double best_overlap(const json_t *records, int (*shape)(int, int))
{
    double best = 0;
    for (size_t i = 0; i < json_array_size(records); i++) {
        uint8_t *mask = mask_of(json_array_get(records, i));
        double overlap = mask_overlap(mask, shape);
        best = overlap > best ? overlap : best;
        free(mask);
    }
    return best;
}

static void finds_the_shapes(void **state)
{
    json_t *whole, *records;
    (void)state;
    run_expect(0, "auto -i scene.png -o all.json " LOOSE);
    whole = json_of_file("all.json");
    records = json_object_get(whole, "annotations");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(whole, "image"), "width")), SCENE_WIDTH);
    assert_string_equal(json_string_value(json_object_get(whole, "format")), "coco_rle");
    assert_true(best_overlap(records, scene_in_disc) > 0.9);
    assert_true(best_overlap(records, scene_in_bar) > 0.9);
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *r = json_array_get(records, i);
        int64_t area;
        int box[4];
        sam2_rle rle = {SCENE_WIDTH, SCENE_HEIGHT,
                        json_string_value(json_object_get(json_object_get(r, "segmentation"), "counts"))};
        assert_int_equal(sam2_rle_measure(&rle, &area, box, NULL), SAM2_OK);
        assert_int_equal(json_integer_value(json_object_get(r, "area")), area);
        for (size_t k = 0; k < 4; k++) /* the official width is one less than the number of pixels */
            assert_int_equal(json_integer_value(json_array_get(json_object_get(r, "bbox"), k)), box[k] - (k > 1));
        assert_int_equal(json_array_size(json_object_get(r, "point_coords")), 1);
        assert_int_equal(json_array_size(json_object_get(r, "crop_box")), 4);
        assert_true(json_number_value(json_object_get(r, "predicted_iou")) > 0.5);
        assert_true(json_number_value(json_object_get(r, "stability_score")) >= 0.8);
    }
    json_decref(whole);
}

/* The same masks in every way of writing them. */
static void output_modes(void **state)
{
    json_t *whole[3];
    const char *const modes[] = {"coco_rle", "uncompressed_rle", "binary_mask"};
    (void)state;
    for (int m = 0; m < 3; m++) {
        run_expect(0, "auto -q -i scene.png -o mode.json --output-mode %s " LOOSE, modes[m]);
        whole[m] = json_of_file("mode.json");
        assert_string_equal(json_string_value(json_object_get(whole[m], "format")), modes[m]);
    }
    for (size_t i = 0; i < json_array_size(json_object_get(whole[0], "annotations")); i++) {
        uint8_t *mask = mask_of(json_array_get(json_object_get(whole[0], "annotations"), i));
        const json_t *record[2];
        size_t at = 0;
        for (int m = 1; m < 3; m++)
            record[m - 1] =
                json_object_get(json_array_get(json_object_get(whole[m], "annotations"), i), "segmentation");
        for (size_t k = 0; k < json_array_size(json_object_get(record[0], "counts")); k++)
            for (json_int_t n = json_integer_value(json_array_get(json_object_get(record[0], "counts"), k)); n;
                 n--, at++)
                assert_int_equal(mask[at % SCENE_HEIGHT * SCENE_WIDTH + at / SCENE_HEIGHT] != 0, k % 2);
        assert_int_equal(at, COUNT);
        for (size_t p = 0; p < COUNT; p++)
            assert_int_equal(
                json_integer_value(json_array_get(json_array_get(record[1], p / SCENE_WIDTH), p % SCENE_WIDTH)),
                mask[p] != 0);
        free(mask);
    }
    for (int m = 0; m < 3; m++)
        json_decref(whole[m]);
}

static void coco_and_yolo(void **state)
{
    json_t *whole, *records;
    size_t size, lines = 0;
    char *text;
    (void)state;
    run_expect(0, "auto -q -i scene.png -o coco.json --format coco " LOOSE);
    whole = json_of_file("coco.json");
    records = json_object_get(whole, "annotations");
    assert_int_equal(json_array_size(json_object_get(whole, "images")), 1);
    assert_int_equal(json_array_size(json_object_get(whole, "categories")), 1);
    assert_true(best_overlap(records, scene_in_disc) > 0.9);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(records, 0), "iscrowd")), 0);
    run_expect(0, "auto -q -i scene.png -o yolo.txt --format yolo " LOOSE);
    text = (char *)file_read("yolo.txt", &size);
    for (char *line = text, *end; line < text + size; line = end + 1, lines++) {
        char *at = line + 1;
        int numbers = 0;
        end = memchr(line, '\n', size - (size_t)(line - text));
        assert_non_null(end);
        *end = 0;
        assert_int_equal(line[0], '0');
        for (; *at; numbers++) {
            double value = strtod(at, &at);
            assert_true(value >= 0 && value <= 1);
        }
        assert_true(numbers >= 6 && numbers % 2 == 0);
    }
    assert_int_equal(lines, json_array_size(records));
    free(text);
    json_decref(whole);
}

static void pictures(void **state)
{
    media_indices labels;
    media_picture overlay;
    char error[600];
    int disc = 0, bar = 0, ground = 0;
    (void)state;
    run_expect(0, "auto -q -i scene.png --labels labels.png --overlay overlay.png " LOOSE);
    assert_int_equal(media_read("overlay.png", NULL, &overlay, error, sizeof error) ||
                         media_read_indices("labels.png", NULL, &labels, error, sizeof error),
                     0);
    assert_int_equal(overlay.width, SCENE_WIDTH);
    assert_int_equal(labels.height, SCENE_HEIGHT);
    disc = labels.values[140 * SCENE_WIDTH + 150];
    bar = labels.values[150 * SCENE_WIDTH + 350];
    ground = labels.values[10 * SCENE_WIDTH + 250];
    assert_true(disc && bar && disc != bar && ground != disc && ground != bar);
    media_picture_free(&overlay);
    media_indices_free(&labels);
}

static void says_why(void **state)
{
    const run_result *r;
    int kept = -1, all[9] = {0};
    const char *summary;
    size_t lines = 0;
    json_t *whole;
    (void)state;
    r = run_expect(0, "auto -q -i scene.png -o why.json --explain " LOOSE);
    for (const char *at = r->err; (at = strstr(at, "crop 0 point ")); at++)
        lines++;
    assert_int_equal(lines, 64);
    assert_non_null(strstr(r->err, " <= 0.5"));
    summary = strstr(r->err, " masks: kept");
    assert_non_null(summary);
    while (summary > r->err && summary[-1] != '\n')
        summary--;
    assert_int_equal(
        sscanf(summary,
               "%d masks: kept %d, iou %d, stability %d, crop-edge %d, box-nms %d, crop-nms %d, region-nms "
               "%d, area %d",
               &all[0], &all[1], &all[2], &all[3], &all[4], &all[5], &all[6], &all[7], &all[8]),
        9);
    assert_int_equal(all[0], 64 * 3);
    kept = all[1];
    for (int i = 1; i < 9; i++)
        all[0] -= all[i];
    assert_int_equal(all[0], 0);
    whole = json_of_file("why.json");
    assert_int_equal(json_array_size(json_object_get(whole, "annotations")), kept);
    json_decref(whole);
}

static void nothing_found(void **state)
{
    const run_result *r;
    json_t *whole;
    (void)state;
    r = run_expect(5, "auto -i scene.png -o none.json --labels none.png --points-per-side 2 --pred-iou-thresh 0.9999");
    assert_non_null(strstr(r->err, "there is no mask"));
    whole = json_of_file("none.json");
    assert_int_equal(json_array_size(json_object_get(whole, "annotations")), 0);
    json_decref(whole);
    assert_true(file_exists("none.png"));
}

static void progress_and_streams(void **state)
{
    const run_result *r;
    json_t *json;
    (void)state;
    r = run_expect(0, "auto -q -i scene.png -o - --progress json --points-per-batch 16 " LOOSE);
    assert_non_null(strstr(r->err, "{\"point\": 64, \"total\": 64"));
    json = json_loads(r->out, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    r = run_expect(0, "auto scene.png " LOOSE);
    assert_non_null(strstr(r->out, "mask 1: iou"));
}

static void own_points(void **state)
{
    static const char grids[] = "[[[0.3125, 0.4375], [0.729, 0.468]]]";
    const char *const bad[] = {"", "{}", "[]", "[[[0.5]]]", "[[[0.5, 2]]]", "[[0.5, 0.5]]", "[[[\"a\", 0]]]", "[3]"};
    json_t *whole;
    (void)state;
    file_write("grids.json", grids, sizeof grids - 1);
    run_expect(0, "auto -q -i scene.png -o own.json --point-grids grids.json --pred-iou-thresh 0.5 "
                  "--stability-score-thresh 0.8 --nms mask:0.8");
    whole = json_of_file("own.json");
    assert_true(best_overlap(json_object_get(whole, "annotations"), scene_in_disc) > 0.9);
    json_decref(whole);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        file_write("bad.json", bad[i], strlen(bad[i]));
        run_expect(1, "auto -q -i scene.png --point-grids bad.json");
    }
    run_expect(1, "auto -q -i scene.png --point-grids grids.json --crop-n-layers 1");
    run_expect(1, "auto -q -i scene.png --point-grids missing.json");
}

static void wrong_uses(void **state)
{
    (void)state;
    run_expect(0, "auto --help");
    run_expect(1, "auto");
    run_expect(1, "auto -i scene.png --points-per-side 0");
    run_expect(1, "auto -i scene.png --points-per-side x");
    run_expect(1, "auto -i scene.png --crop-n-layers 9");
    run_expect(1, "auto -i scene.png --crop-overlap-ratio 2");
    run_expect(1, "auto -i scene.png --crop-n-layers 3 --points-per-side 4 --crop-n-points-downscale-factor 2");
    run_expect(1, "auto -i scene.png --nms circle");
    run_expect(1, "auto -i scene.png --nms mask:x");
    run_expect(1, "auto -i scene.png --min-area 10 --max-area 5");
    run_expect(1, "auto -i scene.png -o same.png --overlay same.png");
    run_expect(1, "auto -i scene.png --output-mode png");
    run_expect(1, "auto -i scene.png second.png");
    run_expect(2, "auto -i missing.png");
    run_expect(3, "auto -i scene.png -m missing.pt");
    run_expect(4, "auto -i scene.png -o missing/all.json --points-per-side 1");
    assert_false(file_exists("same.png"));
}

static int set_up(void **state)
{
    (void)state;
    run_begin();
    scene_write("scene.png");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_shapes), cmocka_unit_test(output_modes), cmocka_unit_test(coco_and_yolo),
        cmocka_unit_test(pictures),         cmocka_unit_test(says_why),     cmocka_unit_test(nothing_found),
        cmocka_unit_test(own_points),       cmocka_unit_test(wrong_uses),   cmocka_unit_test(progress_and_streams),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
