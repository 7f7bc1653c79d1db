/* What is around SAM 1's network, against the official package: the input bit for bit, the enlargement in two steps,
 * where prompts lie. */
#include "base/checked.h"
#include "predict/enlarge.h"
#include "predict/longest_side.h"
#include "predict/predictor.h"
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As much of a model as preprocessing looks at. */
static model *half_model(int side, int threads)
{
    sam2_error error;
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->config.family = FAMILY_SAM1;
    m->config.image_size = side;
    kernels_select(&m->kernels, CPU_REF);
    need_ok(pool_create(&alloc_default, threads, &m->pool, &error), &error);
    return m;
}

static void free_half(model *m)
{
    pool_destroy(m->pool);
    free(m);
}

/* Network input [side, side, 3], with exactly the scratch memory of the dry run. */
static float *prepared(const model *m, const sam2_image *image)
{
    const size_t floats = 3 * (size_t)m->config.image_size * (size_t)m->config.image_size;
    arena measure = {0};
    exec ex = {&m->kernels, m->pool, &measure, NULL};
    preprocess_job job = {m, image};
    longest_side(&job, &ex, NULL);
    arena real = {.base = aligned_alloc(64, round_up(measure.peak, 64)), .capacity = measure.peak};
    float *input = malloc(floats * sizeof *input);
    assert_non_null(real.base);
    assert_non_null(input);
    for (size_t i = 0; i < floats; i++)
        input[i] = NAN; /* so that a pixel that is not written shows */
    ex.arena = &real;
    longest_side(&job, &ex, input);
    arena_open(&real);
    free(real.base);
    return input;
}

/* Bytes [height, width, 3] through the official values [3, 256], zeros around them. */
static void compare_input(const float *values, const weights_tensor *t, const float *bytes, const float *input,
                          size_t side)
{
    const size_t height = (size_t)t->shape[0], width = (size_t)t->shape[1];
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++)
            for (size_t c = 0; c < 3; c++) {
                bool inside = x < width && y < height;
                float want = inside ? values[256 * c + (size_t)bytes[(y * width + x) * 3 + c]] : 0.0f,
                      got = input[(y * side + x) * 3 + c];
                if (memcmp(&want, &got, sizeof want) != 0)
                    fail_msg("%s: pixel %zu,%zu channel %zu is %.9g, not %.9g", t->name, x, y, c, (double)got,
                             (double)want);
            }
}

static void input_like_official(void **state)
{
    (void)state;
    weights *fixture = fixture_open("sam1_resize");
    float *values = fixture_need(fixture, NULL, "values", NULL);
    int cases = 0;
    for (size_t i = 0; i < weights_count(fixture); i++) {
        const weights_tensor *t = weights_at(fixture, i);
        int width, height, side;
        if (sscanf(t->name, "%dx%d_to_%d", &width, &height, &side) != 3)
            continue;
        size_t to_width, to_height;
        model *m = half_model(side, 1 + cases % 3);
        longest_side_size(m, width, height, &to_width, &to_height);
        assert_int_equal(to_height, t->shape[0]);
        assert_int_equal(to_width, t->shape[1]);
        float *bytes = fixture_need(fixture, NULL, t->name, NULL);
        uint8_t *pixels = picture_pattern(width, height);
        float *input = prepared(m, &(sam2_image){pixels, width, height, (ptrdiff_t)width * 3, SAM2_PIXEL_RGB});
        compare_input(values, t, bytes, input, (size_t)side);
        free(input);
        free(pixels);
        free(bytes);
        free_half(m);
        cases++;
    }
    assert_int_equal(cases, 14);
    free(values);
    weights_close(fixture);
}

/* No picture takes more scratch memory than what is measured, and one whose short side would come to nothing keeps one
 * pixel. */
