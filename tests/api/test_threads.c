/* Results do not depend on the number of threads, on the batch, or on what else uses the model. */
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECTS 14

/* What one run gives, to be compared bit for bit. */
typedef struct outcome {
    float *logits; /* [objects][masks][side][side] */
    float scores[3 * OBJECTS];
    size_t floats;
} outcome;

#define MOST_CLICKS 40

/* Objects with different numbers of points, some with boxes, two with logits of an earlier mask, one with more points
 * than a batch takes; more objects than a batch takes, too. */
typedef struct request {
    sam2_point clicks[MOST_CLICKS];
    sam2_box box;
    float *logits;
    sam2_prompt prompts[OBJECTS];
} request;

static void make_request(request *r, int side)
{
    r->box = (sam2_box){20, 15, 120, 80};
    r->logits = made_logits(side);
    for (int i = 0; i < MOST_CLICKS; i++)
        r->clicks[i] = (sam2_point){(float)(20 + 37 * i % 100), (float)(10 + 23 * i % 70), i % 3 != 1};
    for (int i = 0; i < OBJECTS; i++) {
        sam2_prompt *p = &r->prompts[i];
        *p = (sam2_prompt)SAM2_PROMPT_INIT;
        p->points = r->clicks + i % 7;
        p->point_count = i == 12 ? 33 : i == 5 ? 20 : i % 4;
        if (i % 5 == 3)
            p->box = &r->box;
        if (i == 9 || i == 10)
            p->low_res_logits = r->logits;
    }
}

static void copy_outcome(const sam2_result *r, outcome *out, int first)
{
    sam2_error error;
    int masks = sam2_result_mask_count(r);
    for (int o = 0; o < sam2_result_object_count(r); o++)
        for (int m = 0; m < masks; m++) {
            sam2_mask mask = SAM2_MASK_INIT;
            need_ok(sam2_result_get_mask(r, o, m, &mask, &error), &error);
            size_t one = (size_t)mask.low_res_size * (size_t)mask.low_res_size,
                   slot = (size_t)((first + o) * masks + m);
            if (!out->logits) {
                out->floats = one * 3 * OBJECTS;
                out->logits = calloc(out->floats, sizeof *out->logits);
                assert_non_null(out->logits);
            }
            memcpy(out->logits + slot * one, mask.low_res_logits, one * sizeof(float));
            out->scores[slot] = mask.score;
        }
}

/* Encodes the fixture's picture by `encoder` and predicts, all objects in one call or one by one. */
static outcome run_with(const sam2_model *encoder, const sam2_model *model, const weights *fixture, bool one_by_one)
{
    sam2_error error;
    sam2_context *context;
    sam2_features *features;
    sam2_result *result;
    int width, height;
    uint8_t *pixels = fixture_picture(fixture, &width, &height);
    sam2_image image = {pixels, width, height, (ptrdiff_t)width * 3, SAM2_PIXEL_RGB};
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    request request;
    outcome out = {0};
    need_ok(sam2_model_get_info(model, &info, &error), &error);
    make_request(&request, info.low_res_size);
    need_ok(sam2_context_create(encoder, &context, &error), &error);
    need_ok(sam2_features_encode(context, &image, &features, &error), &error);
    sam2_context_destroy(context);
    need_ok(sam2_context_create(model, &context, &error), &error);
    need_ok(sam2_result_create(model, &result, &error), &error);
    for (int i = 0; i < (one_by_one ? OBJECTS : 1); i++) {
        need_ok(sam2_predict(context, features, request.prompts + i, one_by_one ? 1 : OBJECTS, NULL, result, &error),
                &error);
        copy_outcome(result, &out, i);
    }
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    free(pixels);
    free(request.logits);
    return out;
}

static outcome run(const sam2_model *model, const weights *fixture, bool one_by_one)
{
    return run_with(model, model, fixture, one_by_one);
}

static void same(const outcome *a, const outcome *b)
{
    assert_int_equal(a->floats, b->floats);
    assert_memory_equal(a->logits, b->logits, a->floats * sizeof(float));
    assert_memory_equal(a->scores, b->scores, sizeof a->scores);
}

