/* The tools for masks against pycocotools and OpenCV (tests/reference/masks.py), and texts that are no masks. */
#define _POSIX_C_SOURCE 200809L
#include "support/cmocka_all.h"
#include "support/counting.h"
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct line {
    int width, height, box[4], min_area;
    char *a, *b, *both, *common, *clean; /* in the line */
    long long area;
    double iou, crowd;
    long long parts[2][2048]; /* of the mask, of its background */
    size_t part_count[2];
} line;

static char *word(char **rest)
{
    char *w = strtok_r(NULL, " \n", rest);
    assert_non_null(w);
    return w;
}

static void parse(char *text, line *l)
{
    char *rest;
    l->width = atoi(strtok_r(text, " ", &rest));
    l->height = atoi(word(&rest));
    l->a = word(&rest);
    l->b = word(&rest);
    l->both = word(&rest);
    l->common = word(&rest);
    l->area = atoll(word(&rest));
    for (int i = 0; i < 4; i++)
        l->box[i] = atoi(word(&rest));
    l->iou = strtod(word(&rest), NULL);
    l->crowd = strtod(word(&rest), NULL);
    l->min_area = atoi(word(&rest));
    l->clean = word(&rest);
    for (int k = 0; k < 2; k++) {
        l->part_count[k] = (size_t)atoi(word(&rest));
        assert_true(l->part_count[k] <= 2048);
        for (size_t i = 0; i < l->part_count[k]; i++)
            l->parts[k][i] = atoll(word(&rest));
    }
}

static void check_merges(const line *l, const sam2_rle pair[2])
{
    char out[4096];
    size_t length;
    sam2_error error;
    uint8_t crowd = 1;
    double iou = -1;
    need_ok(sam2_rle_merge(pair, 2, SAM2_RLE_UNION, out, sizeof out, &length, NULL, &error), &error);
    assert_string_equal(out, l->both);
    need_ok(sam2_rle_merge(pair, 2, SAM2_RLE_INTERSECTION, out, sizeof out, &length, NULL, &error), &error);
    assert_string_equal(out, l->common);
    /* What a has without b, and b, are both; and they have nothing in common. */
    need_ok(sam2_rle_merge(pair, 2, SAM2_RLE_DIFFERENCE, out, sizeof out, &length, NULL, &error), &error);
    const sam2_rle apart[2] = {{l->width, l->height, out}, pair[1]};
    char again[4096];
    need_ok(sam2_rle_merge(apart, 2, SAM2_RLE_UNION, again, sizeof again, &length, NULL, &error), &error);
    assert_string_equal(again, l->both);
    need_ok(sam2_rle_iou(apart, 1, apart + 1, 1, NULL, &iou, &error), &error);
    assert_true(iou == 0.0);
    need_ok(sam2_rle_iou(pair, 1, pair + 1, 1, NULL, &iou, &error), &error);
    assert_true(iou == l->iou);
    need_ok(sam2_rle_iou(pair, 1, pair + 1, 1, &crowd, &iou, &error), &error);
    assert_true(iou == l->crowd);
}

static void check_bytes(const line *l, const sam2_rle pair[2])
{
    const size_t pixels = (size_t)l->width * (size_t)l->height;
    uint8_t *mask = malloc(pixels), *other = malloc(pixels);
    int32_t *labels = malloc(pixels * sizeof *labels);
    char out[4096];
    int64_t runs[4096];
    size_t length, count;
    sam2_error error;
    need_ok(sam2_rle_to_bytes(&pair[0], 7, mask, l->width, &error), &error);
    need_ok(sam2_rle_to_bytes(&pair[1], 1, other, l->width, &error), &error);
    need_ok(sam2_rle_from_bytes(mask, l->width, l->height, l->width, out, sizeof out, &length, &error), &error);
    assert_string_equal(out, l->a);
    assert_int_equal(length, strlen(l->a));
    need_ok(sam2_rle_to_runs(&pair[0], runs, 4096, &count, &error), &error);
    need_ok(sam2_rle_from_runs(runs, count, l->width, l->height, out, sizeof out, &length, &error), &error);
    assert_string_equal(out, l->a);
    need_ok(sam2_rle_to_labels(pair, 2, labels, l->width, &error), &error);
    for (size_t i = 0; i < pixels; i++)
        assert_int_equal(labels[i], mask[i] ? 1 : other[i] ? 2 : 0);
    free(mask);
    free(other);
    free(labels);
}

