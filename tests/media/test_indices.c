/* Masks of labels: numbers and palettes of PNG files in and out. */
#include "support.h"

#include <unistd.h>

static char folder[] = "/tmp/media-indices-XXXXXX", path[600];

static int set_up(void **unused)
{
    (void)unused;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/a.png", folder);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    unlink(path);
    return rmdir(folder);
}

static uint64_t expected_checksum(const char *name)
{
    static expectation list[400];
    size_t count = load_expectations(list, 400);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i].name, name) && !strcmp(list[i].mode, "default"))
            return list[i].checksum;
    fail_msg("expected.txt does not have %s", name);
    return 0;
}

/* Numbers and palette together are the picture that is expected of the file; a grey value v of d bits is the shade
 * v * 255 / (2^d - 1). */
static void test_kinds(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        int colours, most;
    } kinds[] = {
        {"palette1.png", 2, 1},
        {"palette4.png", 13, 12},
        {"palette8_interlaced.png", 13, 12},
        {"palette_trns.png", 13, 12},
        {"grey1.png", 0, 1},
        {"grey1_interlaced.png", 0, 1},
        {"grey2.png", 0, 3},
        {"grey2_interlaced.png", 0, 3},
        {"grey4.png", 0, 15},
        {"grey4_interlaced.png", 0, 15},
        {"grey8.png", 0, 255},
        {"grey8_interlaced.png", 0, 255},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        media_indices m;
        char error[300], file[600];
        int most = 0;
        snprintf(file, sizeof file, FIXTURES "%s", kinds[k].name);
        if (media_read_indices(file, NULL, &m, error, sizeof error))
            fail_msg("%s", error);
        assert_int_equal(m.width, 47);
        assert_int_equal(m.height, 31);
        assert_int_equal(m.colours, kinds[k].colours);
        uint8_t rgb[47 * 31 * 3];
        for (int i = 0; i < 47 * 31; i++) {
            most = m.values[i] > most ? m.values[i] : most;
            for (int c = 0; c < 3; c++)
                rgb[3 * i + c] = m.colours ? m.palette[m.values[i]][c] : (uint8_t)(m.values[i] * 255 / kinds[k].most);
        }
        assert_int_equal(most, kinds[k].most);
        if (fnv1a(rgb, sizeof rgb) != expected_checksum(kinds[k].name))
            fail_msg("%s: other numbers", kinds[k].name);
        media_indices_free(&m);
        assert_null(m.values);
    }
}

static void test_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *name, *text;
    } kinds[] = {
        {"rgb.png", "this one is RGB with 8 bits"},
        {"rgba.png", "this one is RGB with alpha with 8 bits"},
        {"grey16.png", "this one is grey with 16 bits"},
        {"grey_alpha.png", "this one is grey with alpha with 8 bits"},
        {"420.jpg", "a PNG with a palette or in grey"},
        {"palette.tif", "a PNG with a palette or in grey"},
        {"refused.gif", "GIF pictures are not supported"},
        {"missing.png", "cannot be opened"},
    };
    media_indices m;
    char error[400], file[600];
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        snprintf(file, sizeof file, FIXTURES "%s", kinds[k].name);
        assert_int_equal(media_read_indices(file, NULL, &m, error, sizeof error), -1);
        if (strncmp(error, file, strlen(file)) || !strstr(error, kinds[k].text))
            fail_msg("%s: %s", kinds[k].name, error);
        assert_null(m.values);
    }
    assert_int_equal(
        media_read_indices(FIXTURES "grey8.png", &(media_options){.max_pixels = 47 * 31 - 1}, &m, error, sizeof error),
        -1);
    assert_non_null(strstr(error, "47 x 31 pixels are more than the limit of 1456"));
    assert_int_equal(media_read_indices(FIXTURES "grey8.png", &(media_options){.max_pixels = 47 * 31}, &m, NULL, 0), 0);
    media_indices_free(&m);
    assert_int_equal(media_read_indices_memory("", 0, "x", NULL, &m, error, sizeof error), -1);
    assert_string_equal(error, "x: the file is empty");
}

