/* YUV4MPEG2 and raw frames: their values, live on a pipe, cut off at every byte, and damaged. */
#include <math.h>
#include <signal.h>

#include "scratch.h"
#include "video.h"

static char error[400];

/* Both standards' equations in floating point. */
static void convert(int full, double y, double u, double v, double rgb[3])
{
    if (!full) {
        y = (y - 16) * 255 / 219;
        u = (u - 128) * 255 / 224;
        v = (v - 128) * 255 / 224;
    } else {
        u -= 128;
        v -= 128;
    }
    rgb[0] = y + 2 * (1 - 0.299) * v;
    rgb[2] = y + 2 * (1 - 0.114) * u;
    rgb[1] = (y - 0.299 * rgb[0] - 0.114 * rgb[2]) / 0.587;
    for (int c = 0; c < 3; c++)
        rgb[c] = fmin(fmax(rgb[c], 0), 255);
}

typedef struct layout {
    const char *name;
    int across, down;
} layout;

static const layout layouts[] = {{"", 2, 2},      {" C420", 2, 2}, {" C420jpeg", 2, 2}, {" C420mpeg2", 2, 2},
                                 {" C422", 2, 1}, {" C444", 1, 1}, {" C411", 4, 1},     {" Cmono", 0, 0}};

/* A film of random samples; the samples of frame t are at offset[t]. */
static uint8_t *make_y4m(const layout *l, const char *extra, int width, int height, int frames, size_t *size,
                         size_t *offset)
{
    size_t chroma =
        l->across ? (size_t)((width + l->across - 1) / l->across) * (size_t)((height + l->down - 1) / l->down) : 0;
    size_t samples = (size_t)(width * height) + 2 * chroma;
    uint8_t *bytes = malloc(200 + (size_t)frames * (samples + 40));
    uint64_t random = 77;
    assert_non_null(bytes);
    *size =
        (size_t)sprintf((char *)bytes, "YUV4MPEG2 W%d H%d F30000:1001 Ip A1:1%s%s\n", width, height, l->name, extra);
    for (int t = 0; t < frames; t++) {
        *size += (size_t)sprintf((char *)bytes + *size, "FRAME%s\n", t % 3 == 1 ? " Ixyz Xsome" : "");
        offset[t] = *size;
        for (size_t i = 0; i < samples; i++)
            bytes[(*size)++] = (uint8_t)next_random(&random);
    }
    return bytes;
}

static void check_pixels(const media_frame *frame, const layout *l, const uint8_t *planes, int full)
{
    int width = frame->width, height = frame->height;
    int cw = l->across ? (width + l->across - 1) / l->across : 0, ch = l->across ? (height + l->down - 1) / l->down : 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double rgb[3], u = 128, v = 128;
            if (l->across) {
                const uint8_t *blue = planes + width * height + (y / l->down) * cw + x / l->across;
                u = blue[0];
                v = blue[cw * ch];
            }
            convert(full, planes[y * width + x], u, v, rgb);
            for (int c = 0; c < 3; c++)
                assert_true(fabs(frame->pixels[(y * width + x) * 3 + c] - rgb[c]) < 0.51);
        }
}

static void test_y4m_file(void **unused)
{
    (void)unused;
    enum { FRAMES = 7 };
    size_t offset[FRAMES], size;
    const int order[] = {0, 1, 2, 2, 6, 5, 4, 3, 2, 1, 0, 3, 6};
    for (size_t k = 0; k < sizeof layouts / sizeof *layouts; k++)
        for (int variant = 0; variant < 4; variant++) {
            int full = variant & 1, width = variant & 2 ? 9 : 8, height = variant & 2 ? 5 : 6;
            uint8_t *bytes = make_y4m(&layouts[k], full ? " XCOLORRANGE=FULL" : " XCOLORRANGE=LIMITED", width, height,
                                      FRAMES, &size, offset);
            media_video *video;
            media_frame frame;
            int64_t count;
            scratch_write(scratch("film.bin"), bytes, size);
            if (media_video_open(scratch("film.bin"), NULL, &video, error, sizeof error))
                fail_msg("%s", error);
            assert_int_equal(media_video_about(video)->width, width);
            assert_int_equal(media_video_about(video)->height, height);
            assert_int_equal(media_video_about(video)->forward_only, 0);
            assert_string_equal(media_video_about(video)->format, "yuv4mpeg");
            assert_true(fabs(media_video_about(video)->fps - 29.97) < 0.001);
            if (variant == 2) {
                assert_int_equal(media_video_count(video, &count, error, sizeof error), 0);
                assert_int_equal(count, FRAMES);
            }
            for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
                assert_int_equal(media_video_read(video, order[i], &frame, error, sizeof error), 1);
                check_pixels(&frame, &layouts[k], bytes + offset[order[i]], full);
                assert_true(fabs(frame.pts_ms - order[i] * 1001.0 / 30) < 1e-6);
                assert_null(frame.file);
            }
            assert_int_equal(media_video_read(video, FRAMES, &frame, error, sizeof error), 0);
            assert_int_equal(media_video_read(video, 1000000, &frame, error, sizeof error), 0);
            assert_int_equal(media_video_about(video)->frames, FRAMES);
            assert_int_equal(media_video_count(video, &count, error, sizeof error), 0);
            assert_int_equal(count, FRAMES);
            media_video_close(video);
            free(bytes);
        }
}

