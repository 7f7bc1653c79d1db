/* Folders of pictures as videos: the order, what is left out, and what is refused. */
#include "scratch.h"
#include "video.h"

static char error[400];

/* A picture of one colour; PNG whatever the name's ending says, since the content counts. */
static void put(const char *name, int shade, int width, int height)
{
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);
    assert_non_null(pixels);
    memset(pixels, shade, (size_t)width * (size_t)height * 3);
    if (media_write_png(scratch(name), pixels, width, height, 3, (size_t)width * 3, error, sizeof error))
        fail_msg("%s", error);
    free(pixels);
}

static media_video *open_folder(const media_video_options *options)
{
    media_video *video;
    if (media_video_open(scratch_folder, options, &video, error, sizeof error))
        fail_msg("%s", error);
    return video;
}

static void refuses(const media_video_options *options, const char *text)
{
    media_video *video;
    assert_int_equal(media_video_open(scratch_folder, options, &video, error, sizeof error), -1);
    assert_null(video);
    if (!strstr(error, text))
        fail_msg("expected \"%s\" in \"%s\"", text, error);
    assert_null(strchr(error, '\n'));
}

/* Frame i must have shade i, read forward and backward. */
static void check_order(const char *const *names, int count)
{
    for (int i = 0; i < count; i++) /* written in another order than they are read */
        put(names[(i * 7 + 3) % count], (i * 7 + 3) % count, 4, 3);
    media_video *video = open_folder(NULL);
    media_frame frame;
    assert_int_equal(media_video_about(video)->frames, count);
    for (int step = 0; step < 2 * count; step++) {
        int i = step < count ? step : 2 * count - 1 - step;
        assert_int_equal(media_video_read(video, i, &frame, error, sizeof error), 1);
        assert_int_equal(frame.pixels[0], i);
        assert_string_equal(frame.file, names[i]);
        assert_int_equal(frame.index, i);
        assert_true(frame.pts_ms == i * 40.0);
    }
    assert_int_equal(media_video_read(video, count, &frame, error, sizeof error), 0);
    assert_int_equal(media_video_read(video, -1, &frame, error, sizeof error), -1);
    int64_t n = 0;
    assert_int_equal(media_video_count(video, &n, error, sizeof error), 0);
    assert_int_equal(n, count);
    media_video_close(video);
}

static void test_natural_order(void **unused)
{
    const char *const plain[] = {"1.jpg", "2.jpg", "3.jpg",  "4.jpg",  "5.jpg",  "6.jpg",  "7.jpg",
                                 "8.jpg", "9.jpg", "10.jpg", "11.jpg", "12.jpg", "100.jpg"};
    const char *const padded[] = {"frame_0001.jpg", "frame_0002.PNG", "Frame_0010.jpeg", "frame_0100.JPG"};
    const char *const clip[] = {"clipA_2.jpg", "clipA_10.jpg"};
    const char *const two[] = {"shot1-9.png", "shot1-10.png", "shot2-1.png", "shot10-0.png", "shot10-3.png"};
    const char *const long_numbers[] = {"00000000000000000000000000000007.png", "18446744073709551615.png",
                                        "18446744073709551616.png", "99999999999999999999999999.png"};
    const char *const letters[] = {"a.png", "B.png", "c.png"};
    check_order(plain, 13);
    scratch_empty(unused);
    check_order(padded, 4);
    scratch_empty(unused);
    check_order(clip, 2);
    scratch_empty(unused);
    check_order(two, 5);
    scratch_empty(unused);
    check_order(long_numbers, 4);
    scratch_empty(unused);
    check_order(letters, 3);
    scratch_empty(unused);
    put("7", 9, 4, 3); /* no ending, but a picture */
    check_order((const char *const[]){"7"}, 1);
}

static void test_strays(void **unused)
{
    (void)unused;
    media_frame frame;
    refuses(NULL, "the folder has no pictures (and 0 other files)");
    put("1.png", 1, 4, 3);
    put("2.png", 2, 4, 3);
    put(".3.png", 3, 4, 3);
    scratch_write(scratch("Thumbs.db"), "\xD0\xCF\x11\xE0", 4);
    scratch_write(scratch(".DS_Store"), "\0\0\0\1Bud1", 8);
    scratch_write(scratch("notes.txt"), "a text", 6);
    scratch_write(scratch("empty"), "", 0);
    assert_int_equal(mkdir(scratch("4.png"), 0700), 0);
    assert_int_equal(mkfifo(scratch("5.png"), 0600), 0); /* must not be waited for */
    media_video *video = open_folder(NULL);
    assert_int_equal(media_video_about(video)->frames, 2);
    assert_non_null(strstr(media_video_about(video)->notice, "7 files that are no frames left out: "));
    assert_string_equal(media_video_about(video)->format, "folder");
    assert_string_equal(media_video_about(video)->codec, "PNG");
    assert_int_equal(media_video_read(video, 1, &frame, error, sizeof error), 1);
    assert_int_equal(frame.pixels[0], 2);
    media_video_close(video);
    unlink(scratch("1.png"));
    unlink(scratch("2.png"));
    refuses(NULL, "the folder has no pictures (and 7 other files)");
}

