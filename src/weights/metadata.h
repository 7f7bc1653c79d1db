/* The JSON object of texts that travels with a file: safetensors' "__metadata__", the native file's metadata. */
#ifndef WEIGHTS_METADATA_H
#define WEIGHTS_METADATA_H

#include "weights/buffer.h"
#include "weights/json_scan.h"
#include "weights/weights.h"

/* Takes the object off the scan and keeps "sam2.config". `what` names the whole text in errors. */
sam2_status metadata_read(weights *w, json_scan *s, const char *what, sam2_error *error);

/* The error for a scan that failed. */
sam2_status metadata_damaged(const json_scan *s, const char *what, sam2_error *error);

/* Appends such an object that holds `config` (NULL: none) and, when `format` is not NULL, "format". Errors: ARGUMENT
 * when `config` is no UTF-8. */
sam2_status metadata_make(buffer *out, const char *config, const char *format, sam2_error *error);

#endif
