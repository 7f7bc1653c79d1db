/* Outlines run along the edges between pixels, the mask to their right: around a part clockwise as it is seen, around a
 * hole the other way. Each has an edge that goes up, with a pixel of the mask to its right and none to its left; an
 * outline is followed from the first such edge that no earlier one went along. */
#include "predict/polygon.h"

#include "base/checked.h"

#include <math.h>
#include <string.h>

enum { INSIDE = 1, FOLLOWED = 2 };

typedef struct polygons {
    const sam2_allocator *a;
    uint8_t *map; /* [height + 2][width + 2]: the mask's box with a border of background */
    size_t map_bytes;
    int width, height, x0, y0; /* the box */
    int *xy;                   /* corners of the outline being followed */
    size_t count, xy_bytes;
    uint8_t *keep; /* [count]: of simplifying */
    size_t keep_bytes;
    size_t *stack; /* parts of the outline that are still to be looked at, as pairs */
    size_t stack_bytes;
} polygons;

/* The pixel (x, y) of the box, which may lie in the border. */
static uint8_t *pixel(const polygons *p, int x, int y)
{
    return p->map + (size_t)(y + 1) * (size_t)(p->width + 2) + (size_t)(x + 1);
}

static void fill_map(const polygons *p, const sam2_rle *rle)
{
    rle_reader r;
    rle_open(&r, rle);
    memset(p->map, 0, p->map_bytes);
    for (int64_t at = 0; rle_next(&r); at += r.run)
        for (int64_t i = at; r.inside && i < at + r.run; i++)
            *pixel(p, (int)(i / rle->height) - p->x0, (int)(i % rle->height) - p->y0) = INSIDE;
}

static sam2_status add_corner(polygons *p, int x, int y, sam2_error *error)
{
    void *memory = p->xy;
    size_t used = p->count * 2 * sizeof(int);
    sam2_status status =
        alloc_grow(p->a, &memory, &p->xy_bytes, used, used + 2 * sizeof(int), "a polygon's corners", error);
    p->xy = memory;
    if (status == SAM2_OK) {
        p->xy[2 * p->count] = x + p->x0;
        p->xy[2 * p->count + 1] = y + p->y0;
        p->count++;
    }
    return status;
}

/* Directions: up, right, down, left. Ahead of a corner, the pixels to the left and to the right. */
static const int step_x[4] = {0, 1, 0, -1}, step_y[4] = {-1, 0, 1, 0};
static const int left_x[4] = {-1, 0, 0, -1}, left_y[4] = {-1, -1, 0, 0};
static const int right_x[4] = {0, 0, -1, -1}, right_y[4] = {-1, 0, 0, -1};

/* From the edge left of the pixel (x, y), upwards, around and back to it. A pixel that touches another by a corner
 * belongs to its part, so that a turn to the left goes before all else. */
static sam2_status follow(polygons *p, int x, int y, sam2_error *error)
{
    const int start_x = x, start_y = y + 1;
    int direction = 0;
    p->count = 0;
    y = start_y;
    do {
        if (direction == 0)
            *pixel(p, x, y - 1) |= FOLLOWED;
        x += step_x[direction];
        y += step_y[direction];
        int next = direction;
        if (*pixel(p, x + left_x[direction], y + left_y[direction]) & INSIDE)
            next = (direction + 3) % 4;
        else if (!(*pixel(p, x + right_x[direction], y + right_y[direction]) & INSIDE))
            next = (direction + 1) % 4;
        if (next != direction)
            TRY(add_corner(p, x, y, error));
        direction = next;
    } while (x != start_x || y != start_y || direction != 0);
    return SAM2_OK;
}

/* Twice the area, positive for outlines that run clockwise as they are seen. */
static int64_t turn(const polygons *p)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->count; i++) {
        const int *a = p->xy + 2 * i, *b = p->xy + 2 * ((i + 1) % p->count);
        sum += (int64_t)a[0] * b[1] - (int64_t)b[0] * a[1];
    }
    return sum;
}

