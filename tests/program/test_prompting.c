/* sam2 segment: forms of prompts, several objects, masks as prompts, features from a file, the dump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media.h"
#include "npz.h"
#include "run.h"
#include "scene.h"

static const run_result *mask_of(const char *prompt, const char *output)
{
    return run_expect(0, "segment -i scene.png %s -o %s --size 256", prompt, output);
}

static void says(const run_result *r, const char *fragment)
{
    if (!strstr(r->err, fragment))
        fail_msg("'%s' does not contain '%s'", r->err, fragment);
}

static void box_forms(void **state)
{
    (void)state;
    mask_of("-b 60,64,240,224", "box.png");
    mask_of("-b xyxy:60,64,240,224", "a.png");
    says(mask_of("-b 240,224,60,64", "b.png"), "warning: object 0: the corners of the box are swapped");
    mask_of("-b xywh:60,64,180,160", "c.png");
    mask_of("-b norm:0.125,0.2,0.5,0.7", "d.png");
    mask_of("-b 0.125,0.2,0.5,0.7 --units fraction", "e.png");
    mask_of("--box=60,64,240,224", "f.png");
    for (const char *name = "abcdef"; *name; name++) {
        char file[8];
        snprintf(file, sizeof file, "%c.png", *name);
        assert_true(file_same("box.png", file));
    }
    assert_false(strstr(run_expect(0, "segment -i scene.png -b 240,224,60,64 -q --size 256")->err, "swapped"));
}

static void units(void **state)
{
    (void)state;
    mask_of("-p 150,160", "pixels.png");
    mask_of("-p 0.3125,0.5 --units fraction", "fraction.png");
    assert_true(file_same("pixels.png", "fraction.png"));
    says(run("segment -i scene.png -p 0.3125,0.5 --size 256"), "warning: no coordinate is greater than 1");
    says(run("segment -i scene.png -p 500,10 --size 256"),
         "warning: object 0: the point 500,10 lies outside the picture");
    says(run("segment -i scene.png -p 150,140,0 --size 256"), "hint: object 0 has only points outside");
    assert_null(strstr(run("segment -i scene.png -p 150,140 --size 256")->err, "warning"));
}

/* Objects of different kinds in one call, each as if it had been asked for alone. More of them than go into one
 * prediction. */
static void many_objects(void **state)
{
    static const char *const prompts[] = {"-p 150,140 -p 350,150,0", "-p 350,150", "-b 285,55,425,255",
                                          "-b 75,65,225,215 -p 150,140", "--mask box.png -p 150,140"};
    enum { KINDS = 5, OBJECTS = 40 };
    char line[4096] = "";
    (void)state;
    mask_of("-b 60,64,240,224", "box.png");
    for (int k = 0; k < OBJECTS; k++) {
        strcat(line, k ? " --object " : "");
        strcat(line, prompts[k % KINDS]);
    }
    mask_of(line, "many.png");
    for (int kind = 0; kind < KINDS; kind++) {
        mask_of(prompts[kind], "alone.png");
        for (int k = kind; k < OBJECTS; k += KINDS) {
            char name[32];
            snprintf(name, sizeof name, "many_%d.png", k);
            if (!file_same("alone.png", name))
                fail_msg("object %d: %s", k, prompts[kind]);
        }
    }
}

static void masks_as_prompts(void **state)
{
    uint8_t small[16] = {0, 255, 255, 0};
    char error[300];
    const run_result *r;
    (void)state;
    run_expect(0, "segment -i scene.png -p 350,150 -o bar.png --dump bar.npz");
    run_expect(0, "segment -i scene.png -p 350,150 --mask bar.png -o bar2.png");
    run_expect(0, "segment -i scene.png -p 350,150 --mask bar.npz -o bar3.png");
    r = run("segment -i scene.png --mask bar.npz --size 256");
    assert_int_equal(r->status, 1);
    says(r, "--mask bar.npz: the logits have 128 x 128 values, the model");
    says(r, "needs 64 x 64");
    media_write_png("small.png", small, 4, 4, 1, 4, error, sizeof error);
    r = run_expect(1, "segment -i scene.png --mask small.png --size 256");
    says(r, "the mask has 4 x 4 pixels, the picture 480 x 320");
    memset(small, 1, sizeof small);
    media_write_png("dark.png", small, 4, 4, 1, 4, error, sizeof error);
    says(run_expect(1, "segment -i scene.png --mask dark.png --size 256"), "dark.png: the mask is empty");
    says(run_expect(2, "segment -i scene.png --mask " FIXTURES "/other.npz --size 256"), "no array low_res");
    says(run_expect(2, "segment -i scene.png --mask " FIXTURES "/line.npy --size 256"), "1 dimensions");
    says(run_expect(1, "segment -i scene.png --mask " FIXTURES "/packed.npz --size 256"), "20 x 16 values");
    says(run_expect(1, "segment -i scene.png --mask " FIXTURES "/double.npy --size 256"), "20 x 16 values");
}

