#define _POSIX_C_SOURCE 200809L
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common.h"

#define BAR_WIDTH 24

progress progress_start(progress_kind kind, int quiet, const char *what, int64_t total)
{
    progress p = {.kind = kind, .what = what, .total = total, .start = now_ms()};
    if (kind == PROGRESS_BAR && (quiet || !isatty(STDERR_FILENO)))
        p.kind = PROGRESS_NONE;
    return p;
}

static void draw(progress *p, int64_t done, double rate, double left)
{
    char bar[BAR_WIDTH + 1] = "", rest[64] = "";
    if (p->total > 0) {
        int full = (int)(done * BAR_WIDTH / p->total);
        full = full > BAR_WIDTH ? BAR_WIDTH : full;
        memset(bar, '#', (size_t)full);
        memset(bar + full, '.', (size_t)(BAR_WIDTH - full));
        snprintf(rest, sizeof rest, "/%lld, %.0f:%02.0f left", (long long)p->total, (left - (int)left % 60) / 60,
                 (double)((int)left % 60));
    }
    fprintf(stderr, "\r%s%s%s %lld%s, %.2f a second\033[K", bar, *bar ? " " : "", p->what, (long long)done, rest, rate);
    fflush(stderr);
    p->shown = 1;
}

void progress_show(progress *p, int64_t done)
{
    const double now = now_ms(), seconds = (now - p->start) / 1000, rate = seconds > 0 ? (double)done / seconds : 0;
    const double left = rate > 0 && p->total > done ? (double)(p->total - done) / rate : 0;
    if (p->kind == PROGRESS_JSON) {
        fprintf(stderr, "{\"%s\": %lld, \"total\": ", p->what, (long long)done);
        if (p->total > 0)
            fprintf(stderr, "%lld, \"seconds\": %.3f, \"left\": %.3f}\n", (long long)p->total, seconds, left);
        else
            fprintf(stderr, "null, \"seconds\": %.3f, \"left\": null}\n", seconds);
    }
    if (p->kind == PROGRESS_BAR && seconds >= 1 && now - p->last >= 100) {
        p->last = now;
        draw(p, done, rate, left);
    }
}

void progress_clear(progress *p)
{
    if (p->shown)
        fprintf(stderr, "\r\033[K");
    p->shown = 0;
}
