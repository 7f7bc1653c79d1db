/* JSON from files, through jansson but bounded beforehand. */
#ifndef WEIGHTS_METADATA_H
#define WEIGHTS_METADATA_H

#include "weights/buffer.h"
#include "weights/weights.h"

#include <jansson.h>

/* Parses a JSON object. A first pass over the text counts what jansson would build and refuses deep or huge structures, so that its memory stays
 * below 5 times the text plus 64 MiB and its recursion below 8 levels. Keys that occur twice are refused. `what` names the text in errors.
 * *object has to be given back with json_decref. */
sam2_status metadata_parse(const char *text, size_t length, const char *what, json_t **object, sam2_error *error);

/* Takes "sam2.config" out of a safetensors' "__metadata__" or a native file's metadata: an object of strings. */
sam2_status metadata_take(weights *w, const json_t *object, sam2_error *error);

/* Appends such an object that holds `config` (NULL: none) and, when `format` is not NULL, "format". Errors: ARGUMENT when `config` is no UTF-8. */
sam2_status metadata_make(buffer *out, const char *config, const char *format, sam2_error *error);

#endif
