/* Models from weights that are open already, for the inside of the library and its tests. */
#ifndef API_OPEN_H
#define API_OPEN_H

#include "model/config.h"
#include "weights/weights.h"

/* As sam2_model_open, with the configuration given; `w` is not needed afterwards and stays the caller's. */
sam2_status open_weights(const weights *w, const model_config *config, const sam2_model_options *options,
                         sam2_model **out, sam2_error *error);

#endif
