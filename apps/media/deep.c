/* From 16 bits a sample to 8: plain v / 257, or a stretch between two percentiles of all samples. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int media_deep_start(media_deep *deep, const media_reader *reader, media_picture *out)
{
    *deep = (media_deep){
        .out = out, .least = 65535, .low = reader->options.stretch_low, .high = reader->options.stretch_high};
    if (deep->high > 0) {
        deep->samples = calloc((size_t)out->width * (size_t)out->height, 3 * sizeof *deep->samples);
        if (!deep->samples)
            return media_fail(reader, "out of memory for a stretch of 16-bit data");
    }
    return 0;
}

void media_deep_row(media_deep *deep, int y, int x, int count, const uint16_t *rgb)
{
    size_t at = ((size_t)y * (size_t)deep->out->width + (size_t)x) * 3, n = (size_t)count * 3;
    uint16_t greatest = deep->greatest, least = deep->least;
    for (size_t i = 0; i < n; i++) {
        greatest = rgb[i] > greatest ? rgb[i] : greatest;
        least = rgb[i] < least ? rgb[i] : least;
        deep->out->pixels[at + i] = (uint8_t)((rgb[i] + 128u) / 257u);
    }
    if (deep->samples)
        memcpy(deep->samples + at, rgb, n * sizeof *rgb);
    deep->greatest = greatest;
    deep->least = least;
}

/* The value at a percentile of a histogram, by linear interpolation between the sorted samples, as numpy.percentile
 * does. */
static double percentile(const uint64_t *count, uint64_t total, double percent)
{
    double rank = percent / 100 * (double)(total - 1);
    uint64_t below = (uint64_t)floor(rank), seen = 0;
    double part = rank - floor(rank);
    unsigned v = 0;
    while (v < 65535 && seen + count[v] <= below)
        seen += count[v++];
    unsigned next = v;
    if (part > 0 && seen + count[v] <= below + 1)
        do
            next++;
        while (next < 65535 && !count[next]);
    return next > 65535 ? v : v + part * ((double)next - v);
}

static int stretch(media_deep *deep, const media_reader *reader)
{
    size_t n = (size_t)deep->out->width * (size_t)deep->out->height * 3;
    uint64_t *count = calloc(65536, sizeof *count);
    uint8_t *table = malloc(65536);
    if (!count || !table) {
        free(count);
        free(table);
        return media_fail(reader, "out of memory for a stretch of 16-bit data");
    }
    for (size_t i = 0; i < n; i++)
        count[deep->samples[i]]++;
    double from = percentile(count, n, deep->low), to = percentile(count, n, deep->high);
    for (int v = 0; v < 65536; v++) {
        double t = to > from ? (v - from) / (to - from) * 255 : v > from ? 255 : 0;
        table[v] = (uint8_t)(t <= 0 ? 0 : t >= 255 ? 255 : floor(t + 0.5));
    }
    for (size_t i = 0; i < n; i++)
        deep->out->pixels[i] = table[deep->samples[i]];
    free(count);
    free(table);
    if (!(to > from))
        snprintf(deep->out->notice, sizeof deep->out->notice,
                 "nothing to stretch: both percentiles of the 16-bit picture are %g", from);
    return 0;
}

int media_deep_finish(media_deep *deep, const media_reader *reader)
{
    if (deep->samples)
        return stretch(deep, reader);
    if (deep->greatest < 32768 && deep->greatest > 0) /* less than half of the range */
        snprintf(deep->out->notice, sizeof deep->out->notice,
                 "16-bit picture uses only %u to %u of 65535; --stretch minmax makes it brighter",
                 (unsigned)deep->least, (unsigned)deep->greatest);
    return 0;
}

void media_deep_free(media_deep *deep)
{
    free(deep->samples);
    deep->samples = NULL;
}
