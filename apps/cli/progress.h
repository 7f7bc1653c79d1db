/* How far work has come, on stderr: a line that is rewritten, on a terminal alone, or a line of JSON each time for
 * programs. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdint.h>

#define PROGRESS_WORDS "bar|json|none"
typedef enum progress_kind { PROGRESS_BAR, PROGRESS_JSON, PROGRESS_NONE } progress_kind;

typedef struct progress {
    progress_kind kind;
    const char *what; /* "frame" */
    int64_t total;    /* 0: unknown */
    double start, last;
    int shown; /* a bar is on the terminal's line */
} progress;

/* A bar becomes none where stderr is no terminal, or with `quiet`. */
progress progress_start(progress_kind kind, int quiet, const char *what, int64_t total);
/* `done` of the total are done. A bar appears once a second has gone by, and is not drawn more than ten times a second.
 */
void progress_show(progress *p, int64_t done);
/* Clears the bar, so that other lines can be written. */
void progress_clear(progress *p);

#endif
