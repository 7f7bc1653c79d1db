/* sam2 track: a made clip through every way in and out. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clip.h"
#include "media.h"
#include "run.h"
#include "scene.h"
#include "video.h"

static double overlap(const char *name, int frame)
{
    uint8_t *mask = mask_read(name, WIDTH, HEIGHT);
    double both = 0, either = 0;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            const int a = mask[y * WIDTH + x] != 0, b = in_disc(x, y, frame);
            both += a && b;
            either += a || b;
        }
    free(mask);
    return both / either;
}

static void need_disc(const char *folder)
{
    char name[100];
    for (int f = 0; f < FRAMES; f++) {
        snprintf(name, sizeof name, "%s/1/%05d.png", folder, f);
        double iou = overlap(name, f);
        if (iou < 0.9)
            fail_msg("%s: IoU %.3f", name, iou);
    }
}

static json_t *line_of(const char *text, int number)
{
    json_error_t error;
    for (; number; number--)
        text = strchr(text, '\n') + 1;
    json_t *json = json_loads(text, JSON_DISABLE_EOF_CHECK, &error);
    assert_non_null(json);
    return json;
}

static void folder_to_everything(void **state)
{
    (void)state;
    const run_result *r =
        run_expect(0, "track -i clip --prompt 1:0:point:70,80 -o masks --json - --overlay out.mp4 -q");
    need_disc("masks");
    int lines = 0;
    for (const char *p = r->out; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, FRAMES);
    json_t *line = line_of(r->out, 3), *object = json_array_get(json_object_get(line, "objects"), 0);
    assert_int_equal(json_integer_value(json_object_get(line, "frame")), 3);
    assert_string_equal(json_string_value(json_object_get(line, "file")), "frame_10.png");
    assert_int_equal(json_integer_value(json_object_get(object, "id")), 1);
    assert_true(json_is_true(json_object_get(object, "present")));
    assert_true(json_real_value(json_object_get(object, "object_score")) > 0);
    assert_int_equal(json_array_size(json_object_get(object, "bbox")), 4);
    assert_true(abs((int)json_integer_value(json_object_get(object, "area")) - 3631) < 300); /* 34 * 34 * pi */
    json_decref(line);
    assert_true(file_exists("out.mp4"));
    media_video *video;
    media_frame frame;
    char error[400];
    if (media_video_open("out.mp4", NULL, &video, error, sizeof error) == 0) {
        int count = 0;
        while (media_video_read(video, count, &frame, error, sizeof error) == 1)
            count++;
        assert_int_equal(count, FRAMES);
        assert_int_equal(media_video_about(video)->width, WIDTH);
        media_video_close(video);
    }
}

static void every_source_gives_the_same(void **state)
{
    (void)state;
    char a[100], b[100];
    run_expect(0, "track -i clip --prompt 1:0:point:70,80 -o files -q");
    run_expect(0, "track -i - --raw %dx%d:rgb24 --prompt 1:0:point:70,80 -o stream -q < clip.raw", WIDTH, HEIGHT);
    run_expect(0, "track -i clip.raw --raw %dx%d:rgb24 --live --prompt 1:0:point:70,80 -o live -q", WIDTH, HEIGHT);
    run_expect(0, "track -i clip --units fraction --prompt 1:0:point:0.2916667,0.5 -o fraction -q");
    for (int f = 0; f < FRAMES; f++) {
        snprintf(a, sizeof a, "files/1/%05d.png", f);
        static const char *const others[] = {"live", "fraction"};
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            snprintf(b, sizeof b, "%s/1/%05d.png", others[i], f);
            uint8_t *x = mask_read(a, WIDTH, HEIGHT), *y = mask_read(b, WIDTH, HEIGHT);
            int differing = 0;
            for (int p = 0; p < WIDTH * HEIGHT; p++)
                differing += x[p] != y[p];
            /* A short folder's length is known, and scales the distances of pointers; a stream's is not. */
            assert_true(differing <= WIDTH * HEIGHT / 100);
            free(x);
            free(y);
        }
        snprintf(a, sizeof a, "stream/1/%05d.png", f);
        snprintf(b, sizeof b, "live/1/%05d.png", f);
        assert_true(file_same(a, b));
    }
}

static void backward_and_both(void **state)
{
    (void)state;
    run_expect(0, "track -i clip --prompt 1:%d:box:%d,44,%d,116 --reverse -o back --overlay back.mp4 -q", FRAMES - 1,
               disc_x(FRAMES - 1) - 36, disc_x(FRAMES - 1) + 36);
    need_disc("back");
    const run_result *r = run_expect(0, "track -i clip --prompt 1:2:point:%d,80 --both -o both --json - -q", disc_x(2));
    need_disc("both");
    for (int i = 0; i < FRAMES; i++) { /* forward from frame 2, then from frame 1 back */
        json_t *line = line_of(r->out, i);
        assert_int_equal(json_integer_value(json_object_get(line, "frame")), i < FRAMES - 2 ? i + 2 : FRAMES - 1 - i);
        json_decref(line);
    }
}

