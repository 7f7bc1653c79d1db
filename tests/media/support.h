/* What the media tests share. */
#ifndef MEDIA_TESTS_SUPPORT_H
#define MEDIA_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "media.h"

#define FIXTURES TEST_DATA "/media/"

static inline uint64_t fnv1a(const uint8_t *bytes, size_t size)
{
    uint64_t value = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < size; i++)
        value = (value ^ bytes[i]) * UINT64_C(0x100000001B3);
    return value;
}

/* splitmix64: the same numbers everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* A fixture, exactly as long as it is, so that a sanitizer sees any step behind its end. A missing one fails the test.
 */
static inline uint8_t *load_fixture(const char *name, size_t *size)
{
    char path[512];
    assert_true(snprintf(path, sizeof path, FIXTURES "%s", name) < (int)sizeof path);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("the fixture %s is missing", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size ? *size : 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

/* One line of expected.txt. */
typedef struct expectation {
    char name[64], mode[16], format[16];
    int width, height, orientation;
    uint64_t checksum;
} expectation;

static inline size_t load_expectations(expectation *list, size_t most)
{
    char line[256];
    size_t n = 0;
    FILE *file = fopen(FIXTURES "expected.txt", "r");
    if (!file)
        fail_msg("%sexpected.txt is missing", FIXTURES);
    while (fgets(line, sizeof line, file)) {
        unsigned long long checksum;
        if (*line == '#')
            continue;
        assert_true(n < most);
        expectation *e = &list[n++];
        if (sscanf(line, "%63s %15s %d %d %15s %d %llx", e->name, e->mode, &e->width, &e->height, e->format,
                   &e->orientation, &checksum) != 7)
            fail_msg("expected.txt: %s", line);
        e->checksum = checksum;
    }
    fclose(file);
    assert_true(n > 100);
    return n;
}

static inline int optional_format_missing(const char *format)
{
#ifndef HAVE_WEBP
    if (!strcmp(format, "WebP"))
        return 1;
#endif
#ifndef HAVE_TIFF
    if (!strcmp(format, "TIFF"))
        return 1;
#endif
    (void)format;
    return 0;
}

#endif
