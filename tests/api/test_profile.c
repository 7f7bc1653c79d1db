/* A profile counts what was done, and changes no result. What it says about time is not tested, but that parts fit into
 * the whole. */
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include "kernels/timed.h"
#include "predict/predictor.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 128 };

typedef struct entries {
    sam2_profile_entry list[MOST];
    int count;
} entries;

static void keep(void *user, const sam2_profile_entry *entry)
{
    entries *e = user;
    assert_true(e->count < MOST);
    e->list[e->count++] = *entry;
}

static const sam2_profile_entry *find(const entries *e, const char *stage, const char *operation)
{
    for (int i = 0; i < e->count; i++)
        if (!strcmp(e->list[i].stage, stage) &&
            (operation ? e->list[i].operation && !strcmp(e->list[i].operation, operation) : !e->list[i].operation))
            return &e->list[i];
    return NULL;
}

static const sam2_profile_entry *need(const entries *e, const char *stage, const char *operation)
{
    const sam2_profile_entry *found = find(e, stage, operation);
    if (!found)
        fail_msg("no entry '%s', '%s'", stage, operation ? operation : "");
    return found;
}

typedef struct setup {
    sam2_model *model;
    sam2_context *context;
    sam2_result *result;
    sam2_image image;
} setup;

static setup make(const char *name, sam2_precision precision, int threads, int image_size)
{
    setup s;
    sam2_error error;
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.precision = precision;
    options.threads = threads;
    options.image_size = image_size;
    s.model = synthetic_model(name, 0, &options);
    need_ok(sam2_context_create(s.model, &s.context, &error), &error);
    need_ok(sam2_result_create(s.model, &s.result, &error), &error);
    s.image = (sam2_image){picture_scene(150, 100), 150, 100, 450, SAM2_PIXEL_RGB};
    return s;
}

static void end(setup *s)
{
    free((void *)s->image.pixels);
    sam2_result_destroy(s->result);
    sam2_context_destroy(s->context);
    sam2_model_close(s->model);
}

/* One picture and one click, which leaves three masks in the result. */
static void work(const setup *s)
{
    sam2_error error;
    sam2_features *features;
    sam2_point point = {60, 40, 1};
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    prompt.points = &point;
    prompt.point_count = 1;
    need_ok(sam2_features_encode(s->context, &s->image, &features, &error), &error);
    need_ok(sam2_predict(s->context, features, &prompt, 1, NULL, s->result, &error), &error);
    sam2_features_destroy(features);
}

/* Calls and work are those of the configuration, for any number of threads. */
static void counts(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        sam2_error error;
        setup s = make("sam2.1_t", SAM2_PRECISION_F32, threads, 128);
        entries e = {.count = 0};
        work(&s); /* is not to be counted */
        need_ok(sam2_context_set_profiling(s.context, 1, &error), &error);
        work(&s);
        need_ok(sam2_context_read_profile(s.context, keep, &e, &error), &error);
        /* Stages of the tiny model: 1, 2, 7 and 2 blocks; each has a level of the neck. */
        assert_int_equal(need(&e, "trunk stage 0", NULL)->calls, 1);
        assert_int_equal(need(&e, "trunk stage 1", NULL)->calls, 2);
        assert_int_equal(need(&e, "trunk stage 2", NULL)->calls, 7);
        assert_int_equal(need(&e, "trunk stage 3", NULL)->calls, 2);
        assert_int_equal(need(&e, "neck", NULL)->calls, 4);
        assert_int_equal(need(&e, "preprocess", NULL)->calls, 1);
        assert_int_equal(need(&e, "prompt encoder", NULL)->calls, 1);
        assert_int_equal(need(&e, "mask upscale", NULL)->calls, 1);
        assert_null(find(&e, "preprocess", "linear"));
        assert_null(find(&e, "preprocess", "attention products"));
        /* The patch embedding is one product: 32 x 32 tokens of 7 x 7 x 3 values, 96 channels. */
        assert_true(need(&e, "patch embedding", "linear")->flop == 2.0 * 32 * 32 * 147 * 96);
        assert_null(find(&e, "patch embedding", "attention products"));
        /* Three projections of 8 x 8 tokens from 256 to 128 channels. */
        assert_true(need(&e, "features", NULL)->flop == 2.0 * 64 * 256 * 128 * 3);
        /* Stage 0 is one block: 16 windows of 8 x 8 tokens, one head of 96 channels; the MLP's first layer has GELU. */
        assert_true(need(&e, "trunk stage 0", "linear + GELU")->flop == 2.0 * 1024 * 96 * 384);
        assert_true(need(&e, "trunk stage 0", "linear")->flop == 2.0 * 1024 * 96 * (3 * 96 + 96 + 384));
        assert_true(need(&e, "trunk stage 0", "attention products")->flop == 2.0 * 16 * 64 * 64 * 96 * 2);
        end(&s);
    }
}

