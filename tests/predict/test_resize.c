/* The network's input and the enlarged masks against the official transforms. */
#include "predict/enlarge.h"
#include "predict/preprocess.h"
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As much of a model as preprocessing looks at. */
static model *half_model(int side, cpu_isa isa, int threads)
{
    sam2_error error;
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->config.image_size = side;
    kernels_select(&m->kernels, isa);
    need_ok(pool_create(&alloc_default, threads, &m->pool, &error), &error);
    return m;
}

static void free_half(model *m)
{
    pool_destroy(m->pool);
    free(m);
}

/* Network input [side + 6, side + 6, 3] of a picture. */
static float *preprocessed(const model *m, const sam2_image *image)
{
    size_t floats = model_input_side(m) * model_input_side(m) * 3;
    arena measure = {0};
    exec ex = {&m->kernels, m->pool, &measure, NULL};
    preprocess_job job = {m, image};
    preprocess(&job, &ex, NULL);
    arena real = {.base = aligned_alloc(64, measure.peak), .capacity = measure.peak};
    float *input = malloc(floats * sizeof *input);
    assert_non_null(real.base);
    assert_non_null(input);
    for (size_t i = 0; i < floats; i++)
        input[i] = NAN; /* so that a pixel that is not written shows */
    ex.arena = &real;
    preprocess(&job, &ex, input);
    arena_open(&real);
    free(real.base);
    return input;
}

/* The fixture's [3, side, side] against ours, the border zero. */
static void compare_input(const float *expected, const float *input, size_t side, const char *name)
{
    size_t pitch = side + 6;
    for (size_t y = 0; y < pitch; y++)
        for (size_t x = 0; x < pitch; x++)
            for (size_t c = 0; c < 3; c++) {
                bool inside = x >= 3 && y >= 3 && x < side + 3 && y < side + 3;
                float want = inside ? expected[c * side * side + (y - 3) * side + x - 3] : 0.0f,
                      got = input[(y * pitch + x) * 3 + c];
                if (!(fabsf(got - want) <= (inside ? 4e-6f : 0.0f)))
                    fail_msg("%s: pixel %zu,%zu channel %zu is %.9g, not %.9g", name, x, y, c, (double)got,
                             (double)want);
            }
}

static void resize_like_official(void **state)
{
    (void)state;
    weights *fixture = fixture_open("resize");
    assert_true(weights_count(fixture) >= 10);
    for (size_t i = 0; i < weights_count(fixture); i++) {
        const char *name = weights_at(fixture, i)->name;
        int width, height, side;
        assert_int_equal(sscanf(name, "%dx%d_to_%d", &width, &height, &side), 3);
        float *expected = fixture_need(fixture, NULL, name, NULL);
        uint8_t *pixels = picture_pattern(width, height);
        sam2_image image = {pixels, width, height, (ptrdiff_t)width * 3, SAM2_PIXEL_RGB};
        for (int isa = CPU_REF; isa <= CPU_AVX512; isa++) {
            model *m = half_model(side, (cpu_isa)isa, 3);
            float *input = preprocessed(m, &image);
            compare_input(expected, input, (size_t)side, name);
            free(input);
            free_half(m);
        }
        free(expected);
        free(pixels);
    }
    weights_close(fixture);
}