/* A pipe whose other end is `write_to`, put in place of standard input. */
static void pipe_to_input(int *write_to)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    clearerr(stdin);
    assert_true(dup2(ends[0], 0) == 0);
    close(ends[0]);
    *write_to = ends[1];
}

static void send_all(int to, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(to, (const char *)bytes + done, size - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
}

/* Frame t comes out while nothing of frame t + 1 has been written. If it did not, the test would wait for ever: the
 * alarm ends it. */
static void test_y4m_live(void **unused)
{
    (void)unused;
    enum { FRAMES = 5 };
    size_t offset[FRAMES], size;
    uint8_t *bytes = make_y4m(&layouts[2], "", 40, 30, FRAMES, &size, offset);
    media_video *video;
    media_frame frame;
    int64_t count;
    int to;
    alarm(60);
    pipe_to_input(&to);
    size_t header = strlen("YUV4MPEG2 W40 H30 F30000:1001 Ip A1:1 C420jpeg\n"), sent = header;
    send_all(to, bytes, header);
    if (media_video_open("-", NULL, &video, error, sizeof error))
        fail_msg("%s", error);
    assert_int_equal(media_video_about(video)->forward_only, 1);
    assert_int_equal(media_video_about(video)->frames, -1);
    assert_int_equal(media_video_count(video, &count, error, sizeof error), -1);
    for (int t = 0; t < FRAMES; t++) {
        size_t end = offset[t] + 40 * 30 * 3 / 2;
        send_all(to, bytes + sent, end - sent);
        sent = end;
        if (t == 2) /* left out: the next one is read over it */
            continue;
        assert_int_equal(media_video_read(video, t, &frame, error, sizeof error), 1);
        check_pixels(&frame, &layouts[2], bytes + offset[t], 0);
        assert_int_equal(media_video_read(video, t, &frame, error, sizeof error), 1); /* the same once more */
        if (t)
            assert_int_equal(media_video_read(video, t - 1, &frame, error, sizeof error), -1);
    }
    assert_string_equal(error, "standard input: frame 3 was asked for after frame 4; a stream cannot go back");
    close(to);
    assert_int_equal(media_video_read(video, FRAMES, &frame, error, sizeof error), 0);
    assert_int_equal(media_video_read(video, FRAMES + 9, &frame, error, sizeof error), 0);
    assert_int_equal(media_video_about(video)->frames, FRAMES);
    assert_int_equal(media_video_count(video, &count, error, sizeof error), 0);
    assert_int_equal(count, FRAMES);
    media_video_close(video);
    alarm(0);
    free(bytes);
}

static void test_raw_live(void **unused)
{
    (void)unused;
    const uint8_t rgba[2][8] = {{10, 20, 30, 255, 40, 50, 60, 0}, {1, 2, 3, 4, 5, 6, 7, 8}};
    const struct {
        const char *text;
        size_t size;
        media_alpha alpha;
        uint8_t expected[6];
    } kinds[] = {{"2x1:rgb24", 6, MEDIA_ALPHA_DROP, {10, 20, 30, 255, 40, 50}},
                 {"2x1:bgr24", 6, MEDIA_ALPHA_DROP, {30, 20, 10, 50, 40, 255}},
                 {"2x1:gray", 2, MEDIA_ALPHA_DROP, {10, 10, 10, 20, 20, 20}},
                 {"2x1:rgba", 8, MEDIA_ALPHA_DROP, {10, 20, 30, 40, 50, 60}},
                 {"2x1:rgba", 8, MEDIA_ALPHA_WHITE, {10, 20, 30, 255, 255, 255}}};
    alarm(60);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        media_video_options options = {.picture.alpha = kinds[k].alpha, .fps = 10};
        media_video *video;
        media_frame frame;
        int to;
        assert_int_equal(media_video_raw_parse(kinds[k].text, &options, error, sizeof error), 0);
        pipe_to_input(&to);
        if (media_video_open("-", &options, &video, error, sizeof error)) /* before a single byte is there */
            fail_msg("%s", error);
        send_all(to, rgba[0], kinds[k].size);
        assert_int_equal(media_video_read(video, 0, &frame, error, sizeof error), 1);
        assert_memory_equal(frame.pixels, kinds[k].expected, 6);
        send_all(to, rgba[1], kinds[k].size);
        assert_int_equal(media_video_read(video, 1, &frame, error, sizeof error), 1);
        assert_true(frame.pts_ms == 100);
        send_all(to, rgba[1], 1);
        close(to);
        if (k == 2) { /* one byte of two */
            assert_int_equal(media_video_read(video, 2, &frame, error, sizeof error), -1);
            assert_string_equal(error, "standard input: frame 2 is cut off: 1 of 2 bytes");
        }
        media_video_close(video);
    }
    alarm(0);
}

