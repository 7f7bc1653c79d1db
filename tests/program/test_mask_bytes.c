/* Measuring, clipping and run lengths of byte masks, against pycocotools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mask_bytes.h"

static uint8_t *pattern(const int c[6])
{
    uint8_t *mask = malloc((size_t)c[0] * (size_t)c[1]);
    for (int y = 0; y < c[1]; y++)
        for (int x = 0; x < c[0]; x++)
            mask[y * c[0] + x] = (c[2] * x + c[3] * y + c[4] * x * y) % 31 < c[5] ? 255 : 0;
    return mask;
}

static void as_pycocotools(void **state)
{
    FILE *file = fopen(FIXTURES "/rle.txt", "r");
    static char line[200000], counts[200000];
    int cases = 0;
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        int c[6], want[4], box[4];
        long long want_area;
        int64_t area;
        uint8_t *mask;
        char *text;
        assert_int_equal(sscanf(line, "%d %d %d %d %d %d %lld %d %d %d %d %199999s", &c[0], &c[1], &c[2], &c[3], &c[4],
                                &c[5], &want_area, &want[0], &want[1], &want[2], &want[3], counts),
                         12);
        mask = pattern(c);
        mask_measure(mask, c[0], c[1], &area, box);
        text = mask_rle(mask, c[0], c[1]);
        assert_string_equal(text, counts);
        assert_int_equal(area, want_area);
        assert_memory_equal(box, want, sizeof box);
        free(text);
        free(mask);
        cases++;
    }
    fclose(file);
    assert_int_equal(cases, 10);
}

static void clipping(void **state)
{
    const int c[6] = {40, 30, 0, 0, 0, 31};
    uint8_t *mask = pattern(c);
    sam2_box box = {10.5f, 3.6f, 20.5f, 12.5f};
    int64_t area;
    int tight[4];
    (void)state;
    mask_clip(mask, 40, 30, &box);
    mask_measure(mask, 40, 30, &area, tight);
    assert_int_equal(tight[0], 10); /* the centre 10.5 is on the edge, which belongs to the box; 20.5 does not */
    assert_int_equal(tight[1], 4);
    assert_int_equal(tight[2], 10);
    assert_int_equal(tight[3], 8);
    assert_int_equal(area, 80);
    box = (sam2_box){10.6f, 10.6f, 10.9f, 10.9f}; /* no centre in it */
    mask_clip(mask, 40, 30, &box);
    mask_measure(mask, 40, 30, &area, tight);
    assert_int_equal(area, 0);
    assert_int_equal(tight[0] | tight[1] | tight[2] | tight[3], 0);
    free(mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_pycocotools), cmocka_unit_test(clipping)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