static void test_ambiguous(void **unused)
{
    put("1.jpg", 1, 4, 3);
    put("01.png", 2, 4, 3);
    put("2.png", 3, 4, 3);
    refuses(NULL, "the order of the frames is not clear: names with the same number: 01.png, 1.jpg");
    scratch_empty(unused);
    put("1.jpg", 1, 4, 3);
    put("2.jpg", 1, 4, 3);
    put("cover.jpg", 2, 4, 3);
    refuses(NULL, "the order of the frames is not clear: names of 2 kinds, such as 1.jpg, cover.jpg");
    scratch_empty(unused);
    put("clipA_1.jpg", 1, 4, 3);
    put("clipB_1.jpg", 2, 4, 3);
    refuses(NULL, "names of 2 kinds, such as clipA_1.jpg, clipB_1.jpg");
    scratch_empty(unused);
    put("a.jpg", 1, 4, 3);
    put("a.png", 2, 4, 3);
    refuses(NULL, "a.jpg, a.png");
    scratch_empty(unused);
    for (int i = 0; i < 40; i++) { /* a list that is longer than the error has room for */
        char name[100];
        snprintf(name, sizeof name, "%060d.%s", i / 2, i % 2 ? "png" : "jpg");
        put(name, 1, 4, 3);
    }
    refuses(NULL, "names with the same number: 0000");
}

/* Every kind of damaged frame, in the middle, first and last. */
static void test_bad_frames(void **unused)
{
    size_t size;
    uint8_t *whole = load_fixture("rgb.png", &size);
    const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } kinds[] = {{"", 0, "the file is empty"},
                 {(const char *)whole, size / 2, "PNG"},
                 {"<html>no</html>", 15, "this is an HTML page, not a picture"},
                 {"GIF89a..............", 20, "GIF pictures are not supported"}};
    for (int bad = 0; bad < 3; bad++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            char name[20], text[80];
            media_frame frame;
            media_video *video;
            scratch_empty(unused);
            for (int i = 0; i < 3; i++) {
                snprintf(name, sizeof name, "%d.png", i + 8);
                put(name, i, 4, 3);
            }
            snprintf(name, sizeof name, "%d.png", bad + 8);
            scratch_write(scratch(name), kinds[k].bytes, kinds[k].size);
            snprintf(text, sizeof text, "/%s: frame %d: ", name, bad);
            if (!bad) {
                refuses(NULL, text);
            } else {
                video = open_folder(NULL);
                for (int i = 0; i < 3; i++)
                    assert_int_equal(media_video_read(video, i, &frame, error, sizeof error), i == bad ? -1 : 1);
                assert_int_equal(media_video_read(video, bad, &frame, error, sizeof error), -1);
                assert_non_null(strstr(error, text));
                media_video_close(video);
            }
            assert_non_null(strstr(error, kinds[k].text));
            video = open_folder(&(media_video_options){.skip_bad = 1});
            assert_int_equal(media_video_about(video)->frames, 2);
            snprintf(text, sizeof text, "1 damaged picture left out: %s", name);
            assert_string_equal(media_video_about(video)->notice, text);
            for (int i = 0, shade = 0; i < 2; i++, shade++) {
                shade += shade == bad;
                assert_int_equal(media_video_read(video, i, &frame, error, sizeof error), 1);
                assert_int_equal(frame.pixels[0], shade);
            }
            assert_int_equal(media_video_read(video, 2, &frame, error, sizeof error), 0);
            media_video_close(video);
        }
    scratch_empty(unused);
    scratch_write(scratch("1.png"), "", 0);
    refuses(&(media_video_options){.skip_bad = 1}, "none of its 1 pictures can be read");
    free(whole);
}