/* The work that sam2_model_info announces is the work that is done, with windows that are whole and windows that are
 * not. */
static void announced(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int side;
        sam2_precision precision;
    } cases[] = {{"sam2.1_t", 128, SAM2_PRECISION_F32},  {"sam2.1_t", 320, SAM2_PRECISION_F32},
                 {"sam2.1_b+", 448, SAM2_PRECISION_F32}, {"sam2.1_l", 256, SAM2_PRECISION_F32},
                 {"sam2.1_t", 320, SAM2_PRECISION_BF16}, {"sam2.1_b+", 256, SAM2_PRECISION_BF16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sam2_error error;
        setup s = make(cases[i].name, cases[i].precision, 2, cases[i].side);
        sam2_model_info info = SAM2_MODEL_INFO_INIT;
        sam2_features *features;
        entries e = {.count = 0};
        double flop = 0.0;
        need_ok(sam2_context_set_profiling(s.context, 1, &error), &error);
        need_ok(sam2_features_encode(s.context, &s.image, &features, &error), &error);
        sam2_features_destroy(features);
        need_ok(sam2_context_read_profile(s.context, keep, &e, &error), &error);
        for (int k = 0; k < e.count; k++)
            if (!e.list[k].operation && strcmp(e.list[k].stage, "features")) /* which is of the decoder */
                flop += e.list[k].flop;
        need_ok(sam2_model_get_info(s.model, &info, &error), &error);
        assert_true(flop == (double)info.encode_flop);
        end(&s);
    }
}

/* A stage's work is that of its operations; on one thread their time lies inside the stage's. */
static void parts(void **state)
{
    (void)state;
    sam2_error error;
    setup s = make("sam2.1_t", SAM2_PRECISION_F32, 1, 128);
    entries e = {.count = 0};
    need_ok(sam2_context_set_profiling(s.context, 1, &error), &error);
    work(&s);
    need_ok(sam2_context_read_profile(s.context, keep, &e, &error), &error);
    for (int i = 0; i < e.count; i++) {
        double ms = 0.0, flop = 0.0;
        if (e.list[i].operation)
            continue;
        for (int k = i + 1; k < e.count && e.list[k].operation; k++) {
            assert_string_equal(e.list[k].stage, e.list[i].stage);
            ms += e.list[k].ms;
            flop += e.list[k].flop;
        }
        assert_true(flop == e.list[i].flop);
        assert_true(ms <= e.list[i].ms * (1.0 + 1e-9));
    }
    end(&s);
}

/* The stages of a profile add up to the time of its calls: each begins where the one before ends. */
static void stages(void **state)
{
    (void)state;
    sam2_error error;
    setup s = make("sam2.1_t", SAM2_PRECISION_F32, 2, 128);
    need_ok(sam2_context_set_profiling(s.context, 1, &error), &error);
    work(&s);
    work(&s);
    const profile *p = s.context->profile;
    uint64_t ticks = 0;
    for (int stage = 0; stage < PROFILE_STAGES; stage++)
        ticks += p->stages[stage].ticks;
    assert_true(ticks == p->total_ticks);
    end(&s);
}

static void same_bits(void **state)
{
    (void)state;
    sam2_error error;
    setup s = make("sam2.1_t", SAM2_PRECISION_F32, 2, 128);
    sam2_mask mask = SAM2_MASK_INIT;
    work(&s);
    need_ok(sam2_result_get_mask(s.result, 0, 0, &mask, &error), &error);
    size_t bytes = (size_t)mask.low_res_size * (size_t)mask.low_res_size * 3 * sizeof(float);
    float *plain = malloc(bytes);
    assert_non_null(plain);
    memcpy(plain, mask.low_res_logits, bytes);
    need_ok(sam2_context_set_profiling(s.context, 1, &error), &error);
    work(&s);
    need_ok(sam2_result_get_mask(s.result, 0, 0, &mask, &error), &error);
    assert_memory_equal(plain, mask.low_res_logits, bytes);
    free(plain);
    end(&s);
}

