/* Resizing and thresholds. The variants round one operation at a time, as the plain kernels do: the same bits, of which
 * masks are made. The plain ones are compared with float64. */
#include "kernels/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 12, WIDTH = 600 };

static float *vector(size_t n, values kind)
{
    float *x = operand_f32(n);
    for (size_t j = 0; j < n; j++)
        x[j] = random_value(kind);
    return x;
}

/* ---- vertical pass ---- */

void check_weigh_rows_f32(const check *t, weigh_rows_f32_fn *fn)
{
    (void)t;
    for (size_t i = 0; i < 400 && !given_up(); i++) {
        const size_t n = i < 140 ? i : random_below(WIDTH), taps = random_from(1, TAPS);
        describe("n %zu taps %zu", n, taps);
        const float *row[TAPS];
        for (size_t q = 0; q < taps; q++)
            row[q] = vector(n, VALUES_PLAIN);
        const float *const *rows = operand_copy(row, taps, sizeof *row);
        const float *weight = vector(taps, VALUES_PLAIN);
        float *out = operand_f32(n), want[WIDTH];
        fn(n, taps, rows, weight, out);
        k_weigh_rows_f32_ref(n, taps, rows, weight, want);
        same_f32("out", out, want, n);
        for (size_t j = 0; j < n; j++) {
            double sum = 0.0, scale = 0.0;
            for (size_t q = 0; q < taps; q++) {
                sum += (double)weight[q] * (double)row[q][j];
                scale += fabs((double)weight[q] * (double)row[q][j]);
            }
            if (!near_f32("out", j, out[j], sum, scale * EPSILON * (double)(taps + 1)))
                break;
        }
        operands_end();
    }
}

/* ---- horizontal pass ---- */

static void try_resample(resample_row_u8_fn *fn, size_t n, size_t width, int channels)
{
    const size_t taps = random_from(1, TAPS), size = (size_t)channels;
    describe("n %zu taps %zu width %zu channels %d", n, taps, width, channels);
    uint8_t *pixels = operand(width * size, 1);
    uint32_t *first = operand(n, sizeof *first), *count = operand(n, sizeof *count);
    float *weight = vector(n * taps, VALUES_PLAIN), *out = operand_f32(3 * n), want[3 * WIDTH];
    for (size_t i = 0; i < width * size; i++)
        pixels[i] = (uint8_t)random_bits();
    for (size_t i = 0; i < n; i++) {
        const size_t most = taps < width ? taps : width;
        count[i] = (uint32_t)(random_below(20) ? random_from(1, most) : 0);
        first[i] = (uint32_t)random_below(width - count[i] + (count[i] != 0));
        if (random_below(4) == 0)
            first[i] = (uint32_t)(width - count[i]); /* up to the last pixel of the picture */
        for (size_t q = count[i]; q < taps; q++)
            weight[i * taps + q] = NAN; /* not used */
    }
    fn(n, taps, first, count, weight, pixels, channels, out);
    k_resample_row_u8_ref(n, taps, first, count, weight, pixels, channels, want);
    same_f32("out", out, want, 3 * n);
    for (size_t i = 0; i < n; i++)
        for (size_t ch = 0; ch < 3; ch++) {
            double sum = 0.0, scale = 0.0;
            for (size_t q = 0; q < count[i]; q++) {
                const double p = pixels[(first[i] + q) * size + (channels == 1 ? 0 : ch)] / 255.0;
                sum += (double)weight[i * taps + q] * p;
                scale += fabs((double)weight[i * taps + q] * p);
            }
            near_f32("out", 3 * i + ch, out[3 * i + ch], sum, scale * EPSILON * (double)(taps + 2));
        }
    operands_end();
}

void check_resample_row_u8(const check *t, resample_row_u8_fn *fn)
{
    (void)t;
    static const int channels[] = {1, 3, 4};
    for (size_t i = 0; i < 600 && !given_up(); i++)
        try_resample(fn, random_below(40), random_from(1, 60), channels[i % 3]);
}

/* ---- bilinear ---- */

static double blend(double u, double a, double b)
{
    return (1.0 - u) * a + u * b;
}

