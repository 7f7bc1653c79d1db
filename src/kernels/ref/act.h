#ifndef KERNELS_REF_ACT_H
#define KERNELS_REF_ACT_H

#include "kernels/kernels.h"

#include <math.h>

static inline float ref_act(activation act, float x)
{
    switch (act) {
    case ACT_RELU:
        return x > 0.0f ? x : 0.0f;
    case ACT_GELU:
        return 0.5f * x * (1.0f + erff(x * 0.70710678118654752440f));
    case ACT_NONE:
        break;
    }
    return x;
}

#endif
