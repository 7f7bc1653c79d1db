#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts the text back to whole UTF-8 characters after snprintf filled the buffer, and shows control characters as '?'.
 */
static void clean(char *text, size_t capacity, int wanted)
{
    size_t n = strlen(text);
    if (wanted >= 0 && (size_t)wanted >= capacity) {
        size_t start = n; /* start of the last character */
        while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
            start--;
        if (start > 0) {
            unsigned char lead = (unsigned char)text[start - 1];
            size_t have = n - start + 1;
            size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
            if (have < need)
                n = start - 1;
        }
        text[n] = '\0';
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            text[i] = '?';
}

sam2_status error_set(sam2_error *error, sam2_status code, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->code = code;
        int wanted = vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
        clean(error->text, sizeof error->text, wanted);
    }
    return code;
}

sam2_status error_memory(sam2_error *error, const char *what, size_t bytes)
{
    return error_set(error, SAM2_ERROR_MEMORY, "out of memory: %zu bytes for %s", bytes, what);
}

sam2_status error_prefix(sam2_error *error, sam2_status code, const char *prefix)
{
    if (error) {
        char text[sizeof error->text];
        memcpy(text, error->text, sizeof text);
        return error_set(error, code, "%s: %s", prefix, text);
    }
    return code;
}
