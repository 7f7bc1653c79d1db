/* Clocks, JSON. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common.h"
#include "output.h"

double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Length of the UTF-8 character at `s`, or 0. */
static size_t utf8_length(const unsigned char *s)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    unsigned code;
    if (length < 2)
        return length;
    code = s[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        code = code << 6 | (s[i] & 63u);
    }
    return code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : length;
}

json_t *json_text(const char *text)
{
    char *clean = malloc(strlen(text) * 3 + 1), *to = clean;
    json_t *json;
    if (!clean)
        return NULL;
    while (*text) {
        size_t length = utf8_length((const unsigned char *)text);
        memcpy(to, length ? text : "\xEF\xBF\xBD", length ? length : 3);
        to += length ? length : 3;
        text += length ? length : 1;
    }
    *to = 0;
    json = json_string(clean);
    free(clean);
    return json;
}

json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

int json_save(const json_t *json, const char *path, int compact)
{
    char error[600];
    media_output output;
    int failed;
    if (!json)
        return report(EXIT_FAULT, "%s: out of memory", path);
    if (media_output_open(&output, path, error, sizeof error))
        return report(EXIT_FAULT, "%s", error);
    errno = 0;
    failed = json_dumpf(json, output.file, JSON_REAL_PRECISION(9) | (compact ? JSON_COMPACT : JSON_INDENT(1))) != 0 ||
             fputc('\n', output.file) == EOF;
    if (failed)
        explain(error, sizeof error, "%s: cannot be written: %s", output.label,
                errno ? strerror(errno) : "out of memory");
    if (media_output_close(&output, !failed, failed ? NULL : error, failed ? 0 : sizeof error) || failed)
        return report(EXIT_FAULT, "%s", error);
    return EXIT_DONE;
}
