/* The video predictor's input against Pillow and the official loader, bit for bit. */
#include "base/checked.h"
#include "predict/frame_resize.h"
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As much of a model as the resize looks at. */
static model *half_model(int side, int threads)
{
    sam2_error error;
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->config.image_size = side;
    kernels_select(&m->kernels, CPU_REF);
    need_ok(pool_create(&alloc_default, threads, &m->pool, &error), &error);
    return m;
}

static void free_half(model *m)
{
    pool_destroy(m->pool);
    free(m);
}

static size_t scratch_bytes(const model *m, const sam2_image *image)
{
    arena measure = {0};
    exec ex = {&m->kernels, m->pool, &measure, NULL};
    frame_resize(&(preprocess_job){m, image}, &ex, NULL);
    assert_int_equal(measure.used, 0);
    return measure.peak;
}

/* Network input [side + 6, side + 6, 3] of a picture, with exactly the scratch memory of the dry run. */
static float *resized(int side, int threads, const sam2_image *image)
{
    model *m = half_model(side, threads);
    size_t floats = model_input_side(m) * model_input_side(m) * 3, bytes = scratch_bytes(m, image);
    arena real = {.base = aligned_alloc(64, round_up(bytes, 64)), .capacity = bytes};
    exec ex = {&m->kernels, m->pool, &real, NULL};
    float *input = malloc(floats * sizeof *input);
    assert_non_null(real.base);
    assert_non_null(input);
    memset(real.base, 0xA5, bytes);
    for (size_t i = 0; i < floats; i++)
        input[i] = NAN; /* so that a pixel that is not written shows */
    frame_resize(&(preprocess_job){m, image}, &ex, input);
    arena_open(&real);
    free(real.base);
    free_half(m);
    return input;
}

/* `values` [3, 256] of the bytes [side, side, 3] against ours, the border zero. */
static void compare(const float *values, const float *bytes, const float *input, size_t side, const char *name)
{
    size_t pitch = side + 6;
    for (size_t y = 0; y < pitch; y++)
        for (size_t x = 0; x < pitch; x++)
            for (size_t c = 0; c < 3; c++) {
                bool inside = x >= 3 && y >= 3 && x < side + 3 && y < side + 3;
                size_t byte = inside ? (size_t)bytes[((y - 3) * side + x - 3) * 3 + c] : 0;
                float want = inside ? values[c * 256 + byte] : 0.0f, got = input[(y * pitch + x) * 3 + c];
                if (memcmp(&want, &got, sizeof want))
                    fail_msg("%s: pixel %zu,%zu channel %zu is %.9g, not %.9g of byte %zu", name, x, y, c, (double)got,
                             (double)want, byte);
            }
}

static void like_official(void **state)
{
    (void)state;
    weights *fixture = fixture_open("frame_resize");
    float *values = fixture_need(fixture, NULL, "values", NULL);
    int cases = 0;
    for (size_t i = 0; i < weights_count(fixture); i++) {
        const char *name = weights_at(fixture, i)->name;
        int width, height, side;
        if (sscanf(name, "%dx%d_to_%d", &width, &height, &side) != 3)
            continue;
        cases++;
        float *bytes = fixture_need(fixture, NULL, name, NULL);
        uint8_t *pixels = picture_pattern(width, height);
        for (int threads = 1; threads <= 3; threads += 2) {
            sam2_image image = {pixels, width, height, (ptrdiff_t)width * 3, SAM2_PIXEL_RGB};
            float *input = resized(side, threads, &image);
            compare(values, bytes, input, (size_t)side, name);
            free(input);
        }
        free(bytes);
        free(pixels);
    }
    assert_true(cases >= 14);
    free(values);
    weights_close(fixture);
}

/* Formats and strides say the same picture in other ways: the same bits must come out. */
static void formats_and_strides(void **state)
{
    (void)state;
    enum { H = 31, SIDE = 64, FLOATS = (SIDE + 6) * (SIDE + 6) * 3 };
    static const int widths[] = {53, SIDE};
    for (int k = 0; k < 2; k++) {
        int w = widths[k];
        uint8_t *rgb = picture_pattern(w, H), wide[H * 300], rgba[SIDE * H * 4], grey[SIDE * H], triple[SIDE * H * 3];
        for (int i = 0; i < w * H; i++) {
            memcpy(rgba + 4 * i, rgb + 3 * i, 3);
            rgba[4 * i + 3] = (uint8_t)i;
            grey[i] = rgb[3 * i + 1];
            memset(triple + 3 * i, grey[i], 3);
        }
        for (int y = 0; y < H; y++)
            memcpy(wide + 300 * (H - 1 - y), rgb + w * 3 * y, (size_t)w * 3); /* bottom up */
        const sam2_image same[2][3] = {{{rgb, w, H, w * 3, SAM2_PIXEL_RGB},
                                        {rgba, w, H, w * 4, SAM2_PIXEL_RGBA},
                                        {wide + 300 * (H - 1), w, H, -300, SAM2_PIXEL_RGB}},
                                       {{triple, w, H, w * 3, SAM2_PIXEL_RGB},
                                        {grey, w, H, w, SAM2_PIXEL_GREY},
                                        {triple, w, H, w * 3, SAM2_PIXEL_RGB}}};
        for (int i = 0; i < 2; i++) {
            float *first = resized(SIDE, 2, &same[i][0]);
            for (int other = 1; other < 3; other++) {
                float *input = resized(SIDE, 2, &same[i][other]);
                assert_memory_equal(first, input, FLOATS * sizeof *first);
                free(input);
            }
            free(first);
        }
        free(rgb);
    }
}

/* A flat picture stays flat: the weights of every output add up to one, white does not wrap. */
static void flat_pictures(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3, 1000}, {4000, 2}, {700, 500}, {64, 64}, {64, 9}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int value = 0; value < 256; value += 51) {
            size_t pixels = (size_t)sizes[k][0] * (size_t)sizes[k][1];
            uint8_t *grey = malloc(pixels);
            memset(grey, value, pixels);
            float *input = resized(64, 2, &(sam2_image){grey, sizes[k][0], sizes[k][1], sizes[k][0], SAM2_PIXEL_GREY});
            float want = ((float)(value / 255.0) - 0.485f) / 0.229f;
            for (int y = 0; y < 64; y++)
                for (int x = 0; x < 64; x++)
                    assert_true(input[((y + 3) * 70 + x + 3) * 3] == want);
            free(input);
            free(grey);
        }
}

/* What is measured once for the largest picture is enough for all. */
static void scratch_memory(void **state)
{
    (void)state;
    static const int sides[] = {64, 160, 1024, 4096}, lengths[] = {1, 63, 64, 65, 1000, 1024, 5000, 65536};
    for (int s = 0; s < 4; s++) {
        model *m = half_model(sides[s], 3);
        size_t most = scratch_bytes(m, &(sam2_image){.width = PICTURE_MAX_SIDE, .height = PICTURE_MAX_SIDE});
        for (int x = 0; x < 8; x++)
            for (int y = 0; y < 8; y++)
                assert_true(scratch_bytes(m, &(sam2_image){.width = lengths[x], .height = lengths[y]}) <= most);
        assert_true(most < 32u << 20);
        free_half(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_official),
        cmocka_unit_test(formats_and_strides),
        cmocka_unit_test(flat_pictures),
        cmocka_unit_test(scratch_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
