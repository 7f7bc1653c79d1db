/* Drawing on a picture for an overlay: tints, contours, clicks, boxes. Pixel centres have whole coordinates. */
#include "media.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void blend(uint8_t *pixel, media_colour colour, float amount)
{
    const uint8_t target[3] = {colour.r, colour.g, colour.b};
    if (!(amount > 0))
        return;
    if (amount > 1)
        amount = 1;
    for (int c = 0; c < 3; c++)
        pixel[c] = (uint8_t)lrintf((float)pixel[c] + ((float)target[c] - (float)pixel[c]) * amount);
}

static float unit(float t)
{
    return t > 0 ? t < 1 ? t : 1 : 0;
}

static media_colour lighter(media_colour colour, float amount)
{
    uint8_t pixel[3] = {colour.r, colour.g, colour.b};
    blend(pixel, (media_colour){255, 255, 255}, amount);
    return (media_colour){pixel[0], pixel[1], pixel[2]};
}

media_colour media_palette(int index)
{
    /* Neighbours in the list differ most; none is near the grey, the green and the red of clicks are further down. */
    static const media_colour first[] = {
        {30, 144, 255}, {255, 140, 0},  {190, 75, 219}, {32, 201, 151}, {247, 103, 165}, {250, 210, 30},
        {92, 124, 250}, {148, 216, 45}, {240, 80, 60},  {34, 184, 207}, {165, 105, 60},  {250, 160, 145},
    };
    const unsigned many = sizeof first / sizeof *first;
    unsigned i = (unsigned)index;
    if (i < many)
        return first[i];
    /* Then around the circle of hues by the golden angle, in three degrees of brightness. */
    double hue = fmod((double)(i - many) * 0.38196601125010515 + 0.05, 1.0) * 6, value = 1 - 0.18 * (double)(i % 3);
    double saturation = i / 3 % 2 ? 0.55 : 0.8;
    double part[3];
    for (int c = 0; c < 3; c++) {
        double k = fmod((c == 0 ? 5 : c == 1 ? 3 : 1) + hue, 6), fall = k < 4 - k ? k : 4 - k;
        fall = fall < 0 ? 0 : fall > 1 ? 1 : fall;
        part[c] = 255 * value * (1 - saturation * fall);
    }
    return (media_colour){(uint8_t)lrint(part[0]), (uint8_t)lrint(part[1]), (uint8_t)lrint(part[2])};
}

/* The contour: the mask is smoothed a little, the line where the smoothed field is one half is followed with parts of a
 * pixel, and drawn as a line of the given width. Straight slanted edges come out straight, not as stairs. */
typedef struct outline {
    const uint8_t *mask;
    int width, height;  /* of the mask */
    int x0, y0, x1, y1; /* the part that is drawn, [x0, x1) x [y0, y1) */
    float half;         /* half of the line's width */
    uint8_t *cover;     /* how much of each pixel of that part the line covers */
    uint8_t *sums;      /* the last five rows, smoothed along the row, 0 to 16 */
    int16_t *field[2];  /* the last two rows of the smoothed field, 0 to 256 */
} outline;

#define LEVEL 128
#define MARGIN                                                                                                         \
    13 /* how far a pixel of the mask stays off the level: the line never crosses one, however thin the mask is */

static void smooth_row(const outline *o, int y, uint8_t *sums)
{
    const uint8_t *row = o->mask + (size_t)(y < 0 ? 0 : y >= o->height ? o->height - 1 : y) * (size_t)o->width;
    static const uint8_t weight[5] = {1, 4, 6, 4, 1};
    for (int x = o->x0; x < o->x1; x++) {
        unsigned sum = 0;
        for (int i = 0; i < 5; i++) {
            int at = x + i - 2;
            at = at < 0 ? 0 : at >= o->width ? o->width - 1 : at;
            sum += row[at] ? weight[i] : 0;
        }
        sums[x - o->x0] = (uint8_t)sum;
    }
}

