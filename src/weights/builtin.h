/* The model that a build of the library carries: the small one of data/ as a native file, made while building. */
#ifndef WEIGHTS_BUILTIN_H
#define WEIGHTS_BUILTIN_H

#include <stddef.h>

/* Its bytes, aligned to a page and there as long as the library; NULL where the build carries none (SAM2_BUILTIN=OFF,
 * and the tool that makes it). */
const void *builtin_model(size_t *size);

#endif
