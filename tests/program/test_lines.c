/* Command lines: what is refused, with which exit status and words; help and version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "sam2.h"
#include "scene.h"

typedef struct bad_line {
    int status;
    const char *line, *fragment;
} bad_line;

static const bad_line bad_lines[] = {
    {1, "", "Usage: sam2 COMMAND"},
    {1, "sgment", "unknown command sgment; did you mean segment?"},
    {1, "paint", "unknown command paint"},
    {1, "-i a.png", "a command comes first"},
    {1, "auto", "no picture"},
    {1, "track", "no video: -i VIDEO is missing"},
    {1, "serve", "not in this version"},
    {1, "segment", "-i PICTURE is missing"},
    {1, "segment -p 1,2", "-i PICTURE is missing"},
    {1, "segment -i scene.png", "nothing says what to segment"},
    {1, "segment scene.png", "--allow-empty"},
    {1, "segment -i scene.png other.png -p 1,2", "other.png: one picture is taken"},
    {1, "segment -i scene.png -p 1,2 --multmask", "unknown option --multmask; did you mean --multimask?"},
    {1, "segment -i scene.png -p 1", "-p 1: a point is x,y"},
    {1, "segment -i scene.png -p nan,2", "-p nan,2: a point is x,y"},
    {1, "segment -i scene.png -p 1,2,3", "label"},
    {1, "segment -i scene.png --point=1,2,x", "--point 1,2,x"},
    {1, "segment -i scene.png -b 10,10,10,20", "no area"},
    {1, "segment -i scene.png -b 10,10,inf,20", "a box is x1,y1,x2,y2"},
    {1, "segment -i scene.png -b 500,10,600,20",
     "object 0: the box 500,10,600,20 lies outside the picture of 480 x 320"},
    {1, "segment -i scene.png -b 1,1,9,9 -b 2,2,8,8", "object 0 has two boxes"},
    {1, "segment -i scene.png -b 1,1,9,9 --object -b 2,2,8,8 -b 3,3,4,4", "object 1 has two boxes"},
    {1, "segment -i scene.png -p 1,2 --object", "object 1 has no prompt"},
    {1, "segment -i scene.png -p 1,2 --units inches", "'inches' is not one of pixels|fraction"},
    {1, "segment -i scene.png -p 100,2 --units fraction", "from 0 to 1"},
    {1, "segment -i scene.png -p 1,2 --clip-to-box", "--clip-to-box: there is no box"},
    {1, "segment -i scene.png -p 1,2 --threads 0", "--threads 0: 0 is out of range, 1 to 256"},
    {1, "segment -i scene.png -p 1,2 --threads many", "--threads many: 'many' is not a whole number"},
    {1, "segment -i scene.png -p 1,2 --size 100", "--size 100: not a multiple of 32"},
    {1, "segment -i scene.png -p 1,2 --size 32", "out of range, 64 to 4096"},
    {1, "segment -i scene.png -p 1,2 --precision f64", "'f64' is not one of auto|f32|bf16|int8"},
    {1, "segment -i scene.png -p 1,2 --isa sse9", "sse9"},
    {1, "segment -i scene.png -p 1,2 --alpha grey", "'grey' is not one of drop|white|black"},
    {1, "segment -i scene.png -p 1,2 --stretch 50", "--stretch 50"},
    {1, "segment -i scene.png -p 1,2 --stretch 98,2", "the lower first"},
    {1, "segment -i scene.png -p 1,2 --stretch 2,101", "--stretch"},
    {1, "segment -i scene.png -p 1,2 --max-pixels -5", "'-5' is not a whole number"},
    {1, "segment -i scene.png -p 1,2 --multimask -o -", "standard output takes one mask, and there are 3"},
    {1, "segment -i scene.png -p 1,2 -o - --json -", "-o - and --json -: only one"},
    {1, "segment -i scene.png -p 1,2 --dump -", "--dump -"},
    {1, "segment -i scene.png -p 1,2 -o scene.png", "-o scene.png: would replace the input"},
    {1, "segment -i scene.png -p 1,2 --overlay ./scene.png", "would replace the input"},
    {1, "segment -i scene.png -p 1,2 -o a.png --overlay a.png", "both would write a.png"},
    {1, "segment --embedding a.f -p 1,2 --overlay b.png", "--overlay needs the picture too"},
    {1, "segment -i", "-i needs a value: PICTURE"},
    {1, "segment --json", "--json needs a value: FILE"},
    {1, "segment --multimask=3", "--multimask takes no value"},
    {4, "segment -i scene.png -p 1,2 -o nowhere/a.png",
     "-o nowhere/a.png: cannot be written: No such file or directory"},
    {4, "segment -i scene.png -p 1,2 --json nowhere/a.json", "--json nowhere/a.json: cannot be written"},
    {4, "segment -i scene.png -p 1,2 --dump /", "--dump /: cannot be written: it is a folder"},
    {2, "segment -i missing.png -p 1,2", "missing.png"},
    {2, "segment -i text.txt -p 1,2", "text.txt"},
    {2, "segment -i empty.png -p 1,2", "empty.png"},
    {2, "segment -i / -p 1,2", "/"},
    {2, "segment -i cut.png -p 1,2", "cut.png"},
    {2, "segment -i scene.png -p 1,2 --max-pixels 1000", "scene.png"},
    {2, "segment -i scene.png --mask missing.npz", "missing.npz: cannot be opened"},
    {2, "segment -i scene.png --mask text.txt", "text.txt"},
    {2, "segment -p 1,2 --embedding missing.f", "missing.f"},
    {2, "segment -p 1,2 --embedding text.txt", "text.txt"},
    {3, "segment -m missing.pt -i scene.png -p 1,2", "missing.pt"},
    {3, "segment -m text.txt -i scene.png -p 1,2", "text.txt"},
    {3, "segment -m empty.png -i scene.png -p 1,2", "empty.png"},
    {3, "segment -m / -i scene.png -p 1,2", "/"},
    {3, "segment -m sam2.1_t -i scene.png -p 1,2", "sam2.1_t is a name, and there is no file of that name"},
    {3, "segment -m sam2.1_hiera_large -i scene.png -p 1,2", "checkpoint file"},
    {1, "encode -i scene.png", "-o FILE is missing"},
    {1, "encode -o a.f", "-i PICTURE is missing"},
    {1, "encode -i scene.png -o -", "to a file only"},
    {1, "encode -i scene.png -o scene.png", "would replace the input"},
    {2, "encode -i missing.png -o a.f", "missing.png"},
    {4, "encode -i scene.png -o nowhere/a.f", "nowhere/a.f"},
    {1, "convert", "two files are needed"},
    {1, "convert a", "two files are needed"},
    {1, "convert a b c", "two files are needed"},
    {3, "convert missing.pt b.sam2", "missing.pt: cannot be opened"},
    {3, "convert text.txt b.sam2", "text.txt"},
    {1, "convert text.txt text.txt", "would replace the input"},
    {4, "convert micro nowhere/b.sam2", "nowhere/b.sam2"},
    {1, "synth sam2.1_t", "NAME and OUT"},
    {1, "synth sam9_t a.pt", "sam9_t"},
    {1, "synth sam2.1_t a.pt --seed -1", "--seed -1"},
    {4, "synth sam2.1_t nowhere/a.pt", "nowhere/a.pt"},
    {1, "info a b", "b: one model is taken"},
    {3, "info missing.pt", "missing.pt"},
    {1, "bench micro", "models are given with -m"},
    {1, "bench --runs 0", "out of range"},
    {1, "bench --threads 1,,2", "divided by commas"},
    {1, "bench --threads 1,", "divided by commas"},
    {1, "bench --precision f32,f64", "divided by commas"},
    {1, "bench --precision int8 --runs 1 --size 128", "int8"},
    {1, "bench --threads 0", "numbers from 1 to 256"},
    {1, "bench --profile=1", "takes no value"},
    {1, "bench --table=x", "takes no value"},
    {1, "eval a b", "--vos says what the folders hold"},
    {1, "eval --vos", "two folders are needed, GROUND_TRUTH and PREDICTION; there are 0"},
    {1, "eval --vos a b c", "there are 3"},
    {1, "eval --vos a b --skip", "unknown option --skip"},
    {2, "eval --vos missing missing", "missing: cannot be opened as a folder: No such file or directory"},
    {2, "eval --vos text.txt text.txt", "text.txt: cannot be opened as a folder: Not a directory"},
    {4, "eval --vos . . --json nowhere/a.json", "--json nowhere/a.json: cannot be written"},
    {3, "bench -m sam9_t --runs 1", "sam9_t: neither a file nor the name of a model"},
};

static void refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_lines / sizeof bad_lines[0]; i++) {
        const run_result *r = run_expect(bad_lines[i].status, "%s", bad_lines[i].line);
        const char *end = strchr(r->err, '\n');
        if (!strstr(r->err, bad_lines[i].fragment))
            fail_msg("sam2 %s: '%s' does not contain '%s'", bad_lines[i].line, r->err, bad_lines[i].fragment);
        if (i && (strncmp(r->err, "sam2: ", 6) || !end || end[1]))
            fail_msg("sam2 %s: not one line: '%s'", bad_lines[i].line, r->err);
        if (r->out_size)
            fail_msg("sam2 %s: output: '%s'", bad_lines[i].line, r->out);
    }
}

static void help(void **state)
{
    static const char *const commands[] = {"segment", "encode", "convert", "synth", "info",
                                           "bench",   "eval",   "track",   "auto"};
    const run_result *r = run_expect(0, "--help");
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        assert_non_null(strstr(r->out, commands[i]));
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "Usage: sam2 %s", commands[i]);
        r = run_expect(0, "%s --help", commands[i]);
        assert_non_null(strstr(r->out, usage));
        assert_non_null(strstr(r->out, "--help"));
        r = run_expect(0, "help %s", commands[i]);
        assert_non_null(strstr(r->out, usage));
        assert_string_equal(r->err, "");
    }
    run_expect(0, "segment -h --nonsense"); /* help is what helps then */
    for (char *line = strtok(run_expect(0, "segment -h")->out, "\n"); line; line = strtok(NULL, "\n"))
        if (strlen(line) > 120)
            fail_msg("a line of %zu letters: %s", strlen(line), line);
}

static void version(void **state)
{
    const run_result *r = run_expect(0, "--version");
    (void)state;
    assert_non_null(strstr(r->out, sam2_version()));
    assert_non_null(strstr(r->out, "libpng"));
    assert_non_null(strstr(r->out, "jansson"));
    assert_non_null(strstr(r->out, "instructions: "));
    run_expect(0, "version");
}

static int set_up(void **state)
{
    uint8_t *bytes;
    size_t size;
    (void)state;
    run_begin();
    scene_write("scene.png");
    bytes = file_read("scene.png", &size);
    file_write("cut.png", bytes, size / 2);
    free(bytes);
    file_write("text.txt", "no picture and no model\n", 24);
    file_write("empty.png", "", 0);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(refusals), cmocka_unit_test(help), cmocka_unit_test(version)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