/* An overlay as a folder of pictures: every frame, coloured in the disc and as it was away from it and the click. */
static void overlay_folder(void **state)
{
    (void)state;
    char name[64], error[300];
    for (int both = 0; both < 2; both++) {
        run_expect(0, "track -i clip --prompt 1:2:point:%d,80 %s --overlay over%d/ -q", disc_x(2), both ? "--both" : "",
                   both);
        for (int f = 0; f < FRAMES; f++) {
            media_picture got;
            snprintf(name, sizeof name, "over%d/%05d.png", both, f);
            if (!both && f < 2) { /* before the prompt */
                assert_false(file_exists(name));
                continue;
            }
            if (media_read(name, NULL, &got, error, sizeof error))
                fail_msg("%s", error);
            assert_true(got.width == WIDTH && got.height == HEIGHT);
            uint8_t *was = clip_pixels(f);
            int changed = 0, all = 0;
            for (int y = 0; y < HEIGHT; y++)
                for (int x = 0; x < WIDTH; x++) {
                    const int differs = memcmp(was + (y * WIDTH + x) * 3, got.pixels + (y * WIDTH + x) * 3, 3) != 0;
                    const int dx = x - disc_x(f), dy = y - 80, far = dx * dx + dy * dy;
                    if (far > (RADIUS + 8) * (RADIUS + 8))
                        assert_false(differs);
                    all += far < RADIUS * RADIUS;
                    changed += far < RADIUS * RADIUS && differs;
                }
            assert_true(changed > all * 9 / 10);
            free(was);
            media_picture_free(&got);
        }
    }
    run_expect(4, "track -i clip --prompt 1:0:point:70,80 --overlay no/where/ -q");
    const run_result *r = run_expect(1, "track -i clip --prompt 1:0:point:70,80 --overlay ./clip/ -q");
    assert_non_null(strstr(r->err, "--overlay ./clip/: is the folder of the input"));
    r = run_expect(1, "track -i clip --prompt 1:0:point:70,80 -o clip --layout labels -q");
    assert_non_null(strstr(r->err, "-o clip: is the folder of the input"));
}

static void two_objects_as_labels(void **state)
{
    (void)state;
    char name[64], error[300];
    run_expect(0, "track -i clip --prompt 3:0:point:70,80 --prompt 5:2:point:200,20 -o labels --layout labels -q");
    for (int f = 0; f < FRAMES; f++) {
        media_indices labels;
        int right = 0, all = 0;
        snprintf(name, sizeof name, "labels/%05d.png", f);
        if (media_read_indices(name, NULL, &labels, error, sizeof error))
            fail_msg("%s", error);
        for (int p = 0; p < WIDTH * HEIGHT; p++) {
            assert_true(labels.values[p] == 0 || labels.values[p] == 3 || labels.values[p] == 5);
            const int inside = in_disc(p % WIDTH, p / WIDTH, f);
            all += inside;
            right += inside && labels.values[p] == 3;
        }
        assert_true(right > all * 9 / 10);
        media_indices_free(&labels);
    }
}

static void masks_and_data_sets(void **state)
{
    (void)state;
    char error[300];
    uint8_t *mask = malloc(WIDTH * HEIGHT), palette[256][3];
    assert_non_null(mask);
    for (int p = 0; p < WIDTH * HEIGHT; p++)
        mask[p] = in_disc(p % WIDTH, p / WIDTH, 0) ? 255 : 0;
    assert_int_equal(media_write_png("first.png", mask, WIDTH, HEIGHT, 1, WIDTH, error, sizeof error), 0);
    run_expect(0, "track -i clip --prompt 1:0:mask:first.png -o masked -q");
    need_disc("masked");
    assert_true(overlap("masked/1/00000.png", 0) > 0.97);
    /* The same as a data set of one video. */
    folder_make("set");
    folder_make("first");
    folder_make("first/clip");
    assert_int_equal(rename("clip", "set/clip"), 0);
    media_davis_palette(palette);
    for (int p = 0; p < WIDTH * HEIGHT; p++)
        mask[p] = mask[p] ? 1 : 0;
    assert_int_equal(
        media_write_png_indexed("first/clip/frame_7.png", mask, WIDTH, HEIGHT, WIDTH, palette[0], error, sizeof error),
        0);
    run_expect(0, "track --vos -i set --masks first -o found");
    media_indices labels;
    assert_int_equal(media_read_indices("found/clip/frame_12.png", NULL, &labels, error, sizeof error), 0);
    int wrong = 0;
    for (int p = 0; p < WIDTH * HEIGHT; p++)
        wrong += (labels.values[p] == 1) != in_disc(p % WIDTH, p / WIDTH, 5);
    assert_true(wrong < 400);
    media_indices_free(&labels);
    /* And with a folder for the object, from its third frame on. */
    folder_make("apart");
    folder_make("apart/clip");
    folder_make("apart/clip/004");
    for (int p = 0; p < WIDTH * HEIGHT; p++)
        mask[p] = in_disc(p % WIDTH, p / WIDTH, 2) ? 1 : 0;
    assert_int_equal(media_write_png_indexed("apart/clip/004/frame_9.png", mask, WIDTH, HEIGHT, WIDTH, palette[0],
                                             error, sizeof error),
                     0);
    run_expect(0, "track --vos -i set --masks apart -o parts -q");
    assert_true(file_exists("parts/clip/004/frame_7.png")); /* empty */
    assert_int_equal(media_read_indices("parts/clip/004/frame_8.png", NULL, &labels, error, sizeof error), 0);
    for (int p = 0; p < WIDTH * HEIGHT; p++)
        assert_int_equal(labels.values[p], 0);
    media_indices_free(&labels);
    assert_true(file_exists("parts/clip/004/frame_12.png"));
    assert_int_equal(rename("set/clip", "clip"), 0);
    free(mask);
}

