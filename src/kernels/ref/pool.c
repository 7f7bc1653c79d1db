/* Max pooling. */
#include "kernels/kernels.h"

void k_max4_f32_ref(size_t n, const float *const x[4], float *y)
{
    for (size_t j = 0; j < n; j++) {
        float top = x[0][j] > x[1][j] ? x[0][j] : x[1][j], bottom = x[2][j] > x[3][j] ? x[2][j] : x[3][j];
        y[j] = top > bottom ? top : bottom;
    }
}

/* The number as an integer that is ordered like it. */
static int ordered(uint16_t x)
{
    return x & 0x8000 ? -(x & 0x7FFF) : x;
}

void k_max4_bf16_ref(size_t n, const uint16_t *const x[4], uint16_t *y)
{
    for (size_t j = 0; j < n; j++) {
        uint16_t best = x[0][j];
        for (int i = 1; i < 4; i++)
            if (ordered(x[i][j]) > ordered(best))
                best = x[i][j];
        y[j] = best;
    }
}