static void thin_pictures(void **state)
{
    (void)state;
    static const int sizes[][2] = {{65536, 1},  {1, 65536},   {65536, 95},    {95, 65536}, {65536, 96},
                                   {65536, 97}, {65536, 159}, {65536, 32000}, {65000, 94}, {30000, 43}};
    size_t width, height;
    static const int sides[] = {1024, 160, 96}, threads[] = {1, 8};
    for (int combination = 0; combination < 6; combination++) {
        model *m = half_model(sides[combination / 2], threads[combination % 2]);
        size_t most = 0;
        for (int i = 0; i < LONGEST_SIDE_WORST + (int)(sizeof sizes / sizeof *sizes) + 4000; i++) {
            const int known = LONGEST_SIDE_WORST + (int)(sizeof sizes / sizeof *sizes);
            sam2_image image = {0};
            if (i < LONGEST_SIDE_WORST)
                longest_side_worst(m, i, &image.width, &image.height);
            else if (i < known) {
                image.width = sizes[i - LONGEST_SIDE_WORST][0];
                image.height = sizes[i - LONGEST_SIDE_WORST][1];
            } else { /* every thin one */
                image.width = (i - known) % 2 ? 65536 : (i - known) / 2 + 1;
                image.height = (i - known) % 2 ? (i - known) / 2 + 1 : 65536;
            }
            arena measure = {0};
            exec ex = {&m->kernels, m->pool, &measure, NULL};
            longest_side(&(preprocess_job){m, &image}, &ex, NULL);
            if (i >= LONGEST_SIDE_WORST && measure.peak > most)
                fail_msg("%d x %d takes %zu bytes, %zu were measured (input %d)", image.width, image.height,
                         measure.peak, most, sides[combination / 2]);
            most = measure.peak > most ? measure.peak : most;
        }
        free_half(m);
    }
    model *m = half_model(1024, 1);
    longest_side_size(m, 65536, 1, &width, &height);
    assert_int_equal(width, 1024);
    assert_int_equal(height, 1);
    longest_side_size(m, 1800, 1200, &width, &height);
    assert_int_equal(width, 1024);
    assert_int_equal(height, 683);
    free_half(m);
}

typedef struct collected {
    const kernels *k;
    float *rows;
    uint8_t *bytes, *runs;
    size_t width, height, next; /* next pixel in column-major order */
} collected;

static void take_row(void *user, size_t x, size_t y, size_t n, const float *top, const float *bottom, float v)
{
    collected *c = user;
    for (size_t i = 0; i < n; i++) {
        float a = (1.0f - v) * top[i], b = v * bottom[i];
        c->rows[y * c->width + x + i] = a + b;
    }
    c->k->blend_threshold_f32(n, top, bottom, v, 1, c->bytes + y * c->width + x);
}

static void take_run(void *user, size_t x, size_t y, size_t n, int level)
{
    collected *c = user;
    assert_int_equal(c->next, x * c->height + y);
    for (size_t i = 0; i < n; i++)
        c->runs[(y + i) * c->width + x] = (uint8_t)level;
    c->next += n;
}

static void compare_enlarged(const weights *fixture, const char *name, int side, const collected *c)
{
    char key[80];
    /* As of one step (test_resize.c), twice: the second one's positions lie among four times as many. */
    const float most = 8e-6f + 2.0f * 32.0f * 0x1p-23f * (float)side;
    const size_t pixels = c->width * c->height;
    float *expected = fixture_get(fixture, NULL, name, NULL);
    snprintf(key, sizeof key, "%s.samples", name);
    float *samples = expected ? NULL : fixture_need(fixture, NULL, key, NULL);
    for (size_t i = 0; i < (expected ? pixels : 512); i++) {
        float want = expected ? expected[i] : samples[i], got = c->rows[expected ? i : sample_index(i, pixels)];
        if (!(fabsf(got - want) <= most))
            fail_msg("%s: element %zu is %.9g, not %.9g", name, i, (double)got, (double)want);
    }
    snprintf(key, sizeof key, "%s.area", name);
    float *area = fixture_need(fixture, NULL, key, NULL);
    size_t inside = 0;
    for (size_t i = 0; i < pixels; i++)
        inside += c->bytes[i];
    assert_true(fabs((double)inside - (double)*area) <= 2e-4 * (double)*area + 1.0);
    free(expected);
    free(samples);
    free(area);
}

