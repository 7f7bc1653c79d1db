/* sam2 eval: J and F against the official evaluator's values and a plain routine, layouts, faults. */
#define _XOPEN_SOURCE 700 /* nftw */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media.h"
#include "run.h"
#include "vos.h"
#include "vos_measure.h"

#define DATA FIXTURES "/../../data/vos/"

static void close_to(double got, double want, double most, const char *what)
{
    if (!(fabs(got - want) <= most))
        fail_msg("%s: %.17g, not %.17g", what, got, want);
}

static const vos_score *find_score(const vos_result *r, const char *video, const char *object)
{
    if (!strcmp(video, "-"))
        return &r->score;
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < r->videos[i].count; k++)
            if (!strcmp(r->videos[i].name, video) && !strcmp(r->videos[i].rows[k].object, object))
                return &r->videos[i].rows[k].score;
    fail_msg("%s %s is not there", video, object);
    return NULL;
}

static void like_official(void **state)
{
    static const char *const sets[] = {"davis", "sav"};
    size_t lines = 0, rows = 0;
    (void)state;
    for (int set = 0; set < 2; set++)
        for (int all = 0; all < 2; all++) {
            vos_options options = {.strict = 1, .all_frames = all};
            vos_result r;
            char truth[600], prediction[600], line[300];
            FILE *file = fopen(DATA "expected.txt", "r");
            assert_non_null(file);
            snprintf(truth, sizeof truth, DATA "%s/truth", sets[set]);
            snprintf(prediction, sizeof prediction, DATA "%s/prediction", sets[set]);
            assert_int_equal(vos_evaluate(truth, prediction, &options, &r), 0);
            while (fgets(line, sizeof line, file)) {
                char name[64], frames[64], video[64], object[64];
                double j, f;
                if (*line == '#')
                    continue;
                assert_int_equal(sscanf(line, "%63s %63s %63s %63s %lf %lf", name, frames, video, object, &j, &f), 6);
                if (strcmp(name, sets[set]) || strcmp(frames, all ? "all" : "inner"))
                    continue;
                const vos_score *score = find_score(&r, video, object);
                close_to(score->j, j, 1e-9, line);
                close_to(score->f, f, 1e-9, line);
                close_to(score->jf, (j + f) / 2, 1e-9, line);
                lines++;
            }
            for (size_t i = 0; i < r.count; i++)
                rows += r.videos[i].count;
            fclose(file);
            vos_result_free(&r);
        }
    assert_int_equal(lines, 29);
    assert_int_equal(rows + 4, lines);
}

/* ---- the outlines by their definition ---- */

static uint32_t random_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static int outline_at(const uint8_t *labels, int width, int height, int x, int y)
{
    int r = x + 1 < width ? x + 1 : x, b = y + 1 < height ? y + 1 : y;
    int here = labels[y * width + x] == 1;
    return here != (labels[y * width + r] == 1) || here != (labels[b * width + x] == 1) ||
           here != (labels[b * width + r] == 1);
}

/* Share of the first outline's pixels with one of the second within the radius; -1 without pixels. */
static double share_near(const uint8_t *a, const uint8_t *b, int width, int height, int radius)
{
    int count = 0, near = 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int found = 0;
            if (!outline_at(a, width, height, x, y))
                continue;
            count++;
            for (int v = y - radius; v <= y + radius && !found; v++)
                for (int u = x - radius; u <= x + radius && !found; u++)
                    found = u >= 0 && v >= 0 && u < width && v < height &&
                            (u - x) * (u - x) + (v - y) * (v - y) <= radius * radius &&
                            outline_at(b, width, height, u, v);
            near += found;
        }
    return count ? (double)near / count : -1;
}

