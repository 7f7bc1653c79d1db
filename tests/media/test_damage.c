/* Files that are cut, damaged, hostile, or no pictures: an error with words, in bounded time and memory, never a crash.
 */
#include "support.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static expectation list[400];

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Reads from a block that ends where its allocation ends. Success, or an error that names the label. */
static int try_read(const uint8_t *bytes, size_t size, const media_options *options, char error[300])
{
    media_picture p;
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    strcpy(error, "not touched");
    double start = seconds();
    int status = media_read_memory(exact, size, "some.file", options, &p, error, 300);
    assert_true(seconds() - start < 5);
    if (status) {
        assert_int_equal(status, -1);
        assert_true(strlen(error) > strlen("some.file: "));
        assert_int_equal(strncmp(error, "some.file: ", 11), 0);
        assert_null(strchr(error, '\n'));
        assert_null(p.pixels);
    } else {
        assert_string_equal(error, "");
        assert_true(p.width > 0 && p.height > 0);
        assert_in_range(p.orientation, 1, 8);
        /* every pixel is defined, which a sanitizer for memory can check here */
        assert_true(fnv1a(p.pixels, (size_t)p.width * (size_t)p.height * 3) != 0);
    }
    media_picture_free(&p);
    free(exact);
    return status;
}

static int first_of_its_name(size_t i)
{
    return i == 0 || strcmp(list[i].name, list[i - 1].name) != 0;
}

static void test_truncated(void **unused)
{
    (void)unused;
    size_t n = load_expectations(list, sizeof list / sizeof *list);
    char error[300];
    for (size_t i = 0; i < n; i++) {
        size_t size;
        if (!first_of_its_name(i) || optional_format_missing(list[i].format))
            continue;
        uint8_t *bytes = load_fixture(list[i].name, &size);
        int jpeg = !strcmp(list[i].format, "JPEG"), png = !strcmp(list[i].format, "PNG");
        for (size_t k = 0; k < 48; k++) {
            size_t cut = k < 24 ? size - 1 - k * k : (size - 1) * (k - 24) / 24;
            if (cut >= size)
                continue;
            int status = try_read(bytes, cut, NULL, error);
            /* JPEG needs its end marker; a PNG that lost no more than what follows the pixels is read, with a notice */
            if (!status && (jpeg || (png && cut + 24 < size && strcmp(list[i].name, "o6_late.png"))))
                fail_msg("%s cut to %zu of %zu is read", list[i].name, cut, size);
            if (cut > 700 && jpeg && !strstr(error, "truncated"))
                fail_msg("%s cut to %zu: %s", list[i].name, cut, error);
        }
        free(bytes);
    }
}

static void test_flipped(void **unused)
{
    (void)unused;
    size_t n = load_expectations(list, sizeof list / sizeof *list);
    uint64_t random = 20240917;
    char error[300];
    const media_options options[3] = {
        {.max_pixels = 1 << 22},
        {.max_pixels = 1 << 22, .alpha = MEDIA_ALPHA_WHITE, .stretch_low = 1, .stretch_high = 99},
        {.max_pixels = 1 << 22, .ignore_orientation = 1, .alpha = MEDIA_ALPHA_BLACK}};
    for (size_t i = 0; i < n; i++) {
        size_t size;
        if (!first_of_its_name(i) || optional_format_missing(list[i].format))
            continue;
        uint8_t *bytes = load_fixture(list[i].name, &size), *bad = malloc(size);
        assert_non_null(bad);
        for (int round = 0; round < 60; round++) {
            memcpy(bad, bytes, size);
            int flips = 1 + round / 12;
            for (int k = 0; k < flips; k++) {
                /* half of them in the first and the last bytes, where the headers are */
                size_t reach = size < 200 ? size : 200;
                uint64_t r = next_random(&random);
                size_t at = round % 4 == 0 ? r % reach : round % 4 == 1 ? size - 1 - r % reach : r % size;
                bad[at] = (uint8_t)(r >> 40 & 1 ? bad[at] ^ 1u << (r >> 41 & 7) : r >> 48);
            }
            try_read(bad, size, &options[round % 3], error);
        }
        free(bad);
        free(bytes);
    }
}

static uint32_t crc32_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

static void put32(uint8_t *p, uint32_t v, int big)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * (big ? 3 - i : i));
}

