/* Video files by FFmpeg: every frame's number against the barcode it shows, in every order; rotation, times, colours,
 * damage. Without FFmpeg there is one test: that the refusal says so. */
#include <fcntl.h>
#include <math.h>

#include "scratch.h"
#include "video.h"

static char error[400];

#ifndef HAVE_FFMPEG
static void test_without(void **unused)
{
    (void)unused;
    media_video *video;
    scratch_write(scratch("x.mp4"),
                  "\0\0\0\x20"
                  "ftypisom",
                  12);
    assert_int_equal(media_video_open(scratch("x.mp4"), NULL, &video, error, sizeof error), -1);
    assert_non_null(strstr(error, "this build reads no video files (made without FFmpeg)"));
    print_message("no FFmpeg when this was configured: video files are not tested\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_without, scratch_empty)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
#else

#include <libavutil/pixfmt.h>

#include "clip.h"

#define FRAMES 120

static media_video *open_video(const char *path, const media_video_options *options)
{
    media_video *video;
    if (media_video_open(path, options, &video, error, sizeof error))
        fail_msg("%s", error);
    return video;
}

static void expect_number(media_video *video, int64_t index)
{
    media_frame frame;
    if (media_video_read(video, index, &frame, error, sizeof error) != 1)
        fail_msg("frame %d: %s", (int)index, error);
    int number = clip_number(frame.pixels, frame.width, frame.height);
    if (number != index)
        fail_msg("frame %d shows %d", (int)index, number);
    assert_int_equal(frame.index, index);
}

static uint64_t sum_of(media_video *video, int64_t index)
{
    media_frame frame;
    assert_int_equal(media_video_read(video, index, &frame, error, sizeof error), 1);
    return fnv1a(frame.pixels, (size_t)frame.width * (size_t)frame.height * 3);
}

/* Forward, backward, with jumps, and after counting; each frame has the same bits whatever way led to it. */
static void check_all_orders(const char *path)
{
    uint64_t sums[FRAMES], random = 9;
    media_frame frame;
    int64_t count;
    media_video *video = open_video(path, NULL);
    for (int i = 0; i < FRAMES; i++)
        expect_number(video, i);
    assert_int_equal(media_video_read(video, FRAMES, &frame, error, sizeof error), 0);
    assert_int_equal(media_video_about(video)->frames, FRAMES);
    for (int i = FRAMES - 1; i >= 0; i--)
        sums[i] = sum_of(video, i);
    for (int i = 0; i < FRAMES; i++) {
        expect_number(video, i);
        assert_true(sum_of(video, i) == sums[i]);
    }
    for (int i = 0; i < 30; i++) {
        int at = (int)(next_random(&random) % FRAMES);
        expect_number(video, at);
        assert_true(sum_of(video, at) == sums[at]);
    }
    media_video_close(video);
    video = open_video(path, NULL); /* counted first, then backward from the end */
    assert_int_equal(media_video_about(video)->frames, -1);
    assert_int_equal(media_video_count(video, &count, error, sizeof error), 0);
    assert_int_equal(count, FRAMES);
    for (int i = FRAMES - 1; i >= 0; i--) {
        expect_number(video, i);
        assert_true(sum_of(video, i) == sums[i]);
    }
    media_video_close(video);
    video = open_video(path, NULL); /* jumps before anything is known */
    expect_number(video, 77);
    expect_number(video, 3);
    expect_number(video, 119);
    expect_number(video, 78);
    media_video_close(video);
}

static void test_numbers(void **unused)
{
    static const struct {
        const char *name, *codec_name;
        clip about;
    } films[] = {
        {"b.mp4", "h264", {"mp4", "libx264", 160, 96, FRAMES, 25, 3, 0, NULL, 0, {0}, 0, 0}},
        {"long.mp4", "h264", {"mp4", "libx264", 160, 96, FRAMES, 250, 3, 0, NULL, 0, {0}, 0, 0}},
        {"x.Mp4", "h264", {"mp4", "libx264", 160, 96, FRAMES, 12, 0, 0, NULL, 0, {0}, 0, 0}},
        {"x.bin", "h264", {"matroska", "libx264", 160, 96, FRAMES, 30, 2, 0, NULL, 0, {0}, 0, 0}},
        {"b.avi", "h264", {"avi", "libx264", 160, 96, FRAMES, 25, 3, 0, NULL, 0, {0}, 0, 0}},
        {"b.ts", "h264", {"mpegts", "libx264", 160, 96, FRAMES, 25, 3, 0, NULL, 0, {0}, 0, 0}},
        {"vp8.webm", "vp8", {"webm", "libvpx", 160, 96, FRAMES, 30, 0, 0, NULL, 0, {0}, 0, 0}},
        {"vp9.webm", "vp9", {"webm", "libvpx-vp9", 160, 96, FRAMES, 30, 0, 0, NULL, 0, {0}, 0, 0}},
        {"m.avi", "mjpeg", {"avi", "mjpeg", 160, 96, FRAMES, 1, 0, 0, NULL, 0, {0}, 0, 0}},
        {"hevc.mov", "hevc", {"mov", "libx265", 160, 96, FRAMES, 25, 3, 0, NULL, 0, {0}, 0, 0}},
        {"av1.webm", "av1", {"webm", "libaom-av1", 160, 96, FRAMES, 30, 0, 0, NULL, 0, {0}, 0, 0}},
        {"four.mp4", "mpeg4", {"mp4", "mpeg4", 160, 96, FRAMES, 25, 2, 0, NULL, 0, {0}, 0, 0}},
        {"odd.mkv", "mjpeg", {"matroska", "mjpeg", 161, 97, FRAMES, 1, 0, 0, NULL, 0, {0}, 0, 0}},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof films / sizeof *films; i++) {
        const char *path = scratch(films[i].name);
        clip_write(path, &films[i].about);
        media_video *video = open_video(path, NULL);
        assert_string_equal(media_video_about(video)->codec, films[i].codec_name);
        assert_int_equal(media_video_about(video)->width, films[i].about.width);
        assert_int_equal(media_video_about(video)->height, films[i].about.height);
        assert_int_equal(media_video_about(video)->forward_only, 0);
        assert_true(fabs(media_video_about(video)->fps - 25) < 0.01);
        media_video_close(video);
        check_all_orders(path);
    }
}

static void test_rotation(void **unused)
{
    (void)unused;
    static const int turns[] = {90, -90, 180};
    uint8_t *drawn = malloc(160 * 96 * 3);
    assert_non_null(drawn);
    for (int i = 0; i < 3; i++) {
        const clip about = {
            .container = "mp4", .codec = "libx264", .width = 160, .height = 96, .frames = 10, .rotation = turns[i]};
        media_frame frame;
        clip_write(scratch("turned.mp4"), &about);
        media_video *video = open_video(scratch("turned.mp4"), NULL);
        assert_int_equal(media_video_about(video)->width, 160);
        assert_int_equal(media_video_about(video)->height, 96);
        for (int t = 9; t >= 0; t--) {
            long sum = 0;
            expect_number(video, t);
            assert_int_equal(media_video_read(video, t, &frame, error, sizeof error), 1);
            clip_draw(drawn, 160, 96, t);
            for (int k = 0; k < 160 * 96 * 3; k++)
                sum += labs((long)frame.pixels[k] - drawn[k]);
            assert_true(sum < 8L * 160 * 96 * 3); /* compression, and chroma at half the size */
        }
        media_video_close(video);
        video = open_video(scratch("turned.mp4"), &(media_video_options){.ignore_rotation = 1});
        assert_int_equal(media_video_about(video)->width, turns[i] == 180 ? 160 : 96);
        assert_int_equal(media_video_read(video, 0, &frame, error, sizeof error), 1);
        if (turns[i] == 180) {
            clip_draw(drawn, 160, 96, 0);
            for (int p = 0; p < 160 * 96; p++) /* the last pixel first */
                for (int c = 0; c < 3; c++)
                    assert_in_range(frame.pixels[p * 3 + c] - drawn[(160 * 96 - 1 - p) * 3 + c] + 100, 0, 200);
        }
        media_video_close(video);
    }
    free(drawn);
}

static double uneven(int index) /* begins at 500 ms; steps of 10, 40 and 250 ms */
{
    return 500 + index / 3 * 300 + (index % 3 > 0) * 10 + (index % 3 > 1) * 40;
}

static void test_times(void **unused)
{
    (void)unused;
    static const char *const containers[][2] = {{"mp4", "libx264"}, {"matroska", "libx264"}, {"webm", "libvpx"}};
    for (int i = 0; i < 3; i++) {
        const clip about = {.container = containers[i][0],
                            .codec = containers[i][1],
                            .width = 96,
                            .height = 32,
                            .frames = 30,
                            .gop = 10,
                            .b_frames = i < 2 ? 3 : 0,
                            .time = uneven};
        media_frame frame;
        clip_write(scratch("uneven"), &about);
        media_video *video = open_video(scratch("uneven"), NULL);
        for (int step = 0; step < 60; step++) {
            int t = step < 30 ? step : 59 - step;
            assert_int_equal(media_video_read(video, t, &frame, error, sizeof error), 1);
            if (fabs(frame.pts_ms - (uneven(t) - 500)) > 0.51)
                fail_msg("%s: frame %d at %g ms", containers[i][0], t, frame.pts_ms);
            assert_int_equal(clip_number(frame.pixels, frame.width, frame.height), t);
        }
        media_video_close(video);
    }
}

/* One colour through BT.601 and BT.709, limited and full range: it comes back when what the stream says is heeded. */
static void test_colours(void **unused)
{
    (void)unused;
    static const int spaces[] = {0, AVCOL_SPC_BT709, AVCOL_SPC_SMPTE170M, AVCOL_SPC_BT2020_NCL};
    for (int i = 0; i < 8; i++) {
        const clip about = {.container = "mp4",
                            .codec = "libx264",
                            .width = 96,
                            .height = 32,
                            .frames = 2,
                            .grey = 1,
                            .colour = {200, 40, 90},
                            .colour_space = spaces[i / 2],
                            .full_range = i & 1};
        media_frame frame;
        clip_write(scratch("colour.mp4"), &about);
        media_video *video = open_video(scratch("colour.mp4"), NULL);
        assert_int_equal(media_video_read(video, 1, &frame, error, sizeof error), 1);
        for (int k = 0; k < 96 * 32 * 3; k++)
            if (abs(frame.pixels[k] - about.colour[k % 3]) > 4)
                fail_msg("colour space %d, full %d: channel %d is %d", spaces[i / 2], i & 1, k % 3, frame.pixels[k]);
        media_video_close(video);
    }
}

static int read_all(const char *path, const media_video_options *options, int *status)
{
    media_video *video;
    media_frame frame;
    int n = 0;
    *status = media_video_open(path, options, &video, error, sizeof error);
    if (*status)
        return 0;
    while (n < 300 && (*status = media_video_read(video, n, &frame, error, sizeof error)) == 1)
        n++;
    for (int i = n - 1; i >= 0 && i > n - 4; i--)
        media_video_read(video, i, &frame, NULL, 0);
    media_video_read(video, 0, &frame, NULL, 0);
    media_video_close(video);
    return n;
}

static void test_refused(void **unused)
{
    (void)unused;
    const clip about = {.container = "mp4", .codec = "libx264", .width = 160, .height = 96, .frames = 40, .gop = 10};
    media_video *video;
    size_t size;
    int status;
    clip_write(scratch("a.mp4"), &about);
    uint8_t *bytes = scratch_read(scratch("a.mp4"), &size);
    assert_int_equal(media_video_open(scratch("a.mp4"), &(media_video_options){.picture.max_pixels = 160 * 96 - 1},
                                      &video, error, sizeof error),
                     -1);
    assert_non_null(strstr(error, "160 x 96 pixels are more than the limit of 15359"));
    /* a codec that nobody knows */
    for (size_t i = 0; i + 4 < size; i++)
        if (!memcmp(bytes + i, "avc1", 4) && i > 100)
            memcpy(bytes + i, "zzzz", 4);
    scratch_write(scratch("unknown"), bytes, size);
    assert_int_equal(read_all(scratch("unknown"), NULL, &status), 0);
    assert_non_null(strstr(error, "unknown video codec 'zzzz'"));
    scratch_write(scratch("text"), "no film, just words, but enough of them to look at", 50);
    assert_int_equal(read_all(scratch("text"), NULL, &status), 0);
    assert_non_null(strstr(error, "/text: not a video that can be read"));
    scratch_write(scratch("empty"), "", 0);
    assert_int_equal(read_all(scratch("empty"), NULL, &status), 0);
    assert_non_null(strstr(error, "/empty: the file is empty"));
    /* a playlist must not lead to another file */
    char list[900];
    int n = snprintf(list, sizeof list, "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n%s\n#EXT-X-ENDLIST\n",
                     scratch("a.mp4"));
    scratch_write(scratch("list.m3u8"), list, (size_t)n);
    assert_int_equal(read_all(scratch("list.m3u8"), NULL, &status), 0);
    assert_int_equal(status, -1);
    free(bytes);
}

/* Damaged in the middle: an error that names a frame near the place, or with skip_bad as many frames as can be read. */
static void test_damaged(void **unused)
{
    (void)unused;
    const clip about = {
        .container = "matroska", .codec = "libvpx", .width = 160, .height = 96, .frames = 40, .gop = 10};
    size_t size;
    int status, number = -1;
    clip_write(scratch("a.mkv"), &about);
    uint8_t *bytes = scratch_read(scratch("a.mkv"), &size);
    memset(bytes + size / 2, 0xFF, 3000);
    scratch_write(scratch("b.mkv"), bytes, size);
    int n = read_all(scratch("b.mkv"), NULL, &status);
    if (status != -1)
        fail_msg("%d frames and no error", n);
    assert_in_range(n, 1, 39);
    const char *at = strstr(error, "at or soon after frame ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "at or soon after frame %d", &number), 1);
    assert_int_equal(number, n);
    int kept = read_all(scratch("b.mkv"), &(media_video_options){.skip_bad = 1}, &status);
    if (status)
        fail_msg("%s", error);
    assert_in_range(kept, n, 39);
    free(bytes);
}

/* A film that ends too early: the frames that are whole, then an error that names the next. */
static void test_cut_off(void **unused)
{
    (void)unused;
    static const clip films[] = {{"mp4", "libx264", 160, 96, 40, 10, 3, 0, NULL, 0, {0}, 0, 0},
                                 {"mov", "libx265", 160, 96, 40, 10, 3, 0, NULL, 0, {0}, 0, 0},
                                 {"matroska", "libvpx", 160, 96, 40, 10, 0, 0, NULL, 0, {0}, 0, 0}};
    for (size_t i = 0; i < sizeof films / sizeof *films; i++) {
        size_t size;
        clip_write(scratch("whole"), &films[i]);
        uint8_t *bytes = scratch_read(scratch("whole"), &size);
        for (int tenths = 5; tenths < 10; tenths++) {
            char text[60];
            int status;
            scratch_write(scratch("cut"), bytes, size * (size_t)tenths / 10);
            int n = read_all(scratch("cut"), NULL, &status);
            if (status != -1)
                fail_msg("%s cut to %d tenths: %d frames and no error", films[i].container, tenths, n);
            assert_in_range(n, 1, 39);
            snprintf(text, sizeof text, "damaged or cut off at or soon after frame %d:", n);
            assert_non_null(strstr(error, text));
        }
        free(bytes);
    }
}

/* What libav says must not reach standard error: it is a file while damaged films are read. */
static void test_quiet_flips(void **unused)
{
    (void)unused;
    static const clip films[] = {{"mp4", "libx264", 96, 32, 12, 6, 3, 90, NULL, 0, {0}, 0, 0},
                                 {"webm", "libvpx", 96, 32, 12, 6, 0, 0, NULL, 0, {0}, 0, 0},
                                 {"avi", "mjpeg", 96, 32, 6, 1, 0, 0, NULL, 0, {0}, 0, 0},
                                 {"mpegts", "mpeg4", 96, 32, 12, 6, 2, 0, NULL, 0, {0}, 0, 0}};
    uint64_t random = 21;
    struct stat about;
    fflush(stderr);
    int old = dup(2), to = open(scratch("stderr"), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(old >= 0 && to >= 0);
    for (size_t i = 0; i < sizeof films / sizeof *films; i++) {
        size_t size;
        clip_write(scratch("whole"), &films[i]);
        uint8_t *bytes = scratch_read(scratch("whole"), &size);
        dup2(to, 2);
        for (int round = 0; round < 40; round++) {
            uint8_t *copy = malloc(size);
            size_t length = round % 4 ? size : next_random(&random) % size;
            int status;
            assert_non_null(copy);
            memcpy(copy, bytes, size);
            for (int flips = round % 4 ? 1 + round / 4 : 0; flips > 0; flips--)
                copy[next_random(&random) % (round % 2    ? size
                                             : size < 600 ? size
                                                          : 600)] ^= (uint8_t)(1 << next_random(&random) % 8);
            scratch_write(scratch("flipped"), copy, length);
            read_all(scratch("flipped"), &(media_video_options){.skip_bad = round & 1, .picture.max_pixels = 1000000},
                     &status);
            free(copy);
        }
        dup2(old, 2);
        free(bytes);
    }
    close(to);
    close(old);
    assert_int_equal(stat(scratch("stderr"), &about), 0);
    assert_int_equal(about.st_size, 0);
}

static void test_libraries(void **unused)
{
    (void)unused;
    char text[512];
    media_libraries(text, sizeof text);
    assert_non_null(strstr(text, ", FFmpeg "));
    assert_non_null(strstr(text, "libavcodec "));
    assert_int_equal(text[strlen(text) - 1], ')');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_numbers, scratch_empty),
        cmocka_unit_test_teardown(test_rotation, scratch_empty),
        cmocka_unit_test_teardown(test_times, scratch_empty),
        cmocka_unit_test_teardown(test_colours, scratch_empty),
        cmocka_unit_test_teardown(test_refused, scratch_empty),
        cmocka_unit_test_teardown(test_damaged, scratch_empty),
        cmocka_unit_test_teardown(test_cut_off, scratch_empty),
        cmocka_unit_test_teardown(test_quiet_flips, scratch_empty),
        cmocka_unit_test(test_libraries),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
#endif
