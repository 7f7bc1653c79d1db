/* bench: what it writes is as agreed (the program's contract, docs/json.md), and its parts add up. How long anything
 * takes is no matter of these tests. */
#define _DEFAULT_SOURCE /* usleep */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "run.h"
#include "scene.h"

static json_t *read_json(const char *name)
{
    char *text = (char *)file_read(name, NULL);
    json_error_t error;
    json_t *json;
    assert_non_null(text);
    json = json_loads(text, 0, &error);
    assert_non_null(json);
    free(text);
    return json;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("%s is missing or no number", key);
    return json_number_value(value);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text)
        fail_msg("%s is missing or no text", key);
    return text;
}

static void shape(void **state)
{
    static const char *const names[] = {"load_ms", "encode_ms", "decode_ms", "ten_clicks_ms", "ten_objects_ms"};
    const run_result *r = run_expect(0, "bench --runs 2 --threads 1,2 --precision f32 --size 128 --json bench.json");
    json_t *json = read_json("bench.json");
    const json_t *results = json_object_get(json, "results"), *machine = json_object_get(json, "machine"),
                 *peaks = json_object_get(machine, "peak_gflops");
    const char *kind;
    json_t *value;
    (void)state;
    assert_non_null(strstr(r->out, "micro"));
    assert_true(strlen(text_of(machine, "cpu")) > 0 && strlen(text_of(machine, "isa")) > 0);
    assert_int_equal(number(machine, "threads"), 2);
    assert_true(number(machine, "processors") >= 1);
    assert_true(number(peaks, "f32") > 0);
    json_object_foreach((json_t *)peaks, kind, value)
    {
        assert_true(!strcmp(kind, "f32") || !strcmp(kind, "bf16") || !strcmp(kind, "int8"));
        assert_true(json_number_value(value) > 0);
        assert_true(strlen(text_of(json_object_get(machine, "peak_instructions"), kind)) > 0);
    }
    assert_true(number(machine, "read_gb_s") > 0);
    assert_int_equal(json_array_size(results), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(results, i);
        assert_string_equal(text_of(row, "model"), "micro");
        assert_string_equal(text_of(row, "precision"), "f32");
        assert_int_equal(number(row, "threads"), (int)i + 1);
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            char least[40], most[40];
            snprintf(least, sizeof least, "%s_min", names[k]);
            snprintf(most, sizeof most, "%s_max", names[k]);
            double a = number(row, least), b = number(row, names[k]), c = number(row, most);
            assert_true(a > 0 && a <= b && b <= c);
        }
        /* Figures follow from one another; each is rounded to three digits behind the point. */
        double gflop = number(row, "gflop"), gflops = number(row, "gflops"), ms = number(row, "encode_ms");
        assert_true(gflop > 0);
        assert_true(fabs(gflops - gflop / ms * 1e3) <= 0.002 * gflops + 0.001);
        assert_true(fabs(number(row, "fraction_of_peak") - gflops / number(row, "peak_gflops")) <= 0.001);
        /* What was not run is absent. */
        assert_null(json_object_get(row, "profile"));
        assert_null(json_object_get(row, "track_ms"));
        assert_null(json_object_get(row, "auto_ms"));
    }
    json_decref(json);
}

static void json_alone(void **state)
{
    const run_result *r =
        run_expect(0, "bench --runs 1 -m micro -i scene.png --size 128 --precision f32 --profile --json -");
    json_error_t error;
    json_t *json = json_loads(r->out, 0, &error);
    (void)state;
    assert_non_null(json); /* and nothing else on standard output */
    json_decref(json);
}

/* Without --precision all that there are, one line each and no precision twice. */
static void precisions(void **state)
{
    run_expect(0, "bench --runs 1 --threads 1 --size 128 --json bench.json");
    json_t *json = read_json("bench.json");
    const json_t *results = json_object_get(json, "results");
    (void)state;
    assert_true(json_array_size(results) >= 1);
    assert_string_equal(text_of(json_array_get(results, 0), "precision"), "f32");
    for (size_t i = 1; i < json_array_size(results); i++)
        assert_string_not_equal(text_of(json_array_get(results, i), "precision"), "f32");
    json_decref(json);
}

