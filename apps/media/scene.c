/* Made pictures. Only additions, multiplications, divisions and comparisons of doubles, each rounded as IEEE 754 says,
 * so that the bytes are the same everywhere: no functions of the mathematics library, and no fused operations (the
 * build turns them off). */
#include "scene_parts.h"

#include <string.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static uint64_t next(uint64_t *state)
{
    return mix(*state += UINT64_C(0x9E3779B97F4A7C15));
}

static double between(uint64_t *state, double low, double high)
{
    return low + (high - low) * ((double)(next(state) >> 11) / 9007199254740992.0);
}

/* A point of the unit circle by its rational parametrisation. */
static void direction(uint64_t *state, double *c, double *s)
{
    double t = between(state, -1, 1), d = 1 + t * t;
    *c = (1 - t * t) / d;
    *s = 2 * t / d;
    if (next(state) & 1) {
        *c = -*c;
        *s = -*s;
    }
}

static void hue_to_rgb(double hue, double saturation, double value, double rgb[3])
{
    for (int i = 0; i < 3; i++) {
        double k = hue * 6 + (i == 0 ? 5 : i == 1 ? 3 : 1);
        while (k >= 6)
            k -= 6;
        double fall = k < 4 - k ? k : 4 - k;
        fall = fall < 0 ? 0 : fall > 1 ? 1 : fall;
        rgb[i] = 255 * value * (1 - saturation * fall);
    }
}

/* The corners of a regular polygon, or of a star whose inner corners lie at `inner` of the radius. */
static void make_corners(shape *p, int around, double inner)
{
    static const double turn[][2] = {{0.30901699437494745, 0.9510565162951535},
                                     {0.5, 0.8660254037844386},
                                     {0.6234898018587336, 0.7818314824680298},
                                     {0.7071067811865476, 0.7071067811865476},
                                     {0, 0},
                                     {0.8090169943749475, 0.5877852522924731},
                                     {0, 0},
                                     {0.8660254037844386, 0.5}};
    double c = 1, s = 0, tc = turn[around - 5][0], ts = turn[around - 5][1];
    p->corners = around;
    for (int i = 0; i < around; i++) {
        double reach = i & 1 ? inner : 1, rotated = c * tc - s * ts;
        p->corner[i][0] = c * reach;
        p->corner[i][1] = s * reach;
        s = s * tc + c * ts;
        c = rotated;
    }
}

void scene_make_shape(shape *p, uint64_t *state, double hue)
{
    direction(state, &p->c, &p->s);
    p->kind = (kind)(next(state) % KINDS);
    p->narrow = between(state, 0.72, 1);
    p->round = 0;
    if (p->kind == RECTANGLE) {
        p->narrow = between(state, 0.5, 0.68); /* with the long half axis it must stay in the circle */
        p->round = between(state, 0.06, 0.2);
    } else if (p->kind == CAPSULE) {
        p->narrow = p->round = between(state, 0.58, 0.7);
    } else if (p->kind == POLYGON) {
        make_corners(p, 5 + (int)(next(state) % 4), 1);
    } else if (p->kind == STAR) {
        int around = next(state) & 1 ? 10 : 12;
        make_corners(p, around, between(state, 0.58, 0.7));
    }
    double saturation = between(state, 0.62, 0.95), value = between(state, 0.6, 0.95);
    hue_to_rgb(hue, saturation, value, p->colour);
    direction(state, &p->shade[0], &p->shade[1]);
    double strength = between(state, 0.02, 0.08);
    p->shade[0] *= strength;
    p->shade[1] *= strength;
}

