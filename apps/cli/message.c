#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int is_quiet;

void message_quiet(int quiet)
{
    is_quiet = quiet;
}

/* One line whatever a file name holds: a line break or an escape sequence in it must not reach the terminal. */
static void print_line(const char *prefix, const char *format, va_list arguments)
{
    char text[1600];
    vsnprintf(text, sizeof text, format, arguments);
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 32 || *c == 127)
            *c = '?';
    fprintf(stderr, "sam2: %s%s\n", prefix, text);
}

int report(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("", format, arguments);
    va_end(arguments);
    return code;
}

int explain(char *error, size_t error_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    return -1;
}

void warn(const char *format, ...)
{
    va_list arguments;
    if (is_quiet)
        return;
    va_start(arguments, format);
    print_line("warning: ", format, arguments);
    va_end(arguments);
}

void note(const char *format, ...)
{
    va_list arguments;
    if (is_quiet)
        return;
    va_start(arguments, format);
    print_line("", format, arguments);
    va_end(arguments);
}

int exit_status(sam2_status status, failure_origin origin)
{
    switch (status) {
    case SAM2_OK:
        return EXIT_DONE;
    case SAM2_ERROR_ARGUMENT:
        return origin == FROM_PICTURE ? EXIT_PICTURE : EXIT_USE;
    case SAM2_ERROR_MEMORY:
    case SAM2_ERROR_INTERNAL:
    case SAM2_ERROR_CANCELLED:
        return EXIT_FAULT;
    case SAM2_ERROR_MISMATCH:
        return origin == FROM_MODEL_FILE ? EXIT_MODEL : EXIT_USE;
    case SAM2_ERROR_FILE:
    case SAM2_ERROR_FORMAT:
    case SAM2_ERROR_UNSUPPORTED:
        break;
    }
    switch (origin) {
    case FROM_MODEL_FILE:
        return EXIT_MODEL;
    case FROM_FEATURES_FILE:
    case FROM_PICTURE:
        return EXIT_PICTURE;
    case FROM_PROMPT:
    case FROM_OUTPUT:
        break;
    }
    return EXIT_FAULT;
}

int report_library(const sam2_error *error, failure_origin origin)
{
    return report(exit_status(error->code, origin), "%s", error->text[0] ? error->text : sam2_status_text(error->code));
}

int report_picture(const char *text)
{
    return report(strstr(text, "out of memory") ? EXIT_FAULT : EXIT_PICTURE, "%s", text);
}
