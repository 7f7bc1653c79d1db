/* Pillow's antialiased resize of bytes, bit for bit. */
#include "predict/byte_resize.h"

#include "base/checked.h"

#include <math.h>
#include <string.h>

#define BAND 32      /* output rows of an item */
#define PRECISION 22 /* bits of a weight behind the point: sums of bytes by weights fit 32 bits, with the overshoot */

/* One axis of the resize: each output is a weighted sum of `count` inputs from `first` on. */
typedef struct axis {
    size_t in, out, taps; /* taps: most inputs of an output, the pitch of `weight` */
    uint32_t *first, *count;
    int32_t *weight; /* [out][taps] */
} axis;

/* How far the kernel reaches, in inputs: it widens when the picture shrinks. */
static double reach(byte_filter filter, size_t in, size_t out)
{
    double scale = (double)in / (double)out;
    return (filter == BYTE_BICUBIC ? 2.0 : 1.0) * (scale < 1.0 ? 1.0 : scale);
}

static axis take_axis(arena *a, byte_filter filter, size_t in, size_t out)
{
    axis x = {.in = in, .out = out, .taps = (size_t)ceil(reach(filter, in, out)) * 2 + 1};
    x.first = arena_take(a, out, sizeof *x.first);
    x.count = arena_take(a, out, sizeof *x.count);
    x.weight = arena_take(a, out * x.taps, sizeof *x.weight);
    return x;
}

/* Keys' kernel with a = -0.5. */
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Weights in double, normalised, then rounded away from zero at halves. `real` has room for `taps`. An axis that keeps
 * its length gets weights of 1 by the same formula; here it is only made cheaper. */
static void fill_axis(const axis *x, byte_filter filter, double *real)
{
    double scale = (double)x->in / (double)x->out, support = reach(filter, x->in, x->out),
           narrow = 1.0 / (scale < 1.0 ? 1.0 : scale);
    for (size_t i = 0; i < x->out; i++) {
        double centre = ((double)i + 0.5) * scale, total = 0.0;
        long from = (long)(centre - support + 0.5), to = (long)(centre + support + 0.5);
        from = from < 0 ? 0 : from;
        to = to > (long)x->in ? (long)x->in : to;
        if (x->in == x->out) {
            from = (long)i;
            to = from + 1;
        }
        for (long t = from; t < to; t++)
            total += real[t - from] = filter == BYTE_BICUBIC ? bicubic(((double)t - centre + 0.5) * narrow)
                                                             : bilinear(((double)t - centre + 0.5) * narrow);
        for (long t = from; t < to; t++) {
            double w = (total != 0.0 ? real[t - from] / total : real[t - from]) * (1 << PRECISION);
            x->weight[i * x->taps + (size_t)(t - from)] = (int32_t)(w < 0.0 ? w - 0.5 : w + 0.5);
        }
        x->first[i] = (uint32_t)from;
        x->count[i] = (uint32_t)(to - from);
    }
}

typedef struct byte_job {
    const byte_resize *r;
    axis horizontal, vertical;
    double *real;  /* [most taps] */
    uint8_t *rows; /* [threads][scratch]: see scratch_bytes */
    size_t scratch;
} byte_job;

