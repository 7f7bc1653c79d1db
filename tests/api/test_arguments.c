#define _POSIX_C_SOURCE 200809L
/* Bad arguments through the public functions: each an error that says what is wrong, nothing broken afterwards. */
#include "predict/predictor.h"
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MICRO SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors"
enum { W = 90, H = 70 };

static sam2_model *loaded;
static sam2_context *context;
static sam2_features *features;
static sam2_result *result;
static uint8_t *pixels;
static sam2_error error;

static int set_up(void **state)
{
    (void)state;
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.image_size = 128;
    pixels = picture_pattern(W, H);
    sam2_image image = {pixels, W, H, W * 3, SAM2_PIXEL_RGB};
    return sam2_model_open(MICRO, &options, &loaded, &error) || sam2_context_create(loaded, &context, &error) ||
           sam2_features_encode(context, &image, &features, &error) || sam2_result_create(loaded, &result, &error);
}

static int tear_down(void **state)
{
    (void)state;
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(loaded);
    free(pixels);
    return 0;
}

/* The call must fail with this status and a text that holds `part`. */
static void refused(sam2_status status, sam2_status expected, const char *part)
{
    if (status != expected || error.code != expected || !strstr(error.text, part))
        fail_msg("status %d, text '%s'; expected %d, '%s'", (int)status, error.text, (int)expected, part);
    memset(&error, 0, sizeof error);
}

static sam2_status predict(const sam2_prompt *prompt)
{
    return sam2_predict(context, features, prompt, 1, NULL, result, &error);
}

static void nothing_is_null(void **state)
{
    (void)state;
    sam2_model *m;
    sam2_context *c;
    sam2_features *f;
    sam2_result *r;
    sam2_mask mask = SAM2_MASK_INIT;
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_image image = {pixels, W, H, W * 3, SAM2_PIXEL_RGB};
    size_t length;
    refused(sam2_model_open(NULL, NULL, &m, &error), SAM2_ERROR_ARGUMENT, "path is NULL");
    refused(sam2_model_open(MICRO, NULL, NULL, &error), SAM2_ERROR_ARGUMENT, "model is NULL");
    refused(sam2_model_open_memory(NULL, 5, NULL, &m, &error), SAM2_ERROR_ARGUMENT, "bytes is NULL");
    refused(sam2_context_create(NULL, &c, &error), SAM2_ERROR_ARGUMENT, "model is NULL");
    refused(sam2_features_encode(NULL, &image, &f, &error), SAM2_ERROR_ARGUMENT, "context is NULL");
    refused(sam2_features_encode(context, NULL, &f, &error), SAM2_ERROR_ARGUMENT, "image is NULL");
    refused(sam2_result_create(NULL, &r, &error), SAM2_ERROR_ARGUMENT, "model is NULL");
    refused(sam2_predict(context, NULL, &prompt, 1, NULL, result, &error), SAM2_ERROR_ARGUMENT, "features is NULL");
    refused(sam2_predict(context, features, NULL, 1, NULL, result, &error), SAM2_ERROR_ARGUMENT, "prompts is NULL");
    refused(sam2_predict(context, features, &prompt, 1, NULL, NULL, &error), SAM2_ERROR_ARGUMENT, "result is NULL");
    refused(sam2_result_get_mask(NULL, 0, 0, &mask, &error), SAM2_ERROR_ARGUMENT, "result is NULL");
    refused(sam2_mask_to_bytes(&mask, 1, pixels, W, &error), SAM2_ERROR_ARGUMENT, "low_res_logits is NULL");
    refused(sam2_mask_to_rle(NULL, NULL, 0, &length, &error), SAM2_ERROR_ARGUMENT, "mask is NULL");
    refused(sam2_features_save(NULL, "x", &error), SAM2_ERROR_ARGUMENT, "features is NULL");
    refused(sam2_synthesize("sam2_t", NULL, 0, 0, NULL, &error), SAM2_ERROR_ARGUMENT, "output is NULL");
    const sam2_allocator lacking = {0};
    refused(sam2_synthesize("sam2_t", "x.pt", 0, 0, &lacking, &error), SAM2_ERROR_ARGUMENT, "lacks a function");
    refused(sam2_convert(MICRO, "x.sam2", SAM2_PRECISION_AUTO, &lacking, &error), SAM2_ERROR_ARGUMENT,
            "lacks a function");
    /* Releasing nothing is allowed, and an error object is not needed. */
    sam2_model_close(NULL);
    sam2_context_destroy(NULL);
    sam2_features_destroy(NULL);
    sam2_result_destroy(NULL);
    assert_int_equal(sam2_model_open(NULL, NULL, &m, NULL), SAM2_ERROR_ARGUMENT);
    assert_null(m);
    assert_int_equal(sam2_result_object_count(NULL), 0);
}