/* A place off the border and off the shapes before; smaller where there is no room. */
static int place(scene *made, shape *p, uint64_t *state, double width, double height)
{
    double side = width < height ? width : height, gap = 0.035 * side, least = 0.14 * side;
    double radius = between(state, 0.16, 0.23) * side;
    for (int round = 0; round < 400; round++) {
        double margin = radius + gap;
        double x = between(state, margin, width - margin), y = between(state, margin, height - margin);
        int free = 1;
        for (int i = 0; i < made->count; i++) {
            double dx = x - made->shapes[i].x, dy = y - made->shapes[i].y,
                   apart = radius + made->shapes[i].radius + gap;
            free &= dx * dx + dy * dy > apart * apart;
        }
        if (free) {
            p->x = x;
            p->y = y;
            p->radius = radius;
            return 1;
        }
        if (round % 20 == 19 && radius * 0.95 > least)
            radius *= 0.95;
    }
    return 0;
}

void scene_make(scene *made, uint64_t seed, int width, int height)
{
    uint64_t state = mix(seed + UINT64_C(0x5CE2E5ED));
    int wanted = 3 + (int)(next(&state) % 3);
    double hue = between(&state, 0, 1), ground_hue = between(&state, 0, 1), value = between(&state, 0.3, 0.85);
    memset(made, 0, sizeof *made);
    made->noise = next(&state);
    made->rough = between(&state, 8, 22);
    for (int i = 0; i < 2; i++) { /* one draw a statement: arguments have no order */
        double grey = between(&state, 0.04, 0.22);
        hue_to_rgb(ground_hue, grey, value, made->ground[i]);
        ground_hue += between(&state, 0, 0.2);
        value *= between(&state, 0.8, 1.15);
    }
    direction(&state, &made->slope[0], &made->slope[1]);
    for (int i = 0; i < wanted; i++) {
        shape p = {0};
        /* hues a fifth of the circle apart: no two shapes are alike */
        double own = hue + 0.4 * i + between(&state, -0.03, 0.03) + 1;
        while (own >= 1)
            own -= 1;
        scene_make_shape(&p, &state, own);
        if (place(made, &p, &state, width, height))
            made->shapes[made->count++] = p;
    }
}

/* In the shape's own frame: turned, and the circle around it is the unit circle. */
static void to_frame(const shape *p, double x, double y, double *u, double *v)
{
    double dx = (x - p->x) / p->radius, dy = (y - p->y) / p->radius;
    *u = dx * p->c + dy * p->s;
    *v = dy * p->c - dx * p->s;
}

static int inside_corners(const shape *p, double u, double v)
{
    int in = 0;
    for (int i = 0, j = p->corners - 1; i < p->corners; j = i++) {
        const double *a = p->corner[i], *b = p->corner[j];
        if ((a[1] > v) != (b[1] > v) && u < a[0] + (b[0] - a[0]) * ((v - a[1]) / (b[1] - a[1])))
            in = !in;
    }
    return in;
}

static int inside(const shape *p, double x, double y)
{
    double u, v;
    to_frame(p, x, y, &u, &v);
    if (u * u + v * v >= 1)
        return 0;
    if (p->kind == ELLIPSE)
        return u * u + v * v / (p->narrow * p->narrow) < 1;
    if (p->kind == POLYGON || p->kind == STAR)
        return inside_corners(p, u, v);
    /* rectangles with round corners; a capsule's are as round as can be */
    double wide = p->kind == CAPSULE ? 1 : 0.8, over_u = (u < 0 ? -u : u) - (wide - p->round);
    double over_v = (v < 0 ? -v : v) - (p->narrow - p->round);
    over_u = over_u > 0 ? over_u : 0;
    over_v = over_v > 0 ? over_v : 0;
    return over_u * over_u + over_v * over_v < p->round * p->round;
}

/* How much of a pixel a shape covers, in sixteenths. */
static int cover(const shape *p, int x, int y)
{
    int corners = inside(p, x, y) + inside(p, x + 1, y) + inside(p, x, y + 1) + inside(p, x + 1, y + 1);
    int n = 0;
    if (corners == 0 || corners == 4)
        return corners * 4;
    for (int i = 0; i < 16; i++)
        n += inside(p, x + 0.125 + 0.25 * (i & 3), y + 0.125 + 0.25 * (i >> 2));
    return n;
}

