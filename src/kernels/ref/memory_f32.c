/* What memory attention and the memory encoder need besides products. */
#include "kernels/kernels.h"

void k_rotate_f32_ref(size_t n, const float *x, const float *cosine, const float *sine, float *y)
{
    for (size_t i = 0; i + 2 <= n; i += 2) {
        float a = x[i], b = x[i + 1];
        y[i] = a * cosine[i] + b * sine[i];
        y[i + 1] = b * cosine[i + 1] + a * sine[i + 1];
    }
}

void k_depthwise_f32_ref(size_t n, size_t taps, const float *const *x, const float *const *weight, const float *bias,
                         float *y)
{
    for (size_t c = 0; c < n; c++) {
        float sum = bias[c];
        for (size_t t = 0; t < taps; t++)
            sum += weight[t][c] * x[t][c];
        y[c] = sum;
    }
}
