/* A folder of pictures as a video. */
#include "video_source.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sniff.h"

typedef struct folder {
    video_name *names;
    size_t count, capacity;
    char *path; /* room for the folder and the longest name */
    size_t path_size;
    media_picture picture; /* the frame that was read last */
    int64_t index;         /* its number; -1: none */
} folder;

/* What is left out, for the notice. */
typedef struct leftovers {
    size_t count, used;
    char names[200];
} leftovers;

static void leave_out(leftovers *l, const char *name)
{
    if (l->count++ < 3 && l->used < sizeof l->names) {
        int n = snprintf(l->names + l->used, sizeof l->names - l->used, "%s%.60s", l->used ? ", " : "", name);
        l->used += n > 0 ? (size_t)n : 0;
    }
}

static void say(media_video *video, const leftovers *l, const char *what)
{
    char *notice = video->info.notice;
    size_t used = strlen(notice);
    if (l->count && used < sizeof video->info.notice)
        snprintf(notice + used, sizeof video->info.notice - used, "%s%zu %s left out: %s%s", used ? "; " : "", l->count,
                 what, l->names, l->count > 3 ? " ..." : "");
    for (unsigned char *c = (unsigned char *)notice; *c; c++)
        if (*c < 32 || *c == 127)
            *c = '?';
}

static const char *path_of(media_video *video, const char *name)
{
    folder *f = video->state;
    size_t size = strlen(video->path) + strlen(name) + 2;
    if (size > f->path_size) {
        char *grown = realloc(f->path, size);
        if (!grown)
            return NULL;
        f->path = grown;
        f->path_size = size;
    }
    snprintf(f->path, f->path_size, "%s/%s", video->path, name);
    return f->path;
}

/* A file is a frame when its name says that it is a picture, readable or not, or when its content is one. */
static int is_frame(const char *path, const char *name)
{
    uint8_t head[1024];
    struct stat about;
    int known = !stat(path, &about);
    if (*name == '.' || (known && !S_ISREG(about.st_mode)))
        return 0;
    if (video_name_is_picture(name))
        return 1;
    FILE *file = known ? fopen(path, "rb") : NULL;
    if (!file)
        return 0;
    size_t size = fread(head, 1, sizeof head, file);
    fclose(file);
    return media_sniff(head, size)->read != NULL;
}

static int add(media_video *video, const char *name)
{
    folder *f = video->state;
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? f->capacity * 2 : 64;
        video_name *grown = realloc(f->names, capacity * sizeof *grown);
        if (!grown)
            return media_fail(&video->reader, "out of memory for %zu names", capacity);
        f->names = grown;
        f->capacity = capacity;
    }
    size_t size = strlen(name) + 1;
    char *copy = malloc(size);
    if (!copy)
        return media_fail(&video->reader, "out of memory for %zu names", f->count);
    memcpy(copy, name, size);
    f->names[f->count++] = (video_name){.name = copy};
    return 0;
}

static int collect(media_video *video, leftovers *strays)
{
    int status = 0;
    errno = 0;
    DIR *dir = opendir(video->path);
    if (!dir)
        return media_fail(&video->reader, "cannot be opened: %s", strerror(errno));
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (!e) {
            if (errno)
                status = media_fail(&video->reader, "cannot be read: %s", strerror(errno));
            break;
        }
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        const char *path = path_of(video, e->d_name);
        if (!path)
            status = media_fail(&video->reader, "out of memory");
        else if (!is_frame(path, e->d_name))
            leave_out(strays, e->d_name);
        else
            status = add(video, e->d_name);
        if (status)
            break;
    }
    closedir(dir);
    return status;
}