static void options_out_of_range(void **state)
{
    (void)state;
    sam2_model *m = (sam2_model *)&error;
    sam2_model_options o = SAM2_MODEL_OPTIONS_INIT;
    o.threads = -1;
    refused(sam2_model_open(MICRO, &o, &m, &error), SAM2_ERROR_ARGUMENT, "threads is -1");
    assert_null(m);
    o.threads = 257;
    refused(sam2_model_open(MICRO, &o, &m, &error), SAM2_ERROR_ARGUMENT, "threads is 257");
    o = (sam2_model_options)SAM2_MODEL_OPTIONS_INIT;
    o.image_size = 1000;
    refused(sam2_model_open(MICRO, &o, &m, &error), SAM2_ERROR_ARGUMENT, "multiples of 32");
    o.image_size = 32;
    refused(sam2_model_open(MICRO, &o, &m, &error), SAM2_ERROR_ARGUMENT, "multiples of 32");
    o = (sam2_model_options)SAM2_MODEL_OPTIONS_INIT;
    o.isa = "sse9";
    refused(sam2_model_open(MICRO, &o, &m, &error), SAM2_ERROR_ARGUMENT, "'sse9'");
    o.isa = "neon";
#if defined(__x86_64__)
    refused(sam2_model_open(MICRO, &o, &m, &error), SAM2_ERROR_UNSUPPORTED, "neon");
#endif
    o = (sam2_model_options)SAM2_MODEL_OPTIONS_INIT;
    o.precision = (sam2_precision)77;
    refused(sam2_model_open(MICRO, &o, &m, &error), SAM2_ERROR_ARGUMENT, "precision 77");
    o = (sam2_model_options)SAM2_MODEL_OPTIONS_INIT;
    o.struct_size = 3;
    refused(sam2_model_open(MICRO, &o, &m, &error), SAM2_ERROR_ARGUMENT, "sam2_model_options.struct_size is 3");
    refused(sam2_model_open("/nonexistent/model.pt", NULL, &m, &error), SAM2_ERROR_FILE, "/nonexistent/model.pt");
}

static void plans_past_the_end(void **state)
{
    (void)state;
    sam2_precision_part part = SAM2_PRECISION_PART_INIT;
    const char *name, *isa;
    int lines = 0, kernels = 0;
    refused(sam2_model_get_precision(NULL, 0, &part, &error), SAM2_ERROR_ARGUMENT, "model is NULL");
    refused(sam2_model_get_precision(loaded, -1, &part, &error), SAM2_ERROR_ARGUMENT, "no line -1");
    while (sam2_model_get_precision(loaded, lines, &part, &error) == SAM2_OK)
        lines++;
    assert_true(lines >= 3);
    assert_non_null(strstr(error.text, "no line"));
    part.struct_size = 1;
    refused(sam2_model_get_precision(loaded, 0, &part, &error), SAM2_ERROR_ARGUMENT, "struct_size is 1");
    refused(sam2_model_get_kernel(loaded, 0, NULL, &isa, &error), SAM2_ERROR_ARGUMENT, "name is NULL");
    refused(sam2_model_get_kernel(loaded, -1, &name, &isa, &error), SAM2_ERROR_ARGUMENT, "no kernel -1");
    while (sam2_model_get_kernel(loaded, kernels, &name, &isa, &error) == SAM2_OK)
        kernels++;
    assert_true(kernels > 10);
}

