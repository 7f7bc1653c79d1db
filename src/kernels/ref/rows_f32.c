/* Operators on rows: LayerNorm, softmax, division, activation. */
#include "kernels/kernels.h"
#include "kernels/ref/act.h"

void k_layernorm_f32_ref(size_t rows, size_t c, const float *x, size_t ldx, const float *gamma, const float *beta,
                         float eps, activation act, float *y, size_t ldy)
{
    for (size_t i = 0; i < rows; i++, x += ldx, y += ldy) {
        float sum = 0.0f, square = 0.0f;
        for (size_t j = 0; j < c; j++)
            sum += x[j];
        float mean = sum / (float)c;
        for (size_t j = 0; j < c; j++)
            square += (x[j] - mean) * (x[j] - mean);
        float scale = 1.0f / sqrtf(square / (float)c + eps);
        for (size_t j = 0; j < c; j++)
            y[j] = ref_act(act, (x[j] - mean) * scale * gamma[j] + beta[j]);
    }
}

void k_softmax_step_f32_ref(size_t rows, size_t n, float *s, size_t lds, float *max_, float *sum, float *scale)
{
    for (size_t i = 0; i < rows; i++, s += lds) {
        float largest = max_[i], total = 0.0f;
        for (size_t j = 0; j < n; j++)
            if (s[j] > largest)
                largest = s[j];
        for (size_t j = 0; j < n; j++)
            total += s[j] = expf(s[j] - largest);
        scale[i] = expf(max_[i] - largest); /* expf(-infinity) is 0 */
        sum[i] = sum[i] * scale[i] + total;
        max_[i] = largest;
    }
}

void k_add_relative_f32_ref(size_t rows, size_t first, size_t n, size_t side, const float *vertical, size_t ldv,
                            const float *horizontal, size_t ldh, float *s, size_t lds)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            s[i * lds + j] += vertical[i * ldv + (first + j) / side] + horizontal[i * ldh + (first + j) % side];
}

void k_divide_rows_f32_ref(size_t rows, size_t n, const float *x, size_t ldx, const float *divisor, float *y,
                           size_t ldy)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            y[i * ldy + j] = x[i * ldx + j] / divisor[i];
}

void k_activate_f32_ref(size_t n, activation act, const float *x, float *y)
{
    for (size_t j = 0; j < n; j++)
        y[j] = ref_act(act, x[j]);
}
