/* What the tests of weights share: cmocka, a counting allocator, checks of failures. */
#ifndef TESTS_WEIGHTS_SUPPORT_H
#define TESTS_WEIGHTS_SUPPORT_H

#include "weights/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* An allocator that knows what is held, and fails on request. */
typedef struct tally {
    size_t held, peak, blocks; /* bytes and blocks now, bytes at most */
    size_t limit;              /* of `held`; more fails */
    size_t calls, fail_at;     /* the call with this number (from 1) fails; 0: none */
} tally;

sam2_allocator tally_allocator(tally *t); /* *t set up by TALLY */
#define TALLY ((tally){.limit = (size_t)1 << 32})

/* Fails unless `status` is `code` and the error's text holds `part`. */
void expect_failure(sam2_status status, const sam2_error *error, sam2_status code, const char *part);

/* Fails unless the status is SAM2_OK, showing the error's text. */
void expect_ok(sam2_status status, const sam2_error *error);

#endif
