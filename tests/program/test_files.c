/* What happens to files that were there, when a run fails, and how much memory a large picture takes. */
#define _DEFAULT_SOURCE /* symlink */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "media.h"
#include "run.h"
#include "scene.h"

static void no_leftovers(void)
{
    DIR *directory = opendir(".");
    struct dirent *entry;
    while ((entry = readdir(directory)))
        if (strstr(entry->d_name, ".part") || strstr(entry->d_name, ".tmp"))
            fail_msg("left behind: %s", entry->d_name);
    closedir(directory);
}

static void is_old(const char *name)
{
    size_t size = 0;
    char *bytes = (char *)file_read(name, &size);
    if (!bytes || size != 3 || memcmp(bytes, "old", 3))
        fail_msg("%s was touched", name);
    free(bytes);
}

static void earlier_files_stay(void **state)
{
    (void)state;
    file_write("dump.npz", "old", 3);
    file_write("mask.png", "old", 3);
    file_write("a.json", "old", 3);
    /* The mask's file fails after the features, while the dump is open. */
    run_expect(4, "segment -i scene.png -p 150,140 -o /dev/full --dump dump.npz --json a.json --size 256");
    is_old("dump.npz");
    is_old("a.json");
    run_expect(3, "segment -m text.txt -i scene.png -p 150,140 -o mask.png --dump dump.npz");
    is_old("mask.png");
    is_old("dump.npz");
    file_write("b.features", "old", 3);
    file_write("b.sam2", "old", 3);
    run_expect(2, "encode -i text.txt -o b.features");
    run_expect(3, "convert text.txt b.sam2");
    is_old("b.features");
    is_old("b.sam2");
    no_leftovers();
    run_expect(0, "segment -i scene.png -p 150,140 -o mask.png --dump dump.npz --json a.json --size 256");
    free(mask_read("mask.png", SCENE_WIDTH, SCENE_HEIGHT));
    no_leftovers();
}

/* More objects take no more memory: masks at the picture's size are made one at a time. */
static void memory_is_flat(void **state)
{
    enum { WIDTH = 3000, HEIGHT = 2000, OBJECTS = 64 };
    uint8_t *pixels = malloc((size_t)WIDTH * HEIGHT * 3);
    char line[8192] = "", error[300];
    long one, many;
    (void)state;
    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT * 3; i++)
        pixels[i] = (uint8_t)(i / 3000);
    assert_int_equal(media_write_png("large.png", pixels, WIDTH, HEIGHT, 3, (size_t)WIDTH * 3, error, sizeof error), 0);
    free(pixels);
    for (int i = 0; i < OBJECTS; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %s -b %d,100,%d,%d", i ? "--object" : "",
                 10 + 30 * i, 500 + 30 * i, 1000 + 10 * i);
    one = run_expect(0, "segment -i large.png -b 10,100,500,1000 --json one.json -q --size 256 --threads 1")->peak_kib;
    many = run_expect(0, "segment -i large.png %s --json many.json -q --size 256 --threads 1", line)->peak_kib;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (many - one > 24 * 1024) /* a mask is 6 MB, logits of 32 objects 0.5 MB */
        fail_msg("one object: %ld KiB, %d objects: %ld KiB", one, OBJECTS, many);
#endif
    assert_true(one > 0 && many > 0);
}

/* As long as a file's name may be: the temporary one is no longer. */
static void long_names(void **state)
{
    char name[256], folder[256];
    (void)state;
    memset(name, 'n', 255);
    memcpy(name + 251, ".png", 5);
    run_expect(0, "segment -i scene.png -p 150,140 -o %s --size 256", name);
    free(mask_read(name, SCENE_WIDTH, SCENE_HEIGHT));
    memcpy(name + 250, ".sam2", 6);
    run_expect(0, "convert micro %s", name);
    assert_true(file_exists(name));
    memset(folder, 'd', 255);
    folder[255] = 0;
    folder_make(folder);
    run_expect(0, "segment -i scene.png -p 150,140 --json %s/%s --size 256", folder, name);
    no_leftovers();
}

/* --mask from what can be read once: a picture, and logits. */
static void masks_from_pipes(void **state)
{
    static const char *const names[] = {"first.png", "first.npz"};
    (void)state;
    run_expect(0, "segment -i scene.png -p 150,140 -o first.png --dump first.npz --size 256");
    for (int i = 0; i < 2; i++) {
        run_expect(0, "segment -i scene.png -p 150,140 --mask %s -o file.png --size 256", names[i]);
        assert_int_equal(mkfifo("pipe", 0666), 0);
        const pid_t writer = fork();
        if (!writer) {
            size_t size = 0;
            uint8_t *bytes = file_read(names[i], &size);
            FILE *pipe = fopen("pipe", "wb");
            _exit(fwrite(bytes, 1, size, pipe) != size || fclose(pipe));
        }
        run_expect(0, "segment -i scene.png -p 150,140 --mask pipe -o pipe.png --size 256");
        waitpid(writer, NULL, 0);
        assert_true(file_same("file.png", "pipe.png"));
        assert_int_equal(unlink("pipe"), 0);
        /* And from standard input. */
        run_expect(0, "segment -i scene.png -p 150,140 --mask - -o pipe.png --size 256 < %s", names[i]);
        assert_true(file_same("file.png", "pipe.png"));
    }
}

/* The same file under two names is the same file. */
static void one_file_two_names(void **state)
{
    (void)state;
    assert_int_equal(symlink("scene.png", "link.png"), 0);
    assert_int_equal(link("scene.png", "other.png"), 0);
    run_expect(1, "segment -i scene.png -p 150,140 -o link.png --size 256");
    run_expect(1, "segment -i scene.png -p 150,140 --overlay other.png --size 256");
    run_expect(1, "segment -i scene.png -p 150,140 -o new.png --json ./new.png --size 256");
    run_expect(1, "segment -i scene.png -p 150,140 --mask first.png -o ././first.png --size 256");
    run_expect(1, "segment -i scene.png -p 150,140 --multimask -o m.png --overlay m_1.png --size 256");
    assert_false(file_exists("new.png") || file_exists("m_1.png"));
    run_expect(0, "segment -i scene.png -p 150,140 -o /dev/null --json /dev/null --size 256");
}

static int set_up(void **state)
{
    (void)state;
    run_begin();
    scene_write("scene.png");
    file_write("text.txt", "neither\n", 8);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(earlier_files_stay), cmocka_unit_test(memory_is_flat),
                                       cmocka_unit_test(long_names), cmocka_unit_test(masks_from_pipes),
                                       cmocka_unit_test(one_file_two_names)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