static void test_sizes(void **unused)
{
    (void)unused;
    media_frame frame;
    put("1.png", 1, 4, 3);
    put("2.png", 2, 5, 3);
    put("3.png", 3, 4, 3);
    for (int skip = 0; skip < 2; skip++) {
        media_video *video = open_folder(&(media_video_options){.skip_bad = skip});
        assert_int_equal(media_video_read(video, 0, &frame, error, sizeof error), 1);
        assert_int_equal(media_video_read(video, 1, &frame, error, sizeof error), -1);
        assert_non_null(strstr(error, "/2.png: frame 1 has 5 x 3 pixels, but the first frame has 4 x 3"));
        assert_int_equal(media_video_read(video, 2, &frame, error, sizeof error), 1);
        assert_int_equal(frame.pixels[0], 3);
        media_video_close(video);
    }
    refuses(&(media_video_options){.picture.max_pixels = 11}, "4 x 3 pixels are more than the limit of 11");
    refuses(&(media_video_options){.raw_width = 4, .raw_height = 3}, "is a folder");
    refuses(&(media_video_options){.raw_width = 4}, "raw frames of 4 x 0 pixels");
    refuses(&(media_video_options){.raw_width = 4, .raw_height = 3, .raw_format = (media_raw_format)9},
            "format of raw");
    refuses(&(media_video_options){.fps = -1}, "-1 frames a second");
    refuses(&(media_video_options){.picture.alpha = (media_alpha)7}, "unknown alpha policy");
    media_video *video = open_folder(&(media_video_options){.fps = 50});
    assert_true(media_video_about(video)->fps == 50);
    media_video_close(video);
    assert_int_equal(media_video_open("/no/such", NULL, &video, error, sizeof error), -1);
    assert_string_equal(error, "/no/such: cannot be opened: No such file or directory");
    media_video_close(NULL);
}

/* The EXIF orientation, with and without. */
static void test_orientation(void **unused)
{
    (void)unused;
    size_t size;
    media_frame frame;
    uint8_t *turned = load_fixture("o6.jpg", &size); /* 47 x 31 upright */
    scratch_write(scratch("1.jpg"), turned, size);
    for (int ignore = 0; ignore < 2; ignore++) {
        media_video *video = open_folder(&(media_video_options){.picture.ignore_orientation = ignore});
        assert_int_equal(media_video_about(video)->width, ignore ? 31 : 47);
        assert_int_equal(media_video_about(video)->height, ignore ? 47 : 31);
        assert_int_equal(media_video_read(video, 0, &frame, error, sizeof error), 1);
        assert_int_equal(frame.width, ignore ? 31 : 47);
        media_video_close(video);
    }
    free(turned);
}

static void test_raw_text(void **unused)
{
    (void)unused;
    media_video_options o = {0};
    const char *const wrong[] = {
        "",           "640",       "640x480",      "640x480:",     "640x480:rgb",
        "x480:rgb24", "640x:rgba", "0x4:gray",     "4x0:gray",     "-4x4:gray",
        " 4x4:gray",  "4x4:gray ", "65537x1:gray", "1x65537:gray", "99999999999999999999x1:gray",
        "4 x4:gray",  "4x4;gray"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(media_video_raw_parse(wrong[i], &o, error, sizeof error), -1);
        assert_non_null(strstr(error, "WIDTHxHEIGHT:FORMAT"));
        assert_int_equal(o.raw_width, 0);
    }
    assert_int_equal(media_video_raw_parse("640x480:rgb24", &o, error, sizeof error), 0);
    assert_int_equal(o.raw_width, 640);
    assert_int_equal(o.raw_height, 480);
    assert_int_equal(o.raw_format, MEDIA_RAW_RGB24);
    assert_int_equal(media_video_raw_parse("65536x1:gray", &o, error, sizeof error), 0);
    assert_int_equal(o.raw_format, MEDIA_RAW_GRAY);
    assert_int_equal(media_video_raw_parse("1x2:bgr24", &o, error, sizeof error), 0);
    assert_int_equal(o.raw_format, MEDIA_RAW_BGR24);
    assert_int_equal(media_video_raw_parse("1x2:rgba", &o, error, sizeof error), 0);
    assert_int_equal(o.raw_format, MEDIA_RAW_RGBA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_natural_order, scratch_empty),
        cmocka_unit_test_teardown(test_strays, scratch_empty),
        cmocka_unit_test_teardown(test_ambiguous, scratch_empty),
        cmocka_unit_test_teardown(test_bad_frames, scratch_empty),
        cmocka_unit_test_teardown(test_sizes, scratch_empty),
        cmocka_unit_test_teardown(test_orientation, scratch_empty),
        cmocka_unit_test(test_raw_text),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