static void switched(void **state)
{
    (void)state;
    sam2_error error;
    setup s = make("sam2.1_t", SAM2_PRECISION_F32, 1, 128);
    entries e = {.count = 0};
    assert_int_equal(sam2_context_read_profile(s.context, keep, &e, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_context_set_profiling(NULL, 1, &error), SAM2_ERROR_ARGUMENT);
    need_ok(sam2_context_set_profiling(s.context, 1, &error), &error);
    assert_int_equal(sam2_context_read_profile(s.context, NULL, &e, &error), SAM2_ERROR_ARGUMENT);
    need_ok(sam2_context_read_profile(s.context, keep, &e, &error), &error);
    assert_int_equal(e.count, 0); /* nothing was run */
    work(&s);
    need_ok(sam2_context_set_profiling(s.context, 1, &error), &error); /* starts again */
    need_ok(sam2_context_read_profile(s.context, keep, &e, &error), &error);
    assert_int_equal(e.count, 0);
    need_ok(sam2_context_set_profiling(s.context, 0, &error), &error);
    need_ok(sam2_context_set_profiling(s.context, 0, &error), &error);
    work(&s);
    assert_int_equal(sam2_context_read_profile(s.context, keep, &e, &error), SAM2_ERROR_ARGUMENT);
    end(&s);
}

/* A kernel added to the registry without its line in kernels/timed.c would be missing from profiles. */
static void all_kernels(void **state)
{
    (void)state;
    kernels plain, timed;
    kernels_select(&plain, CPU_ISA_COUNT - 1);
    kernels_time(&plain, &timed);
#define OP(op)                                                                                                         \
    if (timed.op == plain.op || !timed.op)                                                                             \
        fail_msg("%s is not timed", #op);
#define BLOCK_NAME(name) assert_int_equal(timed.name, plain.name);
#define KERNEL(op, isa)
#define BLOCK(name, isa, value)
#include "kernels/registry.inc"
}

typedef struct nested {
    const setup *inner;
    int calls;
} nested;

static void use_another(void *user, const char *name, const float *data, const int64_t *shape, int dims)
{
    (void)name;
    (void)data;
    (void)shape;
    (void)dims;
    nested *n = user;
    if (n->calls++ == 0)
        work(n->inner);
}

/* An observer may use another context, whose own profile then counts; this one goes on after it. */
static void one_inside_another(void **state)
{
    (void)state;
    sam2_error error;
    setup outer = make("sam2.1_t", SAM2_PRECISION_F32, 1, 64), inner = make("sam2.1_t", SAM2_PRECISION_F32, 1, 64);
    static entries alone, now;
    for (int pass = 0; pass < 2; pass++) {
        nested n = {&inner, 0};
        for (int i = 0; i < 2; i++)
            need_ok(sam2_context_set_profiling(i ? inner.context : outer.context, 1, &error), &error);
        if (pass)
            need_ok(sam2_context_set_observer(outer.context, use_another, &n, &error), &error);
        work(&outer);
        entries *e = pass ? &now : &alone;
        need_ok(sam2_context_read_profile(outer.context, keep, e, &error), &error);
        assert_int_equal(n.calls > 0, pass);
        if (pass) {
            entries *of_inner = calloc(1, sizeof *of_inner);
            assert_non_null(of_inner);
            need_ok(sam2_context_read_profile(inner.context, keep, of_inner, &error), &error);
            assert_true(of_inner->count > 10);
            free(of_inner);
        }
    }
    assert_int_equal(now.count, alone.count);
    for (int i = 0; i < now.count; i++)
        assert_int_equal(now.list[i].calls, alone.list[i].calls);
    end(&outer);
    end(&inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts),
                                       cmocka_unit_test(announced),
                                       cmocka_unit_test(parts),
                                       cmocka_unit_test(stages),
                                       cmocka_unit_test(same_bits),
                                       cmocka_unit_test(switched),
                                       cmocka_unit_test(one_inside_another),
                                       cmocka_unit_test(all_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
