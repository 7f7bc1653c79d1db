/* A folder of a test's own, and files in it. */
#ifndef MEDIA_TESTS_SCRATCH_H
#define MEDIA_TESTS_SCRATCH_H

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static char scratch_folder[] = "/tmp/media-video-XXXXXX";

/* Valid until the fourth call from now. */
static inline const char *scratch(const char *name)
{
    static char paths[4][600];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    assert_true(snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name) < (int)sizeof paths[0]);
    return path;
}

static inline int scratch_make(void **unused)
{
    (void)unused;
    return mkdtemp(scratch_folder) ? 0 : -1;
}

static inline int scratch_entries(void)
{
    int n = -2; /* . and .. */
    DIR *dir = opendir(scratch_folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* Files, and folders that hold only files. */
static inline int scratch_clear(const char *folder)
{
    char path[1200];
    DIR *dir = opendir(folder);
    if (!dir)
        return -1;
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        assert_true(snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path);
        if (unlink(path)) {
            scratch_clear(path);
            rmdir(path);
        }
    }
    closedir(dir);
    return 0;
}

static inline int scratch_empty(void **unused)
{
    (void)unused;
    return scratch_clear(scratch_folder);
}

static inline int scratch_remove(void **unused)
{
    scratch_empty(unused);
    return rmdir(scratch_folder);
}

static inline void scratch_write(const char *path, const void *bytes, size_t size)
{
    unlink(path); /* some file systems wait for the disk when a file is cut to nothing and written again */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline uint8_t *scratch_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size ? *size : 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

#endif
