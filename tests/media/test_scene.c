/* Made pictures: what the description says is what is drawn, and the bytes never change. */
#include "support.h"

#include "scene.h"
#include "scene_clip.h"

#include <math.h>

/* The bytes are part of the contract: reports name scenes by seed and size. */
static void test_pinned(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t seed;
        int width, height;
        uint64_t picture, labels;
    } pins[] = {
        {0, 512, 512, UINT64_C(0xE9D077B4CF14D55F), UINT64_C(0x08A9217EEE558CD1)},
        {7, 320, 200, UINT64_C(0xB4AAEFF6C632DA50), UINT64_C(0x0D7D68862AB49592)},
        {19, 512, 512, UINT64_C(0xACE46A6753170A11), UINT64_C(0xFB01160B62146166)},
        {123456, 90, 160, UINT64_C(0x1799F5C5391FC00A), UINT64_C(0x0074038525AE7B88)},
    };
    for (size_t i = 0; i < sizeof pins / sizeof *pins; i++) {
        size_t n = (size_t)pins[i].width * (size_t)pins[i].height;
        uint8_t *rgb = malloc(n * 3), *labels = malloc(n);
        assert_non_null(rgb);
        assert_non_null(labels);
        media_make_scene(pins[i].seed, pins[i].width, pins[i].height, rgb, NULL);
        media_scene_labels(pins[i].seed, pins[i].width, pins[i].height, labels);
        if (fnv1a(rgb, n * 3) != pins[i].picture || fnv1a(labels, n) != pins[i].labels)
            fail_msg("seed %llu: 0x%016llX, 0x%016llX", (unsigned long long)pins[i].seed,
                     (unsigned long long)fnv1a(rgb, n * 3), (unsigned long long)fnv1a(labels, n));
        free(rgb);
        free(labels);
    }
}

static void check_shape(const media_shape *p, int label, const uint8_t *rgb, const uint8_t *labels, int w, int h)
{
    long long area = 0, sum[3] = {0};
    int x0 = w, y0 = h, x1 = 0, y1 = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            if (labels[y * w + x] == label) {
                area++;
                x0 = x < x0 ? x : x0;
                y0 = y < y0 ? y : y0;
                x1 = x >= x1 ? x + 1 : x1;
                y1 = y + 1;
                for (int c = 0; c < 3; c++)
                    sum[c] += rgb[(y * w + x) * 3 + c];
            }
    assert_int_equal(p->area, area);
    assert_int_equal(p->x0, x0);
    assert_int_equal(p->y0, y0);
    assert_int_equal(p->x1, x1);
    assert_int_equal(p->y1, y1);
    assert_int_equal(labels[p->y * w + p->x], label);
    int side = w < h ? w : h;
    assert_true(x1 - x0 >= side / 5 && y1 - y0 >= side / 6 && (x1 - x0 > side / 4 || y1 - y0 > side / 4));
    assert_true(x0 > 0 && y0 > 0 && x1 < w && y1 < h);
    const int colour[3] = {p->colour.r, p->colour.g, p->colour.b};
    for (int c = 0; c < 3; c++)
        assert_true(llabs(sum[c] / area - colour[c]) < 12);
}

static void test_description(void **unused)
{
    (void)unused;
    static const int sizes[][2] = {{256, 256}, {320, 180}, {150, 400}, {64, 64}};
    int seen[6] = {0};
    for (uint64_t seed = 0; seed < 60; seed++) {
        int w = sizes[seed % 4][0], h = sizes[seed % 4][1];
        uint8_t *rgb = malloc((size_t)(w * h) * 3), *labels = malloc((size_t)(w * h));
        media_scene_info info;
        assert_non_null(rgb);
        assert_non_null(labels);
        media_make_scene(seed, w, h, rgb, &info);
        media_scene_labels(seed, w, h, labels);
        assert_in_range(info.count, 3, MEDIA_SCENE_MOST);
        seen[info.count]++;
        for (int i = 0; i < info.count; i++)
            check_shape(&info.shapes[i], i + 1, rgb, labels, w, h);
        /* shapes never touch: every neighbour of a shape's pixel is its own or background */
        for (int y = 1; y < h; y++)
            for (int x = 1; x < w; x++) {
                int here = labels[y * w + x], around[2] = {labels[y * w + x - 1], labels[(y - 1) * w + x]};
                for (int k = 0; k < 2; k++)
                    assert_true(!here || !around[k] || here == around[k]);
                assert_true(here <= info.count);
            }
        free(rgb);
        free(labels);
    }
    assert_true(seen[3] && seen[4] && seen[5]);
}

