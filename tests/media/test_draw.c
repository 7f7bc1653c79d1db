/* Drawing: what must change, what must not, and coordinates of any kind. */
#include "support.h"

#include <float.h>
#include <math.h>

enum { W = 70, H = 50 };

typedef struct canvas {
    uint8_t before[H][W][3], rgb[H][W][3], mask[H][W];
} canvas;

static void start(canvas *c, uint64_t seed)
{
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int k = 0; k < 3; k++)
                c->before[y][x][k] = (uint8_t)next_random(&seed);
    memcpy(c->rgb, c->before, sizeof c->rgb);
    memset(c->mask, 0, sizeof c->mask);
}

static int changed(const canvas *c, int x, int y)
{
    return memcmp(c->rgb[y][x], c->before[y][x], 3) != 0;
}

static int changes(const canvas *c)
{
    int n = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            n += changed(c, x, y);
    return n;
}

/* The distance from a pixel to the nearest one on the other side of the mask's edge. */
static double edge_distance(const canvas *c, int x, int y)
{
    double nearest = 1e9;
    for (int v = 0; v < H; v++)
        for (int u = 0; u < W; u++)
            if (!c->mask[v][u] != !c->mask[y][x])
                nearest = fmin(nearest, hypot(u - x, v - y));
    return nearest;
}

static void ellipse(canvas *c, double cx, double cy, double rx, double ry)
{
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            c->mask[y][x] = pow((x - cx) / rx, 2) + pow((y - cy) / ry, 2) < 1 ? 1 + (x + y) % 255 : 0;
}

static void test_tint(void **unused)
{
    (void)unused;
    canvas c;
    const media_colour colour = {250, 10, 128};
    const float opacities[] = {0, 0.25f, 0.5f, 1, 7, NAN, -1};
    for (size_t i = 0; i < sizeof opacities / sizeof *opacities; i++) {
        float o = opacities[i] > 0 ? fminf(opacities[i], 1) : 0;
        start(&c, 1);
        ellipse(&c, 30, 25, 20, 12);
        media_draw_mask(&c.rgb[0][0][0], W, H, &c.mask[0][0], colour, opacities[i], 0);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                for (int k = 0; k < 3; k++) {
                    double target = k == 0 ? colour.r : k == 1 ? colour.g : colour.b, from = c.before[y][x][k];
                    double right = c.mask[y][x] ? from + (target - from) * (double)o : from;
                    assert_true(fabs(c.rgb[y][x][k] - right) <= 0.51);
                }
    }
}

static void test_contour_stays_near(void **unused)
{
    (void)unused;
    for (int width = 1; width <= 7; width++)
        for (int shape = 0; shape < 4; shape++) {
            canvas c;
            start(&c, (uint64_t)width);
            if (shape == 0)
                ellipse(&c, 35, 24, 22, 14);
            else if (shape == 1)
                ellipse(&c, 2, 47, 25, 20); /* over two borders */
            else if (shape == 2)
                c.mask[20][30] = 1; /* one pixel */
            else
                memset(c.mask[17], 1, W); /* a line from side to side */
            media_draw_mask(&c.rgb[0][0][0], W, H, &c.mask[0][0], (media_colour){255, 255, 0}, 0, width);
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++) {
                    double d = edge_distance(&c, x, y);
                    /* the line runs between the last pixel inside and the first outside */
                    if (d > 1 + width / 2.0 + 0.5 && changed(&c, x, y))
                        fail_msg("width %d, shape %d: changed at %d %d, %.1f off the edge", width, shape, x, y, d);
                    if (width >= 3 && d <= 1 && !changed(&c, x, y))
                        fail_msg("width %d, shape %d: nothing at %d %d", width, shape, x, y);
                }
        }
}

/* Nothing, everything: no contour at the borders of the picture. */
static void test_trivial_masks(void **unused)
{
    (void)unused;
    canvas c;
    start(&c, 2);
    media_draw_mask(&c.rgb[0][0][0], W, H, &c.mask[0][0], (media_colour){255, 0, 0}, 1, 5);
    assert_int_equal(changes(&c), 0);
    memset(c.mask, 255, sizeof c.mask);
    media_draw_mask(&c.rgb[0][0][0], W, H, &c.mask[0][0], (media_colour){255, 0, 0}, 0, 5);
    assert_int_equal(changes(&c), 0);
    /* pictures of one pixel and of one row */
    uint8_t pixel[3] = {1, 2, 3}, set = 1;
    media_draw_mask(pixel, 1, 1, &set, (media_colour){9, 9, 9}, 1, 64);
    assert_int_equal(pixel[0], 9);
    media_draw_mask(&c.rgb[0][0][0], W, 1, &c.mask[0][0], (media_colour){255, 0, 0}, 0.5f, 1000000);
    media_draw_mask(&c.rgb[0][0][0], 1, W, &c.mask[0][0], (media_colour){255, 0, 0}, 0.5f, 2);
    media_draw_mask(NULL, 0, 0, NULL, (media_colour){255, 0, 0}, 0.5f, 2);
}

