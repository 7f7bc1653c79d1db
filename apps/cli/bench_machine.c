#define _GNU_SOURCE /* sched_getaffinity */
#include "bench.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void machine_cpu(char *out, size_t size)
{
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, "\n")] = 0;
        snprintf(out, size, "%s", value);
        break;
    }
    if (file)
        fclose(file);
}

int machine_threads(void)
{
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set))
        return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

double machine_peak_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtod(line + 6, NULL);
    if (file)
        fclose(file);
    return kib / 1024;
}

int machine_peak_reset(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return -1;
    fputs("5", file); /* forgets the greatest resident size */
    return fclose(file) ? -1 : 0;
}

unsigned char *bench_picture(int width, int height)
{
    unsigned char *pixels = malloc((size_t)width * (size_t)height * 3), *p = pixels;
    uint32_t noise = 1;
    for (int y = 0; pixels && y < height; y++) {
        for (int x = 0; x < width; x++, p += 3) {
            int64_t dx = x - width / 2, dy = y - height / 2, radius = height / 4;
            int inside = dx * dx + dy * dy < radius * radius;
            noise = noise * 1664525u + 1013904223u;
            p[0] = (unsigned char)((inside ? 200 : 60) + (int)(noise >> 28));
            p[1] = (unsigned char)(x * 160 / width + (int)(noise >> 24 & 15));
            p[2] = (unsigned char)(inside ? 40 : y * 200 / height);
        }
    }
    return pixels;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bench_times bench_summary(double *ms, int count)
{
    bench_times t;
    qsort(ms, (size_t)count, sizeof *ms, compare);
    t.median = count % 2 ? ms[count / 2] : (ms[count / 2 - 1] + ms[count / 2]) / 2;
    t.least = ms[0];
    t.greatest = ms[count - 1];
    return t;
}