static inline uint8_t to_byte(int32_t sum)
{
    sum >>= PRECISION;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static inline void resize_pixels(const axis *h, const uint8_t *source, size_t channels, uint8_t *out)
{
    for (size_t i = 0; i < h->out; i++, out += 3) {
        const uint8_t *s = source + h->first[i] * channels;
        const int32_t *weight = h->weight + i * h->taps;
        int32_t r = 1 << (PRECISION - 1), g = r, b = r;
        for (size_t t = 0; t < h->count[i]; t++, s += channels) {
            r += s[0] * weight[t];
            if (channels > 1) {
                g += s[1] * weight[t];
                b += s[2] * weight[t];
            }
        }
        out[0] = to_byte(r);
        out[1] = channels > 1 ? to_byte(g) : out[0];
        out[2] = channels > 1 ? to_byte(b) : out[0];
    }
}

/* A row of the picture's width, with so many bytes a pixel, to RGB of the result's: out [3 h->out]. */
static void resize_row(const axis *h, const uint8_t *source, size_t channels, uint8_t *out)
{
    if (channels == 1)
        resize_pixels(h, source, 1, out);
    else if (channels == 4)
        resize_pixels(h, source, 4, out);
    else if (h->in == h->out)
        memcpy(out, source, 3 * h->out);
    else
        resize_pixels(h, source, 3, out);
}

#define PIECE 256 /* columns whose sums are in the cache */

/* Output row `o` of `width` bytes; input row y is at rows + y % cycle * pitch. */
static void weigh_rows(const axis *v, size_t o, const uint8_t *rows, size_t cycle, ptrdiff_t pitch, size_t width,
                       uint8_t *out)
{
    for (size_t at = 0; at < width; at += PIECE) {
        size_t n = width - at < PIECE ? width - at : PIECE;
        int32_t sum[PIECE];
        for (size_t x = 0; x < n; x++)
            sum[x] = 1 << (PRECISION - 1);
        for (size_t t = 0; t < v->count[o]; t++) {
            const uint8_t *row = rows + (ptrdiff_t)((v->first[o] + t) % cycle) * pitch + at;
            int32_t weight = v->weight[o * v->taps + t];
            for (size_t x = 0; x < n; x++)
                sum[x] += row[x] * weight;
        }
        for (size_t x = 0; x < n; x++)
            out[at + x] = to_byte(sum[x]);
    }
}

static size_t channels_of(const sam2_image *image)
{
    return image->format == SAM2_PIXEL_GREY ? 1 : image->format == SAM2_PIXEL_RGBA ? 4 : 3;
}

/* Which pass comes first shows in the bytes, as both round. Pillow begins with the rows, but for pictures whose height
 * shrinks by more than twice what the width does (since version 13; before, always with the rows). */
static bool columns_first(const axis *h, const axis *v)
{
    ptrdiff_t shrinks = (ptrdiff_t)v->in - (ptrdiff_t)v->out;
    return shrinks > 0 && shrinks > ((ptrdiff_t)h->in - (ptrdiff_t)h->out) * 2;
}

/* Of a thread: the latest source rows, resized horizontally [vertical.taps][3 width]; a row between the passes, of the
 * result's width or the picture's; a row of the result. */
static size_t scratch_bytes(const axis *h, const axis *v)
{
    size_t row = 3 * h->out, between = 4 * h->in;
    return round_up(v->taps * row, 64) + round_up(between, 64) + round_up(row, 64);
}

/* A band of output rows. With rows first, source rows come in order, each resized once into the place of one that no
 * later output wants. */
static void resize_band(void *context, size_t item, int worker)
{
    const byte_job *j = context;
    const byte_resize *r = j->r;
    const sam2_image *image = r->image;
    const axis *h = &j->horizontal, *v = &j->vertical;
    size_t from = item * BAND, to = from + BAND < v->out ? from + BAND : v->out;
    size_t channels = channels_of(image), row = 3 * h->out, next = v->first[from];
    uint8_t *latest = j->rows + (size_t)worker * j->scratch, *between = latest + round_up(v->taps * row, 64),
            *result = between + round_up(4 * h->in, 64);
    bool by_columns = columns_first(h, v);
    for (size_t o = from; o < to; o++) {
        float *out = r->out + o * r->pitch;
        if (by_columns) {
            weigh_rows(v, o, image->pixels, v->in, image->stride, h->in * channels, between);
            resize_row(h, between, channels, result);
        } else {
            for (; next < (size_t)v->first[o] + v->count[o]; next++)
                resize_row(h, (const uint8_t *)image->pixels + (ptrdiff_t)next * image->stride, channels,
                           latest + next % v->taps * row);
            weigh_rows(v, o, latest, v->taps, (ptrdiff_t)row, row, result);
        }
        for (size_t x = 0; x < row; x += 3)
            for (size_t c = 0; c < 3; c++)
                out[x + c] = r->value[c][result[x + c]];
    }
}

void byte_resize_run(const exec *ex, const byte_resize *r)
{
    const size_t mark = arena_mark(ex->arena);
    byte_job j = {.r = r};
    j.horizontal = take_axis(ex->arena, r->filter, (size_t)r->image->width, r->width);
    j.vertical = take_axis(ex->arena, r->filter, (size_t)r->image->height, r->height);
    j.real = arena_take(ex->arena, j.horizontal.taps > j.vertical.taps ? j.horizontal.taps : j.vertical.taps,
                        sizeof *j.real);
    j.scratch = scratch_bytes(&j.horizontal, &j.vertical);
    j.rows = arena_take(ex->arena, (size_t)pool_threads(ex->pool), j.scratch);
    if (!exec_dry(ex)) {
        fill_axis(&j.horizontal, r->filter, j.real);
        fill_axis(&j.vertical, r->filter, j.real);
        pool_run(ex->pool, resize_band, &j, (r->height + BAND - 1) / BAND);
    }
    arena_reset(ex->arena, mark);
}
