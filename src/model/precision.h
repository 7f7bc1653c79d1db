/* The precision plan: which products of the network are in bfloat16 where the model is, and why the others are not.
 * What is not a product (LayerNorm, softmax, activations, positions, the residual stream) is float32 always. */
#ifndef MODEL_PRECISION_H
#define MODEL_PRECISION_H

#include "sam2.h"

#include <stddef.h>

typedef struct precision_rule {
    const char *prefix; /* of official tensor names */
    const char *part;   /* for people */
    sam2_precision precision;
    const char *reason;
} precision_rule;

/* The rules by number; NULL past the last. */
const precision_rule *precision_rule_at(size_t index);

/* The precision of the product whose weight is tensor `name`, in a model of precision `model`. */
sam2_precision precision_of(const char *name, sam2_precision model);

#endif
