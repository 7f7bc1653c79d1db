/* Holds a model to a fixture of the official code: every stage of the encoder, every prompt case. */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include "support/fixture.h"

/* Encodes the fixture's picture and runs all its cases; fails the running test at the first tensor that is off. Returns
 * the number of cases. */
int hold_to_fixture(const sam2_model *model, const weights *fixture);

/* The same for a model in bfloat16: no tensor of the encoder, nor in the mean over the cases with three masks and no
 * mask prompt any of the decoder's, is further from the official float32 than the official bfloat16 is (the fixture
 * `bf16`, under `label`), and no such case's logits by more than a quarter. */
void hold_to_bf16(const sam2_model *model, const weights *fixture, const char *label);

#endif
