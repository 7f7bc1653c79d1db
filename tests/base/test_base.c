/* Errors, sizes, memory, files. */
#define _POSIX_C_SOURCE 200809L

#include "base/alloc.h"
#include "base/arena.h"
#include "base/checked.h"
#include "base/mapfile.h"
#include "support/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void error_texts(void **state)
{
    (void)state;
    sam2_error e;
    assert_int_equal(error_set(&e, SAM2_ERROR_FORMAT, "%s: %d of %d", "file", 3, 4), SAM2_ERROR_FORMAT);
    assert_int_equal(e.code, SAM2_ERROR_FORMAT);
    assert_string_equal(e.text, "file: 3 of 4");
    assert_int_equal(error_prefix(&e, SAM2_ERROR_MISMATCH, "here"), SAM2_ERROR_MISMATCH);
    assert_string_equal(e.text, "here: file: 3 of 4");
    assert_int_equal(error_set(NULL, SAM2_ERROR_FILE, "%s", "nobody looks"), SAM2_ERROR_FILE);
    error_set(&e, SAM2_ERROR_FILE, "a\nb\x1b[31mc\x7f");
    assert_string_equal(e.text, "a?b?[31mc?");
    error_memory(&e, "a thing", 12345);
    assert_string_equal(e.text, "out of memory: 12345 bytes for a thing");
}

/* A text that does not fit ends with a whole character, whichever byte the end falls on. */
static void long_error_texts(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    sam2_error e;
    for (size_t bytes = 1; bytes <= 4; bytes++)
        for (size_t before = 0; before < 8; before++) {
            char text[1200];
            size_t n = 0;
            while (n < before)
                text[n++] = 'a';
            while (n + bytes < sizeof text) {
                memcpy(text + n, characters[bytes - 1], bytes);
                n += bytes;
            }
            text[n] = '\0';
            error_set(&e, SAM2_ERROR_FILE, "%s", text);
            size_t length = strlen(e.text), room = sizeof e.text - 1;
            assert_memory_equal(e.text, text, length);
            assert_int_equal((length - before) % bytes, 0);
            assert_true(length <= room && length + bytes > room);
        }
}