static void enlarged_like_official(void **state)
{
    (void)state;
    weights *fixture = fixture_open("sam1_enlarge");
    sam2_error error;
    pool *p;
    int cases = 0;
    need_ok(pool_create(&alloc_default, 3, &p, &error), &error);
    for (size_t i = 0; i < weights_count(fixture); i++) {
        int side, width, height, end = 0;
        char name[48];
        const char *full = weights_at(fixture, i)->name, *dot = strchr(full, '.');
        snprintf(name, sizeof name, "%.*s", dot ? (int)(dot - full) : 47, full);
        if (sscanf(name, "%d_to_%dx%d%n", &side, &width, &height, &end) != 3 || !dot || strcmp(dot, ".area") != 0)
            continue;
        float *logits = made_logits(side);
        const size_t pixels = (size_t)width * (size_t)height;
        model *m = half_model(4 * side, 1);
        for (int isa = CPU_REF; isa <= CPU_AVX512; isa++) {
            kernels k;
            kernels_select(&k, (cpu_isa)isa);
            enlarge e = {.k = &k,
                         .logits = logits,
                         .side = (size_t)side,
                         .width = (size_t)width,
                         .height = (size_t)height,
                         .middle = 4 * (size_t)side,
                         .pool = isa % 2 ? p : NULL};
            longest_side_size(m, width, height, &e.columns, &e.rows);
            collected c = {&k, malloc(pixels * sizeof(float)), malloc(pixels), malloc(pixels), e.width, e.height, 0};
            enlarge_rows(&e, take_row, &c);
            enlarge_levels(&e, &(float){0.0f}, 1, NULL, NULL, take_run, &c);
            assert_int_equal(c.next, pixels);
            assert_memory_equal(c.bytes, c.runs, pixels);
            compare_enlarged(fixture, name, side, &c);
            free(c.rows);
            free(c.bytes);
            free(c.runs);
        }
        free_half(m);
        free(logits);
        cases++;
    }
    assert_int_equal(cases, 13);
    pool_destroy(p);
    weights_close(fixture);
}

/* 1800 x 1200 becomes 1024 x 683: each axis has a scale of its own. The box comes after the clicks, and without one
 * there is a padding token. */
static void prompts_have_their_places(void **state)
{
    (void)state;
    model *m = half_model(1024, 1);
    const sam2_features f = {.width = 1800, .height = 1200};
    const sam2_point click = {500.0f, 375.0f, 1};
    const sam2_box box = {700.0f, 875.0f, 425.0f, 600.0f};
    sam2_prompt p = SAM2_PROMPT_INIT;
    net_point out[3];
    p.points = &click;
    p.point_count = 1;
    p.box = &box;
    assert_int_equal(predict_place_points(m, &f, &p, out), 3);
    assert_true(out[0].x == (float)(500.0 * 1024.0 / 1800.0) && out[0].y == (float)(375.0 * 683.0 / 1200.0));
    assert_true(out[1].x == (float)(425.0 * (1024.0 / 1800.0)) && out[1].y == (float)(600.0 * (683.0 / 1200.0)));
    assert_true(out[2].x == (float)(700.0 * (1024.0 / 1800.0)) && out[2].y == (float)(875.0 * (683.0 / 1200.0)));
    assert_int_equal(out[0].label, 1);
    assert_int_equal(out[1].label, 2);
    assert_int_equal(out[2].label, 3);
    assert_int_equal(prompt_tokens(m, 3, true), 3);
    assert_int_equal(prompt_tokens(m, 1, false), 2);
    assert_int_equal(prompt_tokens(m, 0, false), 0);
    m->config.family = FAMILY_SAM2;
    assert_int_equal(predict_place_points(m, &f, &p, out), 3);
    assert_int_equal(out[0].label, 2);
    assert_int_equal(prompt_tokens(m, 3, true), 4);
    free_half(m);
}

