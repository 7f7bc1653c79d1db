/* The tracker through the public interface: objects and threads change no bits, memory does not grow, files bring all
 * of it back, and every wrong argument is an error. */
#include "predict/checksum.h"
#include "support/cmocka_all.h"
#include "support/counting.h"
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 96
#define HEIGHT 64
#define SIDE 128 /* of the network's square */
#define LOW (SIDE / 4)
#define FRAMES 8

static const sam2_point on_disc = {30, 26, 1}, on_ring = {72, 16, 1};

static sam2_model *open_micro(int threads, const sam2_allocator *a, sam2_precision precision)
{
    sam2_error error;
    sam2_model *model;
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.threads = threads;
    options.allocator = a;
    options.image_size = SIDE;
    options.precision = precision;
    need_ok(sam2_model_open(SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors", &options, &model, &error), &error);
    return model;
}

static void encode_clip(const sam2_model *model, sam2_features *features[FRAMES])
{
    sam2_error error;
    sam2_context *context;
    need_ok(sam2_context_create(model, &context, &error), &error);
    for (int t = 0; t < FRAMES; t++) {
        uint8_t *pixels = picture_clip(WIDTH, HEIGHT, t);
        sam2_image image = {pixels, WIDTH, HEIGHT, WIDTH * 3, SAM2_PIXEL_RGB};
        need_ok(sam2_features_encode_frame(context, &image, &features[t], &error), &error);
        free(pixels);
    }
    sam2_context_destroy(context);
}

static void free_clip(sam2_features *features[FRAMES])
{
    for (int t = 0; t < FRAMES; t++)
        sam2_features_destroy(features[t]);
}

static sam2_prompt click_at(const sam2_point *point)
{
    sam2_prompt p = SAM2_PROMPT_INIT;
    p.points = point;
    p.point_count = 1;
    return p;
}

static sam2_tracker *new_tracker(const sam2_model *model)
{
    sam2_error error;
    sam2_tracker *t;
    need_ok(sam2_tracker_create(model, NULL, &t, &error), &error);
    return t;
}

static void say(sam2_tracker *t, const sam2_features *f, int64_t frame, int64_t id, const sam2_point *point)
{
    sam2_error error;
    sam2_prompt p = click_at(point);
    need_ok(sam2_tracker_prompt(t, f, frame, id, &p, 0, &error), &error);
}

static void step(sam2_tracker *t, const sam2_features *f, int64_t frame)
{
    sam2_error error;
    need_ok(sam2_tracker_step(t, f, frame, 0, &error), &error);
}

/* Logits and score of an object on the latest frame. */
typedef struct view {
    float logits[LOW * LOW], object_score;
    int present;
} view;

static void look(const sam2_tracker *t, int64_t id, view *out)
{
    sam2_error error;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < sam2_tracker_object_count(t); i++) {
        sam2_tracked o = SAM2_TRACKED_INIT;
        need_ok(sam2_tracker_get(t, i, &o, &error), &error);
        if (o.id != id)
            continue;
        assert_int_equal(o.mask.low_res_size, LOW);
        assert_int_equal(o.mask.width, WIDTH);
        assert_int_equal(o.mask.height, HEIGHT);
        memcpy(out->logits, o.mask.low_res_logits, sizeof out->logits);
        out->object_score = o.mask.object_score;
        out->present = o.present;
        return;
    }
    fail_msg("there is no object %lld", (long long)id);
}

static void expect_same(const view *a, const view *b, const char *what, int frame)
{
    if (memcmp(a, b, sizeof *a))
        fail_msg("%s: other bits on frame %d", what, frame);
}

/* ---- bits ---- */

/* One object through the clip on one thread, which everything else is compared with. */
static void follow_alone(const sam2_model *model, sam2_features *features[FRAMES], const sam2_point *point, int from,
                         view views[FRAMES])
{
    sam2_tracker *t = new_tracker(model);
    say(t, features[from], from, 1, point);
    for (int f = from; f < FRAMES; f++) {
        step(t, features[f], f);
        look(t, 1, &views[f]);
    }
    sam2_tracker_destroy(t);
}

static void objects_and_threads_change_no_bits(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 7};
    static view disc[FRAMES], ring[FRAMES], now;
    for (int precision = SAM2_PRECISION_F32; precision <= SAM2_PRECISION_BF16; precision++)
        for (size_t n = 0; n < sizeof threads / sizeof *threads; n++) {
            sam2_model *model = open_micro(threads[n], NULL, (sam2_precision)precision);
            sam2_features *features[FRAMES];
            encode_clip(model, features);
            if (n == 0) {
                follow_alone(model, features, &on_disc, 0, disc);
                follow_alone(model, features, &on_ring, 4, ring);
                assert_true(disc[0].present);
            }
            sam2_tracker *t = new_tracker(model);
            say(t, features[0], 0, 7, &on_disc);
            for (int f = 0; f < FRAMES; f++) {
                if (f == 4) /* a new object in the middle, as a fresh session would have it */
                    say(t, features[4], 4, -3, &on_ring);
                step(t, features[f], f);
                look(t, 7, &now);
                expect_same(&now, &disc[f], "the first object", f);
                if (f < 4)
                    continue;
                look(t, -3, &now);
                expect_same(&now, &ring[f], "the later object", f);
            }
            sam2_tracker_destroy(t);
            free_clip(features);
            sam2_model_close(model);
        }
}

