#include "predict/longest_side.h"

#include "predict/byte_resize.h"

#include <string.h>

static const float mean[3] = {123.675f, 116.28f, 103.53f}, deviation[3] = {58.395f, 57.12f, 57.375f};

static size_t scaled(int side, double scale)
{
    const int rounded = (int)((double)side * scale + 0.5);
    return rounded < 1 ? 1 : (size_t)rounded; /* where the official code stops: a picture of nothing */
}

void longest_side_size(const model *m, int width, int height, size_t *to_width, size_t *to_height)
{
    const double scale = (double)m->config.image_size / (double)(width > height ? width : height);
    *to_width = scaled(width, scale);
    *to_height = scaled(height, scale);
}

void longest_side(void *context, const exec *ex, float *input)
{
    const preprocess_job *p = context;
    const size_t side = (size_t)p->m->config.image_size, pitch = 3 * side;
    byte_resize r = {.image = p->image, .filter = BYTE_BILINEAR, .out = input, .pitch = pitch};
    longest_side_size(p->m, p->image->width, p->image->height, &r.width, &r.height);
    if (!exec_dry(ex)) {
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 256; i++)
                r.value[c][i] = ((float)i - mean[c]) / deviation[c];
        for (size_t y = 0; y < r.height; y++)
            memset(input + y * pitch + 3 * r.width, 0, 3 * (side - r.width) * sizeof *input);
        memset(input + r.height * pitch, 0, (side - r.height) * pitch * sizeof *input);
    }
    byte_resize_run(ex, &r);
}

void longest_side_worst(const model *m, int index, int *width, int *height)
{
    /* Few rows or columns are weighed most where one output is made of one and a half times what others are: the
     * longest side that becomes 1, and the next, of which 2 are made. */
    const double scale = (double)m->config.image_size / PICTURE_MAX_SIDE;
    int thin = PICTURE_MAX_SIDE / m->config.image_size * 3 / 2 + 2;
    while (thin > 1 && scaled(thin, scale) > 1)
        thin--;
    const int sizes[LONGEST_SIDE_WORST][2] = {{PICTURE_MAX_SIDE, PICTURE_MAX_SIDE},
                                              {PICTURE_MAX_SIDE, thin},
                                              {thin, PICTURE_MAX_SIDE},
                                              {PICTURE_MAX_SIDE, thin + 1},
                                              {thin + 1, PICTURE_MAX_SIDE}};
    *width = sizes[index][0];
    *height = sizes[index][1];
}

void longest_side_measure(const model *m, const exec *ex)
{
    for (int i = 0; i < LONGEST_SIDE_WORST; i++) {
        sam2_image image = {0};
        longest_side_worst(m, i, &image.width, &image.height);
        encode_image(m, ex, longest_side, &(preprocess_job){m, &image}, &(pyramid){0}, NULL);
    }
}