static void check_parts(const line *l, const sam2_rle *a)
{
    const size_t pixels = (size_t)l->width * (size_t)l->height;
    int32_t *labels = malloc(pixels * sizeof *labels);
    int64_t areas[2048];
    char out[4096];
    size_t count, length;
    int changed;
    sam2_error error;
    for (int k = 0; k < 2; k++) {
        need_ok(sam2_rle_components(a, !k, areas, 2048, &count, labels, l->width, NULL, &error), &error);
        assert_int_equal(count, l->part_count[k]);
        for (size_t i = 0; i < count; i++) {
            int64_t counted = 0;
            for (size_t p = 0; p < pixels; p++)
                counted += labels[p] == (int32_t)i + 1;
            assert_int_equal(areas[i], l->parts[k][i]);
            assert_int_equal(areas[i], counted);
        }
    }
    need_ok(sam2_rle_remove_small_regions(a, l->min_area, out, sizeof out, &length, &changed, NULL, &error), &error);
    assert_string_equal(out, l->clean);
    free(labels);
}

/* Twice the area of all polygons, holes counted negative; and crossings of each row's middle line. */
typedef struct tally {
    int64_t area;
    int outlines, holes;
    uint8_t *crossed; /* [height][width]: by an edge somewhere to the left, an odd number of times */
    int width, height;
} tally;

static void add_polygon(void *user, const int *xy, size_t points, int hole)
{
    tally *t = user;
    int64_t area = 0;
    assert_true(points >= 3);
    for (size_t i = 0; i < points; i++) {
        const int *a = xy + 2 * i, *b = xy + 2 * ((i + 1) % points);
        area += (int64_t)a[0] * b[1] - (int64_t)b[0] * a[1];
        if (a[0] != b[0])
            continue;
        for (int y = a[1] < b[1] ? a[1] : b[1]; y < (a[1] > b[1] ? a[1] : b[1]); y++)
            for (int x = a[0]; t->crossed && x < t->width; x++)
                t->crossed[y * t->width + x] ^= 1;
    }
    assert_true(hole ? area < 0 : area > 0);
    t->area += area;
    t->outlines += !hole;
    t->holes += hole;
}

static void check_polygons(const line *l, const sam2_rle *a)
{
    const size_t pixels = (size_t)l->width * (size_t)l->height;
    uint8_t *mask = malloc(pixels);
    tally t = {.crossed = calloc(pixels, 1), .width = l->width, .height = l->height};
    sam2_error error;
    need_ok(sam2_rle_to_bytes(a, 1, mask, l->width, &error), &error);
    need_ok(sam2_rle_polygons(a, 0, add_polygon, &t, NULL, &error), &error);
    assert_memory_equal(mask, t.crossed, pixels);
    assert_int_equal(t.area, 2 * l->area);
    assert_int_equal(t.outlines, l->part_count[0]);
    free(mask);
    free(t.crossed);
}

static void like_pycocotools(void **state)
{
    (void)state;
    FILE *f = fopen(TEST_DATA "/reference/masks.txt", "r");
    assert_non_null(f);
    static char text[1 << 16];
    static line l;
    int lines = 0;
    for (; fgets(text, sizeof text, f); lines++) {
        int64_t area;
        int box[4];
        sam2_error error;
        parse(text, &l);
        const sam2_rle pair[2] = {{l.width, l.height, l.a}, {l.width, l.height, l.b}};
        need_ok(sam2_rle_measure(&pair[0], &area, box, &error), &error);
        assert_int_equal(area, l.area);
        assert_memory_equal(box, l.box, sizeof box);
        check_merges(&l, pair);
        check_bytes(&l, pair);
        check_parts(&l, &pair[0]);
        check_polygons(&l, &pair[0]);
    }
    fclose(f);
    assert_int_equal(lines, 150);
}