static void same_bits(sam2_precision precision)
{
    static const char *const names[] = {"small_2.0", "small_2.1"};
    static const int threads[] = {1, 2, 3, 7};
    for (size_t f = 0; f < 2; f++) {
        weights *fixture = fixture_open(names[f]);
        for (const char *const *isa = isas_here(); *isa; isa++) {
            outcome first = {0};
            for (size_t t = 0; t < 4; t++) {
                sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
                options.isa = *isa;
                options.threads = threads[t];
                options.precision = precision;
                sam2_model *model = fixture_model(fixture, &options);
                sam2_model_info info = SAM2_MODEL_INFO_INIT;
                need_ok(sam2_model_get_info(model, &info, NULL), NULL);
                if (info.precision != precision) { /* float32 in its place, which has a test of its own */
                    sam2_model_close(model);
                    break;
                }
                outcome out = run(model, fixture, false), single = run(model, fixture, true);
                same(&out, &single);
                if (t)
                    same(&first, &out);
                else
                    first = out;
                if (t)
                    free(out.logits);
                free(single.logits);
                sam2_model_close(model);
            }
            free(first.logits);
        }
        weights_close(fixture);
    }
}

static void same_bits_for_any_threads(void **state)
{
    (void)state;
    same_bits(SAM2_PRECISION_F32);
}

static void same_bits_in_bf16(void **state)
{
    (void)state;
    same_bits(SAM2_PRECISION_BF16);
}

/* Features of the same weights serve models whose kernels want another layout. */
static void features_of_other_kernels(void **state)
{
    (void)state;
    weights *fixture = fixture_open("small_2.1");
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.threads = 2;
    options.precision = SAM2_PRECISION_F32;
    sam2_model *model = fixture_model(fixture, &options);
    outcome own = run(model, fixture, false);
    for (const char *const *isa = isas_here(); *isa; isa++) {
        options.isa = *isa;
        sam2_model *other = fixture_model(fixture, &options);
        outcome out = run_with(other, model, fixture, false), single = run_with(other, model, fixture, true);
        same(&out, &single);
        assert_true(relative_rms(own.logits, out.logits, own.floats) < 1e-4);
        free(out.logits);
        free(single.logits);
        sam2_model_close(other);
    }
    free(own.logits);
    sam2_model_close(model);
    weights_close(fixture);
}

typedef struct user {
    const sam2_model *model;
    const weights *fixture;
    outcome out;
} user;

static void *use_model(void *argument)
{
    user *u = argument;
    u->out = run(u->model, u->fixture, false);
    return NULL;
}

static void one_model_many_callers(void **state)
{
    (void)state;
    weights *fixture = fixture_open("small_2.0");
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.threads = 3;
    sam2_model *model = fixture_model(fixture, &options);
    outcome alone = run(model, fixture, false);
    user users[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        users[i] = (user){model, fixture, {0}};
        assert_int_equal(pthread_create(&threads[i], NULL, use_model, &users[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        same(&alone, &users[i].out);
        free(users[i].out.logits);
    }
    free(alone.logits);
    sam2_model_close(model);
    weights_close(fixture);
}

typedef struct saver {
    const sam2_features *features;
    const char *path;
    int failed;
} saver;

static void *save_often(void *argument)
{
    saver *s = argument;
    sam2_error error;
    for (int i = 0; i < 20; i++)
        s->failed += sam2_features_save(s->features, s->path, &error) != SAM2_OK;
    return NULL;
}

/* Two threads that save to one path, whose name is as long as names can be: the file is one's or the other's at any
 * time. */
static void saved_to_one_path(void **state)
{
    (void)state;
    sam2_error error;
    char path[600];
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    snprintf(path, sizeof path, "%s/%s", BUILD_DIR, name);
    weights *fixture = fixture_open("small_2.0");
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.threads = 1;
    sam2_model *model = fixture_model(fixture, &options);
    sam2_context *context;
    sam2_features *features[2], *loaded;
    need_ok(sam2_context_create(model, &context, &error), &error);
    saver savers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        const int side = 20 + i;
        uint8_t *pixels = picture_pattern(side, side);
        sam2_image image = {pixels, side, side, side * 3, SAM2_PIXEL_RGB};
        need_ok(sam2_features_encode(context, &image, &features[i], &error), &error);
        savers[i] = (saver){features[i], path, 0};
        free(pixels);
    }
    need_ok(sam2_features_save(features[0], path, &error), &error);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, save_often, &savers[i]), 0);
    for (int i = 0; i < 20; i++) {
        need_ok(sam2_features_load(model, path, &loaded, &error), &error);
        sam2_features_destroy(loaded);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(savers[i].failed, 0);
        sam2_features_destroy(features[i]);
    }
    remove(path);
    sam2_context_destroy(context);
    sam2_model_close(model);
    weights_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits_for_any_threads), cmocka_unit_test(same_bits_in_bf16),
                                       cmocka_unit_test(features_of_other_kernels),
                                       cmocka_unit_test(one_model_many_callers), cmocka_unit_test(saved_to_one_path)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