static void pictures_out_of_range(void **state)
{
    (void)state;
    sam2_features *f;
    sam2_image image = {pixels, 0, H, W * 3, SAM2_PIXEL_RGB};
    refused(sam2_features_encode(context, &image, &f, &error), SAM2_ERROR_ARGUMENT, "0 x 70");
    image = (sam2_image){pixels, W, 70000, W * 3, SAM2_PIXEL_RGB};
    refused(sam2_features_encode(context, &image, &f, &error), SAM2_ERROR_ARGUMENT, "90 x 70000");
    image = (sam2_image){pixels, W, H, W * 3 - 1, SAM2_PIXEL_RGB};
    refused(sam2_features_encode(context, &image, &f, &error), SAM2_ERROR_ARGUMENT, "stride of 269");
    image = (sam2_image){pixels, W, H, W * 3, (sam2_pixel_format)9};
    refused(sam2_features_encode(context, &image, &f, &error), SAM2_ERROR_ARGUMENT, "format 9");
    image = (sam2_image){NULL, W, H, W * 3, SAM2_PIXEL_RGB};
    refused(sam2_features_encode(context, &image, &f, &error), SAM2_ERROR_ARGUMENT, "pixels is NULL");
}

static void prompts_that_make_no_sense(void **state)
{
    (void)state;
    sam2_point point = {10, 10, 1};
    sam2_box box = {10, 10, 50, 50};
    sam2_prompt p = SAM2_PROMPT_INIT;
    p.points = &point;
    p.point_count = 1;
    point.label = 2;
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "label 2");
    assert_int_equal(sam2_result_object_count(result), 0);
    point = (sam2_point){NAN, 10, 1};
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "finite");
    point = (sam2_point){10, INFINITY, 1};
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "finite");
    point = (sam2_point){10, 10, 1};
    p.point_count = -1;
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "-1 points");
    p.point_count = 1025;
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "1025 points");
    p.point_count = 1;
    p.points = NULL;
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "points is NULL");
    p = (sam2_prompt)SAM2_PROMPT_INIT;
    p.box = &box;
    box = (sam2_box){10, 10, 10, 50};
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "no area");
    box = (sam2_box){100, 10, 150, 50};
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "outside the picture of 90 x 70");
    box = (sam2_box){NAN, 10, 150, 50};
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "finite");
    p = (sam2_prompt)SAM2_PROMPT_INIT;
    p.mask = pixels;
    p.mask_width = W;
    p.mask_height = H - 1;
    p.mask_stride = W;
    refused(predict(&p), SAM2_ERROR_MISMATCH, "90 x 69, the picture 90 x 70");
    p.mask_height = H;
    p.mask_stride = W - 1;
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "mask stride of 89");
    p.mask_stride = W;
    float logits[1] = {0};
    p.low_res_logits = logits;
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "both a mask and");
    p = (sam2_prompt)SAM2_PROMPT_INIT;
    refused(sam2_predict(context, features, &p, 0, NULL, result, &error), SAM2_ERROR_ARGUMENT, "0 objects");
    p.struct_size = 0;
    refused(predict(&p), SAM2_ERROR_ARGUMENT, "sam2_prompt.struct_size is 0");
}

/* A box whose corners are swapped is the same box; a mask prompt of the whole object keeps it. */
static void prompts_that_do(void **state)
{
    (void)state;
    sam2_box box = {20, 15, 70, 60}, swapped = {70, 60, 20, 15};
    sam2_prompt p = SAM2_PROMPT_INIT;
    sam2_mask mask = SAM2_MASK_INIT;
    p.box = &box;
    need_ok(predict(&p), &error);
    need_ok(sam2_result_get_mask(result, 0, 0, &mask, &error), &error);
    size_t floats = (size_t)mask.low_res_size * (size_t)mask.low_res_size;
    float *first = malloc(floats * sizeof *first);
    memcpy(first, mask.low_res_logits, floats * sizeof *first);
    p.box = &swapped;
    need_ok(predict(&p), &error);
    need_ok(sam2_result_get_mask(result, 0, 0, &mask, &error), &error);
    assert_memory_equal(first, mask.low_res_logits, floats * sizeof *first);
    free(first);
    /* Best first: scores descend, and each place of the network's order is there once. */
    float before = 2.0f;
    int seen = 0;
    for (int i = 0; i < 3; i++) {
        need_ok(sam2_result_get_mask(result, 0, i, &mask, &error), &error);
        assert_true(mask.score <= before && mask.score >= 0.0f);
        before = mask.score;
        seen |= 1 << mask.index;
    }
    assert_int_equal(seen, 2 + 4 + 8);
    p = (sam2_prompt)SAM2_PROMPT_INIT; /* none at all, as the official predictor allows */
    need_ok(predict(&p), &error);
    refused(sam2_result_get_mask(result, 1, 0, &mask, &error), SAM2_ERROR_ARGUMENT, "object 1");
    refused(sam2_result_get_mask(result, 0, 3, &mask, &error), SAM2_ERROR_ARGUMENT, "mask 3 of 3");
}

