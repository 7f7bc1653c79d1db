#include "vos_measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one look at a frame tells of each label. */
typedef struct census {
    size_t truth[256], prediction[256], both[256];
    int left[256], top[256], right[256], bottom[256]; /* of truth and prediction together; the last ones inside */
} census;

static void extend(census *c, uint8_t label, int x0, int x1, int y)
{
    c->left[label] = x0 < c->left[label] ? x0 : c->left[label];
    c->right[label] = x1 > c->right[label] ? x1 : c->right[label];
    c->top[label] = y < c->top[label] ? y : c->top[label];
    c->bottom[label] = y;
}

static void take_census(census *c, const uint8_t *truth, const uint8_t *prediction, int width, int height)
{
    memset(c, 0, sizeof *c);
    for (int i = 0; i < 256; i++) {
        c->left[i] = width;
        c->top[i] = height;
    }
    for (int y = 0; y < height; y++, truth += width, prediction += width)
        for (int x = 0, end; x < width; x = end) {
            uint8_t t = truth[x], p = prediction[x];
            for (end = x + 1; end < width && truth[end] == t && prediction[end] == p; end++)
                ;
            size_t n = (size_t)(end - x);
            c->truth[t] += n;
            c->prediction[p] += n;
            if (t == p)
                c->both[t] += n;
            extend(c, t, x, end - 1, y);
            extend(c, p, x, end - 1, y);
        }
}

/* A label's neighbourhood in a frame: everything that its outlines can touch, and no more. */
typedef struct region {
    const uint8_t *labels; /* of the frame [.., pitch] at the region's first pixel */
    size_t pitch, width, height;
    int beyond_right, beyond_bottom; /* the frame goes on there */
} region;

/* outline [height, width] becomes 1 where a pixel differs from the one to its right, below, or both; beyond the frame
 * there is nothing to differ from. Returns how many do. `rows` has room for two rows and a pixel more each. */
static size_t find_outline(const region *r, uint8_t label, uint8_t *rows, uint8_t *outline)
{
    size_t count = 0, width = r->width;
    uint8_t *here = rows, *below = rows + width + 1;
    for (size_t y = 0; y <= r->height; y++) {
        if (y < r->height || r->beyond_bottom) {
            const uint8_t *labels = r->labels + y * r->pitch;
            for (size_t x = 0; x < width; x++)
                below[x] = labels[x] == label;
            below[width] = r->beyond_right ? labels[width] == label : below[width - 1];
        } else
            memcpy(below, here, width + 1);
        if (y) {
            uint8_t *out = outline + (y - 1) * width;
            for (size_t x = 0; x < width; x++)
                out[x] = (here[x] ^ here[x + 1]) | (here[x] ^ below[x]) | (here[x] ^ below[x + 1]);
            for (size_t x = 0; x < width; x++)
                count += out[x];
        }
        uint8_t *other = here;
        here = below;
        below = other;
    }
    return count;
}

/* How far up or down the next pixel of the outline is, at most `far`. */
static void find_distances(const uint8_t *outline, size_t width, size_t height, uint16_t far, uint16_t *distance)
{
    for (size_t x = 0; x < width; x++)
        distance[x] = outline[x] ? 0 : far;
    for (size_t y = 1; y < height; y++) {
        const uint8_t *line = outline + y * width;
        const uint16_t *above = distance + (y - 1) * width;
        uint16_t *here = distance + y * width;
        for (size_t x = 0; x < width; x++) {
            uint16_t next = (uint16_t)(above[x] + (above[x] < far));
            here[x] = line[x] ? 0 : next;
        }
    }
    for (size_t y = height - 1; y-- > 0;) {
        const uint16_t *below = distance + (y + 1) * width;
        uint16_t *here = distance + y * width;
        for (size_t x = 0; x < width; x++) {
            uint16_t next = (uint16_t)(below[x] + (below[x] < far));
            here[x] = next < here[x] ? next : here[x];
        }
    }
}

/* How many pixels of an outline have one of the other within the disc of this radius. Of the other, the vertical
 * distances are given; reach[d] is how far to the side a pixel d rows away may lie, and -1 for the distance `far`. */
static size_t count_near(const uint8_t *outline, const uint16_t *distance, size_t width, size_t height, int radius,
                         const int *reach)
{
    size_t count = 0;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            const uint16_t *here = distance + y * width + x;
            if (!outline[y * width + x])
                continue;
            for (int d = 0; d <= radius; d++)
                if ((x >= (size_t)d && reach[here[-(ptrdiff_t)d]] >= d) ||
                    (x + (size_t)d < width && reach[here[d]] >= d)) {
                    count++;
                    break;
                }
        }
    return count;
}