void check_bilinear_row_f32(const check *t, bilinear_row_f32_fn *fn)
{
    (void)t;
    for (size_t i = 0; i < 400 && !given_up(); i++) {
        const size_t n = i < 80 ? i : random_below(WIDTH), width = random_from(1, 300);
        const bool in_order = i % 2; /* as when a row is enlarged or made smaller; else anywhere */
        describe("n %zu width %zu%s", n, width, in_order ? " in order" : "");
        const float *top = vector(width, VALUES_PLAIN), *bottom = i % 3 ? vector(width, VALUES_PLAIN) : top;
        uint32_t *left = operand(n, sizeof *left), *right = operand(n, sizeof *right);
        float *u = operand_f32(n), *out = operand_f32(n), want[WIDTH];
        for (size_t j = 0; j < n; j++) {
            left[j] = (uint32_t)(in_order ? j * width / n : random_below(width));
            right[j] = (uint32_t)(left[j] + 1 < width ? left[j] + 1 : left[j]);
            u[j] = random_below(10) ? random_float(0.0f, 1.0f) : (float)random_below(2);
        }
        const float v = random_below(4) ? random_float(0.0f, 1.0f) : 0.0f;
        fn(n, top, bottom, left, right, u, v, out);
        k_bilinear_row_f32_ref(n, top, bottom, left, right, u, v, want);
        same_f32("out", out, want, n);
        for (size_t j = 0; j < n; j++) {
            const double x = blend((double)u[j], (double)top[left[j]], (double)top[right[j]]);
            const double y = blend((double)u[j], (double)bottom[left[j]], (double)bottom[right[j]]);
            if (!near_f32("out", j, out[j], blend((double)v, x, y), 6.0 * EPSILON)) /* of terms within 1 */
                break;
        }
        operands_end();
    }
}

void check_stretch_rows_f32(const check *t, stretch_rows_f32_fn *fn)
{
    (void)t;
    for (size_t i = 0; i < 200 && !given_up(); i++) {
        const size_t n = i < 80 ? i : random_below(WIDTH), width = random_from(1, 300), rows = random_below(6),
                     ldx = width + random_below(3), ldo = n + random_below(3);
        const values kind = i % 5 ? VALUES_PLAIN : VALUES_SPECIAL;
        describe("rows %zu n %zu width %zu values %d", rows, n, width, (int)kind);
        const float *x = vector(rows ? (rows - 1) * ldx + width : 0, kind);
        uint32_t *left = operand(n, sizeof *left), *right = operand(n, sizeof *right);
        const size_t count = rows ? (rows - 1) * ldo + n : 0;
        float *u = operand_f32(n), *out = operand_f32(count), *want = calloc(count + 1, sizeof *want);
        if (!want)
            exit(2);
        for (size_t j = 0; j < n; j++) {
            left[j] = (uint32_t)(i % 2 ? j * width / n : random_below(width));
            right[j] = (uint32_t)(left[j] + 1 < width ? left[j] + 1 : left[j]);
            u[j] = random_below(10) ? random_float(0.0f, 1.0f) : (float)random_below(2);
        }
        for (size_t at = 0; at < count; at++)
            out[at] = want[at] = (float)at;
        for (size_t r = 0; r < rows; r++)
            k_bilinear_row_f32_ref(n, x + r * ldx, x + r * ldx, left, right, u, 0.0f, want + r * ldo);
        fn(rows, n, x, ldx, left, right, u, out, ldo);
        same_f32("out", out, want, count);
        free(want);
        operands_end();
    }
}

/* ---- the threshold while enlarging ---- */

void check_blend_threshold_f32(const check *t, blend_threshold_f32_fn *fn)
{
    (void)t;
    for (size_t i = 0; i < 400 && !given_up(); i++) {
        const size_t n = i < 140 ? i : random_below(WIDTH);
        describe("n %zu", n);
        float *x = vector(n, i % 2 ? VALUES_PLAIN : VALUES_SPECIAL), *y = vector(n, VALUES_PLAIN);
        const float v = random_below(4) ? random_float(0.0f, 1.0f) : 0.0f;
        for (size_t j = 0; j < n; j += 3) /* sums near 0, where one rounding decides */
            x[j] = -v * y[j] / (1.0f - v + 0x1p-20f);
        const uint8_t inside = (uint8_t)random_from(1, 255);
        uint8_t *out = operand(n, 1), want[WIDTH];
        for (size_t j = 0; j < n; j++) {
            const float a = (1.0f - v) * x[j], b = v * y[j];
            want[j] = a + b > 0.0f ? inside : 0;
        }
        fn(n, x, y, v, inside, out);
        same_bytes("out", out, want, n, 1);
        operands_end();
    }
}