static double plain_f(const uint8_t *truth, const uint8_t *prediction, int width, int height)
{
    int radius = vos_tolerance(width, height);
    double precision = share_near(prediction, truth, width, height, radius),
           recall = share_near(truth, prediction, width, height, radius);
    if (precision < 0 && recall < 0)
        return 1;
    return precision > 0 && recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

static void outlines_by_definition(void **state)
{
    static const int sizes[][2] = {{1, 1},   {1, 9},    {9, 1},   {2, 2},    {13, 7},   {40, 30},
                                   {64, 64}, {200, 90}, {3, 900}, {5000, 4}, {61, 1500}};
    uint32_t random = 5;
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int round = 0; round < 12; round++) {
            int width = sizes[s][0], height = sizes[s][1], count = width * height;
            uint8_t *masks[2];
            vos_measure measure = {0};
            for (int m = 0; m < 2; m++) {
                unsigned share = random_number(&random) % (round < 6 ? 4 : 100);
                masks[m] = calloc((size_t)count, 1);
                assert_non_null(masks[m]);
                for (int i = 0; i < count && round % 3; i++)
                    masks[m][i] = random_number(&random) % 100 < share ? 1 : random_number(&random) % 2 * 9;
                int x0 = (int)(random_number(&random) % (unsigned)width),
                    y0 = (int)(random_number(&random) % (unsigned)height);
                for (int y = y0; y < height && y < y0 + height / 3; y++)
                    for (int x = x0; x < width && x < x0 + width / 3; x++)
                        masks[m][y * width + x] = 1;
            }
            size_t both = 0, either = 0;
            for (int i = 0; i < count; i++) {
                both += masks[0][i] == 1 && masks[1][i] == 1;
                either += masks[0][i] == 1 || masks[1][i] == 1;
            }
            assert_int_equal(vos_measure_frame(&measure, masks[0], masks[1], width, height), 0);
            const vos_object *object = &measure.objects[1];
            assert_int_equal(object->frames, either > 0);
            if (either) {
                close_to(object->j, (double)both / (double)either, 1e-12, "J");
                close_to(object->f, plain_f(masks[0], masks[1], width, height), 1e-12, "F");
            }
            vos_measure_free(&measure);
            free(masks[0]);
            free(masks[1]);
        }
}

static void tolerances(void **state)
{
    (void)state;
    assert_int_equal(vos_tolerance(1, 1), 1);
    assert_int_equal(vos_tolerance(400, 300), 4); /* exactly */
    assert_int_equal(vos_tolerance(854, 480), 8);
    assert_int_equal(vos_tolerance(1920, 1080), 18);
}

/* ---- the program ---- */

static void put(const char *path, int width, int height, uint8_t value)
{
    uint8_t *pixels = calloc((size_t)width, (size_t)height);
    char error[300];
    assert_non_null(pixels);
    for (int y = 0; y < height / 2; y++)
        memset(pixels + y * width, value, (size_t)width / 2);
    if (media_write_png(path, pixels, width, height, 1, (size_t)width, error, sizeof error))
        fail_msg("%s", error);
    free(pixels);
}

/* Three frames of each of two objects in truth/ and prediction/, in the layout of a folder an object; `video` in
 * between or "". */
