/* Exit statuses, and the lines that the program writes to stderr. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stddef.h>

#include "sam2.h"

/* Scripts rely on these numbers. */
enum {
    EXIT_DONE = 0,
    EXIT_USE = 1,     /* wrong use: an option, a prompt, two files that do not belong together */
    EXIT_PICTURE = 2, /* an input picture, mask or file of features cannot be read */
    EXIT_MODEL = 3,   /* the model file cannot be used */
    EXIT_FAULT = 4,   /* out of memory, an output that cannot be written, an internal fault */
    EXIT_EMPTY = 5    /* done, but every mask is empty; `track` that a signal ends: 128 and its number */
};

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

/* "sam2: ..." on one line; returns `code`, so that a failure can be reported and handed on in one statement. */
int report(int code, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same for the cause of a failure inside the parts that report by text; always returns -1. */
int explain(char *error, size_t error_size, const char *format, ...) PRINTF_LIKE(3, 4);

/* Remarks that do not stop the work; silent after message_quiet(1). */
void warn(const char *format, ...) PRINTF_LIKE(1, 2);
void note(const char *format, ...) PRINTF_LIKE(1, 2);
void message_quiet(int quiet);

/* What a library call was working on decides what its failure means to the user. */
typedef enum failure_origin {
    FROM_MODEL_FILE,
    FROM_FEATURES_FILE,
    FROM_PICTURE,
    FROM_PROMPT,
    FROM_OUTPUT
} failure_origin;
int exit_status(sam2_status status, failure_origin origin);
/* Reports a failed library call and returns its exit status. */
int report_library(const sam2_error *error, failure_origin origin);
/* Reports what media_read says about a picture. */
int report_picture(const char *text);

#endif
