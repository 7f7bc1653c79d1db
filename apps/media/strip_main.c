/* sam2-strip OUT.png [--across N] [--reduce N] IN... */
#include "media.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 6, MOST = 65536 };

static int usage(void)
{
    fputs("use: sam2-strip OUT.png [--across N] [--reduce N] IN...\n"
          "Pictures side by side on white, N in a row (default: all), each made N times smaller (default 1).\n"
          "Cells are as large as the first picture; larger ones are cut.\n",
          stderr);
    return 1;
}

static int number(const char *text, long least, long most, long *out)
{
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *out >= least && *out <= most;
}

typedef struct strip {
    uint8_t *pixels;
    int width, height;           /* of the whole */
    int cell_width, cell_height; /* without the gaps */
    int reduce;
} strip;

/* The mean of reduce x reduce pixels for each. */
static void paste(strip *s, const media_picture *p, int left, int top)
{
    const int r = s->reduce, w = p->width / r < s->cell_width ? p->width / r : s->cell_width,
              h = p->height / r < s->cell_height ? p->height / r : s->cell_height;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w * 3; x++) {
            unsigned long sum = 0;
            for (int dy = 0; dy < r; dy++)
                for (int dx = 0; dx < r; dx++)
                    sum += p->pixels[((size_t)(y * r + dy) * (size_t)p->width + (size_t)(x / 3 * r + dx)) * 3 +
                                     (size_t)(x % 3)];
            s->pixels[((size_t)(top + y) * (size_t)s->width + (size_t)left) * 3 + (size_t)x] =
                (uint8_t)((sum + (unsigned long)(r * r) / 2) / (unsigned long)(r * r));
        }
}

/* Makes room once the first picture is known. */
static int begin(strip *s, const media_picture *first, int across, int count)
{
    const long columns = across < count ? across : count, rows = (count + columns - 1) / columns;
    s->cell_width = first->width / s->reduce;
    s->cell_height = first->height / s->reduce;
    const long width = columns * (s->cell_width + GAP) - GAP, height = rows * (s->cell_height + GAP) - GAP;
    if (s->cell_width < 1 || s->cell_height < 1 || width > MOST || height > MOST) {
        fprintf(stderr, "sam2-strip: %ld x %ld pixels cannot be made\n", width, height);
        return -1;
    }
    s->width = (int)width;
    s->height = (int)height;
    s->pixels = malloc((size_t)width * (size_t)height * 3);
    if (!s->pixels) {
        fputs("sam2-strip: out of memory\n", stderr);
        return -1;
    }
    memset(s->pixels, 255, (size_t)width * (size_t)height * 3);
    return 0;
}

int main(int count, char **words)
{
    long across = 1000, reduce = 1;
    char error[600];
    int first = 2, status = 0;
    while (first + 1 < count && words[first][0] == '-') {
        const int is_across = !strcmp(words[first], "--across"), is_reduce = !strcmp(words[first], "--reduce");
        if ((!is_across && !is_reduce) ||
            !number(words[first + 1], 1, is_across ? 1000 : 64, is_across ? &across : &reduce))
            return usage();
        first += 2;
    }
    if (count <= first)
        return usage();
    strip s = {.reduce = (int)reduce};
    for (int i = first; i < count && !status; i++) {
        media_picture p = {0};
        status = media_read(words[i], NULL, &p, error, sizeof error);
        if (status) {
            fprintf(stderr, "sam2-strip: %s\n", error);
            break;
        }
        if (i == first)
            status = begin(&s, &p, (int)across, count - first);
        const int columns = across < count - first ? (int)across : count - first, at = i - first;
        if (!status)
            paste(&s, &p, at % columns * (s.cell_width + GAP), at / columns * (s.cell_height + GAP));
        media_picture_free(&p);
    }
    if (!status &&
        media_write_png(words[1], s.pixels, s.width, s.height, 3, (size_t)s.width * 3, error, sizeof error)) {
        fprintf(stderr, "sam2-strip: %s\n", error);
        status = -1;
    }
    free(s.pixels);
    return status ? 2 : 0;
}