/* The texts of constant masks and single pixels, by hand. */
static void small_masks(void **state)
{
    (void)state;
    const struct {
        int width, height;
        const char *text;
        int64_t runs[5];
        size_t count;
    } cases[] = {{4, 3, "<", {12}, 1},        {4, 3, "0<", {0, 12}, 2},
                 {4, 3, "714", {7, 1, 4}, 3}, {10, 10, "U1280[1", {37, 2, 8, 2, 51}, 5},
                 {1, 1, "1", {1}, 1},         {1, 1, "01", {0, 1}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        int64_t runs[5];
        size_t length, count;
        sam2_error error;
        sam2_rle rle = {cases[i].width, cases[i].height, cases[i].text};
        need_ok(
            sam2_rle_from_runs(cases[i].runs, cases[i].count, rle.width, rle.height, out, sizeof out, &length, &error),
            &error);
        assert_string_equal(out, cases[i].text);
        need_ok(sam2_rle_to_runs(&rle, runs, 5, &count, &error), &error);
        assert_int_equal(count, cases[i].count);
        assert_memory_equal(runs, cases[i].runs, count * sizeof *runs);
    }
    /* Runs of no pixels within a mask are taken, and not written. */
    char out[64];
    size_t length;
    sam2_error error;
    const int64_t odd[] = {3, 0, 4, 1, 0, 0, 4};
    need_ok(sam2_rle_from_runs(odd, 7, 4, 3, out, sizeof out, &length, &error), &error);
    assert_string_equal(out, "714");
}

/* A square of 100 x 100 with an island of 25 pixels and a hole of 9: "less than", not "at most". */
static void strictly_less(void **state)
{
    (void)state;
    enum { SIDE = 140 };
    static uint8_t mask[SIDE * SIDE];
    static char text[4096], out[4096];
    size_t length;
    int changed;
    int64_t area;
    sam2_error error;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            mask[y * SIDE + x] = (x < 100 && y < 100 && !(x >= 40 && x < 43 && y >= 40 && y < 43)) ||
                                 (x >= 120 && x < 125 && y >= 120 && y < 125);
    need_ok(sam2_rle_from_bytes(mask, SIDE, SIDE, SIDE, text, sizeof text, &length, &error), &error);
    const sam2_rle rle = {SIDE, SIDE, text};
    const struct {
        int min_area, changed;
        int64_t area;
    } cases[] = {{9, 0, 9991 + 25}, {10, 1, 10000 + 25}, {25, 1, 10000 + 25}, {26, 1, 10000}, {600000, 1, SIDE * SIDE}};
    for (int i = 0; i < 5; i++) {
        need_ok(
            sam2_rle_remove_small_regions(&rle, cases[i].min_area, out, sizeof out, &length, &changed, NULL, &error),
            &error);
        const sam2_rle got = {SIDE, SIDE, out};
        need_ok(sam2_rle_measure(&got, &area, NULL, &error), &error);
        assert_int_equal(changed, cases[i].changed);
        assert_int_equal(area, cases[i].area);
    }
}

static void simplified(void **state)
{
    (void)state;
    enum { SIDE = 200 };
    static uint8_t mask[SIDE * SIDE];
    static char text[8192];
    size_t length;
    int64_t area;
    sam2_error error;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            mask[y * SIDE + x] = (x - 100) * (x - 100) + (y - 100) * (y - 100) < 80 * 80;
    need_ok(sam2_rle_from_bytes(mask, SIDE, SIDE, SIDE, text, sizeof text, &length, &error), &error);
    const sam2_rle rle = {SIDE, SIDE, text};
    need_ok(sam2_rle_measure(&rle, &area, NULL, &error), &error);
    for (double tolerance = 0; tolerance < 4; tolerance += 1) {
        tally t = {.width = SIDE, .height = SIDE};
        need_ok(sam2_rle_polygons(&rle, tolerance, add_polygon, &t, NULL, &error), &error);
        assert_int_equal(t.outlines, 1);
        /* The outline moves by less than the tolerance, along its length. */
        assert_true(fabs((double)t.area / 2 - (double)area) <= tolerance * 2 * 3.15 * 80);
    }
}

static void refused(void **state)
{
    (void)state;
    char out[64];
    size_t length;
    sam2_error error;
    const char *const texts[] = {"",    "7",  "=",   "0=", "714\x01", "7 4", "71", "7145", "P", "oooooooooooooooo",
                                 "7/4", "O5", "\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const sam2_rle rle = {4, 3, texts[i]};
        int64_t area;
        assert_int_equal(sam2_rle_measure(&rle, &area, NULL, &error), SAM2_ERROR_FORMAT);
        assert_non_null(strstr(error.text, "mask 0"));
    }
    const sam2_rle wide = {65537, 1, "1"}, none = {4, 3, NULL}, two[2] = {{4, 3, "<"}, {3, 4, "<"}};
    assert_int_equal(sam2_rle_measure(&wide, NULL, NULL, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_measure(&none, NULL, NULL, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_measure(NULL, NULL, NULL, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_merge(two, 2, SAM2_RLE_UNION, out, sizeof out, &length, NULL, &error),
                     SAM2_ERROR_MISMATCH);
    assert_int_equal(sam2_rle_merge(two, 0, SAM2_RLE_UNION, out, sizeof out, &length, NULL, &error),
                     SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_merge(two, 1, 3, out, sizeof out, &length, NULL, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_polygons(two, -1, add_polygon, NULL, NULL, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_polygons(two, (double)NAN, add_polygon, NULL, NULL, &error), SAM2_ERROR_ARGUMENT);
    const sam2_allocator lacking = {0};
    assert_int_equal(sam2_rle_merge(two, 1, SAM2_RLE_UNION, out, sizeof out, &length, &lacking, &error),
                     SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_components(two, 1, NULL, 0, &length, NULL, 0, &lacking, &error), SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_remove_small_regions(two, 1, out, sizeof out, &length, NULL, &lacking, &error),
                     SAM2_ERROR_ARGUMENT);
    assert_int_equal(sam2_rle_polygons(two, 1, add_polygon, NULL, &lacking, &error), SAM2_ERROR_ARGUMENT);
    const int64_t long_run[] = {13}, negative[] = {-1, 13}, short_run[] = {5, 6};
    assert_int_equal(sam2_rle_from_runs(long_run, 1, 4, 3, out, sizeof out, &length, &error), SAM2_ERROR_FORMAT);
    assert_int_equal(sam2_rle_from_runs(negative, 2, 4, 3, out, sizeof out, &length, &error), SAM2_ERROR_FORMAT);
    assert_int_equal(sam2_rle_from_runs(short_run, 2, 4, 3, out, sizeof out, &length, &error), SAM2_ERROR_FORMAT);
}

/* The largest mask that there is, of 2^32 pixels, in ten characters. */
static void largest(void **state)
{
    (void)state;
    const int64_t runs[] = {1, 4294967294, 1};
    char out[64];
    size_t length;
    int64_t area;
    int box[4];
    sam2_error error;
    need_ok(sam2_rle_from_runs(runs, 3, 65536, 65536, out, sizeof out, &length, &error), &error);
    const sam2_rle rle = {65536, 65536, out};
    need_ok(sam2_rle_measure(&rle, &area, box, &error), &error);
    assert_int_equal(area, 4294967294);
    assert_int_equal(box[2], 65536);
    assert_int_equal(box[3], 65536);
}

/* Every allocation may fail; nothing is lost. */
static void out_of_memory(void **state)
{
    (void)state;
    const sam2_rle two[2] = {{10, 10, "U1280[1"}, {10, 10, "U1280[1"}};
    char out[64];
    size_t length, count;
    for (int call = 0; call < 4; call++)
        for (size_t fail = 1, done = 0; !done; fail++) {
            counter c;
            sam2_allocator a = counting(&c);
            c.fail_at = fail;
            sam2_error error = {SAM2_OK, ""};
            tally t = {.width = 10, .height = 10};
            sam2_status status =
                call == 0   ? sam2_rle_merge(two, 2, SAM2_RLE_UNION, out, sizeof out, &length, &a, &error)
                : call == 1 ? sam2_rle_components(two, 1, NULL, 0, &count, NULL, 0, &a, &error)
                : call == 2 ? sam2_rle_remove_small_regions(two, 99, out, sizeof out, &length, NULL, &a, &error)
                            : sam2_rle_polygons(two, 1, add_polygon, &t, &a, &error);
            assert_int_equal(c.live_blocks, 0);
            done = c.calls < fail;
            assert_int_equal(status, done ? SAM2_OK : SAM2_ERROR_MEMORY);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_pycocotools), cmocka_unit_test(small_masks), cmocka_unit_test(strictly_less),
        cmocka_unit_test(simplified),       cmocka_unit_test(refused),     cmocka_unit_test(largest),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