/* Formats and strides say the same picture in other ways: the same bits must come out. */
static void formats_and_strides(void **state)
{
    (void)state;
    enum { W = 53, H = 31, SIDE = 32 };
    uint8_t *rgb = picture_pattern(W, H), *wide = malloc(H * 300), *rgba = malloc(W * H * 4), *grey = malloc(W * H),
            *triple = malloc(W * H * 3);
    size_t floats = (SIDE + 6) * (SIDE + 6) * 3;
    for (int i = 0; i < W * H; i++) {
        memcpy(rgba + 4 * i, rgb + 3 * i, 3);
        rgba[4 * i + 3] = (uint8_t)i;
        grey[i] = rgb[3 * i + 1];
        memset(triple + 3 * i, grey[i], 3);
    }
    for (int y = 0; y < H; y++)
        memcpy(wide + 300 * (H - 1 - y), rgb + W * 3 * y, W * 3); /* bottom up */
    for (int isa = CPU_REF; isa <= CPU_AVX512; isa++) {
        model *m = half_model(SIDE, (cpu_isa)isa, 2);
        float *plain = preprocessed(m, &(sam2_image){rgb, W, H, W * 3, SAM2_PIXEL_RGB});
        float *with_alpha = preprocessed(m, &(sam2_image){rgba, W, H, W * 4, SAM2_PIXEL_RGBA});
        float *upside = preprocessed(m, &(sam2_image){wide + 300 * (H - 1), W, H, -300, SAM2_PIXEL_RGB});
        float *of_grey = preprocessed(m, &(sam2_image){grey, W, H, W, SAM2_PIXEL_GREY});
        float *of_triple = preprocessed(m, &(sam2_image){triple, W, H, W * 3, SAM2_PIXEL_RGB});
        assert_memory_equal(plain, with_alpha, floats * sizeof(float));
        assert_memory_equal(plain, upside, floats * sizeof(float));
        assert_memory_equal(of_grey, of_triple, floats * sizeof(float));
        free(plain);
        free(with_alpha);
        free(upside);
        free(of_grey);
        free(of_triple);
        free_half(m);
    }
    free(rgb);
    free(wide);
    free(rgba);
    free(grey);
    free(triple);
}

typedef struct collected {
    const kernels *k;
    float *rows;
    uint8_t *bytes, *runs;
    size_t width, height, next; /* next pixel in column-major order */
} collected;

static void take_row(void *user, size_t x, size_t y, size_t n, const float *top, const float *bottom, float v)
{
    collected *c = user;
    for (size_t i = 0; i < n; i++) {
        float a = (1.0f - v) * top[i], b = v * bottom[i];
        c->rows[y * c->width + x + i] = a + b;
    }
    c->k->blend_threshold_f32(n, top, bottom, v, 1, c->bytes + y * c->width + x);
}

static void take_run(void *user, size_t x, size_t y, size_t n, int level)
{
    collected *c = user;
    assert_int_equal(c->next, x * c->height + y);
    assert_true(n > 0 && y + n <= c->height);
    for (size_t i = 0; i < n; i++)
        c->runs[(y + i) * c->width + x] = (uint8_t)level;
    c->next += n;
}

/* Several thresholds at once, columns of noise by segments or as a whole: each pixel's level is what its value says.
 * Among the thresholds are values of the logits themselves. */
static void check_levels(const enlarge *e, collected *c)
{
    const float sets[][3] = {{-1.0f, 0.0f, 1.0f},     {0.25f, 0.5f, 0.75f},    {-3.0625f, -0.0625f, 2.9375f},
                             {-1e-30f, 0.0f, 1e-30f}, {-0.1f, 0.2f, 15.9375f}, {3.0f, 3.0f, 3.0f}};
    void *memory = malloc(enlarge_taps_bytes(e->height));
    float *values = malloc(e->height * sizeof *values);
    assert_non_null(memory);
    assert_non_null(values);
    enlarge_taps taps = enlarge_taps_make(e->side, e->height, memory);
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++)
        for (int whole = 0; whole < 2; whole++) {
            c->next = 0;
            enlarge_levels(e, sets[s], 3, whole ? &taps : NULL, whole ? values : NULL, take_run, c);
            assert_int_equal(c->next, c->width * c->height);
            for (size_t i = 0; i < c->next; i++)
                assert_int_equal(c->runs[i],
                                 (c->rows[i] > sets[s][0]) + (c->rows[i] > sets[s][1]) + (c->rows[i] > sets[s][2]));
        }
    free(memory);
    free(values);
}

/* Enlarges by rows, on the pool or not, and by runs: the same mask bit for bit. */
static collected collect(const kernels *k, const float *logits, size_t side, size_t width, size_t height, pool *p)
{
    size_t pixels = width * height;
    enlarge e = {k, logits, side, width, height, p};
    collected c = {k, malloc(pixels * sizeof(float)), malloc(pixels), malloc(pixels), width, height, 0};
    assert_non_null(c.rows);
    assert_non_null(c.bytes);
    assert_non_null(c.runs);
    enlarge_rows(&e, take_row, &c);
    enlarge_levels(&e, &(float){0.0f}, 1, NULL, NULL, take_run, &c);
    assert_int_equal(c.next, pixels);
    assert_memory_equal(c.bytes, c.runs, pixels);
    check_levels(&e, &c);
    for (size_t i = 0; i < pixels; i++)
        assert_int_equal(c.bytes[i], c.rows[i] > 0.0f);
    return c;
}

