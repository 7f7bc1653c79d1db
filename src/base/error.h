/* Failures: a status goes up the call chain, its detail into the caller's sam2_error. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "sam2.h"

/* Writes code and text into *error (NULL is allowed) and returns the code, so that a failure is one statement:
 *     return error_set(error, SAM2_ERROR_FORMAT, "%s: header of %zu bytes is cut off", path, size);
 * A text that does not fit is cut at a whole UTF-8 character. Bytes below 0x20 that come from a file are shown as '?'.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
sam2_status
error_set(sam2_error *error, sam2_status code, const char *format, ...);

/* error_set for "out of memory", naming what was wanted and how much. */
sam2_status error_memory(sam2_error *error, const char *what, size_t bytes);

/* Puts "prefix: " before the text that is there (such as a file's name). Returns the error's code. */
sam2_status error_prefix(sam2_error *error, sam2_status code, const char *prefix);

/* Returns from the calling function when a call failed; its detail has been written by the callee. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        sam2_status try_status_ = (call);                                                                              \
        if (try_status_ != SAM2_OK)                                                                                    \
            return try_status_;                                                                                        \
    } while (0)

#endif