static void a_file_brings_everything_back(void **state)
{
    (void)state;
    static view before[FRAMES], after;
    const char *path = BUILD_DIR "/tracker.session";
    sam2_error error;
    sam2_model *model = open_micro(2, NULL, SAM2_PRECISION_AUTO);
    sam2_features *features[FRAMES];
    encode_clip(model, features);
    sam2_tracker *t = new_tracker(model), *again = NULL;
    say(t, features[0], 0, 1, &on_disc);
    for (int f = 0; f < 3; f++)
        step(t, features[f], f);
    say(t, features[3], 3, 2, &on_ring); /* not yet part of the memory */
    need_ok(sam2_tracker_save(t, path, &error), &error);
    need_ok(sam2_tracker_load(model, path, &again, &error), &error);
    look(t, 2, &before[0]);
    look(again, 2, &after);
    expect_same(&after, &before[0], "what was said last", 3);
    for (int f = 3; f < FRAMES; f++) {
        step(t, features[f], f);
        step(again, features[f], f);
        for (int id = 1; id <= 2; id++) {
            look(t, id, &before[f]);
            look(again, id, &after);
            expect_same(&after, &before[f], "after loading", f);
        }
    }
    sam2_tracker_destroy(again);
    /* Another model, and damage at every place of the beginning and some of the rest. */
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.image_size = 64;
    sam2_model *other;
    need_ok(sam2_model_open(SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors", &options, &other, &error), &error);
    assert_int_equal(sam2_tracker_load(other, path, &again, &error), SAM2_ERROR_MISMATCH);
    sam2_model_close(other);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static uint8_t bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_true(size > 1000 && size < sizeof bytes);
    for (size_t i = 0; i < size; i += i < 400 ? 1 : 1009)
        for (int cut = 0; cut < 2; cut++) {
            file = fopen(path, "wb");
            assert_non_null(file);
            bytes[i] ^= 0x10;
            assert_int_equal(fwrite(bytes, 1, cut ? i : size, file), cut ? i : size);
            fclose(file);
            bytes[i] ^= 0x10;
            assert_int_not_equal(sam2_tracker_load(model, path, &again, &error), SAM2_OK);
            assert_null(again);
        }
    remove(path);
    sam2_tracker_destroy(t);
    free_clip(features);
    sam2_model_close(model);
}

/* A file of very many objects of which nothing is known, and the same with the last one a second time. */
static void many_objects_in_a_file(void **state)
{
    (void)state;
    enum { HEADER = 128, EACH = 32, MANY = 200000 };
    const char *path = BUILD_DIR "/test_track_many.session";
    sam2_error error;
    sam2_model *model = open_micro(1, NULL, SAM2_PRECISION_F32);
    sam2_tracker *t = new_tracker(model), *again = NULL;
    need_ok(sam2_tracker_save(t, path, &error), &error);
    sam2_tracker_destroy(t);
    uint8_t *bytes = calloc(1, HEADER + MANY * EACH);
    FILE *file = fopen(path, "rb");
    assert_true(bytes && file);
    assert_int_equal(fread(bytes, 1, HEADER, file), HEADER);
    fclose(file);
    for (int twice = 0; twice < 2; twice++) {
        for (uint64_t i = 0; i < MANY; i++)
            put_u64(bytes + HEADER + i * EACH, twice && i == MANY - 1 ? 7 : i);
        put_u64(bytes + 80, MANY);
        put_u64(bytes + 88, checksum(bytes + HEADER, MANY * EACH));
        put_u64(bytes + 120, checksum(bytes, 120));
        file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, HEADER + MANY * EACH, file), HEADER + MANY * EACH);
        fclose(file);
        assert_int_equal(sam2_tracker_load(model, path, &again, &error), twice ? SAM2_ERROR_FORMAT : SAM2_OK);
        if (!twice)
            assert_int_equal(sam2_tracker_object_count(again), MANY);
        else
            assert_null(again);
        sam2_tracker_destroy(again);
        again = NULL;
    }
    remove(path);
    free(bytes);
    sam2_model_close(model);
}

