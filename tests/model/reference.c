#include "model/reference.h"

#include "support/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits on the relative root mean square error. Two float32 computations of these networks differ by about 1e-6; a
 * wrong weight or formula by 1e-2 and more. Masks' logits, with stand-in weights, amplify what is before them. */
typedef struct limit {
    const char *name;
    double relative;
} limit;
static const limit limits[] = {
    {"input", 1e-6},   {"trunk_stage0", 5e-6}, {"trunk_stage1", 5e-6}, {"trunk_stage2", 5e-6}, {"trunk_stage3", 5e-6},
    {"fpn0", 5e-6},    {"fpn1", 5e-6},         {"embedding", 2e-6},    {"sparse", 2e-6},       {"dense", 2e-6},
    {"low_res", 2e-4}, {"iou", 2e-5},          {"object_score", 1e-5},
};

static double limit_of(const char *name)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (strcmp(limits[i].name, name) == 0)
            return limits[i].relative;
    if (strncmp(name, "block", 5) == 0) /* of SAM 1 */
        return 5e-6;
    fail_msg("no limit for %s", name);
    return 0.0;
}

/* The cases whose first masks are others' mask prompts, in the order in which they are run; `mask_kind` 1 and 3. */
enum { HANDED_ON = 2 };
static const char *const handed_on[HANDED_ON] = {"click", "previous"};

/* Its place among those, HANDED_ON for another case. */
static int place_of(const char *name)
{
    int place = 0;
    while (place < HANDED_ON && strcmp(handed_on[place], name))
        place++;
    return place;
}

typedef struct checker {
    const weights *fixture;
    const char *prefix; /* the case, or NULL for the encoder */
    int compared;
    bool sam1, sampled;       /* of SAM 1; an official size */
    float *logits[HANDED_ON]; /* of the cases `handed_on`, as the official predictor returns them */
    bool made_prompt;         /* clicks with made logits as the mask prompt, in the fixtures of official sizes */
    const weights *bf16;      /* errors of the official bfloat16 under `label`, which are the limits then; else NULL */
    const char *label;
} checker;

/* Made logits with clicks move the answers of stand-in weights the most (`previous`; a click alone gives a tenth): the
 * official code, adding in another order, differs from itself by 2e-5 in IoU (sam2_t, seed 3); with features off by the
 * 6e-7 that it is from float64, by 2e-4 in the logits (the same); and its object score is 6.5e-6 from its own in
 * float64 (sam2_s, seed 0), as far to one side as ours may be to the other. */
static double limit_here(const checker *c, const char *name)
{
    if (c->sam1 && !c->bf16 && strcmp(name, "embedding") == 0) /* the official code differs from itself by 1.3e-6 */
        return 5e-6;
    if (c->sam1 && !c->bf16 && strcmp(name, "iou") == 0) /* as absolute errors: see check_values */
        return c->sampled ? 5e-4 : 2e-5;
    /* The official size amplifies more: there the official code differs from itself by 1.8e-4 in logits and 5e-5 in IoU
     * (sam1_b, truck.jpg, with an embedding that differs by 1.3e-6). */
    if (c->sam1 && !c->bf16 && c->sampled && strcmp(name, "low_res") == 0)
        return 1e-3;
    if (c->made_prompt && !c->bf16)
        return strcmp(name, "iou") == 0            ? 5e-5
               : strcmp(name, "low_res") == 0      ? 4e-4
               : strcmp(name, "object_score") == 0 ? 2e-5
                                                   : limit_of(name);
    if (c->bf16) {
        char key[160];
        snprintf(key, sizeof key, "%s.%s", c->label, name);
        float *error = fixture_get(c->bf16, NULL, key, NULL);
        double most = error ? (double)*error : 0.0;
        free(error);
        return most > limit_of(name) ? most : limit_of(name);
    }
    return limit_of(name);
}

static void check_values(const checker *c, const char *name, const char *what, const float *expected, const float *got,
                         size_t count)
{
    double error = relative_rms(expected, got, count), most = limit_here(c, name);
    if (c->sam1 &&
        strcmp(name, "iou") == 0) { /* without a sigmoid some are near 0, where a relative error says little */
        double square = 0.0;
        for (size_t i = 0; i < count; i++)
            square += (double)expected[i] * expected[i];
        error *= sqrt(square / (double)count);
    }
    if (!(error <= most))
        fail_msg("%s.%s (%s): relative error %.3g, limit %.3g", c->prefix ? c->prefix : "", name, what, error, most);
}

