/* sam2-scene SEED WIDTH HEIGHT out.png [--json info.json] [--labels labels.png] */
#include "scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fputs("use: sam2-scene SEED WIDTH HEIGHT out.png [--json FILE] [--labels FILE]\n"
          "A made picture of a few clear shapes: the same bytes for the same numbers, on every machine.\n"
          "  --json FILE    what is in it: for each shape a point inside, its box [x1, y1, x2, y2] (x2, y2 just "
          "outside), its area\n"
          "  --labels FILE  a grey PNG: 0 for the background, i for the shape i, counted from 1\n",
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

int main(int count, char **words)
{
    unsigned long long seed, width, height;
    const char *json = NULL, *labels = NULL;
    char error[600];
    media_scene_info info;
    int status = 0;
    if (count < 5 || !number(words[1], UINT64_MAX, &seed) || !number(words[2], 65536, &width) ||
        !number(words[3], 65536, &height) || !width || !height)
        return usage();
    for (int i = 5; i < count; i += 2) {
        if (i + 1 < count && !strcmp(words[i], "--json"))
            json = words[i + 1];
        else if (i + 1 < count && !strcmp(words[i], "--labels"))
            labels = words[i + 1];
        else
            return usage();
    }
    int w = (int)width, h = (int)height;
    uint8_t *pixels = malloc((size_t)w * (size_t)h * 3);
    if (!pixels) {
        fputs("sam2-scene: out of memory\n", stderr);
        return 4;
    }
    media_make_scene(seed, w, h, pixels, &info);
    status = media_write_png(words[4], pixels, w, h, 3, (size_t)w * 3, error, sizeof error);
    if (!status && labels) {
        media_scene_labels(seed, w, h, pixels);
        status = media_write_png(labels, pixels, w, h, 1, (size_t)w, error, sizeof error);
    }
    if (status)
        fprintf(stderr, "sam2-scene: %s\n", error);
    free(pixels);
    if (!status && json)
        status = write_json(json, seed, w, h, &info);
    return status ? 2 : 0;
}
