/* What is simplified when a model is loaded gives the official graph's numbers, to rounding. */
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TENSORS 24

typedef struct tensors {
    struct {
        char name[32];
        float *data;
        size_t count;
    } list[MOST_TENSORS];
    size_t count;
} tensors;

static void take(void *user, const char *name, const float *data, const int64_t *shape, int dims)
{
    tensors *t = user;
    size_t count = 1;
    for (int i = 0; i < dims; i++)
        count *= (size_t)shape[i];
    assert_true(t->count < MOST_TENSORS);
    snprintf(t->list[t->count].name, sizeof t->list[0].name, "%s", name);
    t->list[t->count].data = malloc((count + 1) * sizeof(float));
    assert_non_null(t->list[t->count].data);
    memcpy(t->list[t->count].data, data, count * sizeof(float));
    t->list[t->count++].count = count;
}

/* Everything that a picture and a click give. */
static void run(const weights *fixture, sam2_precision precision, int plain, tensors *out)
{
    sam2_error error;
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    sam2_context *context;
    sam2_features *features;
    sam2_result *result;
    int width, height;
    uint8_t *pixels = fixture_picture(fixture, &width, &height);
    const sam2_image image = {pixels, width, height, (ptrdiff_t)width * 3, SAM2_PIXEL_RGB};
    const sam2_point point = {60, 40, 1};
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    prompt.points = &point;
    prompt.point_count = 1;
    options.precision = precision;
    options.plain_graph = plain;
    sam2_model *model = fixture_model(fixture, &options);
    *out = (tensors){.count = 0};
    need_ok(sam2_context_create(model, &context, &error), &error);
    need_ok(sam2_result_create(model, &result, &error), &error);
    need_ok(sam2_context_set_observer(context, take, out, &error), &error);
    need_ok(sam2_features_encode(context, &image, &features, &error), &error);
    need_ok(sam2_predict(context, features, &prompt, 1, NULL, result, &error), &error);
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    free(pixels);
}

static void hold(const char *name, sam2_precision precision, double most)
{
    weights *fixture = fixture_open(name);
    tensors plain, merged;
    int differing = 0;
    run(fixture, precision, 1, &plain);
    run(fixture, precision, 0, &merged);
    assert_int_equal(plain.count, merged.count);
    assert_true(plain.count >= 12);
    for (size_t i = 0; i < plain.count; i++) {
        assert_string_equal(plain.list[i].name, merged.list[i].name);
        assert_int_equal(plain.list[i].count, merged.list[i].count);
        double error = relative_rms(plain.list[i].data, merged.list[i].data, plain.list[i].count);
        if (!(error <= most))
            fail_msg("%s: %s is off by %.2g", name, plain.list[i].name, error);
        differing += error > 0.0;
        free(plain.list[i].data);
        free(merged.list[i].data);
    }
    assert_true(differing >= 3); /* they are computed in two ways */
    weights_close(fixture);
}

static void float32_to_rounding(void **state)
{
    (void)state;
    hold("small_2.0", SAM2_PRECISION_F32, 1e-4); /* logits amplify roundings; the maps are below 1e-6 */
    hold("small_2.1", SAM2_PRECISION_F32, 1e-4);
}

static void bfloat16_to_its_rounding(void **state)
{
    (void)state;
    hold("small_2.1", SAM2_PRECISION_BF16, 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(float32_to_rounding),
                                       cmocka_unit_test(bfloat16_to_its_rounding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
