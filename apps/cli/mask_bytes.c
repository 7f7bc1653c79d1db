#include "mask_bytes.h"

#include <stdlib.h>
#include <string.h>

/* The first place from `x` on that is not 0, or `width`; eight bytes at a time, for most of a large mask is empty. */
static int skip_outside(const uint8_t *row, int x, int width)
{
    uint64_t eight = 0;
    for (; x + 8 <= width; x += 8) {
        memcpy(&eight, row + x, 8);
        if (eight)
            break;
    }
    while (x < width && !row[x])
        x++;
    return x;
}

void mask_measure(const uint8_t *mask, int width, int height, int64_t *area, int box[4])
{
    int left = width, right = -1, top = -1, bottom = -1;
    *area = 0;
    for (int y = 0; y < height; y++) {
        const uint8_t *row = mask + (size_t)y * (size_t)width;
        int first = skip_outside(row, 0, width), last = width - 1, inside = 0;
        if (first == width)
            continue;
        while (!row[last])
            last--;
        for (int x = first; x <= last; x++)
            inside += row[x] != 0;
        *area += inside;
        left = first < left ? first : left;
        right = last > right ? last : right;
        top = top < 0 ? y : top;
        bottom = y;
    }
    box[0] = box[1] = box[2] = box[3] = 0;
    if (bottom >= 0) {
        box[0] = left;
        box[1] = top;
        box[2] = right - left + 1;
        box[3] = bottom - top + 1;
    }
}

typedef struct rle_text {
    char *text;
    size_t length, capacity;
    int64_t before[2]; /* the counts one and two places back */
    int64_t count;     /* how many so far */
    int64_t run;       /* pixels of the run that is not written yet */
    int inside;        /* of which kind it is */
    int failed;
} rle_text;

/* From the third count on the difference to the one two places back is kept, in groups of five bits, lowest first: bit
 * 5 says that more follow, bit 4 of the last is the sign. */
static void add_count(rle_text *t, int64_t value)
{
    int64_t x = t->count > 2 ? value - t->before[1] : value;
    int more = 1;
    if (t->capacity - t->length < 16) {
        size_t capacity = t->capacity ? t->capacity * 2 : 1024;
        char *text = realloc(t->text, capacity);
        if (!text) {
            t->failed = 1;
            return;
        }
        t->text = text;
        t->capacity = capacity;
    }
    while (more) {
        int group = (int)(x & 31);
        x = x >= 0 ? x / 32 : -((-x + 31) / 32); /* rounded down */
        more = group & 16 ? x != -1 : x != 0;
        t->text[t->length++] = (char)(48 + (more ? group | 32 : group));
    }
    t->before[1] = t->before[0];
    t->before[0] = value;
    t->count++;
}

/* `count` more pixels of one kind. */
static void add_run(rle_text *t, int inside, int64_t count)
{
    if (inside != t->inside && count) {
        add_count(t, t->run);
        t->run = 0;
        t->inside = inside;
    }
    t->run += count;
}

/* One column within the box: 0 and 1. */
static void add_column(rle_text *t, const uint8_t *column, size_t rows)
{
    while (rows && !t->failed) {
        int inside = column[0];
        const uint8_t *end = memchr(column, !inside, rows);
        size_t same = end ? (size_t)(end - column) : rows;
        add_run(t, inside, (int64_t)same);
        column += same;
        rows -= same;
    }
}

char *mask_rle(const uint8_t *mask, int width, int height, const int box[4])
{
    enum { COLUMNS = 64 }; /* columns are gathered together, so that a picture is read by cache lines */
    rle_text t = {0};
    size_t rows = (size_t)box[3];
    uint8_t *block = malloc(rows * COLUMNS + 1);
    if (!block)
        return NULL;
    add_run(&t, 0, (int64_t)box[0] * height);
    for (int x0 = 0; x0 < box[2] && !t.failed; x0 += COLUMNS) {
        int columns = box[2] - x0 < COLUMNS ? box[2] - x0 : COLUMNS;
        for (size_t y = 0; y < rows; y++) {
            const uint8_t *row = mask + ((size_t)box[1] + y) * (size_t)width + (size_t)(box[0] + x0);
            for (int x = 0; x < columns; x++)
                block[(size_t)x * rows + y] = row[x] != 0;
        }
        for (int x = 0; x < columns; x++) {
            add_run(&t, 0, box[1]);
            add_column(&t, block + (size_t)x * rows, rows);
            add_run(&t, 0, height - box[1] - box[3]);
        }
    }
    add_run(&t, 0, (int64_t)(width - box[0] - box[2]) * height);
    if (!t.failed)
        add_count(&t, t.run);
    free(block);
    if (t.failed) {
        free(t.text);
        return NULL;
    }
    t.text[t.length] = 0; /* 16 bytes were free before at most 13 were used */
    return t.text;
}

void mask_clip(uint8_t *mask, int width, int height, const sam2_box *box)
{
    for (int y = 0; y < height; y++) {
        uint8_t *row = mask + (size_t)y * (size_t)width;
        double centre = y + 0.5;
        if (centre < box->y0 || centre >= box->y1) {
            memset(row, 0, (size_t)width);
            continue;
        }
        for (int x = 0; x < width; x++)
            if (x + 0.5 < box->x0 || x + 0.5 >= box->x1)
                row[x] = 0;
    }
}
