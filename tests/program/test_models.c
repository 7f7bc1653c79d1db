/* convert, synth, info. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "scene.h"

static json_t *info_of(const char *model)
{
    json_error_t error;
    json_t *json = json_loads(run_expect(0, "info %s --json -", model)->out, 0, &error);
    if (!json)
        fail_msg("%s: %s", model, error.text);
    return json;
}

static void info(void **state)
{
    const run_result *r = run_expect(0, "info");
    json_t *json;
    (void)state;
    assert_non_null(strstr(r->out, "parameters"));
    assert_non_null(strstr(r->out, "512 x 512"));
    json = info_of("micro");
    assert_string_equal(json_string_value(json_object_get(json, "model")), "micro");
    assert_int_equal(json_integer_value(json_object_get(json, "image_size")), 512);
    assert_int_equal(json_integer_value(json_object_get(json, "low_res_size")), 128);
    assert_true(json_integer_value(json_object_get(json, "parameters")) > 4000000);
    assert_int_equal(strlen(json_string_value(json_object_get(json, "identity"))), 16);
    assert_true(json_integer_value(json_object_get(json, "weight_bytes")) > 0);
    json_decref(json);
    json = info_of("micro --size 256 --threads 1 --isa ref --precision f32");
    assert_int_equal(json_integer_value(json_object_get(json, "image_size")), 256);
    assert_int_equal(json_integer_value(json_object_get(json, "threads")), 1);
    assert_string_equal(json_string_value(json_object_get(json, "isa")), "ref");
    assert_string_equal(json_string_value(json_object_get(json, "precision")), "f32");
    json_decref(json);
}

static const char *plan_of(const json_t *json, const char *tensors)
{
    const json_t *plan = json_object_get(json, "precision_plan"), *part;
    size_t i;
    json_array_foreach(plan, i,
                       part) if (!strcmp(json_string_value(json_object_get(part, "tensors")),
                                         tensors)) return json_string_value(json_object_get(part, "precision"));
    fail_msg("no %s in the plan", tensors);
    return NULL;
}

/* What runs in which arithmetic, and on what. */
static void plan_and_kernels(void **state)
{
    (void)state;
    json_t *json = info_of("micro --precision f32 --isa ref --precision-plan --kernels"), *kernels;
    assert_string_equal(plan_of(json, "image_encoder.trunk"), "f32");
    kernels = json_object_get(json, "kernels");
    assert_true(json_object_size(kernels) > 10);
    assert_string_equal(json_string_value(json_object_get(kernels, "gemm_f32")), "ref");
    json_decref(json);
    json = info_of("micro --precision bf16 --precision-plan");
    const char *precision = json_string_value(json_object_get(json, "precision"));
    assert_string_equal(plan_of(json, "image_encoder.trunk"), precision); /* f32 where the machine lacks bfloat16 */
    assert_string_equal(plan_of(json, "sam_prompt_encoder"), "f32");
    /* AVX-512 without bfloat16 has no product that widens weights */
    const int plain = !strcmp(json_string_value(json_object_get(json, "isa")), "avx512");
    assert_string_equal(json_string_value(json_object_get(json, "storage")), plain ? "f32" : "bf16");
    json_decref(json);
    const run_result *r = run_expect(0, "info micro --precision-plan --kernels");
    assert_non_null(strstr(r->out, "mask decoder"));
    assert_non_null(strstr(r->out, "gemm_bf16"));
}

/* The same model in another format gives the same masks, whatever the file is called. */
static void convert(void **state)
{
    (void)state;
    run_expect(0, "segment -i scene.png -p 150,140 -o micro.png --size 256");
    run_expect(0, "convert micro other.safetensors");
    run_expect(0, "segment -m other.safetensors -i scene.png -p 150,140 -o a.png --size 256");
    assert_true(file_same("micro.png", "a.png"));
    run_expect(0, "convert other.safetensors wide.safetensors --precision f32");
    rename("wide.safetensors", "sam2.1_l");
    run_expect(0, "segment -m sam2.1_l -i scene.png -p 150,140 -o b.png --size 256");
    assert_true(file_same("micro.png", "b.png"));
    run_expect(0, "convert micro native.sam2");
    run_expect(0, "segment -m native.sam2 -i scene.png -p 150,140 -o c.png --size 256");
    assert_true(file_same("micro.png", "c.png"));
    json_t *json = info_of("native.sam2");
    assert_string_equal(json_string_value(json_object_get(json, "format")), "native");
    json_decref(json);
    run_expect(0, "convert native.sam2 narrow.sam2 --precision bf16");
    json = info_of("narrow.sam2 --precision f32");
    /* Float32 products read it as it is and widen weights on the way. */
    assert_string_equal(json_string_value(json_object_get(json, "storage")), "bf16");
    assert_false(json_is_true(json_object_get(json, "repacked")));
    json_decref(json);
    const run_result *r = run_expect(0, "info narrow.sam2 --precision f32 -v");
    assert_null(strstr(r->err, "packed again"));
    assert_non_null(strstr(r->out, "weights of large products held in bf16"));
    assert_null(strstr(run_expect(0, "info narrow.sam2 --precision f32")->err, "packed again"));
    remove("sam2.1_l");
}

/* A byte changed among the weights opens as it is, and is found where checksums are asked for; options that cannot be
 * had are wrong use. */
static void damage_is_found_on_request(void **state)
{
    (void)state;
    run_expect(0, "synth sam2.1_t whole.pt");
    run_expect(0, "info -m whole.pt --verify");
    FILE *f = fopen("whole.pt", "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 90000000, SEEK_SET), 0);
    int byte = fgetc(f);
    assert_int_equal(fseek(f, 90000000, SEEK_SET), 0);
    fputc(byte ^ 1, f);
    assert_int_equal(fclose(f), 0);
    run_expect(0, "info -m whole.pt");
    const run_result *r = run_expect(3, "info -m whole.pt --verify");
    assert_non_null(strstr(r->err, "whole.pt: CRC mismatch in archive/data/"));
    r = run_expect(3, "segment -m whole.pt --verify -i scene.png -p 150,140 -o never.png");
    assert_non_null(strstr(r->err, "CRC mismatch"));
    assert_false(file_exists("never.png"));
    remove("whole.pt");
    r = run_expect(1, "info micro --precision int8");
    assert_non_null(strstr(r->err, "precision int8 is not in this version"));
    run_expect(1, "convert micro x.sam2 --precision int8");
    assert_false(file_exists("x.sam2"));
#if defined(__x86_64__)
    r = run_expect(1, "info micro --isa neon");
    assert_non_null(strstr(r->err, "instruction set 'neon'"));
#endif
}

static void synth(void **state)
{
    json_t *json;
    (void)state;
    run_expect(0, "synth sam2.1_t a.safetensors");
    run_expect(0, "synth sam2.1_hiera_tiny b.safetensors --seed 0");
    assert_true(file_same("a.safetensors", "b.safetensors"));
    run_expect(0, "synth sam2.1_t b.safetensors --seed 1");
    assert_false(file_same("a.safetensors", "b.safetensors"));
    json = info_of("a.safetensors");
    assert_string_equal(json_string_value(json_object_get(json, "model")), "sam2.1_t");
    assert_int_equal(json_integer_value(json_object_get(json, "parameters")), 38962754);
    json_decref(json);
    remove("a.safetensors");
    remove("b.safetensors");
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(info), cmocka_unit_test(plan_and_kernels),
                                       cmocka_unit_test(convert), cmocka_unit_test(damage_is_found_on_request),
                                       cmocka_unit_test(synth)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
