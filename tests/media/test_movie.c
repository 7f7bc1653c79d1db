/* Overlay videos: what was written is read back frame by frame, with its times; a file appears only once it is whole.
 */
#include <math.h>

#include "movie.h"
#include "scratch.h"
#include "video.h"

static char error[400];

#ifndef HAVE_FFMPEG
static void test_without(void **unused)
{
    (void)unused;
    media_movie *movie;
    assert_int_equal(media_movie_open(scratch("a.mp4"), 4, 4, 25, &movie, error, sizeof error), -1);
    assert_null(movie);
    assert_non_null(strstr(error, "this build writes no video files (made without FFmpeg)"));
    print_message("no FFmpeg when this was configured: writing videos is not tested\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
#else

#include "clip.h"

static double time_of(int index) /* uneven, and not from 0 on */
{
    return 200 + index * 40.0 + (index % 5 == 0 ? 17.5 : 0);
}

static media_movie *open_movie(const char *name, int width, int height)
{
    media_movie *movie;
    if (media_movie_open(scratch(name), width, height, 25, &movie, error, sizeof error))
        fail_msg("%s", error);
    return movie;
}

static void add(media_movie *movie, int width, int height, int index, double pts_ms)
{
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    assert_non_null(rgb);
    clip_draw(rgb, width, height, index);
    if (media_movie_frame(movie, rgb, pts_ms, error, sizeof error))
        fail_msg("%s", error);
    free(rgb);
}

/* Frames, numbers, times, and pixels that are nearly those that went in; odd sides grow by one. */
static void check(const char *name, const char *codec, int width, int height, int frames)
{
    int shown_width = width + (width & 1), shown_height = height + (height & 1);
    uint8_t *drawn = malloc((size_t)width * (size_t)height * 3);
    media_video *video;
    media_frame frame;
    assert_non_null(drawn);
    if (media_video_open(scratch(name), NULL, &video, error, sizeof error))
        fail_msg("%s", error);
    assert_string_equal(media_video_about(video)->codec, codec);
    assert_int_equal(media_video_about(video)->width, shown_width);
    assert_int_equal(media_video_about(video)->height, shown_height);
    for (int t = 0; t < frames; t++) {
        long sum = 0;
        if (media_video_read(video, t, &frame, error, sizeof error) != 1)
            fail_msg("%s", error);
        assert_int_equal(clip_number(frame.pixels, frame.width, frame.height), t);
        if (fabs(frame.pts_ms - (time_of(t) - time_of(0))) > 0.51)
            fail_msg("%s: frame %d at %g ms, not %g", name, t, frame.pts_ms, time_of(t) - time_of(0));
        clip_draw(drawn, width, height, t);
        for (int y = 0; y < shown_height; y++)
            for (int x = 0; x < shown_width * 3; x++) {
                int from_y = y < height ? y : height - 1, from_x = x < width * 3 ? x : x - 3;
                sum += labs((long)frame.pixels[y * shown_width * 3 + x] - drawn[from_y * width * 3 + from_x]);
            }
        if (sum > 8L * shown_width * shown_height * 3)
            fail_msg("%s: frame %d differs by %g", name, t, (double)sum / (shown_width * shown_height * 3));
    }
    assert_int_equal(media_video_read(video, frames, &frame, error, sizeof error), 0);
    media_video_close(video);
    free(drawn);
}

static void test_round_trip(void **unused)
{
    static const struct {
        const char *name, *codec;
        int width, height;
    } movies[] = {{"a.mp4", "h264", 160, 96},
                  {"a.MKV", "h264", 97, 33},
                  {"a.mov", "h264", 97, 32},
                  {"a.m4v", "h264", 96, 33},
                  {"a.webm", "vp9", 97, 33}};
    for (size_t i = 0; i < sizeof movies / sizeof *movies; i++) {
        media_movie *movie = open_movie(movies[i].name, movies[i].width, movies[i].height);
        struct stat about;
        scratch_write(scratch("other"), "", 0);
        for (int t = 0; t < 120; t++)
            add(movie, movies[i].width, movies[i].height, t, time_of(t));
        assert_int_equal(stat(scratch(movies[i].name), &about), -1); /* not there before it is whole */
        if (media_movie_close(movie, 1, error, sizeof error))
            fail_msg("%s", error);
        assert_int_equal(scratch_entries(), 2);
        check(movies[i].name, movies[i].codec, movies[i].width, movies[i].height, 120);
        scratch_empty(unused);
    }
}

/* After an interruption, with any number of frames: whole. Dropped: the old file is as it was, and nothing is left. */
static void test_keep_and_drop(void **unused)
{
    (void)unused;
    for (int frames = 1; frames < 6; frames += 2) {
        media_movie *movie = open_movie("a.mp4", 96, 32);
        for (int t = 0; t < frames; t++)
            add(movie, 96, 32, t, time_of(t));
        assert_int_equal(media_movie_close(movie, 1, error, sizeof error), 0);
        check("a.mp4", "h264", 96, 32, frames);
    }
    media_movie *movie = open_movie("a.mp4", 96, 32);
    add(movie, 96, 32, 0, 0);
    assert_int_equal(media_movie_close(movie, 0, error, sizeof error), 0);
    check("a.mp4", "h264", 96, 32, 5);
    movie = open_movie("a.mp4", 96, 32);
    assert_int_equal(media_movie_close(movie, 1, error, sizeof error), -1);
    assert_non_null(strstr(error, "there was no frame"));
    assert_int_equal(scratch_entries(), 1);
    check("a.mp4", "h264", 96, 32, 5);
    assert_int_equal(media_movie_close(NULL, 1, error, sizeof error), 0);
}

static void test_faults(void **unused)
{
    (void)unused;
    media_movie *movie;
    uint8_t dot[96 * 32 * 3] = {0};
    const struct {
        const char *name;
        int width, height;
        double fps;
        const char *text;
    } wrong[] = {{"a.txt", 96, 32, 25, "must end in .mp4"},    {"mp4", 96, 32, 25, "must end in .mp4"},
                 {"a.mp4", 0, 32, 25, "the picture is empty"}, {"a.mp4", 96, -1, 25, "the picture is empty"},
                 {"a.mp4", 70000, 32, 25, "a side may have"},  {"a.mp4", 96, 32, 0, "0 frames a second"},
                 {"a.mp4", 96, 32, NAN, "frames a second"},    {"no/a.mp4", 96, 32, 25, "No such file or directory"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(media_movie_open(scratch(wrong[i].name), wrong[i].width, wrong[i].height, wrong[i].fps, &movie,
                                          error, sizeof error),
                         -1);
        assert_null(movie);
        if (!strstr(error, wrong[i].text))
            fail_msg("expected \"%s\" in \"%s\"", wrong[i].text, error);
    }
    const double times[] = {NAN, -1, INFINITY, 1e13, 50};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        movie = open_movie("a.mp4", 96, 32);
        assert_int_equal(media_movie_frame(movie, dot, 100, error, sizeof error), 0);
        assert_int_equal(media_movie_frame(movie, dot, times[i], error, sizeof error), -1);
        assert_int_equal(media_movie_frame(movie, dot, 200, error, sizeof error), -1);
        assert_int_equal(media_movie_close(movie, 1, error, sizeof error), -1);
    }
    movie = open_movie("tiny.mp4", 1, 1); /* 2 x 2 */
    assert_int_equal(media_movie_frame(movie, dot, 0, error, sizeof error), 0);
    assert_int_equal(media_movie_frame(movie, dot, 0, error, sizeof error), 0); /* twice at one time: just after */
    assert_int_equal(media_movie_close(movie, 1, error, sizeof error), 0);
    assert_int_equal(scratch_entries(), 1);
}

/* A full disk: an error at a frame or at the end, and nothing left. */
static void test_full_disk(void **unused)
{
    (void)unused;
    if (access("/dev/full", W_OK))
        return;
    assert_int_equal(symlink("/dev/full", scratch("full.mkv")), 0);
    media_movie *movie;
    uint8_t noise[96 * 32 * 3];
    uint64_t random = 1;
    int status = media_movie_open(scratch("full.mkv"), 96, 32, 25, &movie, error, sizeof error);
    for (int t = 0; !status && t < 200; t++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)next_random(&random);
        status = media_movie_frame(movie, noise, t * 40, error, sizeof error);
    }
    if (movie)
        status = media_movie_close(movie, 1, error, sizeof error);
    assert_int_equal(status, -1);
    assert_int_equal(scratch_entries(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_round_trip, scratch_empty),
        cmocka_unit_test_teardown(test_keep_and_drop, scratch_empty),
        cmocka_unit_test_teardown(test_faults, scratch_empty),
        cmocka_unit_test_teardown(test_full_disk, scratch_empty),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
#endif