/* Values between -1 and 1 on a lattice, smoothly between its points. */
static double lattice(uint64_t seed, int octave, int64_t x, int64_t y)
{
    uint64_t h = mix(seed ^ mix((uint64_t)x * UINT64_C(0x9E3779B97F4A7C15) ^ mix((uint64_t)y * 8 + (uint64_t)octave)));
    return (double)(int64_t)(h >> 40) / 8388608.0 - 1;
}

static double smooth(double t)
{
    return t * t * (3 - 2 * t);
}

enum { OCTAVES = 3 };

/* The lattice points around the pixel that was asked for last: the next one mostly lies between the same. */
typedef struct noise {
    uint64_t seed;
    double cell;
    int64_t u[OCTAVES], v[OCTAVES];
    double corner[OCTAVES][4];
} noise;

static noise noise_start(uint64_t seed, double cell)
{
    noise n = {.seed = seed, .cell = cell};
    for (int octave = 0; octave < OCTAVES; octave++)
        n.u[octave] = n.v[octave] = -1;
    return n;
}

static double noise_at(noise *n, int x, int y)
{
    double sum = 0, weight = 0.55, cell = n->cell;
    for (int octave = 0; octave < OCTAVES; octave++, cell *= 0.5, weight *= 0.55) {
        double u = x / cell, v = y / cell, *corner = n->corner[octave];
        int64_t iu = (int64_t)u, iv = (int64_t)v;
        if (iu != n->u[octave] || iv != n->v[octave]) {
            for (int i = 0; i < 4; i++)
                corner[i] = lattice(n->seed, octave, iu + (i & 1), iv + (i >> 1));
            n->u[octave] = iu;
            n->v[octave] = iv;
        }
        double fu = smooth(u - (double)iu), fv = smooth(v - (double)iv);
        double top = corner[0] + (corner[1] - corner[0]) * fu, bottom = corner[2] + (corner[3] - corner[2]) * fu;
        sum += weight * (top + (bottom - top) * fv);
    }
    return sum;
}

static uint8_t to_byte(double v)
{
    return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : (int)(v + 0.5));
}

/* Fine grain, as a camera has it: up to 3 either way. */
static double grain(uint64_t seed, int x, int y)
{
    return (double)(mix(seed ^ ((uint64_t)(unsigned)x << 32 | (unsigned)y)) >> 40) / 16777216.0 * 6 - 3;
}

void scene_paint_ground(const scene *made, int width, int height, uint8_t *rgb)
{
    double side = width < height ? width : height, cell = side / 3 + 1;
    noise soft = noise_start(made->noise, cell);
    double reach = (made->slope[0] < 0 ? -made->slope[0] : made->slope[0]) * width +
                   (made->slope[1] < 0 ? -made->slope[1] : made->slope[1]) * height;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, rgb += 3) {
            double t = 0.5 + ((x - 0.5 * width) * made->slope[0] + (y - 0.5 * height) * made->slope[1]) / (reach + 1);
            double rough = made->rough * noise_at(&soft, x, y) + grain(made->noise, x, y);
            for (int c = 0; c < 3; c++)
                rgb[c] = to_byte(made->ground[0][c] + (made->ground[1][c] - made->ground[0][c]) * t + rough);
        }
}

static void shape_bounds(const shape *p, int width, int height, int bounds[4])
{
    double low_x = p->x - p->radius - 1, low_y = p->y - p->radius - 1, high_x = p->x + p->radius + 2,
           high_y = p->y + p->radius + 2;
    bounds[0] = low_x > 0 ? (int)low_x : 0;
    bounds[1] = low_y > 0 ? (int)low_y : 0;
    bounds[2] = high_x < width ? (int)high_x : width;
    bounds[3] = high_y < height ? (int)high_y : height;
}

