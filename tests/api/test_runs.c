/* Masks as run lengths against plain loops over bytes, on random masks; texts that are no masks. */
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 40, TEXT = 8192 };

static uint64_t state_ = 1;

static unsigned draw(unsigned below)
{
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state_ >> 33) % below;
}

/* A mask of one of several densities, some with whole blocks. */
static void random_mask(uint8_t *mask, int width, int height)
{
    const unsigned density = draw(5) * 25;
    const int block = 1 + (int)draw(4);
    static uint8_t cells[MOST * MOST];
    for (int i = 0; i < MOST * MOST; i++)
        cells[i] = draw(100) < density;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            mask[y * width + x] = cells[y / block * MOST + x / block];
}

typedef struct pair {
    int width, height;
    uint8_t bytes[3][MOST * MOST];
    char text[3][TEXT];
    sam2_rle rle[3];
} pair;

static void make(pair *p)
{
    sam2_error error;
    size_t length;
    p->width = 1 + (int)draw(MOST);
    p->height = 1 + (int)draw(MOST);
    for (int i = 0; i < 3; i++) {
        random_mask(p->bytes[i], p->width, p->height);
        need_ok(sam2_rle_from_bytes(p->bytes[i], p->width, p->height, p->width, p->text[i], TEXT, &length, &error),
                &error);
        assert_true(length < TEXT && strlen(p->text[i]) == length);
        p->rle[i] = (sam2_rle){p->width, p->height, p->text[i]};
    }
}

static void there_and_back(void **unused)
{
    (void)unused;
    static pair p;
    static uint8_t again[MOST * MOST];
    static int64_t runs[MOST * MOST + 2];
    char text[TEXT];
    for (int round = 0; round < 2000; round++) {
        sam2_error error;
        size_t length, count;
        int64_t area, plain = 0, total = 0;
        int box[4], x0 = MOST, y0 = MOST, x1 = -1, y1 = -1;
        make(&p);
        need_ok(sam2_rle_to_bytes(&p.rle[0], 1, again, p.width, &error), &error);
        assert_memory_equal(again, p.bytes[0], (size_t)(p.width * p.height));
        need_ok(sam2_rle_measure(&p.rle[0], &area, box, &error), &error);
        for (int i = 0; i < p.width * p.height; i++)
            if (p.bytes[0][i]) {
                const int x = i % p.width, y = i / p.width;
                plain++;
                x0 = x < x0 ? x : x0, x1 = x > x1 ? x : x1, y0 = y < y0 ? y : y0, y1 = y > y1 ? y : y1;
            }
        assert_int_equal(area, plain);
        if (plain)
            assert_true(box[0] == x0 && box[1] == y0 && box[2] == x1 - x0 + 1 && box[3] == y1 - y0 + 1);
        need_ok(sam2_rle_to_runs(&p.rle[0], runs, sizeof runs / sizeof *runs, &count, &error), &error);
        for (size_t i = 0; i < count; i++)
            total += runs[i];
        assert_int_equal(total, p.width * p.height);
        need_ok(sam2_rle_from_runs(runs, count, p.width, p.height, text, TEXT, &length, &error), &error);
        assert_string_equal(text, p.text[0]);
    }
}

static void sets(void **unused)
{
    (void)unused;
    static pair p;
    static uint8_t got[MOST * MOST];
    char text[TEXT];
    for (int round = 0; round < 1000; round++)
        for (int op = SAM2_RLE_UNION; op <= SAM2_RLE_DIFFERENCE; op++) {
            sam2_error error;
            size_t length;
            make(&p);
            need_ok(sam2_rle_merge(p.rle, 3, (sam2_rle_operation)op, text, TEXT, &length, NULL, &error), &error);
            sam2_rle merged = {p.width, p.height, text};
            need_ok(sam2_rle_to_bytes(&merged, 1, got, p.width, &error), &error);
            double both = 0, either = 0, found = 0, iou[2];
            for (int i = 0; i < p.width * p.height; i++) {
                const int a = p.bytes[0][i], b = p.bytes[1][i], c = p.bytes[2][i];
                assert_int_equal(got[i], op == SAM2_RLE_UNION          ? a || b || c
                                         : op == SAM2_RLE_INTERSECTION ? a && b && c
                                                                       : a && !b && !c);
                both += a && b, either += a || b, found += a;
            }
            need_ok(sam2_rle_iou(p.rle, 1, p.rle + 1, 1, NULL, &iou[0], &error), &error);
            need_ok(sam2_rle_iou(p.rle, 1, p.rle + 1, 1, (const uint8_t[]){1}, &iou[1], &error), &error);
            assert_true(iou[0] == (both > 0 ? both / either : 0));
            assert_true(iou[1] == (both > 0 ? both / found : 0));
        }
}

