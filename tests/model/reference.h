/* Holds a model to a fixture of the official code: every stage of the encoder, every prompt case. */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include "support/fixture.h"

/* Encodes the fixture's picture and runs all its cases; fails the running test at the first tensor that is off. Returns
 * the number of cases. */
int hold_to_fixture(const sam2_model *model, const weights *fixture);

#endif