static void test_raw_file(void **unused)
{
    (void)unused;
    uint8_t bytes[100];
    media_video *video;
    media_frame frame;
    int64_t count;
    for (int i = 0; i < 100; i++)
        bytes[i] = (uint8_t)i;
    scratch_write(scratch("raw"), bytes, 100);
    media_video_options options = {.raw_width = 5, .raw_height = 2, .raw_format = MEDIA_RAW_GRAY};
    assert_int_equal(media_video_open(scratch("raw"), &options, &video, error, sizeof error), 0);
    for (int i = 9; i >= 0; i--) {
        assert_int_equal(media_video_read(video, i, &frame, error, sizeof error), 1);
        assert_int_equal(frame.pixels[0], i * 10);
    }
    assert_int_equal(media_video_count(video, &count, error, sizeof error), 0);
    assert_int_equal(count, 10);
    media_video_close(video);
    scratch_write(scratch("raw"), bytes, 99);
    assert_int_equal(media_video_open(scratch("raw"), &options, &video, error, sizeof error), 0);
    for (int round = 0; round < 2; round++) { /* a fault at the end does no harm to what is before */
        assert_int_equal(media_video_read(video, 9, &frame, error, sizeof error), -1);
        assert_non_null(strstr(error, "frame 9 is cut off: 9 of 10 bytes"));
        assert_int_equal(media_video_read(video, 8, &frame, error, sizeof error), 1);
        assert_int_equal(frame.pixels[0], 80);
    }
    assert_int_equal(media_video_count(video, &count, error, sizeof error), -1);
    media_video_close(video);
}

/* Reads all frames that there are; returns their number, with the last status. */
static int read_all(const char *path, int *status)
{
    media_video *video;
    media_frame frame;
    int n = 0;
    *status = media_video_open(path, NULL, &video, error, sizeof error);
    if (*status)
        return 0;
    while ((*status = media_video_read(video, n, &frame, error, sizeof error)) == 1) {
        volatile uint8_t last = frame.pixels[(size_t)frame.width * (size_t)frame.height * 3 - 1];
        (void)last;
        n++;
    }
    media_video_close(video);
    return n;
}

/* Cut off after every number of bytes, as a file and through a pipe. */
static void test_truncated(void **unused)
{
    (void)unused;
    enum { FRAMES = 3 };
    size_t offset[FRAMES], whole;
    const size_t samples = 4 * 2 * 3 / 2;
    uint8_t *bytes = make_y4m(&layouts[0], "", 4, 2, FRAMES, &whole, offset);
    const size_t header = (size_t)((uint8_t *)strchr((char *)bytes, '\n') - bytes) + 1;
    for (size_t size = 0; size <= whole; size++)
        for (int piped = 0; piped < 2; piped++) {
            int status, to, complete = 0;
            if (piped) {
                pipe_to_input(&to);
                send_all(to, bytes, size);
                close(to);
            } else {
                scratch_write(scratch("cut.y4m"), bytes, size);
            }
            int n = read_all(piped ? "-" : scratch("cut.y4m"), &status);
            while (complete < FRAMES && size >= offset[complete] + samples)
                complete++;
            size_t end = complete ? offset[complete - 1] + samples : header;
            assert_int_equal(n, size < header ? 0 : complete);
            assert_int_equal(status, size >= header && size == end ? 0 : -1);
            if (size > end && size > header) {
                char text[60];
                size_t got = size > offset[complete] ? size - offset[complete] : 0;
                snprintf(text, sizeof text, "frame %d is cut off: %zu of %zu bytes", complete, got, samples);
                assert_non_null(strstr(error, text));
            }
        }
    free(bytes);
}