/* Marks the part of `value` around (x, y) and returns its area. */
static int64_t flood(uint8_t *mask, int width, int height, int x, int y, int value)
{
    static int stack[MOST * MOST * 8][2];
    int top = 0;
    int64_t area = 0;
    stack[top][0] = x, stack[top++][1] = y;
    while (top) {
        const int cx = stack[--top][0], cy = stack[top][1];
        if (cx < 0 || cy < 0 || cx >= width || cy >= height || mask[cy * width + cx] != value)
            continue;
        mask[cy * width + cx] = 2;
        area++;
        for (int d = 0; d < 9; d++)
            if (d != 4)
                stack[top][0] = cx + d % 3 - 1, stack[top++][1] = cy + d / 3 - 1;
    }
    return area;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void parts(void **unused)
{
    (void)unused;
    static pair p;
    static int64_t areas[MOST * MOST], plain[MOST * MOST];
    static uint8_t left[MOST * MOST];
    for (int round = 0; round < 1000; round++)
        for (int inside = 0; inside < 2; inside++) {
            sam2_error error;
            size_t count, expected = 0;
            make(&p);
            need_ok(sam2_rle_components(&p.rle[0], inside, areas, sizeof areas / sizeof *areas, &count, NULL, 0, NULL,
                                        &error),
                    &error);
            memcpy(left, p.bytes[0], sizeof left);
            for (int i = 0; i < p.width * p.height; i++)
                if (left[i] == inside)
                    plain[expected++] = flood(left, p.width, p.height, i % p.width, i / p.width, inside);
            assert_int_equal(count, expected);
            qsort(areas, count, sizeof *areas, by_size);
            qsort(plain, count, sizeof *plain, by_size);
            assert_memory_equal(areas, plain, count * sizeof *areas);
        }
}

typedef struct outline {
    int64_t twice; /* area of all outlines less the holes */
    int first_is_hole, seen;
} outline;

static void add_outline(void *user, const int *xy, size_t points, int hole)
{
    outline *o = user;
    o->first_is_hole |= !o->seen && hole;
    o->seen = 1;
    int64_t twice = 0;
    for (size_t i = 0; i < points; i++) {
        const int *a = xy + 2 * i, *b = xy + 2 * ((i + 1) % points);
        twice += (int64_t)a[0] * b[1] - (int64_t)b[0] * a[1];
    }
    assert_true(hole ? twice < 0 : twice > 0); /* y goes down: clockwise as it is seen */
    o->twice += twice;
}

/* The shoelace formula over all polygons is the mask's area. */
static void polygons(void **unused)
{
    (void)unused;
    static pair p;
    for (int round = 0; round < 1000; round++) {
        sam2_error error;
        outline o = {0};
        int64_t area = 0;
        make(&p);
        need_ok(sam2_rle_polygons(&p.rle[0], 0.0, add_outline, &o, NULL, &error), &error);
        for (int i = 0; i < p.width * p.height; i++)
            area += p.bytes[0][i];
        assert_int_equal(o.twice, 2 * area);
        assert_false(o.first_is_hole);
    }
}

static void small_regions(void **unused)
{
    (void)unused;
    static pair p;
    static uint8_t got[MOST * MOST], want[MOST * MOST], mark[MOST * MOST];
    char text[TEXT];
    for (int round = 0; round < 1000; round++) {
        sam2_error error;
        size_t length;
        const int64_t least = 1 + draw(12);
        int changed;
        make(&p);
        const int pixels = p.width * p.height;
        need_ok(sam2_rle_remove_small_regions(&p.rle[0], least, text, TEXT, &length, &changed, NULL, &error), &error);
        sam2_rle cleaned = {p.width, p.height, text};
        need_ok(sam2_rle_to_bytes(&cleaned, 1, got, p.width, &error), &error);
        memcpy(want, p.bytes[0], sizeof want);
        for (int inside = 0; inside < 2; inside++) {
            int64_t largest = 0;
            int keep_one = 1;
            memcpy(mark, want, sizeof mark);
            for (int i = 0; i < pixels; i++)
                if (mark[i] == inside) {
                    int64_t area = flood(mark, p.width, p.height, i % p.width, i / p.width, inside);
                    largest = area > largest ? area : largest;
                    keep_one &= area < least;
                }
            if (inside && keep_one && largest)
                break; /* all islands are small: which of equals stays is OpenCV's order, looked at below */
            memcpy(mark, want, sizeof mark);
            for (int i = 0; i < pixels; i++)
                if (mark[i] == inside) {
                    static uint8_t before[MOST * MOST];
                    memcpy(before, mark, sizeof before);
                    if (flood(mark, p.width, p.height, i % p.width, i / p.width, inside) < least)
                        for (int k = 0; k < pixels; k++)
                            if (mark[k] == 2 && before[k] != 2)
                                want[k] = (uint8_t)!inside;
                }
            if (inside)
                assert_memory_equal(got, want, (size_t)pixels);
        }
    }
}

static void encode(const uint8_t *mask, int width, int height, const char *want)
{
    sam2_error error;
    char text[64];
    size_t length;
    need_ok(sam2_rle_from_bytes(mask, width, height, width, text, sizeof text, &length, &error), &error);
    assert_string_equal(text, want);
}

/* What pycocotools writes for masks of one kind, one pixel, and a block. */
static void official_texts(void **unused)
{
    (void)unused;
    uint8_t empty[12] = {0}, full[12], pixel[12] = {0}, block[100] = {0};
    memset(full, 1, sizeof full);
    pixel[1 * 4 + 2] = 1; /* row 1, column 2 of 3 x 4 */
    for (int y = 7; y < 9; y++)
        for (int x = 3; x < 5; x++)
            block[y * 10 + x] = 1;
    encode(empty, 4, 3, "<");
    encode(full, 4, 3, "0<");
    encode(pixel, 4, 3, "714");
    encode(block, 10, 10, "U1280[1");
}

/* A square with a hole of 9 pixels, and an island of 25: less than the limit is what goes. */
static void strictly_less(void **unused)
{
    (void)unused;
    static uint8_t mask[100 * 100], got[100 * 100];
    static const struct {
        int64_t least;
        int hole_filled, island_gone;
    } cases[] = {{9, 0, 0}, {10, 1, 0}, {25, 1, 0}, {26, 1, 1}};
    for (int y = 0; y < 100; y++)
        for (int x = 0; x < 100; x++)
            mask[y * 100 + x] = (x >= 10 && x < 60 && y >= 10 && y < 60 && !(x >= 30 && x < 33 && y >= 30 && y < 33)) ||
                                (x >= 80 && x < 85 && y >= 80 && y < 85);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sam2_error error;
        char text[TEXT], cleaned[TEXT];
        size_t length;
        int changed;
        need_ok(sam2_rle_from_bytes(mask, 100, 100, 100, text, TEXT, &length, &error), &error);
        const sam2_rle rle = {100, 100, text};
        need_ok(sam2_rle_remove_small_regions(&rle, cases[i].least, cleaned, TEXT, &length, &changed, NULL, &error),
                &error);
        const sam2_rle after = {100, 100, cleaned};
        need_ok(sam2_rle_to_bytes(&after, 1, got, 100, &error), &error);
        assert_int_equal(got[31 * 100 + 31], cases[i].hole_filled);
        assert_int_equal(got[82 * 100 + 82], !cases[i].island_gone);
        assert_int_equal(changed, cases[i].hole_filled || cases[i].island_gone);
        assert_int_equal(got[20 * 100 + 20], 1);
    }
}

