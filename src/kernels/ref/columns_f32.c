/* Operators across the columns of rows: transposition, softmax of interleaved groups. */
#include "kernels/kernels.h"

#include <math.h>

void k_transpose_f32_ref(size_t rows, size_t columns, const float *x, size_t ldx, float *y, size_t ldy)
{
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < rows; i++)
            y[j * ldy + i] = x[i * ldx + j];
}

void k_softmax_groups_f32_ref(size_t rows, size_t groups, size_t n, float *s, size_t lds)
{
    for (size_t i = 0; i < rows; i++, s += lds)
        for (size_t g = 0; g < groups; g++) {
            float largest = s[g], sum = 0.0f;
            for (size_t j = 1; j < n; j++)
                largest = s[j * groups + g] > largest ? s[j * groups + g] : largest;
            for (size_t j = 0; j < n; j++)
                sum += s[j * groups + g] = expf(s[j * groups + g] - largest);
            float inverse = 1.0f / sum;
            for (size_t j = 0; j < n; j++)
                s[j * groups + g] *= inverse;
        }
}