static void without_prompt(void **state)
{
    const run_result *r = run("segment -i scene.png --allow-empty --multimask -o empty.png --size 256");
    (void)state;
    if (r->status != 0 && r->status != 5)
        fail_msg("%s", r->err);
    assert_true(file_exists("empty_2.png"));
}

static void features_from_a_file(void **state)
{
    (void)state;
    run_expect(0, "segment -i scene.png -p 150,140 -o direct.png");
    run_expect(0, "encode -i scene.png -o scene.features -v");
    run_expect(0, "segment --embedding scene.features -p 150,140 -o later.png --json later.json");
    assert_true(file_same("direct.png", "later.png"));
    run_expect(0, "segment --embedding scene.features -i scene.png -p 150,140 -o with.png --overlay over.png");
    assert_true(file_same("direct.png", "with.png"));
    run_expect(0, "segment --embedding scene.features -p 0.3125,0.4375 --units fraction -o fraction.png");
    assert_true(file_same("direct.png", "fraction.png"));
    says(run_expect(1, "segment --embedding scene.features -i dark.png -p 1,1 --overlay over.png"), "480 x 320");
    says(run_expect(1, "segment --embedding scene.features -p 150,140 --size 256"), "scene.features");
    says(run_expect(1, "segment --embedding scene.features -b 500,10,600,20"), "lies outside the picture of 480 x 320");
}

static npz_array array_of(const char *file, const char *name)
{
    npz_array array;
    char error[300];
    size_t size;
    uint8_t *bytes = file_read(file, &size);
    if (npz_find(bytes, size, file, name, &array, error, sizeof error))
        fail_msg("%s", error);
    free(bytes);
    return array;
}

static void shape_is(const char *name, int dims, int64_t a, int64_t b, int64_t c, int64_t d)
{
    npz_array array = array_of("dump.npz", name);
    const int64_t want[4] = {a, b, c, d};
    assert_int_equal(array.dims, dims);
    for (int i = 0; i < dims; i++)
        assert_int_equal(array.shape[i], want[i]);
    free(array.data);
}

static void dump(void **state)
{
    npz_array low, iou, alone;
    (void)state;
    run_expect(0, "segment -i scene.png -p 150,140 --object -b 1,1,99,99 --multimask --dump dump.npz --size 256");
    shape_is("input", 4, 1, 3, 256, 256);
    shape_is("trunk_stage0", 4, 1, 32, 64, 64);
    shape_is("trunk_stage3", 4, 1, 256, 8, 8);
    shape_is("fpn0", 4, 1, 16, 64, 64);
    shape_is("fpn1", 4, 1, 32, 32, 32);
    shape_is("embedding", 4, 1, 128, 16, 16);
    shape_is("sparse", 3, 1, 2, 128, 0); /* the first object's */
    shape_is("dense", 4, 1, 128, 16, 16);
    shape_is("low_res", 3, 3, 64, 64, 0);
    shape_is("iou", 1, 3, 0, 0, 0);
    shape_is("object_score", 2, 1, 1, 0, 0);
    low = array_of("dump.npz", "low_res");
    iou = array_of("dump.npz", "iou");
    for (int i = 0; i < 3 * 64 * 64; i++)
        assert_true(low.data[i] >= -32 && low.data[i] <= 32);
    /* In the network's order, whatever the scores are. */
    run_expect(0, "segment -i scene.png -p 150,140 --multimask --dump one.npz --size 256");
    alone = array_of("one.npz", "iou");
    assert_memory_equal(alone.data, iou.data, 3 * sizeof(float));
    free(alone.data);
    free(low.data);
    free(iou.data);
    says(run_expect(4, "segment -i scene.png -p 150,140 --dump /dev/full --size 256"), "/dev/full");
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(box_forms),
                                       cmocka_unit_test(units),
                                       cmocka_unit_test(many_objects),
                                       cmocka_unit_test(masks_as_prompts),
                                       cmocka_unit_test(without_prompt),
                                       cmocka_unit_test(features_from_a_file),
                                       cmocka_unit_test(dump)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