static void test_garbage(void **unused)
{
    (void)unused;
    const struct {
        const char *bytes, *text;
    } kinds[] = {
        {"", "it is empty"},
        {"\x89PNG\r\n", "not YUV4MPEG2"},
        {"YUV4MPEG2", "the YUV4MPEG2 header is cut off"},
        {"YUV4MPEG2 W8 H8", "the YUV4MPEG2 header is cut off"},
        {"YUV4MPEG2W8 H8\n", "not YUV4MPEG2"},
        {"YUV4MPEG2\n", "no width"},
        {"YUV4MPEG2 W8\n", "no height"},
        {"YUV4MPEG2 W8 H0\n", "no valid height: H0"},
        {"YUV4MPEG2 W-8 H8\n", "no valid width: W-8"},
        {"YUV4MPEG2 W8x H8\n", "no valid width: W8x"},
        {"YUV4MPEG2 W99999999999999999999 H8\n", "no valid width"},
        {"YUV4MPEG2 W999999999 H999999999\n", "a side may have at most 65536"},
        {"YUV4MPEG2 W65536 H65536\n", "more than the limit of 200000000"},
        {"YUV4MPEG2 W8 H8 C420p10\n", "the YUV4MPEG2 layout C420p10 is not supported"},
        {"YUV4MPEG2 W8 H8\nFRAMES\n", "frame 0 does not begin with a line FRAME"},
        {"YUV4MPEG2 W8 H8\nXRAME\n", "frame 0 does not begin with a line FRAME"},
        {"YUV4MPEG2 W8 H8\nFRA", "frame 0 is cut off: 0 of 96 bytes, and the line before it"},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int to, status;
        pipe_to_input(&to);
        send_all(to, kinds[k].bytes, strlen(kinds[k].bytes));
        close(to);
        assert_int_equal(read_all("-", &status), 0);
        assert_int_equal(status, -1);
        if (!strstr(error, kinds[k].text) || strncmp(error, "standard input: ", 16))
            fail_msg("expected \"%s\" in \"%s\"", kinds[k].text, error);
    }
    char *line = malloc(20000);
    int to, status;
    memset(line, 'X', 20000);
    memcpy(line, "YUV4MPEG2 ", 10);
    pipe_to_input(&to);
    send_all(to, line, 20000);
    close(to);
    assert_int_equal(read_all("-", &status), 0);
    assert_non_null(strstr(error, "the YUV4MPEG2 header is too long"));
    free(line);
}

/* Any byte changed: an answer or an error, no step outside. */
static void test_flipped(void **unused)
{
    (void)unused;
    enum { FRAMES = 2 };
    size_t offset[FRAMES], size;
    uint64_t random = 3;
    uint8_t *bytes = make_y4m(&layouts[0], "", 9, 5, FRAMES, &size, offset);
    for (int round = 0; round < 3000; round++) {
        size_t at = round & 1 ? next_random(&random) % 60 : next_random(&random) % size;
        uint8_t old = bytes[at];
        int status;
        bytes[at] = (uint8_t)(round & 2 ? old ^ 1 << (round / 4 % 8) : "0 9\nWHFCX:"[next_random(&random) % 10]);
        scratch_write(scratch("flip"), bytes, size);
        if (!memcmp(bytes, "YUV4MPEG2", 9)) /* else it would be another kind of file */
            assert_in_range(read_all(scratch("flip"), &status), 0, 100);
        bytes[at] = old;
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_y4m_file), cmocka_unit_test(test_y4m_live),  cmocka_unit_test(test_raw_live),
        cmocka_unit_test(test_raw_file), cmocka_unit_test(test_truncated), cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_flipped),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
