/* The model against the official code. Arguments: `small` (three small configurations, complete tensors, on every
 * instruction set), `trained` (the model the project carries), or MODEL SEED (an official size with stand-in weights,
 * samples). */
#include "model/reference.h"
#include "support/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *argument_model, *argument_seed;

/* True where the library computes in bfloat16 when asked, or in float32 with weights that are rounded to it; else there
 * is nothing to hold. */
static bool in_bf16(const sam2_model *model)
{
    sam2_error error;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    need_ok(sam2_model_get_info(model, &info, &error), &error);
    return info.storage == SAM2_PRECISION_BF16;
}

static void hold_small(const char *name, int cases)
{
    weights *fixture = fixture_open(name);
    for (const char *const *isa = isas_here(); *isa; isa++)
        for (int threads = 1; threads <= 3; threads += 2) {
            sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
            options.isa = *isa;
            options.threads = threads;
            options.precision = SAM2_PRECISION_F32;
            sam2_model *model = fixture_model(fixture, &options);
            assert_int_equal(hold_to_fixture(model, fixture), cases);
            sam2_model_close(model);
            options.precision = SAM2_PRECISION_BF16;
            model = fixture_model(fixture, &options);
            if (in_bf16(model))
                hold_to_bf16(model, fixture, name);
            sam2_model_close(model);
        }
    weights_close(fixture);
}

static void small_2_0(void **state)
{
    (void)state;
    hold_small("small_2.0", 16);
}

static void small_2_1(void **state)
{
    (void)state;
    hold_small("small_2.1", 16);
}

static void small_sam1(void **state)
{
    (void)state;
    hold_small("small_sam1", 15);
}

static void trained(void **state)
{
    (void)state;
    sam2_error error;
    sam2_model *model;
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.precision = SAM2_PRECISION_F32;
    weights *fixture = fixture_open("trained");
    need_ok(sam2_model_open(SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors", &options, &model, &error), &error);
    assert_int_equal(hold_to_fixture(model, fixture), 19);
    sam2_model_close(model);
    options.precision = SAM2_PRECISION_BF16;
    need_ok(sam2_model_open(SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors", &options, &model, &error), &error);
    if (in_bf16(model))
        hold_to_bf16(model, fixture, "trained");
    sam2_model_close(model);
    weights_close(fixture);
}

static void official_size(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "%s_seed%s", argument_model, argument_seed);
    weights *fixture = fixture_open(name);
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.precision = SAM2_PRECISION_F32;
    sam2_model *model = synthetic_model(argument_model, (uint64_t)atoi(argument_seed), &options);
    assert_int_equal(hold_to_fixture(model, fixture), 9);
    sam2_model_close(model);
    if ((strncmp(argument_model, "sam2.1", 6) == 0 || strncmp(argument_model, "sam1", 4) == 0) &&
        strcmp(argument_seed, "0") == 0) {
        options.precision = SAM2_PRECISION_BF16;
        model = synthetic_model(argument_model, 0, &options);
        if (in_bf16(model))
            hold_to_bf16(model, fixture, argument_model);
        sam2_model_close(model);
    }
    weights_close(fixture);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest small_tests[] = {cmocka_unit_test(small_2_0), cmocka_unit_test(small_2_1),
                                             cmocka_unit_test(small_sam1)};
    const struct CMUnitTest trained_tests[] = {cmocka_unit_test(trained)};
    const struct CMUnitTest size_tests[] = {cmocka_unit_test(official_size)};
    if (argc == 2 && strcmp(argv[1], "small") == 0)
        return cmocka_run_group_tests(small_tests, NULL, NULL);
    if (argc == 2 && strcmp(argv[1], "trained") == 0)
        return cmocka_run_group_tests(trained_tests, NULL, NULL);
    if (argc == 3) {
        argument_model = argv[1];
        argument_seed = argv[2];
        return cmocka_run_group_tests(size_tests, NULL, NULL);
    }
    fprintf(stderr, "usage: test_reference small | trained | MODEL SEED\n");
    return 2;
}
