#include "predict/frame_resize.h"

#include "predict/byte_resize.h"

#include <string.h>

static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

void frame_resize(void *context, const exec *ex, float *input)
{
    const preprocess_job *p = context;
    const size_t side = (size_t)p->m->config.image_size, pitch = (side + 6) * 3;
    byte_resize r = {.image = p->image, .filter = BYTE_BICUBIC, .width = side, .height = side, .pitch = pitch};
    if (!exec_dry(ex)) {
        /* In double, stored as float32; then in float32: numpy's division, torch's subtraction and division. */
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 256; i++)
                r.value[c][i] = ((float)(i / 255.0) - mean[c]) / deviation[c];
        memset(input, 0, 3 * pitch * sizeof *input);
        memset(input + (side + 3) * pitch, 0, 3 * pitch * sizeof *input);
        for (size_t y = 3; y < side + 3; y++) {
            memset(input + y * pitch, 0, 9 * sizeof *input);
            memset(input + (y + 1) * pitch - 9, 0, 9 * sizeof *input);
        }
        r.out = input + 3 * pitch + 9;
    }
    byte_resize_run(ex, &r);
}
