/* The prompts of `track`. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "track.h"

#define MOST_PROMPTS 100000
#define MOST_NUMBER 100000000 /* of objects and frames */

static track_prompt *put(track_prompts *prompts, int64_t id, int64_t frame)
{
    for (int i = 0; i < prompts->count; i++)
        if (prompts->list[i].id == id && prompts->list[i].frame == frame)
            return &prompts->list[i];
    if (prompts->count == prompts->capacity) {
        int capacity = prompts->capacity ? 2 * prompts->capacity : 8;
        track_prompt *list = capacity > MOST_PROMPTS ? NULL : realloc(prompts->list, (size_t)capacity * sizeof *list);
        if (!list)
            return NULL;
        prompts->list = list;
        prompts->capacity = capacity;
    }
    prompts->list[prompts->count] = (track_prompt){.id = id, .frame = frame};
    return &prompts->list[prompts->count++];
}

static int add_point(track_prompt *p, const double *v, char *error, size_t error_size)
{
    if (v[2] != 0 && v[2] != 1)
        return explain(error, error_size, "the label of a point is 1 (inside) or 0 (outside)");
    if (p->point_count == p->point_capacity) {
        int capacity = p->point_capacity ? 2 * p->point_capacity : 4;
        sam2_point *points = capacity > 4096 ? NULL : realloc(p->points, (size_t)capacity * sizeof *points);
        if (!points)
            return explain(error, error_size, "too many points");
        p->points = points;
        p->point_capacity = capacity;
    }
    p->points[p->point_count++] = (sam2_point){(float)v[0], (float)v[1], (int)v[2]};
    return 0;
}

/* Up to `most` numbers divided by commas, to the end of the text or a semicolon; how many, or -1. */
static int parse_numbers(const char **text, double *out, int most)
{
    for (int n = 0; n < most; n++) {
        char one[64];
        size_t length = strcspn(*text, ",;");
        if (length >= sizeof one)
            return -1;
        memcpy(one, *text, length);
        one[length] = 0;
        if (parse_real(one, &out[n]) || fabs(out[n]) > 1e7)
            return -1;
        *text += length;
        if (**text != ',')
            return n + 1;
        ++*text;
    }
    return -1;
}

static int add_points(track_prompt *p, const char *text, char *error, size_t error_size)
{
    for (;;) {
        double v[3] = {0, 0, 1};
        if (parse_numbers(&text, v, 3) < 2)
            return explain(error, error_size, "points are x,y or x,y,label, divided by semicolons");
        if (add_point(p, v, error, error_size))
            return -1;
        if (!*text)
            return 0;
        text++;
    }
}

static int add_box(track_prompt *p, const char *text, char *error, size_t error_size)
{
    double v[4];
    if (parse_numbers(&text, v, 4) != 4 || *text)
        return explain(error, error_size, "a box is x1,y1,x2,y2");
    if (v[0] == v[2] || v[1] == v[3])
        return explain(error, error_size, "the box has no area");
    if (p->has_box)
        return explain(error, error_size, "object %lld has two boxes on frame %lld", (long long)p->id,
                       (long long)p->frame);
    p->has_box = 1;
    p->box = (sam2_box){(float)v[0], (float)v[1], (float)v[2], (float)v[3]};
    return 0;
}

/* A number and the colon behind it. */
static int parse_number(const char **text, int64_t *out)
{
    char *end;
    if (**text < '0' || **text > '9')
        return -1;
    errno = 0;
    *out = strtoll(*text, &end, 10);
    if (errno || *out > MOST_NUMBER || *end != ':')
        return -1;
    *text = end + 1;
    return 0;
}

int track_prompts_add(void *target, const char *value, char *error, size_t error_size)
{
    int64_t id, frame;
    const char *text = value;
    if (parse_number(&text, &id) || parse_number(&text, &frame))
        return explain(error, error_size,
                       "a prompt is ID:FRAME:point:x,y,label[;x,y,label] or ID:FRAME:box:x1,y1,x2,y2 or "
                       "ID:FRAME:mask:FILE, with numbers from 0 for ID and FRAME");
    track_prompt *p = put(target, id, frame);
    if (!p)
        return explain(error, error_size, "too many prompts");
    const int points = !strncmp(text, "point:", 6), box = !strncmp(text, "box:", 4), mask = !strncmp(text, "mask:", 5);
    if (p->mask || (mask && (p->point_count || p->has_box)))
        return explain(error, error_size, "object %lld on frame %lld has a mask; nothing else can be said of it there",
                       (long long)id, (long long)frame);
    if (points)
        return add_points(p, text + 6, error, error_size);
    if (box)
        return add_box(p, text + 4, error, error_size);
    if (mask && text[5]) {
        p->mask = text + 5;
        return 0;
    }
    return explain(error, error_size, "after ID:FRAME: comes point:, box: or mask:");
}

int track_prompts_add_mask(track_prompts *prompts, int64_t id, int64_t frame, uint8_t *bytes, int width, int height)
{
    track_prompt *p = put(prompts, id, frame);
    if (!p)
        return report(EXIT_FAULT, "out of memory");
    free(p->bytes);
    p->bytes = bytes;
    p->width = width;
    p->height = height;
    return EXIT_DONE;
}

void track_prompts_free(track_prompts *prompts)
{
    for (int i = 0; i < prompts->count; i++) {
        free(prompts->list[i].points);
        free(prompts->list[i].bytes);
    }
    free(prompts->list);
    *prompts = (track_prompts){0};
}
