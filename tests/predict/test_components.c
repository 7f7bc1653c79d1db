/* Hole filling against a plain flood fill, and cases made by hand. */
#include "predict/components.h"
#include "support/cmocka_all.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* With scratch memory of exactly the size asked for, filled so that nothing relies on zeros. */
static void fill(float *logits, size_t side, size_t max_area)
{
    size_t bytes = fill_holes_bytes(side);
    void *scratch = malloc(bytes);
    assert_non_null(scratch);
    memset(scratch, 0xA5, bytes);
    fill_holes(logits, side, max_area, scratch);
    free(scratch);
}

/* The same by its definition: from each pixel that was not reached yet, everything that can be walked to. */
static void fill_plainly(float *logits, size_t side, size_t max_area)
{
    size_t pixels = side * side, *list = malloc(pixels * sizeof *list);
    bool *seen = calloc(pixels, sizeof *seen);
    assert_non_null(list);
    assert_non_null(seen);
    for (size_t start = 0; start < pixels; start++) {
        size_t count = 0;
        if (seen[start] || !(logits[start] <= 0))
            continue;
        seen[start] = true;
        list[count++] = start;
        for (size_t i = 0; i < count; i++)
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++) {
                    long y = (long)(list[i] / side) + dy, x = (long)(list[i] % side) + dx;
                    if (y < 0 || x < 0 || y >= (long)side || x >= (long)side)
                        continue;
                    size_t to = (size_t)y * side + (size_t)x;
                    if (!seen[to] && logits[to] <= 0) {
                        seen[to] = true;
                        list[count++] = to;
                    }
                }
        for (size_t i = 0; i < count && count <= max_area; i++)
            logits[list[i]] = 0.1f;
    }
    free(list);
    free(seen);
}

static uint32_t random_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void random_maps(void **state)
{
    (void)state;
    static const size_t sides[] = {1, 2, 3, 4, 5, 7, 8, 16, 31, 64, 100, 256, 257};
    static const size_t areas[] = {0, 1, 2, 4, 8, 9, 50, 1000, 65536, SIZE_MAX};
    static const float special[] = {0.0f, -0.0f, -1024.0f, -INFINITY, -1e-45f};
    uint32_t random = 7;
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
        for (unsigned percent = 0; percent <= 100; percent += 5) {
            size_t side = sides[s], pixels = side * side;
            float *map = malloc(pixels * sizeof *map), *got = malloc(pixels * sizeof *map),
                  *want = malloc(pixels * sizeof *map);
            for (size_t i = 0; i < pixels; i++) {
                bool background = random_number(&random) % 100 < percent;
                map[i] = background ? special[random_number(&random) % 5] : (float)(1 + random_number(&random) % 9);
            }
            for (size_t a = 0; a < sizeof areas / sizeof *areas; a++) {
                memcpy(got, map, pixels * sizeof *map);
                memcpy(want, map, pixels * sizeof *map);
                fill(got, side, areas[a]);
                fill_plainly(want, side, areas[a]);
                if (memcmp(got, want, pixels * sizeof *map))
                    fail_msg("side %zu, %u%% background, areas up to %zu", side, percent, areas[a]);
            }
            free(map);
            free(got);
            free(want);
        }
}

/* A map with rows of side + 1 letters: '#' is no background, '.' is and stays when up to 8 pixels are filled, '+' is
 * filled. */
static void check_drawn(const char *rows, size_t side)
{
    float *map = malloc(side * side * sizeof *map);
    assert_non_null(map);
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++)
            map[y * side + x] = rows[y * (side + 1) + x] == '#' ? 5.0f : -3.0f;
    fill(map, side, 8);
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            char letter = rows[y * (side + 1) + x];
            float want = letter == '+' ? 0.1f : letter == '.' ? -3.0f : 5.0f;
            if (map[y * side + x] != want)
                fail_msg("%zu,%zu of side %zu: %g", x, y, side, (double)map[y * side + x]);
        }
    free(map);
}

/* Squares of 4, 8 and 9 pixels; diagonal chains of 9, which stays, and of 8, which is one hole and reaches the border;
 * 6 and 8 pixels at the border. */
static void holes_of_4_8_9(void **state)
{
    (void)state;
    static const char rows[16][17] = {
        "################", "##++##++++##...#", "##++##++++##...#", "############...#",
        "################", "#.#######+######", "##.#######+#####", "###.#######+####",
        "####.#######+###", "#####.#######+##", "######.#######+#", "#######.#######+",
        "########.#####+#", "#########.######", "############++++", "++++++######++++",
    };
    check_drawn(rows[0], 16);
}

static void background_at_the_border(void **state)
{
    (void)state;
    static const char rows[8][9] = {
        "+++#....", "+++#....", "####....", "......##", "....####", "..###+##", "...##++#", "...####+",
    };
    check_drawn(rows[0], 8);
}

/* A background that is everything is a hole when it is small enough. */
static void whole_background(void **state)
{
    (void)state;
    check_drawn("++\0++\0", 2);
    check_drawn("...\0...\0...\0", 3);
}

/* A comb, a chequerboard, rings with a gap and a winding path: many runs that become one component late. */
static void late_joins(void **state)
{
    (void)state;
    enum { SIDE = 65 };
    for (int kind = 0; kind < 4; kind++) {
        float map[SIDE * SIDE], got[SIDE * SIDE], want[SIDE * SIDE];
        size_t background = 0;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int ring = x < y ? x : y, far = SIDE - 1 - (x > y ? x : y);
                ring = ring < far ? ring : far;
                bool in = kind == 0   ? x % 2 == 0 || y == SIDE - 1
                          : kind == 1 ? (x + y) % 2 == 0
                          : kind == 2 ? ring % 2 == 0 || (x == ring + 1 && y == ring)
                                      : y % 2 == 0 || x == (y % 4 == 1 ? SIDE - 1 : 0);
                map[y * SIDE + x] = in ? -1.0f : 1.0f;
                background += in;
            }
        for (size_t area = background - 1; area <= background; area++) {
            memcpy(got, map, sizeof map);
            memcpy(want, map, sizeof map);
            fill(got, SIDE, area);
            fill_plainly(want, SIDE, area);
            assert_memory_equal(got, want, sizeof got);
        }
    }
}

static void not_numbers_are_no_background(void **state)
{
    (void)state;
    float map[9] = {NAN, NAN, NAN, NAN, -1.0f, NAN, INFINITY, NAN, 1e-45f};
    fill(map, 3, 8);
    assert_true(map[4] == 0.1f);
    assert_true(isnan(map[0]) && isnan(map[7]) && map[8] == 1e-45f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_maps),
        cmocka_unit_test(holes_of_4_8_9),
        cmocka_unit_test(background_at_the_border),
        cmocka_unit_test(whole_background),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(not_numbers_are_no_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
