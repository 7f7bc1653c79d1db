/* sam2 segment on a made-up picture: masks, names of files, JSON, standard output, orientations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mask_bytes.h"
#include "media.h"
#include "run.h"
#include "scene.h"

enum { COUNT = SCENE_WIDTH * SCENE_HEIGHT };

static json_t *json_of(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s: %.200s", error.text, text);
    return json;
}

static void covers(const char *prompt, int (*shape)(int, int), double least)
{
    uint8_t *mask;
    double overlap;
    run_expect(0, "segment -i scene.png %s -o mask.png", prompt);
    mask = mask_read("mask.png", SCENE_WIDTH, SCENE_HEIGHT);
    overlap = mask_overlap(mask, shape);
    if (overlap < least)
        fail_msg("%s: overlap %.3f", prompt, overlap);
    free(mask);
}

static void finds_the_shapes(void **state)
{
    (void)state;
    covers("-p 150,140", scene_in_disc, 0.95);
    covers("-p 150,140,1 -p 350,150,0", scene_in_disc, 0.9);
    covers("-p 350,150", scene_in_bar, 0.9);
    covers("-b 75,65,225,215", scene_in_disc, 0.95);
    covers("-b 285,55,425,255", scene_in_bar, 0.95);
}

static void output_names(void **state)
{
    const run_result *r;
    (void)state;
    run_expect(0, "segment -i scene.png -p 150,140 -o one.png --size 256");
    assert_true(file_exists("one.png") && !file_exists("one_0.png"));
    r = run_expect(0, "segment -i scene.png -p 150,140 --multimask -o three.png --size 256");
    assert_true(file_exists("three_0.png") && file_exists("three_1.png") && file_exists("three_2.png"));
    assert_false(file_exists("three.png"));
    assert_non_null(strstr(r->out, "object 0 mask 2: score "));
    assert_non_null(strstr(r->out, "-> three_2.png"));
    run_expect(0, "segment -i scene.png -p 150,140 --object -p 350,150 -o ./o.b/two --size 256");
    assert_true(file_exists("o.b/two_0") && file_exists("o.b/two_1")); /* the dot of a folder begins no ending */
    run_expect(0, "segment -i scene.png -p 150,140 --object -p 350,150 --multimask -o six.x.png --size 256");
    assert_true(file_exists("six.x_0_0.png") && file_exists("six.x_1_2.png") && !file_exists("six.x_2_0.png"));
    r = run_expect(0, "segment -i scene.png -p 150,140 -q --size 256");
    assert_true(!r->out_size && !*r->err);
    r = run_expect(0, "segment -i scene.png -p 150,140 -v --size 256");
    assert_non_null(strstr(r->err, "encode"));
    assert_non_null(strstr(r->err, " ms"));
    remove("o.b/two_0");
    remove("o.b/two_1");
}

static void standard_streams(void **state)
{
    const run_result *r;
    uint8_t *file;
    size_t size;
    (void)state;
    run_expect(0, "segment -i scene.png -p 150,140 -o mask.png --json mask.json --compact");
    r = run_expect(0, "segment -i - -p 150,140 -o - < scene.png");
    file = file_read("mask.png", &size);
    assert_int_equal(size, r->out_size);
    assert_memory_equal(file, r->out, size);
    free(file);
    r = run_expect(0, "segment -i scene.png -p 150,140 --json - -o mask2.png");
    json_decref(json_of(r->out));
    assert_true(file_same("mask.png", "mask2.png"));
    run_expect(0, "segment -i scene.png -p 150,140 -o /dev/null -q");
    assert_true(file_exists("/dev/null"));
    r = run_expect(4, "segment -i scene.png -p 150,140 -o /dev/full -q");
    assert_non_null(strstr(r->err, "/dev/full"));
    r = run_expect(4, "segment -i scene.png -p 150,140 --json /dev/full -q");
    assert_non_null(strstr(r->err, "/dev/full"));
    r = run_expect(4, "segment -i scene.png -p 150,140 --json - > /dev/full");
    assert_non_null(strstr(r->err, "standard output"));
    run_expect(4, "segment -i scene.png -p 150,140 > /dev/full");
    run_expect(4, "segment -i scene.png -p 150,140 -o - >&-");
    run_expect(0, "segment -i scene.png -p 150,140 -o mask3.png -q <&- >&- 2>&-");
    assert_true(file_same("mask.png", "mask3.png"));
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("%s is no number", key);
    return json_number_value(value);
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    if (!value)
        fail_msg("%s is no text", key);
    return value;
}