static void sizes(void **state)
{
    (void)state;
    size_t out;
    assert_true(checked_add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_false(checked_add(SIZE_MAX, 1, &out));
    assert_true(checked_mul(SIZE_MAX / 3, 3, &out));
    assert_false(checked_mul(SIZE_MAX / 3 + 1, 3, &out));
    assert_true(checked_range(0, 0, 0));
    assert_true(checked_range(3, 7, 10));
    assert_false(checked_range(4, 7, 10));
    assert_false(checked_range(UINT64_MAX, 2, 10));
    assert_false(checked_range(2, UINT64_MAX, 10));
    assert_int_equal(round_up(65, 64), 128);
    assert_int_equal(round_up(64, 64), 64);
}

static void blocks(void **state)
{
    (void)state;
    sam2_error e;
    void *p = NULL;
    size_t capacity = 0;
    assert_int_equal(alloc_array(&alloc_default, SIZE_MAX / 2, 3, "much", &p, &e), SAM2_ERROR_MEMORY);
    assert_non_null(strstr(e.text, "for much"));
    assert_int_equal(alloc_get(&alloc_default, SIZE_MAX - 5, "much", &p, &e), SAM2_ERROR_MEMORY);
    p = NULL;
    for (size_t n = 1; n < 5000; n = n * 3 + 1) {
        size_t used = capacity;
        assert_int_equal(alloc_grow(&alloc_default, &p, &capacity, used, n, "growing", &e), SAM2_OK);
        assert_true(capacity >= n && (uintptr_t)p % ALLOC_ALIGN == 0);
        for (size_t i = 0; i < used; i++)
            assert_int_equal(((uint8_t *)p)[i], (uint8_t)(i * 7));
        for (size_t i = 0; i < capacity; i++)
            ((uint8_t *)p)[i] = (uint8_t)(i * 7);
    }
    alloc_release(&alloc_default, p, capacity);
    alloc_release(&alloc_default, NULL, 0);
}

/* A dry run finds the peak that the real one needs. */
static void take_some(arena *a)
{
    float *first = arena_floats(a, 100);
    size_t mark = arena_mark(a);
    void *second = arena_take(a, 3, 1000);
    if (second)
        memset(second, 1, 3000);
    arena_reset(a, mark);
    void *third = arena_take(a, 1, 1);
    if (third) {
        assert_int_equal((uintptr_t)third % 64, 0);
        assert_ptr_equal(third, second);
        first[99] = 1.0f;
    }
}

static void arenas(void **state)
{
    (void)state;
    arena dry = {0};
    take_some(&dry);
    assert_true(dry.peak >= 400 + 3000 && dry.peak <= 400 + 3000 + 512);
    arena real = {.base = aligned_alloc(64, dry.peak), .capacity = dry.peak};
    assert_non_null(real.base);
    take_some(&real);
    assert_int_equal(real.peak, dry.peak);
    arena_open(&real);
    free(real.base);
}

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sam2-base-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when something was left behind */
}

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void files_whole_or_not_at_all(void **state)
{
    (void)state;
    sam2_error e;
    outfile out;
    mapfile map;
    const char *path = in_folder("file");
    assert_int_equal(outfile_open(&out, path, &e), SAM2_OK);
    assert_int_equal(outfile_write(&out, "hello", 5, &e), SAM2_OK);
    assert_int_equal(access(path, F_OK), -1); /* not there before it is whole */
    assert_int_equal(outfile_pad(&out, 64, &e), SAM2_OK);
    assert_int_equal(outfile_commit(&out, &e), SAM2_OK);
    assert_int_equal(mapfile_open(path, &map, &e), SAM2_OK);
    assert_int_equal(map.size, 64);
    assert_memory_equal(map.data, "hello\0\0\0", 8);
    mapfile_close(&map);

    assert_int_equal(outfile_open(&out, path, &e), SAM2_OK); /* given up: the old file stays */
    assert_int_equal(outfile_write(&out, "bye", 3, &e), SAM2_OK);
    outfile_discard(&out);
    outfile_discard(&out);
    assert_int_equal(mapfile_open(path, &map, &e), SAM2_OK);
    assert_int_equal(map.size, 64);
    mapfile_close(&map);
    unlink(path);

    assert_int_equal(outfile_open(&out, "/nonexistent/x", &e), SAM2_ERROR_FILE);
    assert_non_null(strstr(e.text, "/nonexistent/x"));
    assert_int_equal(outfile_open(&out, "/dev/null", &e),
                     SAM2_OK); /* written directly, and still a device afterwards */
    assert_int_equal(outfile_write(&out, "x", 1, &e), SAM2_OK);
    assert_int_equal(outfile_commit(&out, &e), SAM2_OK);
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(outfile_open(&out, "/dev/full", &e), SAM2_OK); /* no space */
    outfile_write(&out, "x", 1, &e);
    assert_int_equal(outfile_commit(&out, &e), SAM2_ERROR_FILE);
}

static void maps_of_what_is_no_file(void **state)
{
    (void)state;
    sam2_error e;
    mapfile map;
    assert_int_equal(mapfile_open(folder, &map, &e), SAM2_ERROR_FILE);
    assert_non_null(strstr(e.text, "directory"));
    assert_int_equal(mapfile_open(in_folder("absent"), &map, &e), SAM2_ERROR_FILE);
    assert_non_null(strstr(e.text, "absent"));
    const char *fifo = in_folder("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0); /* must not wait for a writer */
    assert_int_equal(mapfile_open(fifo, &map, &e), SAM2_ERROR_FILE);
    unlink(fifo);
    const char *empty = in_folder("empty");
    FILE *f = fopen(empty, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(mapfile_open(empty, &map, &e), SAM2_OK);
    assert_int_equal(map.size, 0);
    mapfile_close(&map);
    unlink(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_texts),
        cmocka_unit_test(long_error_texts),
        cmocka_unit_test(sizes),
        cmocka_unit_test(blocks),
        cmocka_unit_test(arenas),
        cmocka_unit_test(files_whole_or_not_at_all),
        cmocka_unit_test(maps_of_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
