#ifndef KERNELS_TIMED_H
#define KERNELS_TIMED_H

#include "base/profile.h"
#include "kernels/kernels.h"

/* Fills `timed` with the same block sizes and, for every kernel, one that calls the plain one and counts its time for
 * the thread's profile, whose `plain` must be this table. */
void kernels_time(const kernels *plain, kernels *timed);

#endif