/* One mask of the JSON against its PNG. */
static void check_mask(const json_t *json)
{
    uint8_t *mask = mask_read(text(json, "file"), SCENE_WIDTH, SCENE_HEIGHT);
    const json_t *box = json_object_get(json, "bbox"), *rle = json_object_get(json, "rle");
    char *counts;
    int64_t area;
    int tight[4];
    mask_measure(mask, SCENE_WIDTH, SCENE_HEIGHT, &area, tight);
    counts = mask_rle(mask, SCENE_WIDTH, SCENE_HEIGHT);
    assert_true((double)area == number(json, "area"));
    assert_int_equal(json_array_size(box), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(json_integer_value(json_array_get(box, i)), tight[i]);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(rle, "size"), 0)), SCENE_HEIGHT);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(rle, "size"), 1)), SCENE_WIDTH);
    assert_string_equal(text(rle, "counts"), counts);
    assert_true(number(json, "score") >= 0 && number(json, "score") <= 1);
    assert_true(fabs(number(json, "object_prob") - 1 / (1 + exp(-number(json, "object_score")))) < 1e-6);
    free(counts);
    free(mask);
}

static void json(void **state)
{
    const run_result *r =
        run_expect(0, "segment -i scene.png -p 150,140 --object -b 285,55,425,255 --multimask -o j.png --json -");
    json_t *whole = json_of(r->out);
    const json_t *image = json_object_get(whole, "image"), *objects = json_object_get(whole, "objects"),
                 *times = json_object_get(whole, "timing_ms");
    static const char *const stages[] = {"load", "decode_file", "encode", "decode", "output"};
    (void)state;
    assert_string_equal(text(image, "file"), "scene.png");
    assert_string_equal(text(image, "format"), "PNG");
    assert_true(number(image, "width") == SCENE_WIDTH && number(image, "height") == SCENE_HEIGHT);
    assert_true(number(image, "orientation") == 1);
    assert_string_equal(text(whole, "model"), "micro");
    assert_non_null(strstr("f32 bf16 int8", text(whole, "precision")));
    text(whole, "isa");
    text(whole, "version");
    assert_true(number(whole, "threads") >= 1);
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
        assert_true(number(times, stages[i]) >= 0);
    assert_int_equal(json_array_size(objects), 2);
    for (size_t k = 0; k < 2; k++) {
        const json_t *object = json_array_get(objects, k), *masks = json_object_get(object, "masks");
        double before = 1;
        assert_true(number(object, "id") == (double)k);
        assert_int_equal(json_array_size(masks), 3);
        for (size_t i = 0; i < 3; i++) {
            const json_t *mask = json_array_get(masks, i);
            assert_true(number(mask, "score") <= before);
            before = number(mask, "score");
            check_mask(mask);
        }
    }
    json_decref(whole);
    r = run_expect(0, "segment -i scene.png -p 150,140 --json - --compact --size 256");
    assert_ptr_equal(strchr(r->out, '\n'), r->out + r->out_size - 1);
    json_decref(json_of(r->out));
}

static void odd_file_names(void **state)
{
    static const char name[] = "f\xC3\xA4\xFF\n.png";
    const run_result *r;
    json_t *whole;
    (void)state;
    scene_write(name);
    r = run_expect(0, "segment -i %s -p 150,140 --json - --size 256", name);
    whole = json_of(r->out);
    assert_string_equal(text(json_object_get(whole, "image"), "file"), "f\xC3\xA4\xEF\xBF\xBD\n.png");
    json_decref(whole);
    r = run_expect(2, "segment -i %s.x -p 1,1", name);
    assert_ptr_equal(strchr(r->err, '\n'), r->err + strlen(r->err) - 1);
    remove(name);
}

static void orientations(void **state)
{
    (void)state;
    for (int o = 1; o <= 8; o++) {
        char name[16];
        const run_result *r;
        json_t *whole;
        const json_t *image;
        snprintf(name, sizeof name, "o%d.png", o);
        scene_write_oriented(name, o);
        r = run_expect(0, "segment -i %s -p 100,110,1 -o m%d.png --json -", name, o);
        whole = json_of(r->out);
        image = json_object_get(whole, "image");
        assert_true(number(image, "width") == SCENE_WIDTH && number(image, "height") == SCENE_HEIGHT);
        assert_true(number(image, "orientation") == o);
        json_decref(whole);
        snprintf(name, sizeof name, "m%d.png", o);
        assert_true(file_same("m1.png", name));
        r = run_expect(0, "segment -i o%d.png -p 100,110,1 --ignore-exif --json -", o);
        whole = json_of(r->out);
        assert_true(number(json_object_get(whole, "image"), "width") == (o < 5 ? SCENE_WIDTH : SCENE_HEIGHT));
        json_decref(whole);
    }
}