int vos_tolerance(int width, int height)
{
    double w = width, h = height;
    return (int)ceil(0.008 * sqrt(w * w + h * h));
}

static double agreement(size_t near_prediction, size_t predicted, size_t near_truth, size_t true_ones)
{
    double precision = 1.0, recall = 1.0;
    if (predicted && true_ones) {
        precision = (double)near_prediction / (double)predicted;
        recall = (double)near_truth / (double)true_ones;
    } else if (predicted)
        precision = 0.0;
    else if (true_ones)
        recall = 0.0;
    return precision + recall == 0.0 ? 0.0 : 2.0 * precision * recall / (precision + recall);
}

typedef struct frame {
    const uint8_t *truth, *prediction;
    int width, height, radius;
    int *reach; /* [radius + 2] */
} frame;

static double contour(const frame *f, const census *c, uint8_t label, uint8_t *memory)
{
    /* The outline is that of the pixels to the left and above too. */
    size_t left = (size_t)c->left[label] - (c->left[label] > 0), top = (size_t)c->top[label] - (c->top[label] > 0);
    size_t at = top * (size_t)f->width + left;
    region r = {.pitch = (size_t)f->width,
                .width = (size_t)c->right[label] + 1 - left,
                .height = (size_t)c->bottom[label] + 1 - top,
                .beyond_right = c->right[label] + 1 < f->width,
                .beyond_bottom = c->bottom[label] + 1 < f->height};
    size_t pixels = r.width * r.height;
    uint16_t *distance = (uint16_t *)memory;
    uint8_t *true_outline = memory + 2 * pixels, *outline = true_outline + pixels, *rows = outline + pixels;
    r.labels = f->truth + at;
    size_t true_ones = find_outline(&r, label, rows, true_outline), near_truth = 0, near_prediction = 0;
    r.labels = f->prediction + at;
    size_t predicted = find_outline(&r, label, rows, outline);
    if (predicted && true_ones) {
        uint16_t far = (uint16_t)(f->radius + 1);
        find_distances(outline, r.width, r.height, far, distance);
        near_truth = count_near(true_outline, distance, r.width, r.height, f->radius, f->reach);
        find_distances(true_outline, r.width, r.height, far, distance);
        near_prediction = count_near(outline, distance, r.width, r.height, f->radius, f->reach);
    }
    return agreement(near_prediction, predicted, near_truth, true_ones);
}

static int reserve(vos_measure *m, int width, int height)
{
    size_t pixels = (size_t)width * (size_t)height, size = 4 * pixels + 2 * ((size_t)width + 1);
    if (size > m->capacity) {
        free(m->memory);
        m->memory = malloc(size);
        m->capacity = m->memory ? size : 0;
    }
    return m->memory ? 0 : -1;
}

static void fill_reach(frame *f)
{
    int reach = f->radius;
    for (int d = 0; d <= f->radius; d++) {
        while (reach * reach + d * d > f->radius * f->radius)
            reach--;
        f->reach[d] = reach;
    }
    f->reach[f->radius + 1] = -1;
}

int vos_measure_frame(vos_measure *measure, const uint8_t *truth, const uint8_t *prediction, int width, int height)
{
    frame f = {truth, prediction, width, height, vos_tolerance(width, height), NULL};
    census c;
    f.reach = malloc(((size_t)f.radius + 2) * sizeof *f.reach);
    if (!f.reach || reserve(measure, width, height)) {
        free(f.reach);
        return -1;
    }
    fill_reach(&f);
    take_census(&c, truth, prediction, width, height);
    for (int label = 1; label < 256; label++) {
        vos_object *object = &measure->objects[label];
        size_t sum = c.truth[label] + c.prediction[label];
        object->in_truth |= c.truth[label] > 0;
        if (!sum && !object->frames)
            continue;
        object->frames++;
        object->j += sum ? (double)c.both[label] / (double)(sum - c.both[label]) : 1.0;
        object->f += sum ? contour(&f, &c, (uint8_t)label, measure->memory) : 1.0;
    }
    free(f.reach);
    return 0;
}

void vos_measure_free(vos_measure *measure)
{
    free(measure->memory);
    memset(measure, 0, sizeof *measure);
}