/* In bfloat16 the decoder is held by clicks on a grid, since the error of one case is a matter of luck; here only to
 * see that none is far off. True when that is all there is to do. */
static bool roughly(checker *c, const char *name, const float *data, size_t count)
{
    if (!c->bf16 || !c->prefix)
        return false;
    if (strcmp(name, "iou") == 0 || strcmp(name, "object_score") == 0)
        return true;
    if (strcmp(name, "low_res") != 0)
        return false;
    size_t expected_count;
    float *expected = fixture_get(c->fixture, c->prefix, name, &expected_count), *samples = NULL;
    if (!expected) {
        expected = fixture_need(c->fixture, c->prefix, "low_res.samples", &expected_count);
        const size_t rows = expected_count / 512;
        assert_int_equal(count % rows, 0);
        samples = malloc(expected_count * sizeof *samples);
        assert_non_null(samples);
        for (size_t i = 0; i < expected_count; i++)
            samples[i] = data[i / 512 * (count / rows) + sample_index(i % 512, count / rows)];
    } else
        assert_int_equal(count, expected_count);
    char key[160];
    snprintf(key, sizeof key, "%s.%s.low_res", c->label, c->prefix);
    float *theirs = fixture_need(c->bf16, NULL, key, NULL);
    const double ours = relative_rms(expected, samples ? samples : data, expected_count);
    if (!(ours <= 2.0 * (double)*theirs))
        fail_msg("%s: relative error %.3g, the official bfloat16 has %.3g", key, ours, (double)*theirs);
    c->compared++;
    free(theirs);
    free(expected);
    free(samples);
    return true;
}

/* A large tensor is known by samples and sums of each of its `rows` rows. */
static void check_samples(const checker *c, const char *name, const float *data, size_t count)
{
    char key[64];
    size_t sampled, summed;
    snprintf(key, sizeof key, "%s.samples", name);
    float *samples = fixture_need(c->fixture, c->prefix, key, &sampled);
    snprintf(key, sizeof key, "%s.sums", name);
    float *sums = fixture_need(c->fixture, c->prefix, key, &summed);
    size_t rows = sampled / 512, row = count / rows;
    assert_int_equal(count % rows, 0);
    assert_int_equal(summed, rows * 4);
    for (size_t r = 0; r < rows; r++) {
        float got[512];
        double sum = 0.0, square = 0.0;
        for (size_t i = 0; i < 512; i++)
            got[i] = data[r * row + sample_index(i, row)];
        check_values(c, name, "samples", samples + 512 * r, got, 512);
        for (size_t i = 0; i < row; i++) {
            sum += data[r * row + i];
            square += (double)data[r * row + i] * data[r * row + i];
        }
        const float *s = sums + 4 * r;
        double expected_sum = (double)s[0] + s[1], expected_square = (double)s[2] + s[3], most = limit_here(c, name);
        /* An error of relative RMS e moves the sum by at most e * sqrt(n * squares), the squares by 2 e of themselves.
         */
        if (fabs(sum - expected_sum) > most * sqrt((double)row * expected_square) ||
            fabs(square - expected_square) > 2.1 * most * expected_square)
            fail_msg("%s.%s: sums %.9g %.9g, expected %.9g %.9g", c->prefix ? c->prefix : "", name, sum, square,
                     expected_sum, expected_square);
    }
    free(samples);
    free(sums);
}