static double distance(const int *p, const int *a, const int *b)
{
    double dx = b[0] - a[0], dy = b[1] - a[1], length = sqrt(dx * dx + dy * dy);
    if (length == 0)
        return hypot(p[0] - a[0], p[1] - a[1]);
    return fabs((p[0] - a[0]) * dy - (p[1] - a[1]) * dx) / length;
}

/* The corner furthest from a line, among those from `from` to `to` (modulo the outline) without both. */
static size_t furthest(const polygons *p, size_t from, size_t to, double *most)
{
    const int *a = p->xy + 2 * from, *b = p->xy + 2 * (to % p->count);
    size_t at = from;
    *most = -1;
    for (size_t i = from + 1; i < to; i++) {
        double d = distance(p->xy + 2 * i, a, b);
        if (d > *most) {
            *most = d;
            at = i;
        }
    }
    return at;
}

/* Douglas and Peucker's way, from the first corner and the one furthest from it. The outline stays as it is where less
 * than a triangle would be left. */
static sam2_status simplify(polygons *p, double tolerance, sam2_error *error)
{
    void *keep = p->keep, *stack = p->stack;
    TRY(alloc_grow(p->a, &keep, &p->keep_bytes, 0, p->count, "a polygon's corners", error));
    p->keep = keep;
    TRY(alloc_grow(p->a, &stack, &p->stack_bytes, 0, (p->count + 2) * 2 * sizeof *p->stack, "a polygon's corners",
                   error));
    p->stack = stack;
    memset(p->keep, 0, p->count);
    double most;
    size_t depth = 0, kept = 2, middle = furthest(p, 0, p->count, &most);
    p->keep[0] = p->keep[middle] = 1;
    const size_t ends[2][2] = {{0, middle}, {middle, p->count}};
    memcpy(p->stack, ends, sizeof ends);
    depth = 2;
    while (depth) {
        size_t from = p->stack[2 * --depth], to = p->stack[2 * depth + 1], at = furthest(p, from, to, &most);
        if (most <= tolerance)
            continue;
        p->keep[at] = 1;
        kept++;
        const size_t halves[2][2] = {{from, at}, {at, to}};
        memcpy(p->stack + 2 * depth, halves, sizeof halves);
        depth += 2;
    }
    if (kept < 3)
        return SAM2_OK;
    kept = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->keep[i]) {
            memmove(p->xy + 2 * kept, p->xy + 2 * i, 2 * sizeof *p->xy);
            kept++;
        }
    p->count = kept;
    return SAM2_OK;
}

static sam2_status show_all(polygons *p, double tolerance, sam2_polygon_visitor visit, void *user, sam2_error *error)
{
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++) {
            if (*pixel(p, x, y) != INSIDE || *pixel(p, x - 1, y) & INSIDE)
                continue;
            TRY(follow(p, x, y, error));
            const int hole = turn(p) < 0;
            if (tolerance > 0)
                TRY(simplify(p, tolerance, error));
            visit(user, p->xy, p->count, hole);
        }
    return SAM2_OK;
}

sam2_status polygons_show(const sam2_rle *rle, double tolerance, sam2_polygon_visitor visit, void *user,
                          const sam2_allocator *a, sam2_error *error)
{
    rle_extent box = rle_measure(rle);
    if (!box.area)
        return SAM2_OK;
    polygons p = {.a = a, .x0 = box.x0, .y0 = box.y0, .width = box.x1 - box.x0 + 1, .height = box.y1 - box.y0 + 1};
    if (!checked_mul((size_t)p.width + 2, (size_t)p.height + 2, &p.map_bytes))
        return error_memory(error, "a mask's outlines", SIZE_MAX);
    void *memory = NULL;
    TRY(alloc_get(a, p.map_bytes, "a mask's outlines", &memory, error));
    p.map = memory;
    fill_map(&p, rle);
    sam2_status status = show_all(&p, tolerance, visit, user, error);
    alloc_release(a, p.map, p.map_bytes);
    alloc_release(a, p.xy, p.xy_bytes);
    alloc_release(a, p.keep, p.keep_bytes);
    alloc_release(a, p.stack, p.stack_bytes);
    return status;
}
