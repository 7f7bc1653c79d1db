/* What the files of the configuration share. */
#ifndef MODEL_CONFIG_INTERNAL_H
#define MODEL_CONFIG_INTERNAL_H

#include "model/config.h"

/* The class defaults of the official code, for keys that a configuration leaves out. */
void config_set_defaults(model_config *c);

/* Per-block numbers from the rest, everything checked. Errors: UNSUPPORTED. */
sam2_status config_resolve(model_config *c, sam2_error *error);

/* Gives an official model its name, whatever it came from. */
void config_name(model_config *c);

sam2_status config_from_json(const char *json, const weights *w, model_config *out, sam2_error *error);

#endif