static void observe(void *user, const char *name, const float *data, const int64_t *shape, int dims)
{
    checker *c = user;
    size_t count = 1, expected_count = 0;
    for (int i = 0; i < dims; i++)
        count *= (size_t)shape[i];
    const int place = c->prefix ? place_of(c->prefix) : HANDED_ON;
    if (place < HANDED_ON && strcmp(name, "low_res") == 0) {
        size_t one = (size_t)(shape[1] * shape[2]);
        float *logits = c->logits[place] = malloc(one * sizeof *logits);
        assert_non_null(logits);
        for (size_t i = 0; i < one; i++) /* clamped, but in SAM 1 */
            logits[i] = c->sam1 ? data[i] : data[i] < -32.0f ? -32.0f : data[i] > 32.0f ? 32.0f : data[i];
    }
    if (roughly(c, name, data, count))
        return;
    float *expected = fixture_get(c->fixture, c->prefix, name, &expected_count);
    char key[64];
    snprintf(key, sizeof key, "%s.shape", name);
    float *sampled_shape = expected ? NULL : fixture_get(c->fixture, c->prefix, key, NULL);
    if (expected) {
        assert_int_equal(count, expected_count);
        check_values(c, name, "all", expected, data, count);
        c->compared++;
    } else if (sampled_shape) {
        for (int i = 0; i < dims; i++)
            assert_int_equal(shape[i], (int64_t)sampled_shape[i]);
        check_samples(c, name, data, count);
        c->compared++;
    } else if (count && strcmp(name, "dense") != 0) /* without a mask prompt it is a constant */
        fail_msg("the fixture lacks %s of %s", name, c->prefix ? c->prefix : "the encoder");
    free(expected);
    free(sampled_shape);
}

static int bit(const float *packed, size_t i)
{
    return (int)packed[i / 8] >> (7 - i % 8) & 1;
}

/* Masks of the picture's size: complete packed bits, or areas and sampled pixels. */
static void check_masks(const checker *c, const sam2_result *result, size_t pixels, int width)
{
    sam2_error error;
    uint8_t *bytes = malloc(pixels);
    size_t packed_count;
    float *packed = fixture_get(c->fixture, c->prefix, "masks", &packed_count), *areas = NULL, *samples = NULL;
    assert_non_null(bytes);
    if (!packed) {
        areas = fixture_need(c->fixture, c->prefix, "masks.area", NULL);
        samples = fixture_need(c->fixture, c->prefix, "masks.samples", NULL);
    }
    for (int m = 0; m < sam2_result_mask_count(result); m++) {
        sam2_mask mask = SAM2_MASK_INIT;
        need_ok(sam2_result_get_mask(result, 0, m, &mask, &error), &error);
        need_ok(sam2_mask_to_bytes(&mask, 1, bytes, width, &error), &error);
        if (packed) {
            const float *p = packed + (size_t)m * ((pixels + 7) / 8);
            size_t both = 0, either = 0;
            for (size_t i = 0; i < pixels; i++) {
                both += bytes[i] && bit(p, i);
                either += bytes[i] || bit(p, i);
            }
            if (either && (double)both < 0.9995 * (double)either)
                fail_msg("%s: mask %d has IoU %.5f", c->prefix, m, (double)both / (double)either);
        } else {
            int64_t area = 0;
            size_t differing = 0;
            for (size_t i = 0; i < pixels; i++)
                area += bytes[i];
            for (size_t i = 0; i < 4096; i++)
                differing += bytes[sample_index(i, pixels)] != bit(samples + 512 * m, i);
            if (fabs((double)area - (double)areas[m]) > (c->sam1 ? 5e-4 : 2.5e-4) * (double)areas[m] + 2.0 ||
                differing > 2)
                fail_msg("%s: mask %d has %lld pixels, expected %.0f; %zu of 4096 sampled pixels differ", c->prefix, m,
                         (long long)area, (double)areas[m], differing);
        }
    }
    free(packed);
    free(areas);
    free(samples);
    free(bytes);
}

/* Blocks whose outputs a fixture of SAM 1 has; 0 in one of SAM 2. */
static int count_blocks(const weights *fixture)
{
    int count = 0;
    for (char name[32];; count++) {
        snprintf(name, sizeof name, "block%d", count);
        if (weights_find(fixture, name))
            continue;
        snprintf(name, sizeof name, "block%d.shape", count);
        if (!weights_find(fixture, name))
            return count;
    }
}

