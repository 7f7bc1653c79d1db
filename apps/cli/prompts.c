#include "prompts.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "options.h"

/* Far beyond any picture, and safe to add and to turn into float. */
#define LARGEST_COORDINATE 1e7

/* Numbers divided by commas, at most `most` of them; how many, or -1. */
static int parse_numbers(const char *text, double *out, int most)
{
    for (int count = 0; count < most; count++) {
        char one[64];
        size_t length = strcspn(text, ",");
        if (length >= sizeof one)
            return -1;
        memcpy(one, text, length);
        one[length] = 0;
        if (parse_real(one, &out[count]) || fabs(out[count]) > LARGEST_COORDINATE)
            return -1;
        if (!text[length])
            return count + 1;
        text += length + 1;
    }
    return -1;
}

/* The array with room for one more element, or NULL. */
static void *grow(void *array, int count, int *capacity, size_t size)
{
    int more = *capacity ? *capacity * 2 : 4;
    if (count < *capacity)
        return array;
    if (more > 1 << 20)
        return NULL;
    array = realloc(array, (size_t)more * size);
    if (array)
        *capacity = more;
    return array;
}

static prompt_object *add_object(prompt_list *list, char *error, size_t error_size)
{
    prompt_object *objects = grow(list->objects, list->count, &list->capacity, sizeof *objects);
    if (!objects) {
        explain(error, error_size, "too many objects");
        return NULL;
    }
    list->objects = objects;
    objects[list->count] = (prompt_object){0};
    return &objects[list->count++];
}

static prompt_object *current(prompt_list *list, char *error, size_t error_size)
{
    return list->count ? &list->objects[list->count - 1] : add_object(list, error, error_size);
}

int prompts_point(void *target, const char *value, char *error, size_t error_size)
{
    prompt_object *object = current(target, error, error_size);
    double v[3] = {0, 0, 1};
    int count = parse_numbers(value, v, 3);
    raw_point *raw;
    if (!object)
        return -1;
    if (count < 2)
        return explain(error, error_size, "a point is x,y or x,y,label, finite numbers divided by commas");
    if (v[2] != 0 && v[2] != 1)
        return explain(error, error_size, "the label of a point is 1 (inside) or 0 (outside)");
    raw = grow(object->raw, object->point_count, &object->point_capacity, sizeof *raw);
    if (!raw)
        return explain(error, error_size, "too many points");
    object->raw = raw;
    raw[object->point_count++] = (raw_point){v[0], v[1], (int)v[2]};
    return 0;
}

int prompts_box(void *target, const char *value, char *error, size_t error_size)
{
    static const struct {
        const char *prefix;
        box_form form;
    } forms[] = {{"xyxy:", BOX_CORNERS}, {"xywh:", BOX_SIZE}, {"norm:", BOX_FRACTION}};
    prompt_list *list = target;
    prompt_object *object = current(list, error, error_size);
    box_form form = BOX_CORNERS;
    double v[4];
    if (!object)
        return -1;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (!strncmp(value, forms[i].prefix, 5)) {
            form = forms[i].form;
            value += 5;
            break;
        }
    }
    if (parse_numbers(value, v, 4) != 4)
        return explain(error, error_size,
                       "a box is x1,y1,x2,y2, finite numbers divided by commas, or such after xyxy: xywh: norm:");
    if (form == BOX_SIZE && (v[2] <= 0 || v[3] <= 0))
        return explain(error, error_size, "the box has no area");
    if (v[0] == v[2] && form != BOX_SIZE)
        return explain(error, error_size, "the box has no area: both corners have x = %g", v[0]);
    if (v[1] == v[3] && form != BOX_SIZE)
        return explain(error, error_size, "the box has no area: both corners have y = %g", v[1]);
    if (object->has_box)
        return explain(
            error, error_size,
            "object %d has two boxes, and which points belong to which is not said; put --object between them",
            list->count - 1);
    object->has_box = 1;
    object->form = form;
    memcpy(object->raw_box, v, sizeof v);
    return 0;
}

int prompts_mask(void *target, const char *value, char *error, size_t error_size)
{
    prompt_list *list = target;
    prompt_object *object = current(list, error, error_size);
    if (!object)
        return -1;
    if (!*value)
        return explain(error, error_size, "an empty value");
    if (object->mask)
        return explain(error, error_size, "object %d has two masks; put --object between them", list->count - 1);
    object->mask = value;
    return 0;
}

static int is_empty(const prompt_object *object)
{
    return !object->point_count && !object->has_box && !object->mask;
}

int prompts_object(void *target, const char *value, char *error, size_t error_size)
{
    prompt_list *list = target;
    (void)value;
    if (list->count && is_empty(&list->objects[list->count - 1]))
        return explain(error, error_size, "object %d has no prompt", list->count - 1);
    if (!list->count)
        list->explicit_start = 1;
    return add_object(list, error, error_size) ? 0 : -1;
}

