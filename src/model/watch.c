#include "model/model.h"

#include <string.h>

void watch(watcher *w, const char *name, const float *data, const int64_t *shape, int dims)
{
    if (w && w->observe)
        w->observe(w->user, name, data, shape, dims);
}

void watch_map(watcher *w, const char *name, const float *map, size_t height, size_t width, size_t channels)
{
    if (!w || !w->observe)
        return;
    size_t bytes = height * width * channels * sizeof(float), pixels = height * width;
    void *memory;
    if (alloc_get(w->allocator, bytes, "a copy of a map", &memory, NULL) != SAM2_OK) {
        w->failed = 1;
        return;
    }
    float *copy = memory;
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < channels; c++)
            copy[c * pixels + p] = map[p * channels + c];
    watch(w, name, copy, (const int64_t[]){1, (int64_t)channels, (int64_t)height, (int64_t)width}, 4);
    alloc_release(w->allocator, memory, bytes);
}

void watch_input(watcher *w, const model *m, const float *input)
{
    size_t side = (size_t)m->config.image_size, border = model_input_border(m), pitch = model_input_side(m) * 3,
           bytes = side * side * 3 * sizeof(float);
    void *copy;
    if (alloc_get(w->allocator, bytes, "a copy of the input", &copy, NULL) != SAM2_OK) {
        w->failed = 1;
        return;
    }
    for (size_t y = 0; y < side; y++)
        memcpy((float *)copy + y * side * 3, input + (y + border) * pitch + 3 * border, side * 3 * sizeof(float));
    watch_map(w, "input", copy, side, side, 3);
    alloc_release(w->allocator, copy, bytes);
}