/* The object goes behind nothing that can be seen through: it is not there, and comes back. */
static void gone_and_back(void **state)
{
    (void)state;
    char name[64], error[300];
    folder_make("gone");
    for (int f = 0; f < 7; f++) {
        uint8_t *pixels = clip_pixels(f == 3 || f == 4 ? -1 : 0);
        snprintf(name, sizeof name, "gone/%d.png", f);
        assert_int_equal(media_write_png(name, pixels, WIDTH, HEIGHT, 3, WIDTH * 3, error, sizeof error), 0);
        free(pixels);
    }
    const run_result *r =
        run_expect(0, "track -i gone --prompt 1:0:point:70,80 -o gone_masks --overlay gone.mp4 --json - -q");
    for (int f = 0; f < 7; f++) {
        json_t *line = line_of(r->out, f), *object = json_array_get(json_object_get(line, "objects"), 0);
        const int there = f != 3 && f != 4;
        assert_int_equal(json_is_true(json_object_get(object, "present")), there);
        assert_int_equal(json_real_value(json_object_get(object, "object_score")) > 0, there);
        if (there)
            assert_true(json_integer_value(json_object_get(object, "area")) > 3000);
        else {
            assert_int_equal(json_integer_value(json_object_get(object, "area")), 0);
            assert_true(json_is_null(json_object_get(object, "bbox")));
        }
        json_decref(line);
    }
    assert_true(overlap("gone_masks/1/00006.png", 0) > 0.9);
}

static void wrong_use(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "track -i clip",
        "track --prompt 1:0:point:5,5",
        "track -i clip --prompt 1:0:point:5",
        "track -i clip --prompt 1:0:point:5,5,2",
        "track -i clip --prompt x:0:point:5,5",
        "track -i clip --prompt 1:-1:point:5,5",
        "track -i clip --prompt 1:0:box:5,5,5,9",
        "track -i clip --prompt 1:0:ring:5,5",
        "track -i clip --prompt 1:0:mask:",
        "track -i clip --prompt 1:99:point:5,5",
        "track -i clip --prompt 1:0:point:nan,5",
        "track -i clip --prompt 99999999999:0:point:5,5",
        "track -i clip --prompt 1:0:point:5,5 --reverse --both",
        "track -i clip --prompt 1:0:point:5,5 --frames 2 --start 3",
        "track -i clip --prompt 1:0:point:5,5 --start 50",
        "track -i clip --prompt 1:0:point:5,5 --overlay out.xyz",
        "track -i clip --prompt 1:0:point:5,5 --raw 5",
        "track -i clip clip --prompt 1:0:point:5,5",
        "track -i clip --prompt 0:0:point:5,5 -o x --layout labels",
        "track -i clip --prompt 256:0:point:5,5 -o x --layout labels",
        "track --vos -i clip -o x",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const run_result *r = run("%s", lines[i]);
        if (r->status != 1)
            fail_msg("%s: exit status %d\n%s", lines[i], r->status, r->err);
        assert_true(strncmp(r->err, "sam2: ", 6) == 0);
    }
    run_expect(2, "track -i nowhere --prompt 1:0:point:5,5");
    run_expect(2, "track -i clip --prompt 1:0:mask:nowhere.png");
    run_expect(3, "track -m nowhere.pt -i clip --prompt 1:0:point:5,5");
    file_write("clip/frame_9.png", "", 0);
    const run_result *r = run_expect(2, "track -i clip --prompt 1:0:point:70,80 -o broken");
    assert_non_null(strstr(r->err, "frame_9.png"));
    assert_true(file_exists("broken/1/00001.png")); /* what came before is kept */
    run_expect(0, "track -i clip --skip-bad --prompt 1:0:point:70,80 -o skipped -q");
    assert_true(file_exists("skipped/1/00004.png") && !file_exists("skipped/1/00005.png"));
}

static int begin(void **state)
{
    (void)state;
    run_begin();
    clip_make();
    return 0;
}

static int end(void **state)
{
    (void)state;
    run_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_to_everything),  cmocka_unit_test(every_source_gives_the_same),
        cmocka_unit_test(backward_and_both),     cmocka_unit_test(overlay_folder),
        cmocka_unit_test(two_objects_as_labels), cmocka_unit_test(masks_and_data_sets),
        cmocka_unit_test(gone_and_back),         cmocka_unit_test(wrong_use),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