/* Encoded pictures come back from a file with the same bits, and only to the model that made them. */
static void features_in_files(void **state)
{
    (void)state;
    char path[] = "/tmp/sam2-features-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    sam2_features *again;
    sam2_point point = {40, 30, 1};
    sam2_prompt p = SAM2_PROMPT_INIT;
    sam2_mask a = SAM2_MASK_INIT, b = SAM2_MASK_INIT;
    p.points = &point;
    p.point_count = 1;
    need_ok(sam2_features_save(features, path, &error), &error);
    need_ok(sam2_features_load(loaded, path, &again, &error), &error);
    int width, height;
    sam2_features_get_size(again, &width, &height);
    assert_true(width == W && height == H);
    sam2_result *other;
    need_ok(sam2_result_create(loaded, &other, &error), &error);
    need_ok(predict(&p), &error);
    need_ok(sam2_predict(context, again, &p, 1, NULL, other, &error), &error);
    need_ok(sam2_result_get_mask(result, 0, 0, &a, &error), &error);
    need_ok(sam2_result_get_mask(other, 0, 0, &b, &error), &error);
    assert_memory_equal(a.low_res_logits, b.low_res_logits,
                        (size_t)a.low_res_size * (size_t)a.low_res_size * sizeof(float));
    sam2_result_destroy(other);
    sam2_features_destroy(again);

    sam2_model *bigger; /* the same weights, another input size */
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.image_size = 160;
    need_ok(sam2_model_open(MICRO, &options, &bigger, &error), &error);
    refused(sam2_features_load(bigger, path, &again, &error), SAM2_ERROR_MISMATCH, "another model");
    assert_null(again);
    sam2_context *c;
    need_ok(sam2_context_create(bigger, &c, &error), &error);
    refused(sam2_predict(c, features, &p, 1, NULL, result, &error), SAM2_ERROR_MISMATCH, "another model");
    /* Nor of its sizes, if a file should lie about the identity. */
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    need_ok(sam2_model_get_info(bigger, &info, &error), &error);
    const uint64_t own = features->identity;
    features->identity = info.identity;
    refused(sam2_predict(c, features, &p, 1, NULL, result, &error), SAM2_ERROR_MISMATCH, "another model");
    features->identity = own;
    sam2_context_destroy(c);
    sam2_model_close(bigger);

    /* One changed byte anywhere that matters, and every length that is too short. */
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    const long places[] = {0, 9, 17, 25, 40, 60, 121, 128, 1000, size - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        fseek(f, places[i], SEEK_SET);
        int byte = fgetc(f);
        fseek(f, places[i], SEEK_SET);
        fputc(byte ^ 0x40, f);
        fflush(f);
        assert_int_not_equal(sam2_features_load(loaded, path, &again, &error), SAM2_OK);
        assert_null(again);
        fseek(f, places[i], SEEK_SET);
        fputc(byte, f);
        fflush(f);
    }
    need_ok(sam2_features_load(loaded, path, &again, &error), &error);
    sam2_features_destroy(again);
    const long lengths[] = {size - 1, 1000, 128, 127, 8, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(ftruncate(fileno(f), lengths[i]), 0);
        assert_int_equal(sam2_features_load(loaded, path, &again, &error), SAM2_ERROR_FORMAT);
    }
    fclose(f);
    unlink(path);
    refused(sam2_features_save(features, "/nonexistent/f", &error), SAM2_ERROR_FILE, "/nonexistent/f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_null),
        cmocka_unit_test(options_out_of_range),
        cmocka_unit_test(plans_past_the_end),
        cmocka_unit_test(pictures_out_of_range),
        cmocka_unit_test(prompts_that_make_no_sense),
        cmocka_unit_test(prompts_that_do),
        cmocka_unit_test(features_in_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