static void make_objects(const char *video)
{
    static const char *const roots[] = {"truth", "prediction"};
    char path[200];
    for (int root = 0; root < 2; root++) {
        folder_make(roots[root]);
        snprintf(path, sizeof path, "%s/%s", roots[root], video);
        if (*video)
            folder_make(path);
        for (int object = 0; object < 2; object++) {
            snprintf(path, sizeof path, "%s/%s/%03d", roots[root], video, object);
            folder_make(path);
            for (int t = 0; t < 3; t++) {
                snprintf(path, sizeof path, "%s/%s/%03d/%d.png", roots[root], video, object, t);
                put(path, 20, 10, 255);
            }
        }
    }
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

static int remove_all(void **state)
{
    (void)state;
    nftw("truth", remove_one, 16, FTW_DEPTH | FTW_PHYS);
    nftw("prediction", remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static double number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void program_json(void **state)
{
    const run_result *r =
        run_expect(0, "eval --vos " DATA "sav/truth " DATA "sav/prediction --json a.json --strict --compact");
    json_t *json = json_load_file("a.json", 0, NULL);
    const json_t *videos, *first, *object;
    (void)state;
    assert_non_null(json);
    assert_non_null(strstr(r->out, "sav_000001    001        23.9   22.9   24.9       4\n"));
    assert_non_null(strstr(r->out, "all objects   3          61.4   64.6   58.1\n"));
    assert_string_equal(r->err, "");
    close_to(number(json, "j"), 64.635134020052291, 1e-6, "j");
    close_to(number(json, "f"), 58.098595789609853, 1e-6, "f");
    close_to(number(json, "jf"), (64.635134020052291 + 58.098595789609853) / 2, 1e-6, "jf");
    assert_int_equal((int)number(json, "object_count"), 3);
    assert_true(json_is_false(json_object_get(json, "all_frames")));
    videos = json_object_get(json, "videos");
    assert_int_equal(json_array_size(videos), 2);
    assert_int_equal(json_array_size(json_object_get(json, "missing_videos")), 0);
    first = json_array_get(videos, 0);
    assert_string_equal(json_string_value(json_object_get(first, "video")), "sav_000001");
    assert_string_equal(json_string_value(json_object_get(first, "layout")), "object folders");
    close_to(number(first, "j"), (86.459802538787017 + 22.866666666666667) / 2, 1e-6, "a video's j");
    object = json_array_get(json_object_get(first, "objects"), 1);
    assert_string_equal(json_string_value(json_object_get(object, "object")), "001");
    assert_int_equal((int)number(object, "frames"), 4);
    close_to(number(object, "f"), 24.921630094043891, 1e-6, "an object's f");
    json_decref(json);
    r = run_expect(0, "eval --vos " DATA "davis/truth/two " DATA "davis/prediction/two --json - -q");
    json = json_loads(r->out, 0, NULL);
    first = json_array_get(json_object_get(json, "videos"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "video")), "two");
    assert_string_equal(json_string_value(json_object_get(first, "layout")), "labels");
    close_to(number(first, "j"), (86.378957847545621 + 83.763005303233527) / 2, 1e-6, "j");
    json_decref(json);
    run_expect(0,
               "eval --vos " DATA "sav/truth/sav_000001/ " DATA "sav/prediction/sav_000001 --per-object --json a.json");
    json = json_load_file("a.json", 0, NULL);
    close_to(number(json, "j"), (86.459802538787017 + 22.866666666666667) / 2, 1e-6, "j of one video's folder");
    json_decref(json);
    r = run_expect(0, "eval --vos " DATA "sav/truth " DATA "sav/prediction -q");
    assert_string_equal(r->out, "");
}

static void expect_error(int status, const char *options, const char *text)
{
    const run_result *r = run_expect(status, "eval --vos truth prediction %s", options);
    const char *end = strchr(r->err, '\n');
    if (!strstr(r->err, text) || !end || end[1])
        fail_msg("'%s' does not contain '%s', or not in one line", r->err, text);
    assert_string_equal(r->out, "");
}

static void missing_things(void **state)
{
    (void)state;
    make_objects("v");
    run_expect(0, "eval --vos truth prediction --strict");
    unlink("prediction/v/001/2.png");
    run_expect(0, "eval --vos truth prediction"); /* the last frame does not count */
    expect_error(2, "--all-frames", "prediction/v/001/2.png: cannot be opened: No such file");
    unlink("prediction/v/001/1.png");
    expect_error(2, "", "prediction/v/001/1.png: cannot be opened: No such file");
    unlink("truth/v/001/1.png");
    expect_error(2, "", "truth/v/001: the object is in none of the frames that count");
    folder_make("truth/w");
    expect_error(1, "--strict", "--strict: video w of truth is not in prediction");
    rmdir("truth/w");
    folder_make("prediction/w");
    expect_error(1, "--strict", "--strict: video w of prediction is not in truth");
    folder_make("truth/w");
    unlink("truth/v/001/0.png");
    unlink("truth/v/001/2.png");
    rmdir("truth/v/001");
    expect_error(2, "", "truth/w: neither .png files nor folders of objects");
    rmdir("prediction/w");
    const run_result *r = run_expect(0, "eval --vos truth prediction");
    assert_non_null(strstr(r->err, "1 of the videos have no prediction and are left out, the first one w"));
    assert_non_null(strstr(r->out, "v             000       100.0  100.0  100.0       1\n"));
}

static void unsuitable_files(void **state)
{
    static const uint8_t three[3] = {0, 1, 2}, rgb[3] = {9, 9, 9};
    char error[300];
    (void)state;
    make_objects("v");
    put("prediction/v/000/1.png", 21, 10, 255);
    expect_error(1, "", "prediction/v/000/1.png: 21 x 10 pixels, and the true mask truth/v/000/1.png has 20 x 10");
    assert_int_equal(media_write_png("prediction/v/000/1.png", three, 3, 1, 1, 3, error, sizeof error), 0);
    expect_error(2, "", "prediction/v/000/1.png: 3 values");
    assert_int_equal(media_write_png("prediction/v/000/1.png", rgb, 1, 1, 3, 3, error, sizeof error), 0);
    expect_error(2, "", "prediction/v/000/1.png: no mask of labels");
    file_write("prediction/v/000/1.png", "text", 4);
    expect_error(2, "", "prediction/v/000/1.png");
    expect_error(2, "--max-pixels 199", "truth/v/000/1.png: 20 x 10 pixels are more than the limit of 199");
    file_write("truth/v/000/notes.txt", "text", 4);
    expect_error(2, "", "truth/v/000/notes.txt: not a .png file");
    file_write("truth/v/notes.txt", "text", 4);
    expect_error(2, "", "truth/v/notes.txt: a file among folders");
    file_write("truth/v/000/.hidden", "", 0); /* of no interest */
    expect_error(1, "--per-object --strict --json truth/../truth/a.json --nothing", "unknown option --nothing");
    put("truth/0.png", 20, 10, 1);
    expect_error(2, "", "truth/0.png: a file among folders");
}

static void layouts(void **state)
{
    const run_result *r;
    (void)state;
    make_objects("");
    r = run_expect(0, "eval --vos truth prediction --per-object");
    assert_non_null(strstr(r->out, "truth         001       100.0  100.0  100.0       1\n"));
    /* Without the option the same folders are two videos, with labels. */
    r = run_expect(0, "eval --vos truth prediction");
    assert_non_null(strstr(r->out, "001           255       100.0  100.0  100.0       1\n"));
    remove_all(NULL);
    folder_make("truth");
    folder_make("prediction");
    expect_error(1, "--per-object", "--per-object: truth has no folders of objects");
    expect_error(1, "", "no video in common");
    for (int t = 0; t < 3; t++) {
        char path[64];
        snprintf(path, sizeof path, "truth/%d.png", t);
        put(path, 20, 10, 0);
        snprintf(path, sizeof path, "prediction/%d.png", t);
        put(path, 20, 10, 3);
    }
    expect_error(2, "-q", "truth: no object in any of the frames that count");
    put("truth/1.png", 20, 10, 4);
    r = run_expect(0, "eval --vos truth prediction");
    assert_non_null(strstr(r->out, "truth         4           0.0    0.0    0.0       1\n"));
    assert_null(strstr(r->out, " 3  "));
}

/* The data set's own folder, with Annotations beside pictures. */
static void annotations(void **state)
{
    (void)state;
    folder_make("truth");
    folder_make("truth/Annotations");
    folder_make("truth/JPEGImages");
    folder_make("truth/Annotations/v");
    folder_make("prediction");
    folder_make("prediction/v");
    for (int t = 0; t < 3; t++) {
        char path[64];
        snprintf(path, sizeof path, "truth/Annotations/v/%d.png", t);
        put(path, 20, 10, 1);
        snprintf(path, sizeof path, "prediction/v/%d.png", t);
        put(path, 20, 10, 1);
    }
    assert_non_null(strstr(run_expect(0, "eval --vos truth prediction --strict")->out, "100.0"));
}

static int set_up(void **state)
{
    (void)state;
    run_begin();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_official),
        cmocka_unit_test(outlines_by_definition),
        cmocka_unit_test(tolerances),
        cmocka_unit_test(program_json),
        cmocka_unit_test_teardown(missing_things, remove_all),
        cmocka_unit_test_teardown(unsuitable_files, remove_all),
        cmocka_unit_test_teardown(layouts, remove_all),
        cmocka_unit_test_teardown(annotations, remove_all),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