static void free_collected(collected *c)
{
    free(c->rows);
    free(c->bytes);
    free(c->runs);
}

/* A source position is rounded once, by up to half a unit in the last place of `side`, and the official code rounds it
 * differently for different sizes; the made logits rise by at most 32 from one to the next. */
static void compare_enlarged(const weights *fixture, const char *name, int side, const collected *c)
{
    char key[64];
    float most = 4e-6f + 32.0f * 0x1p-23f * (float)side;
    size_t pixels = c->width * c->height;
    float *expected = fixture_get(fixture, NULL, name, NULL);
    snprintf(key, sizeof key, "%s.samples", name);
    float *samples = expected ? NULL : fixture_need(fixture, NULL, key, NULL);
    for (size_t i = 0; i < (expected ? pixels : 512); i++) {
        float want = expected ? expected[i] : samples[i], got = c->rows[expected ? i : sample_index(i, pixels)];
        if (!(fabsf(got - want) <= most))
            fail_msg("%s: element %zu is %.9g, not %.9g", name, i, (double)got, (double)want);
    }
    snprintf(key, sizeof key, "%s.area", name);
    float *area = fixture_need(fixture, NULL, key, NULL);
    size_t inside = 0;
    for (size_t i = 0; i < pixels; i++)
        inside += c->rows[i] > 0.0f;
    assert_true(fabs((double)inside - (double)area[0]) <= 2.0 + 1e-6 * (double)pixels);
    free(expected);
    free(samples);
    free(area);
}

static void enlarge_like_official(void **state)
{
    (void)state;
    weights *fixture = fixture_open("enlarge");
    int cases = 0;
    sam2_error error;
    pool *p;
    need_ok(pool_create(&alloc_default, 3, &p, &error), &error);
    for (size_t i = 0; i < weights_count(fixture); i++) {
        const char *full = weights_at(fixture, i)->name;
        char name[48];
        int side, width, height;
        if (!strstr(full, ".area"))
            continue;
        cases++;
        snprintf(name, sizeof name, "%.*s", (int)(strchr(full, '.') - full), full);
        assert_int_equal(sscanf(name, "%d_to_%dx%d", &side, &width, &height), 3);
        float *logits = made_logits(side);
        for (int isa = CPU_REF; isa <= CPU_AVX512; isa++) {
            kernels k;
            kernels_select(&k, (cpu_isa)isa);
            collected c = collect(&k, logits, (size_t)side, (size_t)width, (size_t)height, isa == CPU_REF ? NULL : p);
            compare_enlarged(fixture, name, side, &c);
            free_collected(&c);
        }
        free(logits);
    }
    assert_true(cases >= 10);
    pool_destroy(p);
    weights_close(fixture);
}

/* Logits that a sign does not settle: zeros of both signs, the least and largest numbers, infinities, NaN. */
static void runs_of_special_logits(void **state)
{
    (void)state;
    enum { SIDE = 37 };
    static const float special[] = {0.0f,     -0.0f, 0x1p-149f, -0x1p-149f, 1e-38f, -1e-38f, 1e-26f,   2e-25f, 3e38f,
                                    -3.4e38f, NAN,   INFINITY,  -INFINITY,  1.0f,   -1.0f,   0x1p-24f, 2.0f,   -2.0f};
    float logits[SIDE * SIDE];
    uint32_t random = 1;
    kernels k;
    kernels_select(&k, CPU_AVX512);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < SIDE * SIDE; i++) {
            random = random * 1664525u + 1013904223u;
            logits[i] = special[(random >> 8) % (round < 10 ? 18 : 9)];
        }
        collected c = collect(&k, logits, SIDE, (size_t)(11 + 13 * round), (size_t)(200 - 9 * round), NULL);
        free_collected(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_like_official),
        cmocka_unit_test(formats_and_strides),
        cmocka_unit_test(enlarge_like_official),
        cmocka_unit_test(runs_of_special_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
