/* Holds a model to a fixture of the official code: every stage of the encoder, every prompt case. */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include "support/fixture.h"

/* Encodes the fixture's picture and runs all its cases; fails the running test at the first tensor that is off. Returns
 * the number of cases. */
int hold_to_fixture(const sam2_model *model, const weights *fixture);

/* The same for a model in bfloat16, where the limits are the errors of the official bfloat16 against its own float32
 * (the fixture `bf16`, under `label`): of each tensor of the encoder, and of the answers to a grid of clicks, all
 * together. The logits of each case with three masks and no mask prompt may have twice the error. */
void hold_to_bf16(const sam2_model *model, const weights *fixture, const char *label);

#endif