static void content_over_name(void **state)
{
    uint8_t *pixels = scene_pixels(), *rgba = malloc((size_t)COUNT * 4);
    char error[300];
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        memcpy(rgba + 4 * i, pixels + 3 * i, 3);
        rgba[4 * i + 3] = i % SCENE_WIDTH < 200 ? 0 : 255;
    }
    assert_int_equal(
        media_write_png("alpha.jpg", rgba, SCENE_WIDTH, SCENE_HEIGHT, 4, SCENE_WIDTH * 4, error, sizeof error), 0);
    run_expect(0, "segment -i scene.png -p 150,140 -o rgb.png");
    run_expect(0, "segment -i alpha.jpg -p 150,140 -o rgba.png");
    assert_true(file_same("rgb.png", "rgba.png"));
    run_expect(0, "segment -i alpha.jpg -p 350,140 -o white.png --alpha white");
    free(rgba);
    free(pixels);
}

static void overlay_and_cutout(void **state)
{
    media_picture picture;
    uint8_t *mask, *bytes, *scene = scene_pixels();
    char error[300];
    size_t size;
    int changed = 0;
    (void)state;
    run_expect(0, "segment -i scene.png -p 150,140 -o mask.png --overlay over.png --cutout cut.png");
    mask = mask_read("mask.png", SCENE_WIDTH, SCENE_HEIGHT);
    assert_int_equal(media_read("over.png", NULL, &picture, error, sizeof error), 0);
    assert_true(picture.width == SCENE_WIDTH && picture.height == SCENE_HEIGHT);
    for (int i = 0; i < COUNT; i++)
        changed += memcmp(picture.pixels + 3 * i, scene + 3 * i, 3) != 0;
    assert_true(changed > 10000 && changed < 30000);
    media_picture_free(&picture);
    bytes = file_read("cut.png", &size);
    assert_int_equal(bytes[25], 6); /* the colour type of RGBA */
    free(bytes);
    /* Over black, what is cut away is black, and the rest is the picture's. */
    assert_int_equal(media_read("cut.png", &(media_options){.alpha = MEDIA_ALPHA_BLACK}, &picture, error, sizeof error),
                     0);
    for (int i = 0; i < COUNT; i++) {
        static const uint8_t black[3];
        assert_memory_equal(picture.pixels + 3 * i, mask[i] ? scene + 3 * i : black, 3);
    }
    media_picture_free(&picture);
    free(mask);
    free(scene);
}

static void nothing_found(void **state)
{
    const run_result *r =
        run_expect(5, "segment -i scene.png -b 10.6,10.6,10.9,10.9 --clip-to-box -o none.png --json none.json");
    uint8_t *mask = mask_read("none.png", SCENE_WIDTH, SCENE_HEIGHT), *bytes;
    json_t *whole;
    (void)state;
    assert_non_null(strstr(r->err, "every mask is empty"));
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(mask[i], 0);
    free(mask);
    bytes = file_read("none.json", NULL);
    whole = json_of((const char *)bytes);
    assert_true(
        number(json_array_get(json_object_get(json_array_get(json_object_get(whole, "objects"), 0), "masks"), 0),
               "area") == 0);
    json_decref(whole);
    free(bytes);
    run_expect(0, "segment -i scene.png -b 10.6,10.6,10.9,10.9 --object -p 150,140 --clip-to-box");
}

static int set_up(void **state)
{
    (void)state;
    run_begin();
    scene_write("scene.png");
    folder_make("o.b");
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_shapes),  cmocka_unit_test(output_names),
                                       cmocka_unit_test(standard_streams),  cmocka_unit_test(json),
                                       cmocka_unit_test(odd_file_names),    cmocka_unit_test(orientations),
                                       cmocka_unit_test(content_over_name), cmocka_unit_test(overlay_and_cutout),
                                       cmocka_unit_test(nothing_found)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