static void run_case(sam2_context *context, const sam2_features *features, sam2_result *result, checker *c, int width,
                     int height, int side)
{
    sam2_error error;
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_predict_options options = SAM2_PREDICT_OPTIONS_INIT;
    sam2_point points[8];
    sam2_box box;
    size_t n = 0, count;
    float *given = fixture_get(c->fixture, c->prefix, "points", &n),
          *corners = fixture_get(c->fixture, c->prefix, "box", NULL);
    float *multimask = fixture_need(c->fixture, c->prefix, "multimask", NULL),
          *kind = fixture_get(c->fixture, c->prefix, "mask_kind", NULL);
    float *index = fixture_need(c->fixture, c->prefix, "index", &count), *made = NULL;
    assert_true(n / 3 <= 8);
    for (size_t i = 0; i < n / 3; i++)
        points[i] = (sam2_point){given[3 * i], given[3 * i + 1], (int)given[3 * i + 2]};
    prompt.points = points;
    prompt.point_count = (int)(n / 3);
    if (corners) {
        box = (sam2_box){corners[0], corners[1], corners[2], corners[3]};
        prompt.box = &box;
    }
    if (kind && kind[0] == 1.0f) {
        made = fixture_get(c->fixture, "previous", "mask_input", NULL);
        assert_non_null(c->logits[0]);
        prompt.low_res_logits = made ? made : c->logits[0];
    } else if (kind && kind[0] == 3.0f) {
        assert_non_null(c->logits[1]);
        prompt.low_res_logits = c->logits[1];
    } else if (kind) {
        assert_true(kind[0] == 2.0f);
        prompt.low_res_logits = made = made_logits(side);
    }
    options.multimask = multimask[0] != 0.0f;
    options.best_first = 0;
    c->made_prompt = kind && kind[0] == 2.0f && strncmp(c->prefix, "previous", 8) == 0;
    c->compared = 0;
    need_ok(sam2_predict(context, features, &prompt, 1, &options, result, &error), &error);
    assert_true(c->compared >= (c->bf16 ? 1 : c->sam1 ? 2 : 3)); /* SAM 1 has no object score */
    assert_int_equal(sam2_result_mask_count(result), count);
    bool exact = !c->bf16; /* masks of stand-in weights amplify bfloat16's rounding */
    for (int i = 0; exact && i < (int)count; i++) {
        sam2_mask mask = SAM2_MASK_INIT;
        need_ok(sam2_result_get_mask(result, 0, i, &mask, &error), &error);
        assert_int_equal(mask.index, (int)index[i]);
    }
    if (exact)
        check_masks(c, result, (size_t)width * (size_t)height, width);
    free(given);
    free(corners);
    free(multimask);
    free(kind);
    free(index);
    free(made);
}

/* Case names, in the fixture's order: what stands before ".multimask". */
static int next_case(const weights *w, size_t *at, char *name, size_t capacity)
{
    for (; *at < weights_count(w); (*at)++) {
        const char *full = weights_at(w, *at)->name, *dot = strrchr(full, '.');
        if (dot && strcmp(dot, ".multimask") == 0 && (size_t)(dot - full) < capacity) {
            memcpy(name, full, (size_t)(dot - full));
            name[dot - full] = '\0';
            (*at)++;
            return 1;
        }
    }
    return 0;
}

/* True for the cases whose errors in bfloat16 are known: three masks, no mask prompt. */
static bool in_bf16(const weights *fixture, const char *name)
{
    float *multimask = fixture_need(fixture, name, "multimask", NULL),
          *kind = fixture_get(fixture, name, "mask_kind", NULL);
    const bool counted = multimask[0] != 0.0f && !kind;
    free(multimask);
    free(kind);
    return counted;
}

/* The answers to clicks on a grid, in bfloat16: all together no further from the official float32 than the official
 * bfloat16. */