static double sum(const json_t *lines, const char *key)
{
    double total = 0.0;
    for (size_t i = 0; i < json_array_size(lines); i++)
        total += number(json_array_get(lines, i), key);
    return total;
}

/* Stages are the whole; so are operations, with what is left as one of them. */
static void profile(void **state)
{
    static const char *const parts[] = {"encode", "decode"};
    static const char *const stages[2][4] = {{"preprocess", "patch embedding", "trunk stage 3", "neck"},
                                             {"prompt encoder", "mask decoder", "mask upscale", "enlargement"}};
    const run_result *r =
        run_expect(0, "bench --runs 2 --threads 2 --precision f32 --size 128 --profile --json bench.json");
    json_t *json = read_json("bench.json");
    const json_t *row = json_array_get(json_object_get(json, "results"), 0);
    (void)state;
    assert_non_null(strstr(r->out, "other and waiting"));
    for (int p = 0; p < 2; p++) {
        const json_t *part = json_object_get(json_object_get(row, "profile"), parts[p]);
        const json_t *list = json_object_get(part, "stages"), *operations = json_object_get(part, "operations");
        double ms = number(part, "ms"), gflop = 0.0, stage_gflop = 0.0, features = 0.0;
        assert_true(fabs(sum(list, "share") - 1.0) < 1e-6);
        assert_true(fabs(sum(operations, "share") - 1.0) < 1e-6);
        assert_true(fabs(sum(list, "ms") - ms) < 1e-6 * ms);
        for (size_t i = 0; i < json_array_size(list); i++)
            stage_gflop += json_number_value(json_object_get(json_array_get(list, i), "gflop"));
        for (size_t i = 0; i < json_array_size(list); i++)
            if (!strcmp(text_of(json_array_get(list, i), "stage"), "features")) /* the decoder's share in an encoding */
                features += json_number_value(json_object_get(json_array_get(list, i), "gflop"));
        for (size_t i = 0; i < json_array_size(operations); i++)
            gflop += json_number_value(json_object_get(json_array_get(operations, i), "gflop"));
        assert_true(fabs(stage_gflop - gflop) <= 1e-6 * gflop && gflop > 0);
        if (p == 0) /* the profile counts what the row announces */
            assert_true(fabs(gflop - features - number(row, "gflop")) <= 0.001);
        for (int i = 0; i < 4; i++) {
            size_t at = 0;
            while (at < json_array_size(list) && strcmp(text_of(json_array_get(list, at), "stage"), stages[p][i]))
                at++;
            assert_true(at < json_array_size(list));
        }
    }
    json_decref(json);
}

/* A Markdown table: its lines have as many cells as its head, and stand together. */
static void markdown(void **state)
{
    const run_result *r = run_expect(0, "bench --runs 1 --threads 1,2 --precision f32 --size 128 --profile --markdown");
    int lines = 0, bars = 0, ended = 0;
    (void)state;
    for (char *line = strtok(r->out, "\n"); line; line = strtok(NULL, "\n")) {
        int here = 0;
        if (line[0] != '|') {
            ended = lines > 0;
            continue;
        }
        assert_false(ended);
        for (const char *c = line; *c; c++)
            here += *c == '|';
        bars = lines ? bars : here;
        assert_int_equal(here, bars);
        lines++;
    }
    assert_int_equal(lines, 4); /* head, rule, two threads' lines */
}

/* Every row beside the first model's, and a plot. */
static void table_of_models(void **state)
{
    size_t size = 0;
    const run_result *r = run_expect(0, "bench --table -m micro --runs 1 --precision f32 --size 128 --plot times.svg");
    const char *row = strstr(r->out, "| micro");
    (void)state;
    assert_non_null(strstr(r->out, "encode, times micro"));
    while (row && strstr(row + 1, "| micro"))
        row = strstr(row + 1, "| micro");
    assert_non_null(row);
    assert_non_null(strstr(row, " 1.00 | 1.00 |")); /* the model beside itself */
    uint8_t *svg = file_read("times.svg", &size);
    assert_non_null(svg);
    assert_memory_equal(svg, "<svg ", 5);
    assert_true(size > 300 && !memcmp(svg + size - 7, "</svg>\n", 7));
    free(svg);
}