void scene_paint_shape(const shape *p, uint64_t seed, int width, int height, uint8_t *rgb)
{
    int bounds[4];
    noise soft = noise_start(seed, p->radius / 2 + 1);
    shape_bounds(p, width, height, bounds);
    for (int y = bounds[1]; y < bounds[3]; y++)
        for (int x = bounds[0]; x < bounds[2]; x++) {
            int sixteenths = cover(p, x, y);
            if (!sixteenths)
                continue;
            uint8_t *pixel = rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
            double light = 1 + ((x + 0.5 - p->x) * p->shade[0] + (y + 0.5 - p->y) * p->shade[1]) / p->radius;
            double rough = 3 * noise_at(&soft, x, y) + grain(seed, x, y);
            for (int c = 0; c < 3; c++) {
                double colour = p->colour[c] * light + rough;
                pixel[c] = to_byte(pixel[c] + (colour - pixel[c]) * sixteenths / 16);
            }
        }
}

void scene_label_shape(const shape *p, uint8_t label, int width, int height, uint8_t *labels)
{
    int bounds[4];
    shape_bounds(p, width, height, bounds);
    for (int y = bounds[1]; y < bounds[3]; y++)
        for (int x = bounds[0]; x < bounds[2]; x++)
            if (inside(p, x + 0.5, y + 0.5))
                labels[(size_t)y * (size_t)width + (size_t)x] = label;
}

/* Box and area by the same test that makes the labels: the middle of the pixel. */
void scene_describe(const shape *p, int width, int height, media_shape *out)
{
    static const char *const names[KINDS] = {"ellipse", "rectangle", "capsule", "polygon", "star"};
    int bounds[4];
    shape_bounds(p, width, height, bounds);
    memset(out, 0, sizeof *out);
    strcpy(out->kind, names[p->kind]);
    out->colour = (media_colour){to_byte(p->colour[0]), to_byte(p->colour[1]), to_byte(p->colour[2])};
    out->x = (int)p->x;
    out->y = (int)p->y;
    out->x0 = width;
    out->y0 = height;
    for (int y = bounds[1]; y < bounds[3]; y++)
        for (int x = bounds[0]; x < bounds[2]; x++)
            if (inside(p, x + 0.5, y + 0.5)) {
                out->area++;
                out->x0 = x < out->x0 ? x : out->x0;
                out->x1 = x >= out->x1 ? x + 1 : out->x1;
                out->y0 = y < out->y0 ? y : out->y0;
                out->y1 = y + 1;
            }
}

/* Shapes that are too small to have a pixel of their own are none. */
static void drop_invisible(scene *made, int width, int height)
{
    int kept = 0;
    for (int i = 0; i < made->count; i++) {
        shape p = made->shapes[i];
        if (inside(&p, (int)p.x + 0.5, (int)p.y + 0.5) && p.x < width && p.y < height)
            made->shapes[kept++] = p;
    }
    made->count = kept;
}

void media_make_scene(uint64_t seed, int width, int height, uint8_t *rgb, media_scene_info *info)
{
    scene made;
    if (info)
        memset(info, 0, sizeof *info);
    if (width < 1 || height < 1)
        return;
    scene_make(&made, seed, width, height);
    drop_invisible(&made, width, height);
    if (rgb)
        scene_paint_ground(&made, width, height, rgb);
    for (int i = 0; i < made.count; i++) {
        if (rgb)
            scene_paint_shape(&made.shapes[i], made.noise + (uint64_t)i + 1, width, height, rgb);
        if (info)
            scene_describe(&made.shapes[i], width, height, &info->shapes[i]);
    }
    if (info)
        info->count = made.count;
}

void media_scene_labels(uint64_t seed, int width, int height, uint8_t *labels)
{
    scene made;
    if (width < 1 || height < 1 || !labels)
        return;
    memset(labels, 0, (size_t)width * (size_t)height);
    scene_make(&made, seed, width, height);
    drop_invisible(&made, width, height);
    for (int i = 0; i < made.count; i++)
        scene_label_shape(&made.shapes[i], (uint8_t)(i + 1), width, height, labels);
}
