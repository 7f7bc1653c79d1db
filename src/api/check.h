/* Checks of what comes through the public functions. */
#ifndef API_CHECK_H
#define API_CHECK_H

#include "base/error.h"
#include "predict/predictor.h"

#include <string.h>

#define CHECK_POINTER(pointer)                                                                                         \
    do {                                                                                                               \
        if (!(pointer))                                                                                                \
            return error_set(error, SAM2_ERROR_ARGUMENT, "%s: " #pointer " is NULL", __func__);                        \
    } while (0)

/* Copies a caller's struct, whose first member is its size, over `fields` preset with the defaults: a struct of an
 * older or newer header is taken as far as both know it, and an older one's missing fields stay at their defaults. A
 * size of a field's fraction, or none, is refused. */
static inline sam2_status check_struct(const void *given, size_t least, void *fields, size_t size, const char *what,
                                       sam2_error *error)
{
    size_t given_size;
    memcpy(&given_size, given, sizeof given_size);
    if (given_size < least || given_size > 4096 || given_size % sizeof(void *))
        return error_set(error, SAM2_ERROR_ARGUMENT, "%s.struct_size is %zu; set the struct up with its INIT macro",
                         what, given_size);
    memcpy(fields, given, given_size < size ? given_size : size);
    return SAM2_OK;
}

/* *out is the caller's allocator or, for NULL, the default. */
static inline sam2_status check_allocator(const sam2_allocator *given, const sam2_allocator **out, sam2_error *error)
{
    *out = given ? given : &alloc_default;
    if ((*out)->allocate && (*out)->release)
        return SAM2_OK;
    return error_set(error, SAM2_ERROR_ARGUMENT, "the allocator lacks a function");
}

/* Of a prompt about object `object` (in the error's text) on a picture, whose size its mask has or, with any_size, need
 * not have; and of features that are to go with a model.
 * Of a picture. In api_predict.c. */
sam2_status check_prompt(const sam2_prompt *p, const sam2_features *f, int object, bool any_size, sam2_error *error);
sam2_status check_image(const sam2_image *image, sam2_error *error);
sam2_status check_features(const sam2_features *features, const model *m, sam2_error *error);

#endif