/* The row y of the field. Rows must be asked for in ascending order from y0 on. */
static void field_row(const outline *o, int y, int16_t *field)
{
    int n = o->x1 - o->x0;
    const uint8_t *row = o->mask + (size_t)y * (size_t)o->width + o->x0;
    for (int ahead = y == o->y0 ? -2 : 2; ahead <= 2; ahead++)
        smooth_row(o, y + ahead, o->sums + (size_t)((y + ahead + 5) % 5) * (size_t)n);
    const uint8_t *s[5];
    for (int i = 0; i < 5; i++)
        s[i] = o->sums + (size_t)((y + i - 2 + 5) % 5) * (size_t)n;
    for (int x = 0; x < n; x++) {
        int value = s[0][x] + s[4][x] + 4 * (s[1][x] + s[3][x]) + 6 * s[2][x];
        if (row[x])
            value = value < LEVEL + MARGIN ? LEVEL + MARGIN : value;
        else
            value = value > LEVEL - MARGIN ? LEVEL - MARGIN : value;
        field[x] = (int16_t)value;
    }
}

static void cover_segment(const outline *o, float ax, float ay, float bx, float by)
{
    float reach = o->half + 0.5f, dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
    int left = (int)ceilf(fminf(ax, bx) - reach), right = (int)floorf(fmaxf(ax, bx) + reach);
    int top = (int)ceilf(fminf(ay, by) - reach), bottom = (int)floorf(fmaxf(ay, by) + reach);
    left = left < o->x0 ? o->x0 : left;
    top = top < o->y0 ? o->y0 : top;
    right = right >= o->x1 ? o->x1 - 1 : right;
    bottom = bottom >= o->y1 ? o->y1 - 1 : bottom;
    for (int y = top; y <= bottom; y++)
        for (int x = left; x <= right; x++) {
            float px = (float)x - ax, py = (float)y - ay;
            float t = length > 0 ? unit((px * dx + py * dy) / length) : 0;
            float ex = px - t * dx, ey = py - t * dy;
            uint8_t *cover = o->cover + (size_t)(y - o->y0) * (size_t)(o->x1 - o->x0) + (x - o->x0);
            uint8_t c = (uint8_t)(255 * unit(reach - sqrtf(ex * ex + ey * ey)));
            if (c > *cover)
                *cover = c;
        }
}

/* One cell between four pixel centres: where the level crosses its sides, and the lines between the crossings. */
static void march(const outline *o, int x, int y, int a, int b, int c, int d)
{
    /* corners a b over d c; sides top, right, bottom, left */
    float fx = (float)x, fy = (float)y, at[4][2];
    const int corner[5] = {a, b, c, d, a};
    int crossed[4], n = 0;
    for (int i = 0; i < 4; i++) {
        int from = corner[i], to = corner[i + 1];
        if ((from >= LEVEL) == (to >= LEVEL))
            continue;
        float t = (float)(LEVEL - from) / (float)(to - from);
        at[i][0] = fx + (i == 0 ? t : i == 1 ? 1 : i == 2 ? 1 - t : 0);
        at[i][1] = fy + (i == 0 ? 0 : i == 1 ? t : i == 2 ? 1 : 1 - t);
        crossed[n++] = i;
    }
    if (n == 2) {
        cover_segment(o, at[crossed[0]][0], at[crossed[0]][1], at[crossed[1]][0], at[crossed[1]][1]);
    } else if (n == 4) { /* a saddle: its middle tells which corners belong together */
        int shift = (a + b + c + d >= 4 * LEVEL) == (a >= LEVEL) ? 0 : 3;
        for (int i = 0; i < 4; i += 2) {
            int p = (i + shift) % 4, q = (i + shift + 1) % 4;
            cover_segment(o, at[p][0], at[p][1], at[q][0], at[q][1]);
        }
    }
}

