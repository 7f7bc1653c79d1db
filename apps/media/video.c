/* Opening a video: what kind of source it is, and what holds for all kinds. */
#include "video_source.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const raw_names[] = {"rgb24", "bgr24", "rgba", "gray"};

static int check_options(const media_video *video)
{
    const media_video_options *o = &video->options;
    if (!(o->fps >= 0 && o->fps <= 1e6))
        return media_fail(&video->reader, "%g frames a second: must be above 0 and at most 1000000", o->fps);
    if (!o->raw_width && !o->raw_height)
        return 0;
    if (o->raw_width <= 0 || o->raw_height <= 0)
        return media_fail(&video->reader, "raw frames of %d x %d pixels", o->raw_width, o->raw_height);
    if (o->raw_format < MEDIA_RAW_RGB24 || o->raw_format > MEDIA_RAW_GRAY)
        return media_fail(&video->reader, "unknown format of raw frames: %d", (int)o->raw_format);
    return 0;
}

static int open_named(media_video *video)
{
    char magic[sizeof Y4M_MAGIC - 1];
    struct stat about;
    errno = 0;
    if (stat(video->path, &about))
        return media_fail(&video->reader, "cannot be opened: %s", strerror(errno));
    if (S_ISDIR(about.st_mode)) {
        if (video->options.raw_width)
            return media_fail(&video->reader, "is a folder; raw frames come from a file or standard input");
        return video_open_folder(video);
    }
    FILE *file = fopen(video->path, "rb");
    if (!file)
        return media_fail(&video->reader, "cannot be opened: %s", strerror(errno));
    if (video->options.raw_width)
        return video_open_stream(video, file, 0, 0);
    if (!S_ISREG(about.st_mode)) /* a pipe: as standard input */
        return video_open_stream(video, file, 0, 1);
    if (!about.st_size) {
        fclose(file);
        return media_fail(&video->reader, "the file is empty");
    }
    int y4m = fread(magic, 1, sizeof magic, file) == sizeof magic && !memcmp(magic, Y4M_MAGIC, sizeof magic);
    rewind(file);
    return y4m ? video_open_stream(video, file, 0, 1) : video_open_file(video, file);
}

int media_video_open(const char *path, const media_video_options *options, media_video **out, char *error,
                     size_t error_size)
{
    media_reader nobody = {.label = path, .error = error, .error_size = error_size};
    media_video *video = calloc(1, sizeof *video);
    int status;
    *out = NULL;
    if (error && error_size)
        error[0] = 0;
    if (video)
        video->path = malloc(strlen(path) + 1);
    if (!video || !video->path) {
        free(video);
        return media_fail(&nobody, "out of memory");
    }
    strcpy(video->path, path);
    if (options)
        video->options = *options;
    int from_stdin = !strcmp(path, "-");
    video->reader = (media_reader){.label = from_stdin ? "standard input" : video->path,
                                   .options = video->options.picture,
                                   .error = error,
                                   .error_size = error_size};
    video->info.frames = -1;
    status = check_options(video);
    if (!status)
        status = from_stdin ? video_open_stream(video, stdin, 1, !video->options.raw_width) : open_named(video);
    if (status) {
        media_video_close(video);
        return -1;
    }
    *out = video;
    return 0;
}

const media_video_info *media_video_about(const media_video *video)
{
    return &video->info;
}

static void begin(media_video *video, char *error, size_t error_size)
{
    video->reader.error = error;
    video->reader.error_size = error_size;
    if (error && error_size)
        error[0] = 0;
}

int media_video_read(media_video *video, int64_t index, media_frame *out, char *error, size_t error_size)
{
    int status;
    begin(video, error, error_size);
    *out = (media_frame){.width = video->info.width, .height = video->info.height, .index = index};
    if (index < 0)
        return media_fail(&video->reader, "there is no frame %lld", (long long)index);
    if (video->info.frames >= 0 && index >= video->info.frames)
        return 0;
    status = video->kind->read(video, index, out);
    return status;
}

int media_video_count(media_video *video, int64_t *count, char *error, size_t error_size)
{
    int status = 0;
    begin(video, error, error_size);
    if (video->info.frames < 0)
        status = video->kind->count(video);
    *count = video->info.frames;
    return status;
}

void media_video_close(media_video *video)
{
    if (!video)
        return;
    if (video->kind)
        video->kind->close(video);
    free(video->path);
    free(video);
}

/* A side: digits only, 1 to MEDIA_MAX_SIDE; 0 when it is not. */
static int parse_side(const char **at)
{
    long value = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        value = value * 10 + (**at - '0');
        if (value > MEDIA_MAX_SIDE)
            return 0;
    }
    return *at == start ? 0 : (int)value;
}

int media_video_raw_parse(const char *text, media_video_options *options, char *error, size_t error_size)
{
    media_reader reader = {.label = text, .error = error, .error_size = error_size};
    const char *at = text;
    int width = parse_side(&at), height = 0;
    if (width && *at == 'x') {
        at++;
        height = parse_side(&at);
    }
    if (height && *at == ':')
        for (size_t i = 0; i < sizeof raw_names / sizeof *raw_names; i++)
            if (!strcmp(at + 1, raw_names[i])) {
                options->raw_width = width;
                options->raw_height = height;
                options->raw_format = (media_raw_format)i;
                return 0;
            }
    return media_fail(&reader, "not a description of raw frames: WIDTHxHEIGHT:FORMAT, such as 640x480:rgb24, with the "
                               "format rgb24, bgr24, rgba or gray and sides of at most 65536");
}