int prompts_check(prompt_list *list, int allow_empty, char *error, size_t error_size)
{
    if (!list->count && !list->explicit_start) {
        if (!allow_empty)
            return explain(error, error_size,
                           "nothing says what to segment: give a point (-p x,y), a box (-b x1,y1,x2,y2) or --mask; "
                           "--allow-empty asks without");
        return add_object(list, error, error_size) ? 0 : -1;
    }
    if (is_empty(&list->objects[list->count - 1]) && !(allow_empty && list->count == 1))
        return explain(error, error_size, "--object: object %d has no prompt", list->count - 1);
    return 0;
}

static int resolve_box(prompt_object *object, int index, double width, double height, int fraction, char *error,
                       size_t error_size)
{
    double v[4];
    memcpy(v, object->raw_box, sizeof v);
    if (object->form == BOX_SIZE) {
        v[2] += v[0];
        v[3] += v[1];
    }
    if (fraction || object->form == BOX_FRACTION) {
        for (int i = 0; i < 4; i++) {
            if (v[i] < -0.5 || v[i] > 1.5) /* a detector's box may stand out a little */
                return explain(error, error_size, "object %d: a box in fractions has coordinates from 0 to 1, not %g",
                               index, v[i]);
            v[i] *= i % 2 ? height : width;
        }
    }
    if (v[0] > v[2] || v[1] > v[3]) {
        warn("object %d: the corners of the box are swapped; taken as the box between them", index);
        for (int i = 0; i < 2; i++) {
            double low = fmin(v[i], v[i + 2]), high = fmax(v[i], v[i + 2]);
            v[i] = low;
            v[i + 2] = high;
        }
    }
    if (v[2] <= 0 || v[3] <= 0 || v[0] >= width || v[1] >= height)
        return explain(error, error_size,
                       "object %d: the box %g,%g,%g,%g lies outside the picture of %.0f x %.0f pixels", index, v[0],
                       v[1], v[2], v[3], width, height);
    object->box = (sam2_box){(float)v[0], (float)v[1], (float)v[2], (float)v[3]};
    return 0;
}

static int resolve_points(prompt_object *object, int index, double width, double height, int fraction, char *error,
                          size_t error_size)
{
    int inside = 0;
    if (!object->point_count)
        return 0;
    object->points = malloc((size_t)object->point_count * sizeof *object->points);
    if (!object->points)
        return explain(error, error_size, "out of memory");
    for (int i = 0; i < object->point_count; i++) {
        raw_point p = object->raw[i];
        if (fraction && (p.x < 0 || p.x > 1 || p.y < 0 || p.y > 1))
            return explain(error, error_size,
                           "object %d: with --units fraction a point has coordinates from 0 to 1, not %g,%g", index,
                           p.x, p.y);
        if (fraction) {
            p.x *= width;
            p.y *= height;
        }
        if (p.x < 0 || p.y < 0 || p.x > width || p.y > height)
            warn("object %d: the point %g,%g lies outside the picture of %.0f x %.0f pixels", index, p.x, p.y, width,
                 height);
        object->points[i] = (sam2_point){(float)p.x, (float)p.y, p.label};
        inside += p.label == 1;
    }
    if (!inside && !object->has_box && !object->mask)
        note("hint: object %d has only points outside it (label 0); a point inside it helps", index);
    return 0;
}

/* Coordinates that are all at most 1 are most likely fractions. */
static int looks_like_fractions(const prompt_list *list)
{
    int seen = 0;
    for (int k = 0; k < list->count; k++) {
        const prompt_object *object = &list->objects[k];
        for (int i = 0; i < object->point_count; i++, seen = 1)
            if (object->raw[i].x > 1 || object->raw[i].y > 1)
                return 0;
        if (!object->has_box || object->form == BOX_FRACTION)
            continue;
        seen = 1;
        for (int i = 0; i < 4; i++)
            if (object->raw_box[i] > 1)
                return 0;
    }
    return seen;
}

int prompts_resolve(prompt_list *list, int width, int height, int fraction, char *error, size_t error_size)
{
    if (!fraction && (width > 2 || height > 2) && looks_like_fractions(list))
        warn("no coordinate is greater than 1: they are taken as pixels; for fractions of the picture say --units "
             "fraction");
    for (int k = 0; k < list->count; k++) {
        prompt_object *object = &list->objects[k];
        free(object->points);
        object->points = NULL;
        if (resolve_points(object, k, width, height, fraction, error, error_size))
            return -1;
        if (object->has_box && resolve_box(object, k, width, height, fraction, error, error_size))
            return -1;
    }
    return 0;
}

void prompts_free(prompt_list *list)
{
    for (int k = 0; k < list->count; k++) {
        free(list->objects[k].raw);
        free(list->objects[k].points);
    }
    free(list->objects);
    *list = (prompt_list){0};
}
