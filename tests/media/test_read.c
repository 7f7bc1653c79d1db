/* What files decode to: the values are Pillow's, or arithmetic, from make_fixtures.py. */
#include "support.h"

#include "internal.h"

static expectation list[400];

static media_options options_of(const char *mode)
{
    media_options o = {0};
    if (!strcmp(mode, "stored"))
        o.ignore_orientation = 1;
    else if (!strcmp(mode, "white"))
        o.alpha = MEDIA_ALPHA_WHITE;
    else if (!strcmp(mode, "black"))
        o.alpha = MEDIA_ALPHA_BLACK;
    else if (!strcmp(mode, "minmax"))
        o.stretch_high = 100;
    else if (!strcmp(mode, "p2,98"))
        o.stretch_low = 2, o.stretch_high = 98;
    else
        assert_string_equal(mode, "default");
    return o;
}

static void test_expected(void **unused)
{
    (void)unused;
    size_t n = load_expectations(list, sizeof list / sizeof *list);
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        const expectation *e = &list[i];
        media_options options = options_of(e->mode);
        media_picture p;
        char path[512], error[300];
        assert_true(snprintf(path, sizeof path, FIXTURES "%s", e->name) < (int)sizeof path);
        int status = media_read(path, &options, &p, error, sizeof error);
        if (optional_format_missing(e->format)) {
            assert_int_equal(status, -1);
            assert_non_null(strstr(error, "this build reads no"));
            continue;
        }
        if (status) {
            print_error("%s (%s): %s\n", e->name, e->mode, error);
            bad++;
            continue;
        }
        if (p.width != e->width || p.height != e->height || strcmp(p.format, e->format) ||
            p.orientation != e->orientation || fnv1a(p.pixels, (size_t)p.width * (size_t)p.height * 3) != e->checksum) {
            print_error("%s (%s): %d x %d %s, orientation %d: not what is expected\n", e->name, e->mode, p.width,
                        p.height, p.format, p.orientation);
            bad++;
        }
        media_picture_free(&p);
    }
    assert_int_equal(bad, 0);
}

static void read_fixture(const char *name, const media_options *options, media_picture *p)
{
    char path[512], error[300];
    assert_true(snprintf(path, sizeof path, FIXTURES "%s", name) < (int)sizeof path);
    if (media_read(path, options, p, error, sizeof error))
        fail_msg("%s", error);
}

/* All eight orientations of one picture are one picture; for JPEG nearly, since its blocks lie differently. */
static void test_orientations_agree(void **unused)
{
    (void)unused;
    media_picture first, p;
    char name[32];
    for (int kind = 0; kind < 2; kind++) {
        snprintf(name, sizeof name, "o1.%s", kind ? "jpg" : "png");
        read_fixture(name, NULL, &first);
        size_t n = (size_t)first.width * (size_t)first.height * 3;
        for (int o = 2; o <= 8; o++) {
            long sum = 0;
            snprintf(name, sizeof name, "o%d.%s", o, kind ? "jpg" : "png");
            read_fixture(name, NULL, &p);
            assert_int_equal(p.width, first.width);
            assert_int_equal(p.height, first.height);
            assert_int_equal(p.orientation, o);
            for (size_t i = 0; i < n; i++)
                sum += labs((long)p.pixels[i] - first.pixels[i]);
            assert_true(kind ? sum < 10 * (long)n : sum == 0);
            media_picture_free(&p);
        }
        media_picture_free(&first);
    }
}

/* The orientation, by libexif and without it, in both byte orders and with the values that mean nothing. */
static void test_exif(void **unused)
{
    (void)unused;
    uint8_t block[64];
    for (int big = 0; big < 2; big++)
        for (int value = 0; value < 12; value++)
            for (int head = 0; head < 2; head++) {
                const uint8_t body[26] = {big ? 'M' : 'I',
                                          big ? 'M' : 'I',
                                          big ? 0 : 42,
                                          big ? 42 : 0,
                                          big ? 0 : 8,
                                          0,
                                          0,
                                          big ? 8 : 0,
                                          big ? 0 : 1,
                                          big ? 1 : 0, /* one entry */
                                          big ? 1 : 0x12,
                                          big ? 0x12 : 1,
                                          big ? 0 : 3,
                                          big ? 3 : 0, /* orientation, short */
                                          big ? 0 : 1,
                                          0,
                                          0,
                                          big ? 1 : 0,
                                          big ? 0 : (uint8_t)value,
                                          big ? (uint8_t)value : 0,
                                          0,
                                          0,
                                          0,
                                          0,
                                          0,
                                          0};
                size_t at = 0;
                if (head) {
                    memcpy(block, "Exif\0\0", 6);
                    at = 6;
                }
                memcpy(block + at, body, sizeof body);
                int right = value >= 1 && value <= 8 ? value : 1;
                assert_int_equal(media_exif_orientation_plain(block, at + sizeof body), right);
                assert_int_equal(media_exif_orientation(block, at + sizeof body), right);
                for (size_t size = 0; size < at + 22; size++) {
                    uint8_t *exact = malloc(size ? size : 1);
                    assert_non_null(exact);
                    memcpy(exact, block, size);
                    assert_int_equal(media_exif_orientation_plain(exact, size), 1);
                    assert_in_range(media_exif_orientation(exact, size), 1, 8);
                    free(exact);
                }
            }
}

