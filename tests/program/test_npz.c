/* .npz and .npy: what NumPy writes is read, what is written is read back, and damage is refused. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "npz.h"

static char error[500];

static uint8_t *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    if (!file)
        fail_msg("no file %s", path);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static int find(const char *path, const char *name, npz_array *array)
{
    size_t size;
    uint8_t *bytes = load(path, &size);
    int failed = npz_find(bytes, size, path, name, array, error, sizeof error);
    free(bytes);
    return failed;
}

static void values_are(const npz_array *array, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        assert_true(array->data[i] == (float)((double)i / 8 - 3));
}

static void from_numpy(void **state)
{
    static const char *const files[] = {FIXTURES "/plain.npz", FIXTURES "/packed.npz"};
    npz_array array;
    (void)state;
    for (int i = 0; i < 2; i++) {
        if (find(files[i], "low_res", &array))
            fail_msg("%s", error);
        assert_int_equal(array.dims, 3);
        assert_true(array.shape[0] == 3 && array.shape[1] == 16 && array.shape[2] == 20);
        values_are(&array, 3 * 16 * 20);
        free(array.data);
    }
    if (find(FIXTURES "/double.npy", "low_res", &array))
        fail_msg("%s", error);
    assert_int_equal(array.dims, 2);
    values_are(&array, 16 * 20);
    free(array.data);
    if (find(FIXTURES "/line.npy", "low_res", &array))
        fail_msg("%s", error);
    assert_true(array.dims == 1 && array.shape[0] == 20);
    free(array.data);
}

static void refused(const char *path, const char *name, const char *fragment)
{
    npz_array array;
    assert_int_equal(find(path, name, &array), -1);
    assert_null(array.data);
    if (!strstr(error, fragment))
        fail_msg("%s: '%s' does not contain '%s'", path, error, fragment);
}

static void refusals(void **state)
{
    (void)state;
    refused(FIXTURES "/other.npz", "low_res", "no array low_res; there are: logits.npy");
    refused(FIXTURES "/whole.npz", "low_res", "float32 or float64 is needed");
    refused(FIXTURES "/plain.npz", "masks", "float32 or float64 is needed");
    refused(FIXTURES "/fortran.npy", "low_res", "Fortran order");
    refused(FIXTURES "/rle.txt", "low_res", "not a .npz archive");
}

/* Every file cut at every length, and every byte changed: an answer or an error, never a fault (the sanitizers look
 * on). */
static void damage(void **state)
{
    static const char *const files[] = {FIXTURES "/plain.npz", FIXTURES "/packed.npz", FIXTURES "/double.npy"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t size;
        uint8_t *bytes = load(files[i], &size);
        npz_array array = {0};
        for (size_t cut = 0; cut < size; cut += cut < 300 || cut + 700 > size ? 1 : 37) {
            uint8_t *exact = malloc(cut ? cut : 1);
            memcpy(exact, bytes, cut);
            assert_int_equal(npz_find(exact, cut, "cut", "low_res", &array, error, sizeof error), -1);
            free(exact);
        }
        for (size_t at = 0; at < size; at += at < 300 || at + 700 > size ? 1 : 37) {
            static const uint8_t changes[] = {0xFF, 0x01, 0x80};
            for (int k = 0; k < 3; k++) {
                bytes[at] ^= changes[k];
                npz_find(bytes, size, "changed", "low_res", &array, error, sizeof error);
                free(array.data);
                array.data = NULL;
                bytes[at] ^= changes[k];
            }
        }
        free(bytes);
    }
}

static void round_trip(void **state)
{
    char path[] = "/tmp/sam2-npz-XXXXXX";
    const int64_t shape[3] = {2, 3, 5}, flat[1] = {7}, none[3] = {1, 0, 4};
    float values[30];
    uint8_t bits[7] = {1, 0, 1, 1, 0, 0, 1};
    npz_writer *writer;
    npz_array array;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < 30; i++)
        values[i] = (float)i / 8 - 3;
    assert_int_equal(npz_open(&writer, path, error, sizeof error), 0);
    assert_int_equal(npz_begin(writer, "masks", NPZ_BOOL, flat, 1, error, sizeof error), 0);
    assert_int_equal(npz_write(writer, bits, 7, error, sizeof error), 0);
    assert_int_equal(npz_end(writer, error, sizeof error), 0);
    assert_int_equal(npz_begin(writer, "low_res", NPZ_FLOAT32, shape, 3, error, sizeof error), 0);
    assert_int_equal(npz_write(writer, values, 40, error, sizeof error), 0);
    assert_int_equal(npz_write(writer, values + 10, 80, error, sizeof error), 0);
    assert_int_equal(npz_end(writer, error, sizeof error), 0);
    assert_int_equal(npz_begin(writer, "empty", NPZ_FLOAT32, none, 3, error, sizeof error), 0);
    assert_int_equal(npz_end(writer, error, sizeof error), 0);
    assert_int_equal(npz_close(writer, 1, error, sizeof error), 0);
    assert_int_equal(find(path, "low_res", &array), 0);
    assert_true(array.dims == 3 && array.shape[0] == 2 && array.shape[1] == 3 && array.shape[2] == 5);
    values_are(&array, 30);
    free(array.data);
    assert_int_equal(find(path, "masks", &array), -1);
    unlink(path);
}

static void misuse(void **state)
{
    char path[] = "/tmp/sam2-npz-XXXXXX";
    const int64_t shape[1] = {3}, huge[2] = {1 << 20, 1 << 20};
    float values[4] = {0};
    npz_writer *writer;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    assert_int_equal(npz_open(&writer, path, error, sizeof error), 0);
    assert_int_equal(npz_begin(writer, "huge", NPZ_FLOAT32, huge, 2, error, sizeof error), -1);
    assert_int_equal(npz_begin(writer, "a", NPZ_FLOAT32, shape, 1, error, sizeof error), 0);
    assert_int_equal(npz_write(writer, values, 16, error, sizeof error), -1);
    assert_int_equal(npz_write(writer, values, 8, error, sizeof error), 0);
    assert_int_equal(npz_end(writer, error, sizeof error), -1);
    assert_int_equal(npz_close(writer, 0, error, sizeof error), 0);
    assert_int_not_equal(access(path, F_OK), 0); /* nothing is left */
    assert_int_equal(npz_open(&writer, "/nowhere/a.npz", error, sizeof error), -1);
    assert_null(writer);
    assert_non_null(strstr(error, "/nowhere/a.npz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_numpy), cmocka_unit_test(refusals),
                                       cmocka_unit_test(damage), cmocka_unit_test(round_trip),
                                       cmocka_unit_test(misuse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
