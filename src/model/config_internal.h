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

/* What all official models share, SAM 1's too, but for memory. */
void config_set_common(model_config *c);

/* SAM 1 (config_vit.c). By name: false where it is none of its. By tensors: the one patch_embed is given. Resolve is as
 * config_resolve, for a configuration from JSON, and gives it its name. */
void config_vit_defaults(model_config *c);
bool config_vit_from_name(const char *name, model_config *out);
sam2_status config_vit_from_weights(const weights *w, const weights_tensor *patch, model_config *out,
                                    sam2_error *error);
sam2_status config_vit_resolve(model_config *c, sam2_error *error);

sam2_status config_from_json(const char *json, const weights *w, model_config *out, sam2_error *error);

#endif