static void hold_grid(sam2_context *context, const sam2_features *features, sam2_result *result, const checker *c)
{
    enum { MOST = 64, VALUES = 16 }; /* clicks, values of each mask */
    sam2_error error;
    char prefix[64];
    size_t n, count;
    snprintf(prefix, sizeof prefix, "%s.grid", c->label);
    float *clicks = fixture_need(c->bf16, prefix, "points", &n);
    n /= 2;
    assert_true(n > 0 && n <= MOST);
    sam2_point points[MOST];
    sam2_prompt prompts[MOST];
    static float low_res[3 * MOST * VALUES];
    float iou[3 * MOST], presence[MOST];
    for (size_t i = 0; i < n; i++) {
        points[i] = (sam2_point){clicks[2 * i], clicks[2 * i + 1], 1};
        prompts[i] = (sam2_prompt)SAM2_PROMPT_INIT;
        prompts[i].points = &points[i];
        prompts[i].point_count = 1;
    }
    sam2_predict_options options = SAM2_PREDICT_OPTIONS_INIT;
    options.multimask = 1;
    options.best_first = 0;
    need_ok(sam2_context_set_observer(context, NULL, NULL, &error), &error);
    need_ok(sam2_predict(context, features, prompts, (int)n, &options, result, &error), &error);
    assert_int_equal(sam2_result_mask_count(result), 3);
    for (size_t i = 0; i < 3 * n; i++) {
        sam2_mask mask = SAM2_MASK_INIT;
        need_ok(sam2_result_get_mask(result, (int)(i / 3), (int)(i % 3), &mask, &error), &error);
        const size_t pixels = (size_t)mask.low_res_size * (size_t)mask.low_res_size;
        for (size_t v = 0; v < VALUES; v++)
            low_res[VALUES * i + v] = mask.low_res_logits[sample_index(v, pixels)];
        iou[i] = mask.score;
        presence[i / 3] = mask.object_score;
    }
    const struct {
        const char *name;
        const float *got;
        size_t count;
    } answers[] = {{"low_res", low_res, 3 * n * VALUES}, {"iou", iou, 3 * n}, {"object_score", presence, n}};
    for (int k = 0; k < (c->sam1 ? 2 : 3); k++) { /* SAM 1 has no object score */
        char key[32];
        snprintf(key, sizeof key, "%s.error", answers[k].name);
        float *expected = fixture_need(c->bf16, prefix, answers[k].name, &count),
              *most = fixture_need(c->bf16, prefix, key, NULL);
        assert_int_equal(count, answers[k].count);
        const double off = relative_rms(expected, answers[k].got, count);
        if (!(off <= (double)*most))
            fail_msg("%s.%s: relative error %.3g over %zu clicks, the official bfloat16 has %.3g", prefix,
                     answers[k].name, off, n, (double)*most);
        free(most);
        free(expected);
    }
    free(clicks);
}

static int hold(const sam2_model *model, checker *c)
{
    const weights *fixture = c->fixture;
    c->sam1 = count_blocks(fixture) > 0;
    c->sampled = weights_find(fixture, "embedding.shape") != NULL;
    sam2_error error;
    sam2_context *context;
    sam2_features *features;
    sam2_result *result;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    int width, height, cases = 0;
    uint8_t *pixels = fixture_picture(fixture, &width, &height);
    sam2_image image = {pixels, width, height, (ptrdiff_t)width * 3, SAM2_PIXEL_RGB};
    need_ok(sam2_model_get_info(model, &info, &error), &error);
    need_ok(sam2_context_create(model, &context, &error), &error);
    need_ok(sam2_result_create(model, &result, &error), &error);
    need_ok(sam2_context_set_observer(context, observe, c, &error), &error);
    need_ok(sam2_features_encode(context, &image, &features, &error), &error);
    /* input, four stages, two levels, embedding; or of SAM 1 input, blocks, embedding */
    assert_int_equal(c->compared, c->sam1 ? 2 + count_blocks(fixture) : 8);
    char name[48];
    /* The cases whose logits others take come first, whatever the file's order. */
    for (int place = 0; place <= HANDED_ON; place++)
        for (size_t at = 0; next_case(fixture, &at, name, sizeof name);)
            if (place_of(name) == place && !(c->bf16 && !in_bf16(fixture, name))) {
                c->prefix = name;
                run_case(context, features, result, c, width, height, info.low_res_size);
                cases++;
            }
    if (c->bf16)
        hold_grid(context, features, result, c);
    for (int i = 0; i < HANDED_ON; i++)
        free(c->logits[i]);
    free(pixels);
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    return cases;
}

int hold_to_fixture(const sam2_model *model, const weights *fixture)
{
    return hold(model, &(checker){.fixture = fixture});
}

void hold_to_bf16(const sam2_model *model, const weights *fixture, const char *label)
{
    weights *errors = fixture_open(strstr(label, "sam1") ? "bf16_sam1" : "bf16");
    checker c = {.fixture = fixture, .bf16 = errors, .label = label};
    const int cases = hold(model, &c);
    assert_true(cases >= 3);
    weights_close(errors);
}