/* ---- memory ---- */

/* Three objects through more frames than anybody looks at, with the same few features for all: from the 200th frame on
 * nothing is allocated. */
static void memory_does_not_grow(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    counter c;
    sam2_allocator a = counting(&c);
    sam2_error error;
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    sam2_model *model;
    sam2_context *context;
    sam2_features *features;
    options.allocator = &a;
    options.image_size = 64;
    options.threads = 1;
    need_ok(sam2_model_open(SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors", &options, &model, &error), &error);
    need_ok(sam2_context_create(model, &context, &error), &error);
    uint8_t *pixels = picture_clip(WIDTH, HEIGHT, 0);
    sam2_image image = {pixels, WIDTH, HEIGHT, WIDTH * 3, SAM2_PIXEL_RGB};
    need_ok(sam2_features_encode_frame(context, &image, &features, &error), &error);
    sam2_tracker *t = new_tracker(model);
    for (int id = 0; id < 3; id++)
        say(t, features, 0, id, id ? &on_ring : &on_disc);
    size_t calls = 0, bytes = 0;
    const int last = getenv("SAM2_FEW_FRAMES") ? 1000 : MANY;
    for (int f = 0; f < last; f++) {
        step(t, features, f);
        if (f == 200) {
            calls = c.calls;
            bytes = sam2_tracker_memory(t);
        }
    }
    assert_int_equal(c.calls, calls);
    assert_int_equal(sam2_tracker_memory(t), bytes);
    sam2_tracker_destroy(t);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    free(pixels);
    assert_int_equal(c.live_blocks, 0);
}

static sam2_status whole_session(const sam2_model *model, sam2_features *features[FRAMES], sam2_error *error)
{
    sam2_tracker *t = NULL;
    sam2_prompt disc = click_at(&on_disc), ring = click_at(&on_ring);
    static int32_t labels[WIDTH * HEIGHT];
    sam2_status status = sam2_tracker_create(model, NULL, &t, error);
    if (status == SAM2_OK)
        status = sam2_tracker_prompt(t, features[0], 0, 1, &disc, 0, error);
    if (status == SAM2_OK)
        status = sam2_tracker_prompt(t, features[0], 0, 2, &ring, 0, error);
    for (int f = 0; f < 3 && status == SAM2_OK; f++)
        status = sam2_tracker_step(t, features[f], f, 0, error);
    if (status == SAM2_OK)
        status = sam2_tracker_prompt(t, features[1], 1, 1, &disc, 1, error);
    if (status == SAM2_OK)
        status = sam2_tracker_step(t, features[1], 1, 1, error);
    if (status == SAM2_OK)
        status = sam2_tracker_get_labels(t, labels, WIDTH, error);
    if (status == SAM2_OK)
        status = sam2_tracker_clear_prompts(t, 0, 1, error);
    if (status == SAM2_OK)
        status = sam2_tracker_step(t, features[2], 2, 0, error);
    sam2_tracker_destroy(t);
    return status;
}

static void every_allocation_fails_in_turn(void **state)
{
    (void)state;
    counter c;
    sam2_allocator a = counting(&c);
    sam2_error error;
    sam2_model *model = open_micro(2, &a, SAM2_PRECISION_AUTO);
    sam2_features *features[FRAMES];
    encode_clip(model, features);
    const size_t blocks = c.live_blocks, bytes = c.live_bytes, start = c.calls;
    need_ok(whole_session(model, features, &error), &error);
    const size_t total = c.calls - start;
    assert_true(total > 20);
    assert_int_equal(c.live_bytes, bytes);
    for (size_t n = 1; n <= total; n++) {
        c.fail_at = c.calls + n;
        sam2_status status = whole_session(model, features, &error);
        if (status != SAM2_ERROR_MEMORY)
            fail_msg("allocation %zu of %zu fails: status %d", n, total, (int)status);
        assert_int_equal(c.live_blocks, blocks);
        assert_int_equal(c.live_bytes, bytes);
    }
    c.fail_at = 0;
    free_clip(features);
    sam2_model_close(model);
}

/* Of a new object and of one that is there: the object's mask so far, its clicks and what follows are as they were. */
static void a_prompt_that_fails_changes_nothing(void **state)
{
    (void)state;
    static view before, now;
    counter c;
    sam2_allocator a = counting(&c);
    sam2_error error;
    sam2_model *model = open_micro(1, &a, SAM2_PRECISION_F32);
    sam2_features *features[FRAMES];
    encode_clip(model, features);
    sam2_tracker *t = new_tracker(model), *calm = new_tracker(model);
    for (int i = 0; i < 2; i++) {
        say(i ? calm : t, features[0], 0, 1, &on_disc);
        step(i ? calm : t, features[0], 0);
        step(i ? calm : t, features[1], 1);
    }
    look(t, 1, &before);
    for (int id = 1; id <= 2; id++) {
        const int frame = id == 1 ? 0 : 1, keep = id == 1;
        sam2_prompt p = click_at(id == 1 ? &(sam2_point){26, 30, 1} : &on_ring);
        sam2_status status = SAM2_ERROR_MEMORY;
        int failures = 0;
        for (; status == SAM2_ERROR_MEMORY; failures++) {
            c.fail_at = c.calls + (size_t)failures + 1;
            status = sam2_tracker_prompt(t, features[frame], frame, id, &p, keep, &error);
            c.fail_at = 0;
            if (status != SAM2_ERROR_MEMORY)
                break;
            assert_int_equal(sam2_tracker_object_count(t), 1);
            if (id == 1) {
                look(t, 1, &now);
                expect_same(&now, &before, "after a prompt that failed", 1);
            }
        }
        need_ok(status, &error);
        assert_true(failures > 1);
        need_ok(sam2_tracker_prompt(calm, features[frame], frame, id, &p, keep, &error), &error);
    }
    for (int f = 2; f < 4; f++) {
        step(t, features[f], f);
        step(calm, features[f], f);
        for (int id = 1; id <= 2; id++) {
            look(t, id, &now);
            look(calm, id, &before);
            expect_same(&now, &before, "beside a tracker where nothing failed", f);
        }
    }
    sam2_tracker_destroy(t);
    sam2_tracker_destroy(calm);
    free_clip(features);
    sam2_model_close(model);
    assert_int_equal(c.live_blocks, 0);
}

/* Of frame 17 the pointer alone is left; many conditioning frames make the next workspace the largest yet. */
static sam2_tracker *after_many_frames(const sam2_model *model, sam2_features *features[FRAMES])
{
    sam2_tracker *t = new_tracker(model);
    say(t, features[0], 0, 1, &on_disc);
    for (int f = 0; f <= 30; f++)
        step(t, features[f % FRAMES], f);
    for (int f = 31; f < 42; f++)
        say(t, features[f % FRAMES], f, 1, &on_disc);
    return t;
}

/* A step that fails onto a frame of which the pointer alone was left: the next ones are those of a tracker that never
 * tried. */
static void a_step_that_fails_changes_nothing(void **state)
{
    (void)state;
    static view expected, now;
    counter c;
    sam2_allocator a = counting(&c);
    sam2_error error;
    sam2_model *model = open_micro(1, &a, SAM2_PRECISION_F32);
    sam2_features *features[FRAMES];
    encode_clip(model, features);
    sam2_tracker *calm = after_many_frames(model, features);
    step(calm, features[18 % FRAMES], 18);
    look(calm, 1, &expected);
    size_t failures = 0;
    for (sam2_status status = SAM2_ERROR_MEMORY; status != SAM2_OK; failures++) { /* each time at a later allocation */
        sam2_tracker *t = after_many_frames(model, features);
        c.fail_at = c.calls + failures + 1;
        status = sam2_tracker_step(t, features[17 % FRAMES], 17, 0, &error);
        c.fail_at = 0;
        if (status != SAM2_OK) {
            assert_int_equal(status, SAM2_ERROR_MEMORY);
            step(t, features[18 % FRAMES], 18);
            look(t, 1, &now);
            expect_same(&now, &expected, "after a step that failed", 18);
        }
        sam2_tracker_destroy(t);
    }
    assert_true(failures > 1);
    sam2_tracker_destroy(calm);
    free_clip(features);
    sam2_model_close(model);
    assert_int_equal(c.live_blocks, 0);
}

/* ---- what cannot be ---- */

static void wrong_arguments(void **state)
{
    (void)state;
    sam2_error error;
    sam2_model *model = open_micro(1, NULL, SAM2_PRECISION_AUTO);
    sam2_features *features[FRAMES], *narrow;
    sam2_context *context;
    sam2_tracker *t = NULL;
    encode_clip(model, features);
    need_ok(sam2_context_create(model, &context, &error), &error);
    uint8_t *pixels = picture_clip(40, HEIGHT, 0);
    sam2_image image = {pixels, 40, HEIGHT, 120, SAM2_PIXEL_RGB};
    need_ok(sam2_features_encode_frame(context, &image, &narrow, &error), &error);
    static const struct {
        size_t at;
        int value;
    } wrong[] = {{offsetof(sam2_tracker_options, memory_frames), 8},
                 {offsetof(sam2_tracker_options, memory_frames), -1},
                 {offsetof(sam2_tracker_options, conditioning_limit), 1},
                 {offsetof(sam2_tracker_options, conditioning_limit), 0},
                 {offsetof(sam2_tracker_options, memory_stride), 0},
                 {offsetof(sam2_tracker_options, hole_area), -2}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sam2_tracker_options options = SAM2_TRACKER_OPTIONS_INIT;
        memcpy((char *)&options + wrong[i].at, &wrong[i].value, sizeof(int));
        assert_int_equal(sam2_tracker_create(model, &options, &t, &error), SAM2_ERROR_ARGUMENT);
        assert_null(t);
    }
    t = new_tracker(model);
    sam2_tracked o = SAM2_TRACKED_INIT;
    static int32_t labels[WIDTH * HEIGHT];
    assert_int_equal(sam2_tracker_get(t, 0, &o, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_tracker_get_labels(t, labels, WIDTH, &error), SAM2_ERROR_ARGUMENT);
    sam2_prompt p = click_at(&on_disc), empty = SAM2_PROMPT_INIT;
    assert_int_equal(sam2_tracker_prompt(t, features[0], -1, 1, &p, 0, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_tracker_prompt(t, features[0], INT64_MAX, 1, &p, 0, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_tracker_prompt(t, features[0], 0, 1, &empty, 0, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_tracker_prompt(t, NULL, 0, 1, &p, 0, &error), SAM2_ERROR_ARGUMENT);
    float logits[LOW * LOW] = {0};
    p.low_res_logits = logits;
    assert_int_equal(sam2_tracker_prompt(t, features[0], 0, 1, &p, 0, &error), SAM2_ERROR_ARGUMENT);
    p = click_at(&on_disc);
    sam2_box box = {10, 10, 50, 50};
    p.box = &box;
    assert_int_equal(sam2_tracker_prompt(t, features[0], 0, 1, &p, 1, &error), SAM2_ERROR_ARGUMENT);
    uint8_t mask[4] = {1, 1, 0, 0};
    p.mask = mask;
    p.mask_width = p.mask_height = 2;
    p.mask_stride = 2;
    assert_int_equal(sam2_tracker_prompt(t, features[0], 0, 1, &p, 0, &error), SAM2_ERROR_ARGUMENT);
    p = click_at(&(sam2_point){NAN, 3, 1});
    assert_int_equal(sam2_tracker_prompt(t, features[0], 0, 1, &p, 0, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_tracker_object_count(t), 0); /* nothing of all that has left a trace */
    say(t, features[0], 0, 1, &on_disc);
    assert_int_equal(sam2_tracker_step(t, narrow, 1, 0, &error), SAM2_ERROR_MISMATCH);
    assert_non_null(strstr(error.text, "40 x 64"));
    assert_int_equal(sam2_tracker_remove(t, 5, &error), SAM2_ERROR_ARGUMENT);
    need_ok(sam2_tracker_clear_prompts(t, 3, 99, &error), &error);
    /* Everything that was said is taken back: the object is absent, and no error. */
    need_ok(sam2_tracker_clear_prompts(t, 0, 1, &error), &error);
    step(t, features[1], 1);
    need_ok(sam2_tracker_get(t, 0, &o, &error), &error);
    assert_int_equal(o.present, 0);
    assert_true(o.mask.low_res_logits[5] == -1024.0f);
    sam2_tracker_reset(t);
    assert_int_equal(sam2_tracker_object_count(t), 0);
    sam2_tracker_reset(NULL);
    sam2_tracker_destroy(NULL);
    sam2_tracker_destroy(t);
    sam2_features_destroy(narrow);
    sam2_context_destroy(context);
    free(pixels);
    free_clip(features);
    sam2_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_threads_change_no_bits),
        cmocka_unit_test(a_file_brings_everything_back),
        cmocka_unit_test(many_objects_in_a_file),
        cmocka_unit_test(memory_does_not_grow),
        cmocka_unit_test(every_allocation_fails_in_turn),
        cmocka_unit_test(a_prompt_that_fails_changes_nothing),
        cmocka_unit_test(a_step_that_fails_changes_nothing),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