/* The bounds of the set pixels; 0 when there are none. */
static int mask_bounds(const uint8_t *mask, int width, int height, int bounds[4])
{
    int x0 = width, y0 = height, x1 = 0, y1 = 0;
    for (int y = 0; y < height; y++) {
        const uint8_t *row = mask + (size_t)y * (size_t)width;
        int left = 0, right = width;
        while (left < width && !row[left])
            left++;
        if (left == width)
            continue;
        while (!row[right - 1])
            right--;
        x0 = left < x0 ? left : x0;
        x1 = right > x1 ? right : x1;
        y0 = y < y0 ? y : y0;
        y1 = y + 1;
    }
    bounds[0] = x0;
    bounds[1] = y0;
    bounds[2] = x1;
    bounds[3] = y1;
    return x1 > x0;
}

static void draw_contour(uint8_t *rgb, outline *o, media_colour colour)
{
    int n = o->x1 - o->x0, rows = o->y1 - o->y0;
    o->cover = calloc((size_t)n, (size_t)rows);
    o->sums = malloc((size_t)n * 5);
    o->field[0] = malloc((size_t)n * 2 * sizeof *o->field[0]);
    if (o->cover && o->sums && o->field[0]) { /* out of memory: the tint alone has to do */
        o->field[1] = o->field[0] + n;
        for (int y = o->y0; y < o->y1; y++) {
            int16_t *above = o->field[(y + 1) & 1], *here = o->field[y & 1];
            field_row(o, y, here);
            for (int x = 0; y > o->y0 && x + 1 < n; x++) {
                int in = (above[x] >= LEVEL) + (above[x + 1] >= LEVEL) + (here[x] >= LEVEL) + (here[x + 1] >= LEVEL);
                if (in != 0 && in != 4)
                    march(o, o->x0 + x, y - 1, above[x], above[x + 1], here[x + 1], here[x]);
            }
        }
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < n; x++)
                if (o->cover[(size_t)y * (size_t)n + (size_t)x])
                    blend(rgb + ((size_t)(o->y0 + y) * (size_t)o->width + (size_t)(o->x0 + x)) * 3, colour,
                          (float)o->cover[(size_t)y * (size_t)n + (size_t)x] / 255);
    }
    free(o->cover);
    free(o->sums);
    free(o->field[0]);
}

void media_draw_mask(uint8_t *rgb, int width, int height, const uint8_t *mask, media_colour colour, float opacity,
                     int contour_width)
{
    int bounds[4];
    if (width < 1 || height < 1 || !mask_bounds(mask, width, height, bounds))
        return;
    for (int y = bounds[1]; y < bounds[3]; y++)
        for (int x = bounds[0]; x < bounds[2]; x++)
            if (mask[(size_t)y * (size_t)width + (size_t)x])
                blend(rgb + ((size_t)y * (size_t)width + (size_t)x) * 3, colour, opacity);
    if (contour_width < 1)
        return;
    contour_width = contour_width > 64 ? 64 : contour_width;
    int reach = contour_width / 2 + 2;
    outline o = {.mask = mask, .width = width, .height = height, .half = 0.5f * (float)contour_width};
    o.x0 = bounds[0] > reach ? bounds[0] - reach : 0;
    o.y0 = bounds[1] > reach ? bounds[1] - reach : 0;
    o.x1 = width - bounds[2] > reach ? bounds[2] + reach : width;
    o.y1 = height - bounds[3] > reach ? bounds[3] + reach : height;
    draw_contour(rgb, &o, lighter(colour, 0.15f));
}

/* The whole number nearest to a coordinate; what is not a number or far outside goes just far enough outside. */
static int nearest(float v, int limit)
{
    if (!(v > -(float)limit))
        return -limit;
    return v < 2 * (float)limit ? (int)lrintf(v) : 2 * limit;
}

