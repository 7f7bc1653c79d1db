/* Encoded pictures as files. Layout (little-endian): a header of 128 bytes, then embedding, s0, s1: the
 * first as float32, the others as well (version 1) or as bfloat16 (version 2, of a model in bfloat16).
 *
 *     0  magic "SAM2FEAT"      8  format version        16  model identity      24  width, height (4 bytes each)
 *    32  elements of embedding, s0, s1 (8 bytes each)      56  checksum of the data
 *    64  zeros                                          120  checksum of the header's first 120 bytes
 */
#ifndef PREDICT_FEATURES_FILE_H
#define PREDICT_FEATURES_FILE_H

#include "predict/predictor.h"

sam2_status features_write(const sam2_features *f, const char *path, sam2_error *error);
sam2_status features_read(const model *m, const char *path, sam2_features **out, sam2_error *error);

#endif
