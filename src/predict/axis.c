#include "predict/axis.h"

axis axis_take(arena *a, size_t in, size_t out)
{
    float scale = (float)in / (float)out, support = scale > 1.0f ? scale : 1.0f;
    axis x = {.out = out, .taps = (size_t)(2.0f * support) + 2};
    x.first = arena_take(a, out, sizeof *x.first);
    x.count = arena_take(a, out, sizeof *x.count);
    x.weight = arena_floats(a, out * x.taps);
    return x;
}

void axis_fill(const axis *x, size_t in)
{
    float scale = (float)in / (float)x->out, support = scale > 1.0f ? scale : 1.0f,
          inverse = scale > 1.0f ? 1.0f / scale : 1.0f;
    for (size_t i = 0; i < x->out; i++) {
        float centre = scale * ((float)i + 0.5f), total = 0.0f, *weight = x->weight + i * x->taps;
        long from = (long)(centre - support + 0.5f), to = (long)(centre + support + 0.5f);
        from = from < 0 ? 0 : from;
        to = to > (long)in ? (long)in : to;
        for (long t = from; t < to; t++) {
            float d = ((float)(t - from) + (float)from - centre + 0.5f) * inverse;
            d = d < 0.0f ? -d : d;
            weight[t - from] = d < 1.0f ? 1.0f - d : 0.0f;
            total += weight[t - from];
        }
        for (long t = from; t < to && total != 0.0f; t++)
            weight[t - from] /= total;
        x->first[i] = (uint32_t)from;
        x->count[i] = (uint32_t)(to - from);
    }
}
