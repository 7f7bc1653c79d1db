#include "model/model.h"

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