/* Damage behind a right checksum reaches further: PNG headers with every kind of nonsense. */
static void test_png_headers(void **unused)
{
    (void)unused;
    size_t size;
    char error[300];
    uint64_t random = 3;
    uint8_t *bytes = load_fixture("rgba.png", &size);
    for (int round = 0; round < 3000; round++) {
        uint64_t r = next_random(&random);
        put32(bytes + 16, 1 + (uint32_t)(r % 70), 1);
        put32(bytes + 20, 1 + (uint32_t)(r >> 8 & 63), 1);
        bytes[24] = (uint8_t)((r >> 16 & 1) ? 1u << (r >> 17 & 7) : r >> 20 & 31);
        bytes[25] = (uint8_t)(r >> 28 & 7);
        bytes[28] = (uint8_t)(r >> 32 & 1);
        put32(bytes + 29, crc32_of(bytes + 12, 17), 1);
        try_read(bytes, size, NULL, error);
    }
    free(bytes);
}

/* Refused from the header: at once, without memory, with the limit and the option in the message. */
static void expect_bomb(const uint8_t *bytes, size_t size, const char *sides)
{
    char error[300], text[100];
    long before = peak_kib();
    double start = seconds();
    assert_int_equal(try_read(bytes, size, NULL, error), -1);
    assert_true(seconds() - start < 0.1);
    assert_true(peak_kib() - before < 16 << 10);
    snprintf(text, sizeof text, "%s pixels are more than the limit of 200000000", sides);
    if (!strstr(error, text) || !strstr(error, "--max-pixels"))
        fail_msg("%s", error);
}

static void test_bombs(void **unused)
{
    (void)unused;
    size_t size;
    char error[300];
    uint8_t *png = load_fixture("grey8.png", &size);
    put32(png + 16, 30000, 1);
    put32(png + 20, 30000, 1);
    put32(png + 29, crc32_of(png + 12, 17), 1);
    expect_bomb(png, size, "30000 x 30000");
    /* a long thin one is refused by its side, whatever the limit */
    put32(png + 16, 65537, 1);
    put32(png + 20, 1, 1);
    put32(png + 29, crc32_of(png + 12, 17), 1);
    assert_int_equal(try_read(png, size, &(media_options){.max_pixels = UINT64_MAX}, error), -1);
    assert_string_equal(error, "some.file: 65537 x 1 pixels: a side may have at most 65536");
    free(png);

    uint8_t *jpeg = load_fixture("420.jpg", &size);
    size_t sof = 2;
    while (sof + 9 < size && jpeg[sof + 1] != 0xC0)
        sof += 2 + ((size_t)jpeg[sof + 2] << 8 | jpeg[sof + 3]);
    assert_int_equal(jpeg[sof + 1], 0xC0);
    jpeg[sof + 5] = jpeg[sof + 6] = jpeg[sof + 7] = jpeg[sof + 8] = 0xFF;
    jpeg[sof + 6] = jpeg[sof + 8] = 0x00; /* libjpeg itself stops at 65500 */
    expect_bomb(jpeg, size, "65280 x 65280");
    free(jpeg);
#ifdef HAVE_WEBP
    uint8_t *webp = load_fixture("lossless.webp", &size); /* 14 bits a side, less one */
    assert_memory_equal(webp + 12, "VP8L", 4);
    webp[21] = webp[22] = webp[23] = 0xFF;
    webp[24] |= 0x0F;
    expect_bomb(webp, size, "16384 x 16384");
    free(webp);
#endif
}

static void test_limits(void **unused)
{
    (void)unused;
    size_t size;
    char error[300];
    uint8_t *bytes = load_fixture("rgb.png", &size); /* 47 x 31 is 1457 */
    assert_int_equal(try_read(bytes, size, &(media_options){.max_pixels = 1457}, error), 0);
    assert_int_equal(try_read(bytes, size, &(media_options){.max_pixels = 1456}, error), -1);
    assert_string_equal(error, "some.file: 47 x 31 pixels are more than the limit of 1456; raise it with --max-pixels");
    assert_int_equal(try_read(bytes, size, &(media_options){.alpha = (media_alpha)7}, error), -1);
    assert_int_equal(try_read(bytes, size, &(media_options){.stretch_low = 50, .stretch_high = 20}, error), -1);
    assert_int_equal(try_read(bytes, size, &(media_options){.stretch_low = -1, .stretch_high = 20}, error), -1);
    assert_int_equal(try_read(bytes, size, &(media_options){.stretch_low = 1, .stretch_high = 101}, error), -1);
    assert_int_equal(try_read(bytes, size, &(media_options){.stretch_low = 0.0 / 0.0, .stretch_high = 90}, error), -1);
    free(bytes);
}