void media_draw_point(uint8_t *rgb, int width, int height, float x, float y, int label, int radius)
{
    const media_colour white = {255, 255, 255}, dark = {20, 20, 20};
    const media_colour fill = label == 1   ? (media_colour){22, 176, 62}
                              : label == 0 ? (media_colour){226, 42, 42}
                                           : (media_colour){60, 110, 230};
    if (width < 1 || height < 1 || radius < 1 || !isfinite(x) || !isfinite(y))
        return;
    radius = radius > 4096 ? 4096 : radius;
    float r = (float)radius, reach = r + 1.5f;
    if (x < -reach || y < -reach || x > (float)width + reach || y > (float)height + reach)
        return;
    float rim = fmaxf(1.0f, r * 0.22f), arm = r * 0.45f, thick = fmaxf(0.5f, r * 0.13f);
    int left = (int)fmaxf(0, floorf(x - reach)), right = (int)fminf((float)(width - 1), ceilf(x + reach));
    int top = (int)fmaxf(0, floorf(y - reach)), bottom = (int)fminf((float)(height - 1), ceilf(y + reach));
    for (int py = top; py <= bottom; py++)
        for (int px = left; px <= right; px++) {
            uint8_t *pixel = rgb + ((size_t)py * (size_t)width + (size_t)px) * 3;
            float dx = fabsf((float)px - x), dy = fabsf((float)py - y), d = sqrtf(dx * dx + dy * dy);
            /* A dark edge, so that the white rim shows on white; then the rim, the disc, and for the colour-blind a
             * plus or minus. */
            blend(pixel, dark, 0.6f * unit(r + 1.5f - d));
            blend(pixel, white, unit(r + 0.5f - d));
            blend(pixel, fill, unit(r - rim + 0.5f - d));
            if (radius < 5)
                continue;
            float flat = unit(arm + 0.5f - dx) * unit(thick + 0.5f - dy),
                  upright = unit(thick + 0.5f - dx) * unit(arm + 0.5f - dy);
            if (label == 1)
                blend(pixel, white, fmaxf(flat, upright));
            else if (label == 0)
                blend(pixel, white, flat);
        }
}

static void fill_rectangle(uint8_t *rgb, int width, int height, int x0, int y0, int x1, int y1, media_colour colour)
{
    x0 = x0 < 0 ? 0 : x0;
    y0 = y0 < 0 ? 0 : y0;
    x1 = x1 > width ? width : x1;
    y1 = y1 > height ? height : y1;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            blend(rgb + ((size_t)y * (size_t)width + (size_t)x) * 3, colour, 1);
}

void media_draw_box(uint8_t *rgb, int width, int height, float x0, float y0, float x1, float y1, media_colour colour,
                    int line_width)
{
    if (width < 1 || height < 1 || line_width < 1 || isnan(x0) || isnan(y0) || isnan(x1) || isnan(y1))
        return;
    /* Beyond these limits nothing is seen, and sums with the width of a line stay far from overflow. */
    int side = width > height ? width : height;
    line_width = line_width > 64 ? 64 : line_width;
    side = side > INT_MAX / 4 ? INT_MAX / 4 : side + 256;
    int left = nearest(fminf(x0, x1), side), right = nearest(fmaxf(x0, x1), side);
    int top = nearest(fminf(y0, y1), side), bottom = nearest(fmaxf(y0, y1), side);
    int out = line_width / 2, in = line_width - out;
    int upper = top + in < bottom - in + 1 ? top + in : bottom - in + 1,
        lower = bottom - in + 1 > upper ? bottom - in + 1 : upper;
    fill_rectangle(rgb, width, height, left - out, top - out, right + out + 1, top + in, colour);
    fill_rectangle(rgb, width, height, left - out, bottom - in + 1, right + out + 1, bottom + out + 1, colour);
    fill_rectangle(rgb, width, height, left - out, upper, left + in, lower, colour);
    fill_rectangle(rgb, width, height, right - in + 1, upper, right + out + 1, lower, colour);
}
