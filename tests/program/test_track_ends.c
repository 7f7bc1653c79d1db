/* sam2 track where something ends it: a signal, a fault, a video shorter than was thought; and the files that were
 * there before. */
#define _DEFAULT_SOURCE /* usleep */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clip.h"
#include "media.h"
#include "run.h"
#include "scene.h"

enum { FRAME_BYTES = WIDTH * HEIGHT * 3 };

static void says(const run_result *r, const char *fragment)
{
    if (!strstr(r->err, fragment))
        fail_msg("'%s' does not contain '%s'", r->err, fragment);
}

static int lines_of(const char *name)
{
    char *text = (char *)file_read(name, NULL);
    int lines = 0;
    assert_non_null(text);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    free(text);
    return lines;
}

static void is_old(const char *name)
{
    size_t size = 0;
    char *bytes = (char *)file_read(name, &size);
    if (!bytes || size != 3 || memcmp(bytes, "old", 3))
        fail_msg("%s was touched", name);
    free(bytes);
}

static void wait_for(const char *name)
{
    for (int i = 0; i < 60000 && !file_exists(name); i++)
        usleep(10000);
    assert_true(file_exists(name));
}

static void write_mask(const char *name, int width)
{
    char error[300];
    uint8_t *mask = malloc(WIDTH * HEIGHT);
    assert_non_null(mask);
    for (int p = 0; p < WIDTH * HEIGHT; p++)
        mask[p] = in_disc(p % WIDTH, p / WIDTH, 0) ? 255 : 0;
    if (media_write_png(name, mask, width, HEIGHT, 1, WIDTH, error, sizeof error))
        fail_msg("%s", error);
    free(mask);
}

/* A stream that stays open: the signal ends the wait for its next frame, and what was finished is whole. */
static void signal_in_a_stream(void **state)
{
    (void)state;
    uint8_t *frames = file_read("clip.raw", NULL);
    assert_int_equal(mkfifo("stream.raw", 0666), 0);
    const int process =
        run_start("track -i stream.raw --raw %dx%d:rgb24 --prompt 1:0:point:70,80 -o cut --json cut.json "
                  "--overlay cut/ --dump cut.npz",
                  WIDTH, HEIGHT);
    const int stream = open("stream.raw", O_WRONLY);
    assert_true(stream >= 0);
    assert_int_equal(write(stream, frames, 2 * FRAME_BYTES + 100), 2 * FRAME_BYTES + 100);
    wait_for("cut/00001.png");
    usleep(100000);
    kill(process, SIGINT);
    const run_result *r = run_wait(process);
    close(stream);
    free(frames);
    if (r->status != 130)
        fail_msg("exit status %d\n%s", r->status, r->err);
    says(r, "stopped after 2 frames; what was finished is kept");
    assert_int_equal(lines_of("cut.json"), 2);
    assert_true(file_exists("cut.npz") && file_exists("cut/1/00001.png"));
    assert_int_equal(unlink("stream.raw"), 0);
}

/* Before the first frame: nothing is new, and nothing is gone. */
static void signal_before_the_first_frame(void **state)
{
    (void)state;
    for (int raw = 0; raw < 2; raw++) {
        char format[40] = "";
        if (raw)
            snprintf(format, sizeof format, "--raw %dx%d:rgb24", WIDTH, HEIGHT);
        file_write("early.json", "old", 3);
        file_write("early.npz", "old", 3);
        assert_int_equal(mkfifo("stream.raw", 0666), 0);
        const int process =
            run_start("track -v -i stream.raw %s --prompt 1:0:point:70,80 --json early.json --dump early.npz", format);
        const int stream = open("stream.raw", O_WRONLY); /* the program has opened it, and waits for the signal */
        assert_true(stream >= 0);
        usleep(raw ? 500000 : 100000);
        kill(process, SIGTERM);
        const run_result *r = run_wait(process);
        close(stream);
        if (r->status != 143)
            fail_msg("exit status %d\n%s", r->status, r->err);
        is_old("early.json");
        is_old("early.npz");
        assert_int_equal(unlink("stream.raw"), 0);
    }
}

/* A fault before the first frame is done leaves earlier files; a later one keeps what there is. */
static void faults(void **state)
{
    (void)state;
    uint8_t *frames = file_read("clip.raw", NULL);
    write_mask("small.png", WIDTH - 10);
    file_write("a.json", "old", 3);
    file_write("a.npz", "old", 3);
    file_write("a.mp4", "old", 3);
    says(run_expect(1, "track -i clip --prompt 1:0:mask:small.png --json a.json --dump a.npz --overlay a.mp4"),
         "the mask has 230 x 160 pixels, the video 240 x 160");
    is_old("a.json");
    is_old("a.npz");
    is_old("a.mp4");
    says(run_expect(2, "track -v -i nowhere.mp4 --prompt 1:0:point:70,80"), "nowhere.mp4");
    /* A short file that is cut off: its end is looked for in advance, but told only when it is reached. */
    file_write("cut.raw", frames, 3 * FRAME_BYTES + 5);
    free(frames);
    says(run_expect(2, "track -i cut.raw --raw %dx%d:rgb24 --prompt 1:0:point:70,80 --json a.json", WIDTH, HEIGHT),
         "frame 3");
    assert_int_equal(lines_of("a.json"), 3);
    run_expect(0, "track -i cut.raw --raw %dx%d:rgb24 --frames 3 --prompt 1:0:point:70,80 --json a.json -q", WIDTH,
               HEIGHT);
    assert_int_equal(lines_of("a.json"), 3);
}

