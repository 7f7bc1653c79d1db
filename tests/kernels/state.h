/* What checkkern.c needs of the state in check.c and no check does. */
#ifndef TESTS_KERNELS_STATE_H
#define TESTS_KERNELS_STATE_H

const char *description_text(void);

/* Starts the count of failures anew. */
unsigned failures_start(void);
unsigned failures_count(void);

/* The largest error near_f32 has seen since, as a share of its limit; 0 where all is exact. */
double largest_error(void);

/* Takes all operands back unchecked, after a crash. */
void operands_forget(void);

#endif
