/* sam2-scene SEED WIDTH HEIGHT OUT [--json info.json] [--labels labels.png] [--clip KIND [--frames N]] */
#include "scene.h"
#include "scene_clip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int usage(void)
{
    fputs("use: sam2-scene SEED WIDTH HEIGHT OUT.png [--json FILE] [--labels FILE]\n"
          "     sam2-scene SEED WIDTH HEIGHT FOLDER --clip wall|crossing [--frames N] [--json FILE] [--labels FOLDER]\n"
          "A made picture of a few clear shapes, or a clip: the same bytes for the same numbers, on every machine.\n"
          "  --json FILE    what is in it: for each shape a point inside, its box [x1, y1, x2, y2] (x2, y2 just "
          "outside), its area\n"
          "  --labels FILE  a grey PNG: 0 for the background, i for the shape i, counted from 1\n"
          "  --clip KIND    shapes that move, as 00000.png, 00001.png ...: a disc that passes behind a wall, or two\n"
          "                 shapes that pass each other; --json is of the first frame, --labels a folder too\n"
          "  --frames N     of the clip, 2 to 1000 (default 16)\n",
          stderr);
    return 1;
}

static int number(const char *text, unsigned long long most, unsigned long long *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *out <= most;
}

static int write_json(const char *path, unsigned long long seed, int width, int height, const media_scene_info *info)
{
    int to_stdout = !strcmp(path, "-");
    FILE *file = to_stdout ? stdout : fopen(path, "w");
    if (!file) {
        fprintf(stderr, "sam2-scene: %s: cannot be written: %s\n", path, strerror(errno));
        return -1;
    }
    fprintf(file, "{\"seed\": %llu, \"width\": %d, \"height\": %d, \"shapes\": [", seed, width, height);
    for (int i = 0; i < info->count; i++) {
        const media_shape *p = &info->shapes[i];
        fprintf(file,
                "%s\n  {\"label\": %d, \"kind\": \"%s\", \"colour\": [%d, %d, %d], \"point\": [%d, %d], \"box\": [%d, "
                "%d, %d, %d], "
                "\"area\": %lld}",
                i ? "," : "", i + 1, p->kind, p->colour.r, p->colour.g, p->colour.b, p->x, p->y, p->x0, p->y0, p->x1,
                p->y1, p->area);
    }
    fputs("\n]}\n", file);
    int bad = ferror(file);
    bad |= to_stdout ? fflush(file) : fclose(file);
    if (bad)
        fprintf(stderr, "sam2-scene: %s: cannot be written: %s\n", path, strerror(errno));
    return bad ? -1 : 0;
}

static int write_png(const char *path, const uint8_t *pixels, int width, int height, int channels)
{
    char error[600];
    int status =
        media_write_png(path, pixels, width, height, channels, (size_t)width * (size_t)channels, error, sizeof error);
    if (status)
        fprintf(stderr, "sam2-scene: %s\n", error);
    return status;
}

static int write_frame(const char *folder, int frame, const uint8_t *pixels, int width, int height, int channels)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%05d.png", folder, frame) >= (int)sizeof path) {
        fprintf(stderr, "sam2-scene: %.60s...: the name is too long\n", folder);
        return -1;
    }
    return write_png(path, pixels, width, height, channels);
}

typedef struct order {
    unsigned long long seed, width, height, frames;
    const char *out, *json, *labels;
    int clip; /* a media_clip_kind, or -1 */
} order;

static int write_clip(const order *o, uint8_t *pixels, uint8_t *labels)
{
    const int w = (int)o->width, h = (int)o->height;
    media_scene_info info;
    const char *const folders[] = {o->out, o->labels};
    for (int i = 0; i < 2; i++)
        if (folders[i] && mkdir(folders[i], 0777) && errno != EEXIST) {
            fprintf(stderr, "sam2-scene: %s: the folder cannot be made: %s\n", folders[i], strerror(errno));
            return -1;
        }
    for (int i = (int)o->frames - 1; i >= 0; i--) { /* the first last: its description stays */
        media_make_clip((media_clip_kind)o->clip, o->seed, w, h, i, (int)o->frames, pixels, labels, &info);
        if (write_frame(o->out, i, pixels, w, h, 3) || (o->labels && write_frame(o->labels, i, labels, w, h, 1)))
            return -1;
    }
    return o->json ? write_json(o->json, o->seed, w, h, &info) : 0;
}

static int write_scene(const order *o, uint8_t *pixels, uint8_t *labels)
{
    const int w = (int)o->width, h = (int)o->height;
    media_scene_info info;
    media_make_scene(o->seed, w, h, pixels, &info);
    media_scene_labels(o->seed, w, h, labels);
    if (write_png(o->out, pixels, w, h, 3) || (o->labels && write_png(o->labels, labels, w, h, 1)))
        return -1;
    return o->json ? write_json(o->json, o->seed, w, h, &info) : 0;
}

static int clip_of(const char *name)
{
    for (int i = 0; i < MEDIA_CLIP_KINDS; i++)
        if (!strcmp(name, media_clip_names[i]))
            return i;
    return -1;
}

int main(int count, char **words)
{
    order o = {.frames = 16, .clip = -1};
    int frames_given = 0;
    if (count < 5 || !number(words[1], UINT64_MAX, &o.seed) || !number(words[2], 65536, &o.width) ||
        !number(words[3], 65536, &o.height) || !o.width || !o.height)
        return usage();
    o.out = words[4];
    for (int i = 5; i < count; i += 2) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (value && !strcmp(words[i], "--json"))
            o.json = value;
        else if (value && !strcmp(words[i], "--labels"))
            o.labels = value;
        else if (value && !strcmp(words[i], "--clip") && clip_of(value) >= 0)
            o.clip = clip_of(value);
        else if (value && !strcmp(words[i], "--frames") && number(value, 1000, &o.frames) && o.frames >= 2)
            frames_given = 1;
        else
            return usage();
    }
    if (o.clip < 0 ? frames_given : o.width < 64 || o.height < 64)
        return usage();
    const size_t area = (size_t)o.width * (size_t)o.height;
    uint8_t *pixels = malloc(area * 3), *labels = malloc(area);
    if (!pixels || !labels) {
        free(pixels);
        free(labels);
        fputs("sam2-scene: out of memory\n", stderr);
        return 4;
    }
    int status = o.clip < 0 ? write_scene(&o, pixels, labels) : write_clip(&o, pixels, labels);
    free(pixels);
    free(labels);
    return status ? 2 : 0;
}
