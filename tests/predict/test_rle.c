/* Run-length codes against pycocotools' (tests/reference/make_rle.py). */
#include "predict/rle.h"
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool inside(int kind, int x, int y, int w, int h, const uint8_t *pattern)
{
    int dx = x - w / 2, dy = y - h / 2, r = (w < h ? w : h) / 3;
    switch (kind) {
    case 0:
        return false;
    case 1:
        return true;
    case 2:
        return x == 0 && y == 0;
    case 3:
        return x != 0 || y != 0;
    case 4:
        return pattern[(y * w + x) * 3] > 127;
    case 5:
        return dx * dx + dy * dy < r * r;
    default:
        return x % 2 == 1;
    }
}

static void codes_like_pycocotools(void **state)
{
    (void)state;
    FILE *f = fopen(TEST_DATA "/reference/rle.txt", "r");
    assert_non_null(f);
    static char expected[1 << 16], got[1 << 16], cut[1 << 16];
    int kind, w, h, lines = 0;
    while (fscanf(f, "%d %d %d %65535s", &kind, &w, &h, expected) == 4) {
        uint8_t *pattern = picture_pattern(w, h);
        rle_writer whole, short_one;
        size_t capacity = strlen(expected); /* one too few for the NUL */
        rle_start(&whole, got, sizeof got);
        rle_start(&short_one, cut, capacity);
        for (int x = 0; x < w; x++) {
            for (int y = 0; y < h; y++)
                rle_put(&whole, inside(kind, x, y, w, h, pattern), 1);
            for (int y = 0, end; y < h; y = end) { /* runs, and some cut in two */
                bool value = inside(kind, x, y, w, h, pattern);
                for (end = y + 1; end < h && end % 7 && inside(kind, x, end, w, h, pattern) == value; end++)
                    ;
                rle_put(&short_one, value, (size_t)(end - y));
            }
        }
        rle_end(&whole);
        rle_end(&short_one);
        assert_string_equal(got, expected);
        assert_int_equal(whole.length, strlen(expected));
        assert_int_equal(short_one.length, strlen(expected)); /* the length that would be needed */
        assert_int_equal(strlen(cut), capacity - 1);
        assert_memory_equal(cut, expected, capacity - 1);
        free(pattern);
        lines++;
    }
    fclose(f);
    assert_int_equal(lines, 53);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(codes_like_pycocotools)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