static void beginnings(void **state)
{
    (void)state;
    char raw[80];
    snprintf(raw, sizeof raw, "-i clip.raw --raw %dx%d:rgb24", WIDTH, HEIGHT);
    says(run_expect(1, "track %s --live --start 3 --prompt 1:0:point:70,80", raw),
         "--start 3: it comes after the prompt of object 1 on frame 0, and with --live nothing goes back");
    says(run_expect(1, "track -i - --raw %dx%d:rgb24 --start 1 --prompt 4:0:point:70,80 < clip.raw", WIDTH, HEIGHT),
         "a stream does not go back");
    says(run_expect(1, "track %s --live --start 50 --prompt 1:60:point:70,80", raw), "has no such frame");
    says(run_expect(5, "track %s --live --start 2 --prompt 1:60:point:70,80", raw),
         "the video ended before its prompt on frame 60");
    run_expect(0, "track %s --live --start 3 --prompt 1:4:point:%d,80 --json late.json -q", raw, disc_x(4));
    assert_int_equal(lines_of("late.json"), FRAMES - 4);
}

/* No output in the place of an input, or of another output. */
static void places(void **state)
{
    (void)state;
    run_expect(0, "track -i clip --prompt 1:0:point:70,80 -o round -q --frames 1");
    says(run_expect(1, "track -i clip --prompt 1:0:mask:round/1/00000.png -o ./round"),
         "round/1: is the folder of a mask of --prompt, whose files it would replace");
    run_expect(0, "track -i clip --prompt 2:0:mask:round/1/00000.png -o ./round -q --frames 1");
    says(run_expect(1, "track -i clip --prompt 1:0:point:70,80 --json clip/frame_7.png"),
         "--json clip/frame_7.png: would replace a file in the folder of the input");
    says(run_expect(1, "track -i clip.raw --raw %dx%d:rgb24 --prompt 1:0:point:70,80 --dump ./clip.raw", WIDTH, HEIGHT),
         "--dump ./clip.raw: would replace the input");
    says(run_expect(1, "track -i clip --prompt 1:0:point:70,80 --json a.x --dump ./a.x"), "both would write ./a.x");
    says(run_expect(1, "track -i clip --prompt 1:0:point:70,80 -o both --layout labels --overlay both/"),
         "both would write both/");
    says(run_expect(1, "track --vos -i clip --masks round -o round/"), "-o round/: is the folder of the masks");
    assert_true(file_exists("clip/frame_7.png"));
}

/* A mask that can be read once only. */
static void mask_from_a_pipe(void **state)
{
    (void)state;
    write_mask("first.png", WIDTH);
    run_expect(0, "track -i clip --prompt 1:0:mask:first.png -o file -q --frames 2");
    assert_int_equal(mkfifo("mask.png", 0666), 0);
    const pid_t writer = fork();
    if (!writer) {
        size_t size = 0;
        uint8_t *bytes = file_read("first.png", &size);
        const int pipe = open("mask.png", O_WRONLY);
        _exit(write(pipe, bytes, size) != (ssize_t)size);
    }
    run_expect(0, "track -i clip --prompt 1:0:mask:mask.png -o pipe -q --frames 2");
    waitpid(writer, NULL, 0);
    assert_true(file_same("file/1/00000.png", "pipe/1/00000.png"));
    assert_true(file_same("file/1/00001.png", "pipe/1/00001.png"));
}

/* Folders of objects keep their names, and have one number each. */
static void object_folders(void **state)
{
    (void)state;
    folder_make("set");
    assert_int_equal(rename("clip", "set/clip"), 0);
    folder_make("named");
    folder_make("named/clip");
    folder_make("named/clip/7");
    write_mask("named/clip/7/frame_7.png", WIDTH);
    run_expect(0, "track --vos -i set --masks named -o parts -q");
    assert_true(file_exists("parts/clip/7/frame_12.png") && !file_exists("parts/clip/007"));
    folder_make("named/clip/07");
    says(run_expect(2, "track --vos -i set --masks named -o again"), "its folders 07 and 7 have the same number");
    assert_int_equal(rename("set/clip", "clip"), 0);
}

static int begin(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
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
        cmocka_unit_test(signal_in_a_stream),
        cmocka_unit_test(signal_before_the_first_frame),
        cmocka_unit_test(faults),
        cmocka_unit_test(beginnings),
        cmocka_unit_test(places),
        cmocka_unit_test(mask_from_a_pipe),
        cmocka_unit_test(object_folders),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