/* The first scan of a progressive picture, its DC values, again and again. */
static void test_scans(void **unused)
{
    (void)unused;
    size_t size, scan = 2, end;
    char error[300];
    uint8_t *bytes = load_fixture("grey_progressive.jpg", &size);
    while (scan + 1 < size && !(bytes[scan] == 0xFF && bytes[scan + 1] == 0xDA))
        scan++;
    for (end = scan + 2; end + 1 < size && !(bytes[end] == 0xFF && bytes[end + 1] != 0); end++)
        ;
    assert_true(end + 1 < size);
    size_t length = end - scan;
    uint8_t *many = malloc(size + length * 1000);
    assert_non_null(many);
    for (int copies = 400; copies <= 1000; copies += 600) {
        memcpy(many, bytes, end);
        size_t at = end;
        for (int k = 0; k < copies; k++, at += length)
            memcpy(many + at, bytes + scan, length);
        memcpy(many + at, bytes + end, size - end);
        int status = try_read(many, at + size - end, NULL, error);
        if (copies == 400 && status)
            fail_msg("%s", error);
        else if (copies > 400)
            assert_string_equal(error, "some.file: the JPEG cannot be read: more than 500 scans in a progressive JPEG");
    }
    free(many);
    free(bytes);
}

#ifdef HAVE_TIFF
static void put_entry(uint8_t *entry, uint16_t tag, uint16_t type, uint32_t value)
{
    put32(entry, (uint32_t)type << 16 | tag, 0);
    put32(entry + 4, 1, 0);
    put32(entry + 8, value, 0);
}

/* Headers that ask for much: a tile of four gigabytes, tiles of one pixel, strips without end, a great number of
 * channels. */
static void test_tiff_blocks(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t width, height, channels, tile_width, tile_height;
        const char *word;
    } cases[] = {
        {16, 16, 1, 65536, 65536, "a tile of 4294967296 bytes in a picture of 256"},
        {16, 16, 1, 0xFFFFFFFF, 0xFFFFFFFF, ""},
        {16, 16, 60000, 16, 16, "a TIFF with 60000 channels is not supported"},
        {60000, 3000, 1, 1, 1, ""},
        {60000, 3000, 1, 0, 0, ""},
        {0xFFFFFFFF, 0xFFFFFFFF, 1, 16, 16, ""},
        {65536, 65536, 1, 16, 16, "65536 x 65536 pixels are more than the limit"},
        {1, 0xFFFFFFFF, 1, 0, 1, ""}, /* strips of one row */
        {1, 0x7FFFFFFF, 1, 0, 1, "a side may have at most 65536"},
        {60000, 3000, 1, 0, 1, ""},
        {0, 3000, 1, 0, 1, ""},
    };
    enum { ENTRIES = 10 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int compression = 1; compression <= 8; compression += 4 - compression % 2) { /* none, LZW, deflate */
            uint8_t file[8 + 2 + 12 * ENTRIES + 4] = "II\x2A\0\x08\0\0\0", *entry = file + 10;
            char error[300];
            int tiled = cases[i].tile_width != 0;
            file[8] = ENTRIES;
            put_entry(entry, 256, 4, cases[i].width);
            put_entry(entry += 12, 257, 4, cases[i].height);
            put_entry(entry += 12, 258, 3, 8);
            put_entry(entry += 12, 259, 3, (uint32_t)compression);
            put_entry(entry += 12, 262, 3, 1);
            if (!tiled)
                put_entry(entry += 12, 273, 4, 8);
            put_entry(entry += 12, 277, 3, cases[i].channels);
            if (tiled) {
                put_entry(entry += 12, 322, 4, cases[i].tile_width);
                put_entry(entry += 12, 323, 4, cases[i].tile_height);
                put_entry(entry += 12, 324, 4, 8);
                put_entry(entry += 12, 325, 4, 4);
            } else {
                put_entry(entry += 12, 278, 4, cases[i].tile_height ? cases[i].tile_height : 0xFFFFFFFF);
                put_entry(entry += 12, 279, 4, 4);
                file[8] = ENTRIES - 1;
            }
            long before = peak_kib();
            double start = seconds();
            assert_int_equal(try_read(file, sizeof file, NULL, error), -1);
            if (!strstr(error, cases[i].word))
                fail_msg("%zu: %s", i, error);
            if (peak_kib() - before >= 32 << 10 || seconds() - start > 0.5)
                fail_msg("%zu: %s: %ld KiB, %.2f s", i, error, peak_kib() - before, seconds() - start);
        }
}

static void test_float_tiff(void **unused)
{
    (void)unused;
    size_t size;
    char error[300];
    uint8_t *bytes = load_fixture("float.tif", &size);
    assert_int_equal(try_read(bytes, size, NULL, error), -1);
    assert_non_null(strstr(error, "floating-point samples of 32 bits is not supported; convert it"));
    free(bytes);
}
#endif

