/* PNG out: what is written is read back, and a file appears only once it is whole. */
#include "support.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/media-write-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[600];
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    return path;
}

static int set_up(void **unused)
{
    (void)unused;
    return mkdtemp(folder) ? 0 : -1;
}

static int entries(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static int tear_down(void **unused)
{
    (void)unused;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            unlink(in_folder(e->d_name));
    if (dir)
        closedir(dir);
    return rmdir(folder);
}

static void test_round_trip(void **unused)
{
    (void)unused;
    uint64_t random = 11;
    char error[300];
    for (int round = 0; round < 60; round++) {
        const int kinds[3] = {1, 3, 4};
        int channels = kinds[round % 3], width = 1 + (int)(next_random(&random) % 90),
            height = 1 + (int)(next_random(&random) % 40);
        size_t stride = (size_t)(width * channels) + next_random(&random) % 3 * 5;
        /* the last row has no padding: a writer that reads it steps outside */
        size_t size = stride * (size_t)(height - 1) + (size_t)(width * channels);
        uint8_t *pixels = malloc(size);
        assert_non_null(pixels);
        for (size_t i = 0; i < size; i++)
            pixels[i] = (uint8_t)(next_random(&random) >> (round % 2 ? 0 : 59));
        const char *path = in_folder("a.png");
        if (media_write_png(path, pixels, width, height, channels, stride, error, sizeof error))
            fail_msg("%s", error);
        media_picture p;
        if (media_read(path, NULL, &p, error, sizeof error))
            fail_msg("%s", error);
        assert_int_equal(p.width, width);
        assert_int_equal(p.height, height);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                for (int c = 0; c < 3; c++)
                    assert_int_equal(p.pixels[(y * width + x) * 3 + c],
                                     pixels[(size_t)y * stride + (size_t)(x * channels + (channels == 1 ? 0 : c))]);
        media_picture_free(&p);
        free(pixels);
        assert_int_equal(entries(), 1);
    }
}

static const uint8_t dot[3] = {200, 100, 50};

static void test_replaces(void **unused)
{
    (void)unused;
    char error[300];
    struct stat about;
    FILE *file = fopen(in_folder("a.png"), "w");
    assert_non_null(file);
    fputs("old", file);
    fclose(file);
    umask(022);
    assert_int_equal(media_write_png(in_folder("a.png"), dot, 1, 1, 3, 3, error, sizeof error), 0);
    assert_int_equal(stat(in_folder("a.png"), &about), 0);
    assert_true(about.st_size > 50);
    assert_int_equal(about.st_mode & 0777, 0644);
    /* through a link: the link stays one */
    char target[600];
    strcpy(target, in_folder("a.png"));
    assert_int_equal(symlink(target, in_folder("link.png")), 0);
    assert_int_equal(media_write_png(in_folder("link.png"), dot, 1, 1, 1, 1, error, sizeof error), 0);
    assert_int_equal(lstat(in_folder("link.png"), &about), 0);
    assert_true(S_ISLNK(about.st_mode));
    assert_int_equal(entries(), 2);
    unlink(in_folder("link.png"));
}

static void test_faults(void **unused)
{
    (void)unused;
    char error[300];
    int before = entries();
    assert_int_equal(media_write_png("/no/such/folder/a.png", dot, 1, 1, 3, 3, error, sizeof error), -1);
    assert_string_equal(error, "/no/such/folder/a.png: cannot be written: No such file or directory");
    assert_int_equal(media_write_png(folder, dot, 1, 1, 3, 3, error, sizeof error), -1);
    assert_non_null(strstr(error, "Is a directory"));
    assert_int_equal(media_write_png("", dot, 1, 1, 3, 3, error, sizeof error), -1);
    assert_int_equal(media_write_png(in_folder("b.png"), dot, 0, 1, 3, 3, error, sizeof error), -1);
    assert_int_equal(media_write_png(in_folder("b.png"), dot, 1, 1, 2, 3, error, sizeof error), -1);
    assert_int_equal(media_write_png(in_folder("b.png"), dot, 1, 1, 3, 2, error, sizeof error), -1);
    assert_int_equal(media_write_png("/dev/null", dot, 1, 1, 3, 3, error, sizeof error), 0);
    assert_int_equal(entries(), before);
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(media_write_png("/dev/full", dot, 1, 1, 3, 3, error, sizeof error), -1);
        assert_string_equal(error, "/dev/full: cannot be written: No space left on device");
        /* the same in the middle of a large picture */
        uint8_t *noise = malloc(300 * 300 * 3);
        uint64_t random = 1;
        assert_non_null(noise);
        for (int i = 0; i < 300 * 300 * 3; i++)
            noise[i] = (uint8_t)next_random(&random);
        assert_int_equal(media_write_png("/dev/full", noise, 300, 300, 3, 900, error, sizeof error), -1);
        assert_string_equal(error, "/dev/full: cannot be written: No space left on device");
        free(noise);
    }
}

/* A full disk, by a limit on the size of files: an error, the old file as it was, nothing left behind. */
static void test_full_disk(void **unused)
{
    (void)unused;
    char error[300] = "";
    uint8_t *noise = malloc(300 * 300 * 3);
    uint64_t random = 1;
    assert_non_null(noise);
    for (int i = 0; i < 300 * 300 * 3; i++)
        noise[i] = (uint8_t)next_random(&random);
    assert_int_equal(media_write_png(in_folder("kept.png"), dot, 1, 1, 3, 3, error, sizeof error), 0);
    int before = entries();
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){20000, 20000}))
            _exit(3);
        int status = media_write_png(in_folder("kept.png"), noise, 300, 300, 3, 900, error, sizeof error);
        _exit(status == -1 && strstr(error, "kept.png: cannot be written: File too large") ? 7 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(entries(), before);
    media_picture p;
    assert_int_equal(media_read(in_folder("kept.png"), NULL, &p, error, sizeof error), 0);
    assert_memory_equal(p.pixels, dot, 3);
    media_picture_free(&p);
    free(noise);
}

/* A pipe as the target, and standard output. */
static void test_streams(void **unused)
{
    (void)unused;
    char error[300] = "";
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child)
        _exit(media_write_png(in_folder("pipe"), dot, 1, 1, 3, 3, error, sizeof error) ? 1 : 0);
    media_picture p;
    assert_int_equal(media_read(in_folder("pipe"), NULL, &p, error, sizeof error), 0);
    assert_memory_equal(p.pixels, dot, 3);
    media_picture_free(&p);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct stat about;
    assert_int_equal(stat(in_folder("pipe"), &about), 0);
    assert_true(S_ISFIFO(about.st_mode));
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (!child) {
        if (!freopen(in_folder("out.png"), "wb", stdout))
            _exit(2);
        _exit(media_write_png("-", dot, 1, 1, 3, 3, error, sizeof error) ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(media_read(in_folder("out.png"), NULL, &p, error, sizeof error), 0);
    assert_memory_equal(p.pixels, dot, 3);
    media_picture_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_replaces), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_full_disk),  cmocka_unit_test(test_streams),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