/* Damaged blocks: any answer from 1 to 8, and no step outside. */
static void test_exif_damaged(void **unused)
{
    (void)unused;
    uint64_t random = 5;
    for (int round = 0; round < 20000; round++) {
        size_t size = next_random(&random) % 80;
        uint8_t *block = malloc(size ? size : 1);
        assert_non_null(block);
        for (size_t i = 0; i < size; i++)
            block[i] = (uint8_t)(next_random(&random) % (round % 2 ? 256 : 20));
        if (size >= 8)
            memcpy(block, round % 3 ? "II\x2A\0\x08\0\0\0" : "MM\0\x2A\0\0\0\x08", 8);
        assert_in_range(media_exif_orientation_plain(block, size), 1, 8);
        assert_in_range(media_exif_orientation(block, size), 1, 8);
        free(block);
    }
}

static void test_notices(void **unused)
{
    (void)unused;
    media_picture p;
    read_fixture("rgb16_part.png", NULL, &p); /* v * 16 of 8-bit values that reach 255 and 0 */
    assert_string_equal(p.notice, "16-bit picture uses only 0 to 4080 of 65535; --stretch minmax makes it brighter");
    media_picture_free(&p);
    read_fixture("rgb16_part.png", &(media_options){.stretch_high = 100}, &p);
    assert_string_equal(p.notice, "");
    media_picture_free(&p);
    read_fixture("rgb16.png", NULL, &p);
    assert_string_equal(p.notice, "");
    media_picture_free(&p);
    read_fixture("rgb.png", &(media_options){.stretch_high = 100}, &p); /* 8 bits are not stretched */
    assert_string_equal(p.notice, "");
    media_picture_free(&p);
#ifdef HAVE_TIFF
    read_fixture("pages.tif", NULL, &p);
    assert_string_equal(p.notice, "the first page of several");
    media_picture_free(&p);
#endif
#ifdef HAVE_WEBP
    read_fixture("animation.webp", NULL, &p);
    assert_string_equal(p.notice, "the first of 2 frames of an animation");
    media_picture_free(&p);
#endif
}

static void test_memory_and_standard_input(void **unused)
{
    (void)unused;
    size_t size;
    uint8_t *bytes = load_fixture("rgb.png", &size);
    media_picture a, b;
    char error[300] = "old";
    assert_int_equal(media_read_memory(bytes, size, "upload", NULL, &a, error, sizeof error), 0);
    assert_string_equal(error, "");
    assert_non_null(freopen(FIXTURES "rgb.png", "rb", stdin));
    assert_int_equal(media_read("-", NULL, &b, error, sizeof error), 0);
    assert_int_equal(a.width, b.width);
    assert_memory_equal(a.pixels, b.pixels, (size_t)a.width * (size_t)a.height * 3);
    media_picture_free(&a);
    media_picture_free(&b);
    /* the error is optional, and freeing twice does no harm */
    assert_int_equal(media_read_memory(bytes, size / 2, "upload", NULL, &a, NULL, 0), -1);
    media_picture_free(&a);
    media_picture_free(&a);
    free(bytes);
}

static void test_libraries(void **unused)
{
    (void)unused;
    char text[256], small[8];
    media_libraries(text, sizeof text);
    assert_non_null(strstr(text, "jpeg"));
    assert_non_null(strstr(text, ", libpng 1."));
    media_libraries(small, sizeof small);
    assert_int_equal(strlen(small), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expected),  cmocka_unit_test(test_orientations_agree),
        cmocka_unit_test(test_exif),      cmocka_unit_test(test_exif_damaged),
        cmocka_unit_test(test_notices),   cmocka_unit_test(test_memory_and_standard_input),
        cmocka_unit_test(test_libraries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
