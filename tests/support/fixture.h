/* Expected values of the official code (tests/data/reference, made by tests/reference/make_fixtures.py), and the
 * pictures they belong to. */
#ifndef SUPPORT_FIXTURE_H
#define SUPPORT_FIXTURE_H

#include "sam2.h"
#include "weights/weights.h"

#include <stdbool.h>

/* Opens tests/data/reference/NAME.safetensors; a missing file ends the test program. */
weights *fixture_open(const char *name);

/* Tensor PREFIX.NAME (or NAME where prefix is NULL) as float32, or NULL when there is none; *count (may be NULL) its
 * elements. Free with free. */
float *fixture_get(const weights *w, const char *prefix, const char *name, size_t *count);
/* The same, where it must be there. */
float *fixture_need(const weights *w, const char *prefix, const char *name, size_t *count);

/* Pictures by formula: [height][width][3], free with free. */
uint8_t *picture_pattern(int width, int height);
uint8_t *picture_scene(int width, int height);
uint8_t *picture_clip(int width, int height, int frame);
/* The picture that a fixture names in its tensor `picture`. */
uint8_t *fixture_picture(const weights *w, int *width, int *height);
/* Made logits [side, side], free with free. */
float *made_logits(int side);

/* Element i of a fixture's samples. */
size_t sample_index(size_t i, size_t count);

/* Relative root mean square error. */
double relative_rms(const float *expected, const float *got, size_t count);

/* A model of a named or fixture's configuration with stand-in weights. `options` may be NULL. */
sam2_model *synthetic_model(const char *name, uint64_t seed, const sam2_model_options *options);
sam2_model *fixture_model(const weights *fixture, const sam2_model_options *options);

/* Fails the running test with the error's text unless status is SAM2_OK. */
void need_ok(sam2_status status, const sam2_error *error);

/* Instruction sets to test here: "ref" and those of this machine that have kernels; NULL-terminated. */
const char *const *isas_here(void);

#endif