/* What is not read is named. */
static void test_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *file, *word;
    } files[] = {{"refused.gif", "GIF pictures are not supported; convert to JPEG or PNG"},
                 {"refused.bmp", "BMP"},
                 {"refused.ppm", "PNM"},
                 {"refused.jp2", "JPEG 2000"},
                 {"refused.ico", "ICO"},
                 {"refused.pdf", "this is a PDF document, not a picture"},
                 {"refused.dds", "DDS"},
                 {"refused.avif", "AVIF"}};
    static const struct {
        size_t size; /* 0: a string */
        const char *bytes, *word;
    } texts[] = {{0, "", "the file is empty"},
                 {24,
                  "\0\0\0\x18"
                  "ftypheic\0\0\0\0mif1heic",
                  "HEIC pictures are not supported; convert to JPEG or PNG"},
                 {24,
                  "\0\0\0\x18"
                  "ftypisom\0\0\0\0isomavc1",
                  "MP4 or QuickTime video"},
                 {0, "<!DOCTYPE html>\n<html><body>404 not fou", "this is an HTML page, not a picture"},
                 {0, "\xEF\xBB\xBF  \n<HTML lang=en><body>404 not found", "an HTML page"},
                 {0, "<?xml version=\"1.0\"?> <svg width=\"1\"></svg", "SVG pictures are not supported"},
                 {0, "{\"error\": \"no such picture\"}  ", "JSON"},
                 {0, "version https://git-lfs.gith", "Git LFS pointer"},
                 {0, "hello there\n", "this is a text"},
                 {18, "\0\0\2\0\0\0\0\0\0\0\0\0\x81\x5A\x81\x5A\x20\0", "not a picture of a known format"}, /* a TGA */
                 {8, "PK\3\4\0\0\0\0", "ZIP"},
                 {1, "\xFF", "not a picture"},
                 {3, "\xFF\xD8\xFF", "truncated"},
                 {8, "\x89PNG\r\n\x1A\n", "truncated"},
                 {12, "RIFF\4\0\0\0WEBP", "WebP"},
                 {8, "II\x2A\0\x08\0\0\0", "TIFF"}};
    char error[300];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t size;
        uint8_t *bytes = load_fixture(files[i].file, &size);
        assert_int_equal(try_read(bytes, size, NULL, error), -1);
        if (!strstr(error, files[i].word))
            fail_msg("%s: %s", files[i].file, error);
        free(bytes);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(try_read((const uint8_t *)texts[i].bytes,
                                  texts[i].size ? texts[i].size : strlen(texts[i].bytes), NULL, error),
                         -1);
        if (!strstr(error, texts[i].word))
            fail_msg("%s, not: %s", texts[i].word, error);
    }
}

static void test_paths(void **unused)
{
    (void)unused;
    char error[300], path[64] = "/tmp/media-test-XXXXXX";
    media_picture p;
    assert_int_equal(media_read("/no/such/file.jpg", NULL, &p, error, sizeof error), -1);
    assert_string_equal(error, "/no/such/file.jpg: cannot be opened: No such file or directory");
    assert_int_equal(media_read(FIXTURES, NULL, &p, error, sizeof error), -1);
    assert_non_null(strstr(error, "is a folder, not a picture"));
    assert_int_equal(media_read("/dev/null", NULL, &p, error, sizeof error), -1);
    assert_string_equal(error, "/dev/null: the file is empty");
    assert_int_equal(media_read("/dev/zero", NULL, &p, error, sizeof error),
                     -1); /* endless, and refused by its first bytes */
    assert_int_equal(media_read("", NULL, &p, error, sizeof error), -1);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0), 0);
    close(fd);
    assert_int_equal(media_read(path, NULL, &p, error, sizeof error), -1);
    assert_non_null(strstr(error, geteuid() == 0 ? "the file is empty" : "cannot be opened: Permission denied"));
    unlink(path);
    /* a name cannot steer the terminal, nor a long one overflow */
    assert_int_equal(media_read("a\033[2Jb\n.jpg", NULL, &p, error, sizeof error), -1);
    assert_non_null(strstr(error, "a?[2Jb?.jpg: cannot be opened"));
    char small[10], name[600];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_int_equal(media_read(name, NULL, &p, small, sizeof small), -1);
    assert_int_equal(strlen(small), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bombs),       cmocka_unit_test(test_truncated),  cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_png_headers), cmocka_unit_test(test_limits),     cmocka_unit_test(test_scans),
#ifdef HAVE_TIFF
        cmocka_unit_test(test_tiff_blocks), cmocka_unit_test(test_float_tiff),
#endif
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