static void medians(void **state)
{
    double odd[] = {5, 1, 3}, even[] = {4, 1, 3, 2}, one[] = {7};
    bench_times t = bench_summary(odd, 3);
    (void)state;
    assert_true(t.median == 3 && t.least == 1 && t.greatest == 5);
    t = bench_summary(even, 4);
    assert_true(t.median == 2.5 && t.least == 1 && t.greatest == 4);
    t = bench_summary(one, 1);
    assert_true(t.median == 7 && t.least == 7 && t.greatest == 7);
}

/* A plot on standard output has it for itself, whatever the name. */
static void plot_alone(void **state)
{
    static const char *const names[] = {"-", "/dev/stdout"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        const run_result *r = run_expect(
            0, "bench -m micro --runs 1 --threads 1 --precision f32 --size 128 --profile --plot %s", names[i]);
        assert_memory_equal(r->out, "<svg ", 5);
        assert_true(r->out_size > 300 && !memcmp(r->out + r->out_size - 7, "</svg>\n", 7));
    }
    const run_result *r = run_expect(1, "bench -m micro --json - --plot -");
    assert_non_null(strstr(r->err, "only one of them can go to standard output"));
    r = run_expect(1, "bench -m micro -i scene.png --plot ./scene.png");
    assert_non_null(strstr(r->err, "--plot ./scene.png: would replace the input"));
}

/* Files of stand-in weights in the folder; `unfinished`: those that have not got their name yet. */
static int made_files(int *unfinished)
{
    DIR *directory = opendir(".");
    struct dirent *entry;
    int count = 0;
    *unfinished = 0;
    while ((entry = readdir(directory))) {
        count += !strncmp(entry->d_name, "sam2-bench-", 11);
        *unfinished += strstr(entry->d_name, ".part") != NULL;
    }
    closedir(directory);
    return count;
}

/* Stand-in weights do not outlast the program, also where a signal ends it: while they are made, and later. */
static void weights_go(void **state)
{
    (void)state;
    setenv("TMPDIR", ".", 1);
    for (int later = 0; later < 2; later++) {
        int unfinished, seen = 0;
        const int process = run_start("bench -m sam2.1_t --runs 1000 --threads 1 --precision f32 --size 128");
        for (int i = 0; i < 60000 && !seen; i++) {
            usleep(1000);
            const int made = made_files(&unfinished);
            seen = later ? made && !unfinished : unfinished > 0;
        }
        usleep(later ? 300000 : 0);
        kill(process, later ? SIGINT : SIGTERM);
        assert_int_equal(run_wait(process)->status, 256 + (later ? SIGINT : SIGTERM));
        assert_true(seen);
        assert_int_equal(made_files(&unfinished) + unfinished, 0);
    }
    unsetenv("TMPDIR");
}

static void totals(void **state)
{
    bench_profile p = {.count = 5, .ms = 10}, operations;
    (void)state;
    p.lines[0] = (profile_line){"a", NULL, 1, 6, 3};
    p.lines[1] = (profile_line){"a", "x", 2, 4, 3};
    p.lines[2] = (profile_line){"a", "y", 1, 1, 0};
    p.lines[3] = (profile_line){"b", NULL, 1, 4, 1};
    p.lines[4] = (profile_line){"b", "x", 3, 2, 1};
    profile_total(&p, &operations);
    assert_int_equal(operations.count, 3);
    assert_string_equal(operations.lines[0].operation, "x");
    assert_true(operations.lines[0].ms == 6 && operations.lines[0].calls == 5 && operations.lines[0].gflop == 4);
    assert_true(operations.lines[1].ms == 1);
    assert_true(operations.lines[2].ms == 3); /* 10 - 6 - 1 */
}

static int set_up(void **state)
{
    (void)state;
    run_begin();
    scene_write("scene.png");
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape),      cmocka_unit_test(json_alone),
                                       cmocka_unit_test(precisions), cmocka_unit_test(profile),
                                       cmocka_unit_test(markdown),   cmocka_unit_test(table_of_models),
                                       cmocka_unit_test(medians),    cmocka_unit_test(plot_alone),
                                       cmocka_unit_test(weights_go), cmocka_unit_test(totals)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