/* Reads the picture with this number into the folder's state; the error names the file and the frame. */
static int load(media_video *video, size_t number)
{
    folder *f = video->state;
    char text[400] = "";
    const char *path = path_of(video, f->names[number].name);
    if (f->index == (int64_t)number)
        return 0;
    if (!path)
        return media_fail(&video->reader, "out of memory");
    media_picture_free(&f->picture);
    f->index = -1;
    if (!media_read(path, &video->options.picture, &f->picture, text, sizeof text)) {
        f->index = (int64_t)number;
        return 0;
    }
    media_reader at = video->reader;
    size_t prefix = strlen(path) + 2; /* media_read's "name: " */
    at.label = path;
    return media_fail(&at, "frame %zu: %s", number, strlen(text) > prefix ? text + prefix : "cannot be read");
}

static int check_frame(media_video *video, size_t number)
{
    folder *f = video->state;
    media_reader at = video->reader;
    if (f->picture.width == video->info.width && f->picture.height == video->info.height)
        return 0;
    at.label = f->path;
    media_fail(&at, "frame %zu has %d x %d pixels, but the first frame has %d x %d; all must have one size", number,
               f->picture.width, f->picture.height, video->info.width, video->info.height);
    f->index = -1;
    media_picture_free(&f->picture);
    return -1;
}

/* Reads all pictures once and takes those that are damaged off the list. */
static int drop_bad(media_video *video)
{
    folder *f = video->state;
    leftovers bad = {0};
    size_t kept = 0;
    char *error = video->reader.error;
    for (size_t i = 0; i < f->count; i++) {
        video->reader.error = NULL;
        int status = load(video, i);
        video->reader.error = error;
        f->index = -1; /* the numbers are changing */
        if (status) {
            leave_out(&bad, f->names[i].name);
            free(f->names[i].name);
        } else {
            f->names[kept++] = f->names[i];
        }
    }
    f->count = kept;
    say(video, &bad, bad.count == 1 ? "damaged picture" : "damaged pictures");
    return kept ? 0 : media_fail(&video->reader, "none of its %zu pictures can be read", bad.count);
}

static int folder_read(media_video *video, int64_t index, media_frame *out)
{
    folder *f = video->state;
    if ((uint64_t)index >= f->count)
        return 0;
    if (load(video, (size_t)index) || check_frame(video, (size_t)index))
        return -1;
    out->pixels = f->picture.pixels;
    out->pts_ms = (double)index * 1000 / video->info.fps;
    out->file = f->names[index].name;
    return 1;
}

static int folder_count(media_video *video)
{
    (void)video; /* known since it was opened */
    return 0;
}

static void folder_close(media_video *video)
{
    folder *f = video->state;
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        free(f->names[i].name);
    free(f->names);
    free(f->path);
    media_picture_free(&f->picture);
    free(f);
}

int video_open_folder(media_video *video)
{
    static const video_kind kind = {folder_read, folder_count, folder_close};
    leftovers strays = {0};
    folder *f = calloc(1, sizeof *f);
    if (!f)
        return media_fail(&video->reader, "out of memory");
    f->index = -1;
    video->kind = &kind;
    video->state = f;
    video->info.fps = video_fps_or_default(video);
    snprintf(video->info.format, sizeof video->info.format, "folder");
    if (collect(video, &strays))
        return -1;
    say(video, &strays, strays.count == 1 ? "file that is no frame" : "files that are no frames");
    if (!f->count)
        return media_fail(&video->reader, "the folder has no pictures (and %zu other files)", strays.count);
    if (video_names_sort(&video->reader, f->names, f->count) || (video->options.skip_bad && drop_bad(video)) ||
        load(video, 0))
        return -1;
    video->info.width = f->picture.width;
    video->info.height = f->picture.height;
    video->info.frames = video->info.estimate = (int64_t)f->count;
    snprintf(video->info.codec, sizeof video->info.codec, "%s", f->picture.format);
    size_t used = strlen(video->info.notice);
    if (*f->picture.notice && used < sizeof video->info.notice)
        snprintf(video->info.notice + used, sizeof video->info.notice - used, "%s%s", used ? "; " : "",
                 f->picture.notice);
    return 0;
}