/* Logits of three prompts, asked together or one after the other; to be freed. */
static float *answers(const sam2_model *model, const sam2_image *image, bool together, size_t *count)
{
    sam2_error error;
    sam2_context *context;
    sam2_features *features;
    sam2_result *result;
    const sam2_point clicks[2] = {{60.0f, 110.0f, 1}, {150.5f, 220.25f, 0}};
    const sam2_box box = {30.0f, 40.0f, 170.0f, 200.5f};
    sam2_prompt prompts[3] = {SAM2_PROMPT_INIT, SAM2_PROMPT_INIT, SAM2_PROMPT_INIT};
    prompts[0].points = prompts[1].points = clicks;
    prompts[0].point_count = 2;
    prompts[1].point_count = 1;
    prompts[1].box = prompts[2].box = &box;
    need_ok(sam2_context_create(model, &context, &error), &error);
    need_ok(sam2_result_create(model, &result, &error), &error);
    need_ok(sam2_features_encode(context, image, &features, &error), &error);
    float *out = NULL;
    for (int i = 0; i < 3; i++) {
        sam2_mask mask = SAM2_MASK_INIT;
        if (!together || i == 0)
            need_ok(sam2_predict(context, features, prompts + i, together ? 3 : 1, NULL, result, &error), &error);
        for (int k = 0; k < 3; k++) {
            need_ok(sam2_result_get_mask(result, together ? i : 0, k, &mask, &error), &error);
            *count = (size_t)mask.low_res_size * (size_t)mask.low_res_size;
            out = out ? out : malloc(9 * *count * sizeof *out);
            assert_non_null(out);
            memcpy(out + (size_t)(3 * i + k) * *count, mask.low_res_logits, *count * sizeof *out);
        }
    }
    *count *= 9;
    sam2_features_destroy(features);
    sam2_result_destroy(result);
    sam2_context_destroy(context);
    return out;
}

static void same_bits_for_threads_and_batches(void **state)
{
    (void)state;
    weights *fixture = fixture_open("small_sam1");
    uint8_t *pixels = picture_pattern(190, 300);
    const sam2_image image = {pixels, 190, 300, 190 * 3, SAM2_PIXEL_RGB};
    for (int precision = SAM2_PRECISION_F32; precision <= SAM2_PRECISION_BF16; precision++) {
        float *first = NULL;
        for (int threads = 1; threads <= 7; threads += 3)
            for (int together = 0; together < 2; together++) {
                sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
                size_t count;
                options.threads = threads;
                options.precision = (sam2_precision)precision;
                sam2_model *model = fixture_model(fixture, &options);
                float *got = answers(model, &image, together, &count);
                if (!first)
                    first = got;
                else {
                    assert_memory_equal(first, got, count * sizeof *got);
                    free(got);
                }
                sam2_model_close(model);
            }
        free(first);
    }
    free(pixels);
    weights_close(fixture);
}

static void no_video(void **state)
{
    (void)state;
    weights *fixture = fixture_open("small_sam1");
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    sam2_model *model = fixture_model(fixture, &options);
    sam2_error error;
    sam2_tracker *tracker;
    sam2_context *context;
    sam2_features *features;
    uint8_t *pixels = picture_pattern(20, 10);
    need_ok(sam2_context_create(model, &context, &error), &error);
    assert_int_equal(sam2_tracker_create(model, NULL, &tracker, &error), SAM2_ERROR_UNSUPPORTED);
    assert_int_equal(
        sam2_features_encode_frame(context, &(sam2_image){pixels, 20, 10, 60, SAM2_PIXEL_RGB}, &features, &error),
        SAM2_ERROR_UNSUPPORTED);
    sam2_context_destroy(context);
    sam2_model_close(model);
    free(pixels);
    weights_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_like_official),
        cmocka_unit_test(thin_pictures),
        cmocka_unit_test(enlarged_like_official),
        cmocka_unit_test(prompts_have_their_places),
        cmocka_unit_test(same_bits_for_threads_and_batches),
        cmocka_unit_test(no_video),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