static void no_masks(void **unused)
{
    (void)unused;
    static const struct {
        int width, height;
        const char *counts;
    } bad[] = {{4, 4, ""},
               {4, 4, "1"},
               {4, 4, "\x7f"},
               {4, 4, "PPPPPPPPPPPPPPPPPPPP"},
               {4, 4, "oooooooooooooooooo"},
               {4, 4, "`1"},
               {0, 4, "@"},
               {4, 70000, "0"},
               {4, 4, "a0"}};
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sam2_error error;
        sam2_rle rle = {bad[i].width, bad[i].height, bad[i].counts};
        sam2_status status = sam2_rle_to_bytes(&rle, 1, bytes, bad[i].width, &error);
        if (status != SAM2_ERROR_FORMAT && status != SAM2_ERROR_ARGUMENT)
            fail_msg("'%s' is taken for a mask: status %d", bad[i].counts, (int)status);
    }
    /* Any text is a mask or an error, and nothing else happens. */
    for (int round = 0; round < 20000; round++) {
        char text[24];
        const unsigned length = draw(sizeof text);
        for (unsigned i = 0; i < length; i++)
            text[i] = (char)(draw(10) ? 48 + draw(64) : 1 + draw(127));
        text[length] = 0;
        sam2_rle rle = {4, 4, text};
        int64_t area;
        if (sam2_rle_measure(&rle, &area, NULL, NULL) == SAM2_OK)
            assert_true(area >= 0 && area <= 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(sets),
                                       cmocka_unit_test(parts),          cmocka_unit_test(polygons),
                                       cmocka_unit_test(small_regions),  cmocka_unit_test(no_masks),
                                       cmocka_unit_test(official_texts), cmocka_unit_test(strictly_less)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
