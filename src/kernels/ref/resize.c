#include "kernels/kernels.h"

void k_weigh_rows_f32_ref(size_t n, size_t taps, const float *const *row, const float *weight, float *out)
{
    for (size_t j = 0; j < n; j++) {
        float v = weight[0] * row[0][j];
        for (size_t t = 1; t < taps; t++)
            v += weight[t] * row[t][j];
        out[j] = v;
    }
}

void k_resample_row_u8_ref(size_t n, size_t taps, const uint32_t *first, const uint32_t *count, const float *weight,
                           const uint8_t *pixels, int channels, float *out)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = pixels + (size_t)first[i] * (size_t)channels;
        const float *w = weight + i * taps;
        float sum[3] = {0.0f, 0.0f, 0.0f};
        for (size_t t = 0; t < count[i]; t++, p += channels)
            for (int ch = 0; ch < 3; ch++)
                sum[ch] += w[t] * ((float)p[channels == 1 ? 0 : ch] / 255.0f);
        for (int ch = 0; ch < 3; ch++)
            out[3 * i + (size_t)ch] = sum[ch];
    }
}

void k_bilinear_row_f32_ref(size_t n, const float *top, const float *bottom, const uint32_t *left,
                            const uint32_t *right, const float *t, float v, float *out)
{
    for (size_t j = 0; j < n; j++) {
        float u = t[j];
        float x = (1.0f - u) * top[left[j]] + u * top[right[j]];
        float y = (1.0f - u) * bottom[left[j]] + u * bottom[right[j]];
        out[j] = (1.0f - v) * x + v * y;
    }
}

void k_stretch_rows_f32_ref(size_t rows, size_t n, const float *x, size_t ldx, const uint32_t *left,
                            const uint32_t *right, const float *t, float *out, size_t ldo)
{
    for (size_t i = 0; i < rows; i++)
        k_bilinear_row_f32_ref(n, x + i * ldx, x + i * ldx, left, right, t, 0.0f, out + i * ldo);
}

void k_blend_threshold_f32_ref(size_t n, const float *x, const float *y, float v, uint8_t inside, uint8_t *out)
{
    for (size_t j = 0; j < n; j++)
        out[j] = (1.0f - v) * x[j] + v * y[j] > 0.0f ? inside : 0;
}
