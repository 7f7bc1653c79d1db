/* Strict JSON, read from front to back by a caller who knows what has to come: no tree, no allocation, no recursion.
 * Headers of weights are read with this rather than with jansson, whose tree takes up to eighty times the text, and
 * whose lexer drops characters without an error when memory runs out. */
#ifndef WEIGHTS_JSON_SCAN_H
#define WEIGHTS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct json_scan {
    const char *start, *at, *end;
} json_scan;

/* Takes white space, then `c` if that comes next. */
bool json_take(json_scan *s, char c);

/* Takes a text and decodes it: at most `capacity` bytes go to `out`, *length is what it has. False when it is
 * malformed, not UTF-8 or holds a NUL. */
bool json_text(json_scan *s, char *out, size_t capacity, size_t *length);

/* Takes a whole number from 0 to INT64_MAX. */
bool json_size(json_scan *s, int64_t *out);

/* Takes any value, nested at most JSON_DEPTH deep. */
#define JSON_DEPTH 64
bool json_skip(json_scan *s);

/* True when nothing but white space is left. */
bool json_at_end(json_scan *s);

#endif