/* A random mask: every case of the contour's cells, in buffers that end where they end. */
static void test_random_masks(void **unused)
{
    (void)unused;
    uint64_t random = 4;
    for (int round = 0; round < 300; round++) {
        int w = 1 + (int)(next_random(&random) % 20), h = 1 + (int)(next_random(&random) % 20);
        uint8_t *rgb = calloc((size_t)(w * h), 3), *mask = malloc((size_t)(w * h));
        assert_non_null(rgb);
        assert_non_null(mask);
        for (int i = 0; i < w * h; i++)
            mask[i] = next_random(&random) % 3 == 0;
        media_draw_mask(rgb, w, h, mask, media_palette(round), 0.5f, 1 + round % 9);
        for (int i = 0; i < w * h; i++)
            if (mask[i])
                assert_true(rgb[3 * i] || rgb[3 * i + 1] || rgb[3 * i + 2]);
        free(rgb);
        free(mask);
    }
}

static void test_point(void **unused)
{
    (void)unused;
    for (int label = -1; label <= 2; label++)
        for (int radius = 1; radius <= 9; radius += 2) {
            canvas c;
            start(&c, 9);
            media_draw_point(&c.rgb[0][0][0], W, H, 30, 20, label, radius);
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++)
                    if (hypot(x - 30, y - 20) >= radius + 1.5)
                        assert_false(changed(&c, x, y));
            const uint8_t *inside = radius < 5 ? c.rgb[20][30] : c.rgb[20 - radius / 2][30 - radius / 3];
            if (label == 1 && radius >= 3)
                assert_true(inside[1] > 150 && inside[0] < 80);
            else if (label == 0 && radius >= 3)
                assert_true(inside[0] > 200 && inside[1] < 80);
        }
}

static void test_box(void **unused)
{
    (void)unused;
    for (int width = 1; width <= 6; width++)
        for (int swap = 0; swap < 2; swap++) {
            canvas c;
            const media_colour colour = {1, 255, 3};
            start(&c, 5);
            media_draw_box(&c.rgb[0][0][0], W, H, swap ? 50.2f : 10, 8, swap ? 10 : 50.2f, 40, colour, width);
            int out = width / 2, in = width - out;
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++) {
                    int outer = x >= 10 - out && x <= 50 + out && y >= 8 - out && y <= 40 + out;
                    int inner = x >= 10 + in && x <= 50 - in && y >= 8 + in && y <= 40 - in;
                    if (outer && !inner)
                        assert_memory_equal(c.rgb[y][x], (&(uint8_t[3]){1, 255, 3}), 3);
                    else
                        assert_false(changed(&c, x, y));
                }
        }
}

/* Coordinates of every kind, in a picture whose allocation ends where it ends. */
static void test_coordinates(void **unused)
{
    (void)unused;
    static const float kinds[] = {
        NAN,    INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 1e9f, -1e9f, 2147483648.0f, -2147483648.0f,
        1e-40f, -0.0f,    -1,        0,       0.5f,     7,    12,    12.5f,         13,
        14,     20,       40};
    enum { N = sizeof kinds / sizeof *kinds };
    uint8_t *rgb = calloc(13 * 12, 3);
    assert_non_null(rgb);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            for (int radius = -1; radius < 9; radius += 3)
                media_draw_point(rgb, 13, 12, kinds[i], kinds[j], j % 3, radius);
            media_draw_point(rgb, 13, 12, kinds[i], kinds[j], 1, i % 4 ? 100 : INT32_MAX);
            for (int k = 0; k < N; k++)
                for (int width = 0; width < 4; width++)
                    media_draw_box(rgb, 13, 12, kinds[i], kinds[j], kinds[k], kinds[(i + j + k) % N], media_palette(i),
                                   width);
            media_draw_box(rgb, 13, 12, kinds[i], kinds[j], kinds[j], kinds[i], media_palette(i), INT32_MAX);
        }
    free(rgb);
    /* far outside: nothing to be seen */
    canvas c;
    start(&c, 1);
    media_draw_point(&c.rgb[0][0][0], W, H, -20, 10, 1, 8);
    media_draw_point(&c.rgb[0][0][0], W, H, NAN, 10, 1, 8);
    media_draw_box(&c.rgb[0][0][0], W, H, -100, -100, 1000, 1000, (media_colour){0, 0, 0}, 3);
    media_draw_box(&c.rgb[0][0][0], W, H, NAN, 1, 10, 10, (media_colour){0, 0, 0}, 3);
    media_draw_box(&c.rgb[0][0][0], W, H, -1e30f, -1e30f, 1e30f, 1e30f, (media_colour){0, 0, 0}, 3);
    assert_int_equal(changes(&c), 0);
}

static void test_palette(void **unused)
{
    (void)unused;
    for (int i = 1; i < 200; i++)
        for (int j = i < 12 ? 0 : i - 2; j < i; j++) { /* the first twelve all, then neighbours */
            media_colour a = media_palette(i), b = media_palette(j);
            if (abs(a.r - b.r) + abs(a.g - b.g) + abs(a.b - b.b) < 60)
                fail_msg("colours %d and %d are alike", i, j);
        }
    media_palette(-1);
    media_palette(INT32_MAX);
    media_palette(INT32_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tint),          cmocka_unit_test(test_contour_stays_near),
        cmocka_unit_test(test_trivial_masks), cmocka_unit_test(test_random_masks),
        cmocka_unit_test(test_point),         cmocka_unit_test(test_box),
        cmocka_unit_test(test_coordinates),   cmocka_unit_test(test_palette),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
