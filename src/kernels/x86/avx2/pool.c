/* Max pooling. */
#include "kernels/kernels.h"

#include <immintrin.h>

void k_max4_f32_avx2(size_t n, const float *const x[4], float *y)
{
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        __m256 top = _mm256_max_ps(_mm256_loadu_ps(x[0] + j), _mm256_loadu_ps(x[1] + j));
        __m256 bottom = _mm256_max_ps(_mm256_loadu_ps(x[2] + j), _mm256_loadu_ps(x[3] + j));
        _mm256_storeu_ps(y + j, _mm256_max_ps(top, bottom));
    }
    for (; j < n; j++) {
        float top = x[0][j] > x[1][j] ? x[0][j] : x[1][j], bottom = x[2][j] > x[3][j] ? x[2][j] : x[3][j];
        y[j] = top > bottom ? top : bottom;
    }
}
