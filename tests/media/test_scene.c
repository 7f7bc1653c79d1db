/* Made pictures: what the description says is what is drawn, and the bytes never change. */
#include "support.h"

#include "scene.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
