/* What the library allocates: nothing in steady state, everything given back, every failure an error. */
#include "support/cmocka_all.h"
#include "support/counting.h"
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sam2_point click = {60, 40, 1};

static sam2_prompt one_click(void)
{
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    prompt.points = &click;
    prompt.point_count = 1;
    return prompt;
}

/* Bytes of a small model as a file, for sam2_model_open_memory. */
static uint8_t *small_file(size_t *size)
{
    FILE *f = fopen(SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors", "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

/* Everything a program does, as far as it gets: opens, encodes, predicts, asks for masks. Returns the first failure. */
static sam2_status whole_life(const void *file, size_t size, const sam2_allocator *a, sam2_error *error)
{
    sam2_model *model = NULL;
    sam2_context *context = NULL;
    sam2_features *features = NULL;
    sam2_result *result = NULL;
    uint8_t *pixels = picture_pattern(90, 70);
    sam2_image image = {pixels, 90, 70, 270, SAM2_PIXEL_RGB};
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.allocator = a;
    options.threads = 2;
    options.image_size = 64;
    sam2_prompt prompt = one_click();
    sam2_status status = sam2_model_open_memory(file, size, &options, &model, error);
    if (status == SAM2_OK)
        status = sam2_context_create(model, &context, error);
    if (status == SAM2_OK)
        status = sam2_features_encode(context, &image, &features, error);
    if (status == SAM2_OK)
        status = sam2_result_create(model, &result, error);
    if (status == SAM2_OK)
        status = sam2_predict(context, features, &prompt, 1, NULL, result, error);
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    free(pixels);
    return status;
}

static void every_allocation_fails_in_turn(void **state)
{
    (void)state;
    counter c;
    sam2_allocator a = counting(&c);
    sam2_error error;
    size_t size;
    uint8_t *file = small_file(&size);
    need_ok(whole_life(file, size, &a, &error), &error);
    size_t total = c.calls;
    assert_true(total > 8 && c.live_blocks == 0 && c.live_bytes == 0);
    for (size_t n = 1; n <= total; n++) {
        c = (counter){.fail_at = n};
        sam2_status status = whole_life(file, size, &a, &error);
        if (status != SAM2_ERROR_MEMORY)
            fail_msg("allocation %zu of %zu fails: status %d", n, total, (int)status);
        assert_int_equal(error.code, SAM2_ERROR_MEMORY);
        assert_non_null(strstr(error.text, "out of memory"));
        assert_int_equal(c.live_blocks, 0);
        assert_int_equal(c.live_bytes, 0);
    }
    free(file);
}

static void steady_prediction_allocates_nothing(void **state)
{
    (void)state;
    counter c;
    sam2_allocator a = counting(&c);
    sam2_error error;
    weights *fixture = fixture_open("small_2.1");
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.allocator = &a;
    sam2_model *model = fixture_model(fixture, &options);
    sam2_context *context;
    sam2_features *features;
    sam2_result *result;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    int width, height;
    uint8_t *pixels = fixture_picture(fixture, &width, &height), *bytes = malloc((size_t)width * (size_t)height);
    sam2_image image = {pixels, width, height, (ptrdiff_t)width * 3, SAM2_PIXEL_RGB};
    sam2_prompt prompts[8];
    char text[64];
    need_ok(sam2_model_get_info(model, &info, &error), &error);
    size_t before = c.live_bytes;
    need_ok(sam2_context_create(model, &context, &error), &error);
    assert_true(c.live_bytes - before >= info.workspace_bytes && c.live_bytes - before < info.workspace_bytes + 1024);
    need_ok(sam2_features_encode(context, &image, &features, &error), &error);
    need_ok(sam2_result_create(model, &result, &error), &error);
    for (int i = 0; i < 8; i++)
        prompts[i] = one_click();
    need_ok(sam2_predict(context, features, prompts, 8, NULL, result, &error), &error);
    size_t calls = c.calls;
    for (int round = 0; round < 3; round++) {
        sam2_mask mask = SAM2_MASK_INIT;
        int64_t area;
        int box[4];
        size_t length;
        need_ok(sam2_predict(context, features, prompts, 8 - round, NULL, result, &error), &error);
        need_ok(sam2_result_get_mask(result, 7 - round, 2, &mask, &error), &error);
        need_ok(sam2_mask_to_bytes(&mask, 255, bytes, width, &error), &error);
        need_ok(sam2_mask_measure(&mask, &area, box, &error), &error);
        need_ok(sam2_mask_to_rle(&mask, text, sizeof text, &length, &error), &error);
    }
    assert_int_equal(c.calls, calls);
    /* Encoding allocates the features alone. */
    sam2_features_destroy(features);
    need_ok(sam2_features_encode(context, &image, &features, &error), &error);
    assert_int_equal(c.calls, calls + 2);
    free(pixels);
    free(bytes);
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    assert_int_equal(c.live_blocks, 0);
    assert_int_equal(c.live_bytes, 0);
    weights_close(fixture);
}

/* The memory of the official sizes: weights within a tenth of their float32 size, workspace below what performance is
 * planned with. Two threads. */
static void memory_of_official_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        sam2_precision precision;
        double weights_mib, workspace_mib; /* limits */
    } sizes[] = {{"sam2.1_t", SAM2_PRECISION_F32, 165, 80},
                 {"sam2.1_b+", SAM2_PRECISION_F32, 345, 105},
                 {"sam2.1_t", SAM2_PRECISION_BF16, 165, 80},
                 {"sam2.1_b+", SAM2_PRECISION_BF16, 345, 105}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sam2_error error;
        sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
        sam2_model_info info = SAM2_MODEL_INFO_INIT;
        options.threads = 2;
        options.precision = sizes[i].precision;
        sam2_model *model = synthetic_model(sizes[i].name, 0, &options);
        need_ok(sam2_model_get_info(model, &info, &error), &error);
        if (info.storage == SAM2_PRECISION_BF16) /* the image encoder's weights take half */
            assert_true((double)info.weight_bytes < 0.65 * sizes[i].weights_mib * 0x1p20);
        assert_true((double)info.weight_bytes < sizes[i].weights_mib * 0x1p20);
        assert_true((double)info.workspace_bytes < sizes[i].workspace_mib * 0x1p20);
        sam2_model_close(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_in_turn),
        cmocka_unit_test(steady_prediction_allocates_nothing),
        cmocka_unit_test(memory_of_official_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