/* Cut at every byte and with every byte damaged: an error or all pixels, and no step outside. */
static void test_damage(void **unused)
{
    (void)unused;
    static const char *const names[] = {"palette4.png", "grey2_interlaced.png", "palette_trns.png"};
    uint64_t random = 5;
    for (int k = 0; k < 3; k++) {
        size_t size, good = 0;
        uint8_t *bytes = load_fixture(names[k], &size);
        for (size_t i = 0; i < 2 * size; i++) {
            size_t length = i < size ? i : size;
            uint8_t *copy = malloc(length ? length : 1);
            media_indices m;
            char error[300];
            memcpy(copy, bytes, length);
            if (i >= size)
                copy[i - size] ^= (uint8_t)(1 + next_random(&random) % 255);
            if (media_read_indices_memory(copy, length, "x", NULL, &m, error, sizeof error))
                assert_int_equal(strncmp(error, "x: ", 3), 0);
            else {
                assert_true(fnv1a(m.values, (size_t)m.width * (size_t)m.height) != 0);
                good++;
            }
            media_indices_free(&m);
            free(copy);
        }
        assert_true(good < size / 2);
        free(bytes);
    }
}

/* The palette of the official tools, whole by its checksum. */
static void test_palette(void **unused)
{
    (void)unused;
    static const uint8_t few[][4] = {{0, 0, 0, 0},  {1, 128, 0, 0}, {2, 0, 128, 0},      {3, 128, 128, 0},
                                     {8, 64, 0, 0}, {64, 32, 0, 0}, {255, 224, 224, 192}};
    uint8_t palette[256][3];
    media_davis_palette(palette);
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        assert_memory_equal(palette[few[i][0]], few[i] + 1, 3);
    assert_true(fnv1a(palette[0], sizeof palette) == UINT64_C(0xAE8A4E34FCD67925));
}

static void test_round_trip(void **unused)
{
    (void)unused;
    uint8_t palette[256][3];
    uint64_t random = 3;
    char error[300];
    media_davis_palette(palette);
    for (int round = 0; round < 40; round++) {
        int width = 1 + (int)(next_random(&random) % 90), height = 1 + (int)(next_random(&random) % 40);
        size_t stride = (size_t)width + next_random(&random) % 2 * 7,
               size = stride * (size_t)(height - 1) + (size_t)width;
        uint8_t *pixels = malloc(size);
        assert_non_null(pixels);
        for (size_t i = 0; i < size; i++)
            pixels[i] = (uint8_t)(next_random(&random) >> (round % 2 ? 0 : 62));
        if (media_write_png_indexed(path, pixels, width, height, stride, palette[0], error, sizeof error))
            fail_msg("%s", error);
        media_indices m;
        media_picture p;
        if (media_read_indices(path, NULL, &m, error, sizeof error) || media_read(path, NULL, &p, error, sizeof error))
            fail_msg("%s", error);
        assert_int_equal(m.width, width);
        assert_int_equal(m.height, height);
        assert_int_equal(m.colours, 256);
        assert_memory_equal(m.palette, palette, sizeof palette);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                uint8_t value = pixels[(size_t)y * stride + (size_t)x];
                assert_int_equal(m.values[y * width + x], value);
                assert_memory_equal(p.pixels + 3 * (y * width + x), palette[value], 3);
            }
        media_indices_free(&m);
        media_picture_free(&p);
        free(pixels);
    }
    assert_int_equal(
        media_write_png_indexed("/no/such/folder/a.png", palette[0], 1, 1, 1, palette[0], error, sizeof error), -1);
    assert_string_equal(error, "/no/such/folder/a.png: cannot be written: No such file or directory");
    assert_int_equal(media_write_png_indexed(path, palette[0], 2, 1, 1, palette[0], error, sizeof error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),   cmocka_unit_test(test_refused),    cmocka_unit_test(test_damage),
        cmocka_unit_test(test_palette), cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