/* Any size is a picture, and nothing is written outside. */
static void test_sizes(void **unused)
{
    (void)unused;
    for (int w = 1; w < 40; w += 1 + w / 4)
        for (int h = 1; h < 40; h += 1 + h / 5) {
            uint8_t *rgb = malloc((size_t)(w * h) * 3), *labels = malloc((size_t)(w * h));
            media_scene_info info;
            assert_non_null(rgb);
            assert_non_null(labels);
            for (uint64_t seed = 0; seed < 4; seed++) {
                media_make_scene(seed, w, h, rgb, &info);
                media_scene_labels(seed, w, h, labels);
                assert_in_range(info.count, 0, MEDIA_SCENE_MOST);
                for (int i = 0; i < info.count; i++)
                    assert_int_equal(labels[info.shapes[i].y * w + info.shapes[i].x], i + 1);
            }
            free(rgb);
            free(labels);
        }
    media_scene_info info;
    media_make_scene(UINT64_MAX, 1, 65536, NULL, &info);
    media_make_scene(1, 0, 5, NULL, &info);
    assert_int_equal(info.count, 0);
    media_make_scene(1, 5, 5, NULL, NULL);
    media_scene_labels(1, 5, 5, NULL);
}

/* A disc of a tenth of the side goes from left to right at half the height, behind a wall of three tenths of the width.
 */
static void test_wall(void **unused)
{
    (void)unused;
    enum { W = 320, H = 240, FRAMES = 21 };
    static uint8_t rgb[W * H * 3], before[W * H * 3], labels[W * H];
    const double radius = 0.1 * H, whole = 3.14159265 * radius * radius;
    for (uint64_t seed = 0; seed < 5; seed++)
        for (int f = 0; f < FRAMES; f++) {
            media_scene_info info;
            const double x = W * (0.13 + 0.74 * f / (FRAMES - 1));
            int area = 0;
            memcpy(before, rgb, sizeof rgb);
            media_make_clip(MEDIA_CLIP_WALL, seed, W, H, f, FRAMES, rgb, labels, &info);
            assert_int_equal(info.count, 1);
            assert_string_equal(info.shapes[0].kind, "ellipse");
            assert_true(abs((int)x - info.shapes[0].x) <= 1 && abs(H / 2 - info.shapes[0].y) <= 1);
            assert_true(fabs((double)info.shapes[0].area - whole) < 0.03 * whole);
            for (int i = 0; i < W * H; i++) {
                area += labels[i] == 1;
                assert_true(labels[i] < 2);
                assert_false(labels[i] && i % W >= 0.35 * W && i % W < 0.65 * W - 1);
                if (f && i % W > 0.36 * W && i % W < 0.64 * W) /* the wall stays as it is */
                    assert_memory_equal(rgb + 3 * i, before + 3 * i, 3);
            }
            if (x + radius < 0.35 * W || x - radius > 0.65 * W)
                assert_int_equal(area, info.shapes[0].area);
            if (x - radius > 0.35 * W && x + radius < 0.65 * W)
                assert_int_equal(area, 0);
        }
}

/* Two shapes that change sides, the second before the first; every size from the least on is drawn. */
static void test_crossing(void **unused)
{
    (void)unused;
    static const int sizes[][2] = {{512, 512}, {64, 64}, {64, 200}, {300, 64}};
    for (uint64_t seed = 0; seed < 20; seed++) {
        const int w = sizes[seed % 4][0], h = sizes[seed % 4][1];
        uint8_t *rgb = malloc((size_t)(w * h) * 3), *labels = malloc((size_t)(w * h));
        assert_non_null(rgb);
        assert_non_null(labels);
        for (int f = 0; f < 9; f++) {
            media_scene_info info;
            long long area[3] = {0};
            media_make_clip(MEDIA_CLIP_CROSSING, seed, w, h, f, 9, rgb, labels, &info);
            assert_int_equal(info.count, 2);
            for (int i = 0; i < w * h; i++) {
                assert_true(labels[i] < 3);
                area[labels[i]]++;
            }
            assert_int_equal(area[2], info.shapes[1].area);
            assert_true(area[1] <= info.shapes[0].area && (f > 1 || area[1] == info.shapes[0].area || h < w));
            assert_true((info.shapes[0].x < info.shapes[1].x) == (f < 4) || f == 4);
            if (w >= 300) { /* far enough from each other not to be alike by chance */
                const media_colour a = info.shapes[0].colour, b = info.shapes[1].colour;
                assert_true(abs(a.r - b.r) + abs(a.g - b.g) + abs(a.b - b.b) > 60);
            }
        }
        free(rgb);
        free(labels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pinned), cmocka_unit_test(test_description), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_wall),   cmocka_unit_test(test_crossing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