/* ---- timing: rows of a picture 1800 wide ---- */

enum { WIDE = 1800, NARROW = 256, SAMPLES = 1024, BENCH_TAPS = 6 };

typedef struct job {
    weigh_rows_f32_fn *weigh;
    resample_row_u8_fn *resample;
    bilinear_row_f32_fn *bilinear;
    stretch_rows_f32_fn *stretch;
    blend_threshold_f32_fn *blend;
    float x[2][3 * WIDE], stretched[4 * WIDE], t[WIDE], weight[SAMPLES * BENCH_TAPS], out[3 * WIDE];
    uint32_t left[WIDE], right[WIDE], first[SAMPLES], count[SAMPLES];
    uint8_t pixels[4 * WIDE], mask[WIDE];
    int channels;
} job;

static void run(void *arg)
{
    job *j = arg;
    const float *const row[4] = {j->x[0], j->x[1], j->x[0], j->x[1]};
    if (j->weigh)
        j->weigh(3 * SAMPLES, 4, row, j->weight, j->out);
    else if (j->resample)
        j->resample(SAMPLES, BENCH_TAPS, j->first, j->count, j->weight, j->pixels, j->channels, j->out);
    else if (j->stretch)
        j->stretch(4, WIDE, j->x[0], NARROW, j->left, j->right, j->t, j->stretched, WIDE);
    else if (j->bilinear)
        j->bilinear(WIDE, j->x[0], j->x[1], j->left, j->right, j->t, 0.25f, j->out);
    else
        j->blend(WIDE, j->x[0], j->x[1], 0.25f, 255, j->mask);
}

static job *make_job(void)
{
    job *j = calloc(1, sizeof *j);
    if (!j)
        exit(2);
    for (size_t i = 0; i < 3 * WIDE; i++)
        j->x[0][i] = random_float(-1.0f, 1.0f), j->x[1][i] = random_float(-1.0f, 1.0f);
    for (size_t i = 0; i < WIDE; i++) {
        j->left[i] = (uint32_t)(i * (NARROW - 1) / WIDE);
        j->right[i] = j->left[i] + 1;
        j->t[i] = random_float(0.0f, 1.0f);
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        j->first[i] = (uint32_t)(i * (WIDE - BENCH_TAPS) / SAMPLES);
        j->count[i] = 3 + (uint32_t)(i * 7 % 4 != 0);
    }
    return j;
}

void bench_weigh_rows_f32(const check *t, weigh_rows_f32_fn *fn)
{
    job *j = make_job();
    j->weigh = fn;
    bench(t, "4 rows of 3072", 5.0 * 4.0 * 3.0 * SAMPLES, "GB/s", run, j);
    free(j);
}

void bench_resample_row_u8(const check *t, resample_row_u8_fn *fn)
{
    static const int channels[] = {1, 3, 4};
    for (size_t i = 0; i < 3; i++) {
        job *j = make_job();
        j->resample = fn;
        j->channels = channels[i];
        char text[64];
        snprintf(text, sizeof text, "1800 to 1024 pixels, %d channels", channels[i]);
        bench(t, text, (double)SAMPLES, "Gpixel/s", run, j);
        free(j);
    }
}

void bench_bilinear_row_f32(const check *t, bilinear_row_f32_fn *fn)
{
    job *j = make_job();
    j->bilinear = fn;
    bench(t, "256 to 1800", (double)WIDE, "Gpixel/s", run, j);
    free(j);
}

void bench_stretch_rows_f32(const check *t, stretch_rows_f32_fn *fn)
{
    job *j = make_job();
    j->stretch = fn;
    bench(t, "4 rows of 256 to 1800", 4.0 * WIDE, "Gpixel/s", run, j);
    free(j);
}

void bench_blend_threshold_f32(const check *t, blend_threshold_f32_fn *fn)
{
    job *j = make_job();
    j->blend = fn;
    bench(t, "1800", (double)WIDE, "Gpixel/s", run, j);
    free(j);
}
