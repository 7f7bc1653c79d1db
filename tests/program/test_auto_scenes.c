/* sam2 auto on the made scenes of apps/media: every shape is found, and threads change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../apps/media/scene.h" /* not the test's picture of that name, which is beside this file */
#include "run.h"

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

static void threads_change_nothing(void **state)
{
    static uint8_t labels[PIXELS];
    (void)state;
    write_scene("scene.png", 8, labels);
    run_expect(0, "auto -i scene.png -o one.json --threads 1 -q --crop-n-layers 1 --use-m2m " LOOSE);
    run_expect(0, "auto -i scene.png -o three.json --threads 3 -q --crop-n-layers 1 --use-m2m " LOOSE);
    assert_true(file_same("one.json", "three.json"));
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_shape_is_found),
                                       cmocka_unit_test(threads_change_nothing)};
    return cmocka_run_group_tests(tests, begin, end);
}
