/* What the fuzz targets of weights share. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* What libFuzzer or replay.c calls. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Opens these bytes as weights and uses all that comes of it. Breaking a promise of weights.h ends the program. */
void fuzz_weights(const uint8_t *bytes, size_t size, int verify);

/* As assert, whatever NDEBUG says. */
#define REQUIRE(condition) ((condition) ? (void)0 : __builtin_trap())

#endif
