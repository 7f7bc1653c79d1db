/* Crops and points of the automatic mask generator (sam2.utils.amg). */
#include "predict/auto.h"

#include <math.h>

size_t auto_crops(int width, int height, int layers, double overlap_ratio, auto_box *out, size_t capacity)
{
    int shorter = width < height ? width : height;
    size_t count = 1;
    if (capacity)
        out[0] = (auto_box){0, 0, width, height, 0};
    for (int layer = 1; layer <= layers; layer++) {
        int n = 1 << layer, overlap = (int)(overlap_ratio * shorter * (2.0 / n));
        int64_t w = (int64_t)ceil((double)((int64_t)overlap * (n - 1) + width) / n);
        int64_t h = (int64_t)ceil((double)((int64_t)overlap * (n - 1) + height) / n);
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < n; k++) {
                int64_t x = (w - overlap) * i, y = (h - overlap) * k;
                if (x >= width || y >= height)
                    continue;
                if (count < capacity)
                    out[count] = (auto_box){(int)x, (int)y, (int)(x + w < width ? x + w : width),
                                            (int)(y + h < height ? y + h : height), layer};
                count++;
            }
    }
    return count;
}

int auto_points(int points_per_side, int layer, int downscale_factor)
{
    for (int i = 0; i < layer; i++)
        points_per_side /= downscale_factor;
    return points_per_side;
}

void auto_grid_point(int n, int i, double *x, double *y)
{
    /* numpy.linspace(offset, 1 - offset, n): the last value is not computed. */
    double offset = 1.0 / (2 * n), end = 1.0 - offset, step = n > 1 ? (end - offset) / (n - 1) : 0.0;
    int column = i % n, row = i / n;
    *x = n > 1 && column == n - 1 ? end : column * step + offset;
    *y = n > 1 && row == n - 1 ? end : row * step + offset;
}
