/* sam2 auto: every shape of made scenes is found, in every format; nothing found and wrong use. */
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
#include "scene.h"

/* apps/media's scenes; tests/program/scene.h has the same name as its header. */
typedef struct media_scene_info media_scene_info;
void media_make_scene(uint64_t seed, int width, int height, uint8_t *rgb, media_scene_info *info);
void media_scene_labels(uint64_t seed, int width, int height, uint8_t *labels);

enum { WIDTH = 480, HEIGHT = 320, PIXELS = WIDTH * HEIGHT };

static void write_scene(const char *name, uint64_t seed, uint8_t labels[PIXELS])
{
    char error[300];
    uint8_t *pixels = malloc(PIXELS * 3);
    assert_non_null(pixels);
    media_make_scene(seed, WIDTH, HEIGHT, pixels, NULL);
    media_scene_labels(seed, WIDTH, HEIGHT, labels);
    assert_int_equal(media_write_png(name, pixels, WIDTH, HEIGHT, 3, WIDTH * 3, error, sizeof error), 0);
    free(pixels);
}

static json_t *load(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json)
        fail_msg("line %d: %s", error.line, error.text);
    return json;
}

/* Column by column, background first. */
static void decode(const json_t *segmentation, uint8_t mask[PIXELS])
{
    const json_t *counts = json_object_get(segmentation, "counts");
    size_t at = 0;
    for (size_t i = 0; i < json_array_size(counts); i++)
        for (json_int_t n = json_integer_value(json_array_get(counts, i)); n > 0; n--, at++) {
            assert_true(at < PIXELS);
            mask[at % HEIGHT * WIDTH + at / HEIGHT] = i % 2;
        }
    assert_int_equal(at, PIXELS);
}

static double overlap(const uint8_t mask[PIXELS], const uint8_t labels[PIXELS], int label)
{
    double both = 0, either = 0;
    for (int p = 0; p < PIXELS; p++) {
        both += mask[p] && labels[p] == label;
        either += mask[p] || labels[p] == label;
    }
    return both / either;
}

#define LOOSE "--pred-iou-thresh 0.5 --stability-score-thresh 0.8 --points-per-side 16"

static void every_shape_is_found(void **state)
{
    static uint8_t labels[PIXELS], mask[PIXELS];
    (void)state;
    for (uint64_t seed = 7; seed < 11; seed++) {
        double best[256] = {0};
        int shapes = 0;
        write_scene("scene.png", seed, labels);
        const run_result *r = run_expect(0, "auto -i scene.png -o - --output-mode uncompressed_rle -q " LOOSE);
        json_t *json = load(r->out), *annotations = json_object_get(json, "annotations"), *one;
        size_t index;
        json_array_foreach(annotations, index, one)
        {
            int64_t area = 0;
            decode(json_object_get(one, "segmentation"), mask);
            for (int p = 0; p < PIXELS; p++)
                area += mask[p];
            assert_int_equal(area, json_integer_value(json_object_get(one, "area")));
            for (int label = 1; label < 6; label++) {
                double iou = overlap(mask, labels, label);
                best[label] = iou > best[label] ? iou : best[label];
            }
        }
        for (int p = 0; p < PIXELS; p++)
            shapes = labels[p] > shapes ? labels[p] : shapes;
        for (int label = 1; label <= shapes; label++)
            if (best[label] < 0.8)
                fail_msg("scene %d: shape %d is found with IoU %.3f", (int)seed, label, best[label]);
        json_decref(json);
    }
}

static void formats(void **state)
{
    static uint8_t labels[PIXELS];
    media_indices numbers;
    char error[300];
    (void)state;
    write_scene("scene.png", 7, labels);
    const run_result *r = run_expect(0, "auto -i scene.png -o - -q --labels numbers.png --overlay over.png " LOOSE);
    json_t *json = load(r->out), *first = json_array_get(json_object_get(json, "annotations"), 0);
    static const char *const keys[] = {"segmentation",    "area",    "bbox", "predicted_iou", "point_coords",
                                       "stability_score", "crop_box"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(json_object_get(first, keys[i]));
    assert_true(json_is_string(json_object_get(json_object_get(first, "segmentation"), "counts")));
    const size_t count = json_array_size(json_object_get(json, "annotations"));
    json_decref(json);
    assert_int_equal(media_read_indices("numbers.png", NULL, &numbers, error, sizeof error), 0);
    assert_int_equal(numbers.width, WIDTH);
    for (int p = 0; p < PIXELS; p++)
        assert_true(numbers.values[p] <= count);
    media_indices_free(&numbers);
    assert_true(file_exists("over.png"));
    r = run_expect(0, "auto -i scene.png -o - -q --format coco " LOOSE);
    json = load(r->out);
    assert_true(json_array_size(json_object_get(json, "annotations")) == count);
    assert_non_null(json_object_get(json, "images"));
    assert_non_null(json_object_get(json, "categories"));
    json_decref(json);
    r = run_expect(0, "auto -i scene.png -o - -q --format yolo " LOOSE);
    for (char *line = strtok(r->out, "\n"); line; line = strtok(NULL, "\n")) {
        int class_number = -1;
        double x, y;
        assert_int_equal(sscanf(line, "%d %lf %lf", &class_number, &x, &y), 3);
        assert_true(x >= 0 && x <= 1 && y >= 0 && y <= 1);
    }
}

static void threads_change_nothing(void **state)
{
    static uint8_t labels[PIXELS];
    (void)state;
    write_scene("scene.png", 8, labels);
    run_expect(0, "auto -i scene.png -o one.json --threads 1 -q --crop-n-layers 1 --use-m2m " LOOSE);
    run_expect(0, "auto -i scene.png -o three.json --threads 3 -q --crop-n-layers 1 --use-m2m " LOOSE);
    assert_true(file_same("one.json", "three.json"));
}

static void nothing_and_wrong_use(void **state)
{
    static uint8_t labels[PIXELS];
    (void)state;
    write_scene("scene.png", 7, labels);
    const run_result *r = run_expect(5, "auto -i scene.png -o - --pred-iou-thresh 1 --points-per-side 2");
    json_t *json = load(r->out);
    assert_int_equal(json_array_size(json_object_get(json, "annotations")), 0);
    json_decref(json);
    static const char *const lines[] = {
        "auto",
        "auto -i scene.png --points-per-side 0",
        "auto -i scene.png --points-per-side x",
        "auto -i scene.png --crop-n-layers 9",
        "auto -i scene.png --crop-overlap-ratio 2",
        "auto -i scene.png --output-mode png",
        "auto -i scene.png scene.png",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        r = run("%s", lines[i]);
        if (r->status != 1)
            fail_msg("%s: exit status %d\n%s", lines[i], r->status, r->err);
    }
    run_expect(2, "auto -i nowhere.png");
}

static int begin(void **state)
{
    (void)state;
    run_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    run_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_shape_is_found), cmocka_unit_test(formats),
                                       cmocka_unit_test(threads_change_nothing),
                                       cmocka_unit_test(nothing_and_wrong_use)};
    return cmocka_run_group_tests(tests, begin, end);
}
