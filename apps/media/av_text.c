/* FFmpeg's words for our errors. */
#include "av_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "av_api.h"

static _Thread_local char complaint[160];
static _Thread_local int by_demuxer;

static void keep(void *context, int level, const char *format, va_list args)
{
    const AVClass *class = context ? *(AVClass **)context : NULL;
    if (level > AV_LOG_ERROR)
        return;
    if (class)
        by_demuxer |=
            (class->get_category ? class->get_category(context) : class->category) == AV_CLASS_CATEGORY_DEMUXER;
    vsnprintf(complaint, sizeof complaint, format, args);
    complaint[strcspn(complaint, "\r\n")] = 0;
}

void av_text_forget(void)
{
    complaint[0] = 0;
    by_demuxer = 0;
}

int av_text_demuxer_complained(void)
{
    return by_demuxer;
}

void av_text_quiet(void)
{
    libav.av_log_set_callback(keep);
    av_text_forget();
}

const char *av_text(int code)
{
    static _Thread_local char text[320];
    char name[128] = "unknown fault";
    libav.av_strerror(code, name, sizeof name);
    if (*complaint)
        snprintf(text, sizeof text, "%s (%s)", name, complaint);
    else
        snprintf(text, sizeof text, "%s", name);
    return text;
}
