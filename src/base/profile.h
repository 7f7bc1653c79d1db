/* Where the time of a context's calls goes, by stage of the network and by operation. Nothing here runs, and nothing is
 * timed, unless a caller asks for a profile (sam2_context_set_profiling).
 *
 * A stage is wall-clock time on the caller's thread: entering one ends the one before, so that stages add up to the
 * calls. An operation is time inside kernels, summed over the threads of the pool: each thread has counters of its own,
 * found through a thread-local pointer that pool_run hands on to the workers of the job. */
#ifndef BASE_PROFILE_H
#define BASE_PROFILE_H

#include "base/alloc.h"

#include <stdint.h>

typedef enum profile_stage {
    PROFILE_PREPROCESS,
    PROFILE_PATCH,
    PROFILE_TRUNK0, /* and the three after it */
    PROFILE_TRUNK3 = PROFILE_TRUNK0 + 3,
    PROFILE_NECK,
    PROFILE_FEATURES, /* the decoder's products that no prompt changes */
    PROFILE_PROMPT,
    PROFILE_DECODER,
    PROFILE_UPSCALE,
    PROFILE_RESULT,
    PROFILE_STAGES
} profile_stage;

typedef enum profile_operation {
    PROFILE_LINEAR,    /* products with weights, with bias, residual and ReLU */
    PROFILE_GELU,      /* the same with GELU behind it */
    PROFILE_ATTENTION, /* products of two activations */
    PROFILE_SOFTMAX,
    PROFILE_PACK, /* bringing keys, values, activations into the layout of products */
    PROFILE_NORM,
    PROFILE_ACTIVATION, /* on its own, not behind a product */
    PROFILE_RESIZE,
    PROFILE_CONVERT,
    PROFILE_OPERATIONS
} profile_operation;

const char *profile_stage_name(profile_stage stage);
const char *profile_operation_name(profile_operation operation);

typedef struct profile_cell {
    uint64_t calls, ticks, flop;
} profile_cell;

/* One thread's counters, on cache lines of their own. */
typedef struct profile_worker {
    struct profile *owner;
    profile_cell cell[PROFILE_STAGES][PROFILE_OPERATIONS];
    char apart[ALLOC_ALIGN];
} profile_worker;

struct kernels;

typedef struct profile {
    sam2_allocator allocator;
    size_t bytes; /* of this struct with its workers */
    int workers;
    profile_stage stage; /* now, between profile_enter and profile_leave */
    uint64_t stage_start;
    profile_cell stages[PROFILE_STAGES];
    /* Ticks and nanoseconds of the same stretches of time give the length of a tick. */
    uint64_t enter_ticks, enter_ns, total_ticks, total_ns;
    profile_worker *outer; /* what the thread counted for before: an observer may call another context */
    /* For the timed kernels: what they stand for, and where activations lie, which tells attention from linear layers.
     */
    const struct kernels *plain;
    const void *workspace;
    size_t workspace_bytes;
    profile_worker worker[];
} profile;

/* All counters zero. `workers` is pool_threads of the pool in use. */
sam2_status profile_create(const sam2_allocator *a, int workers, profile **out, sam2_error *error);
void profile_destroy(profile *p);
void profile_clear(profile *p);

/* Around a call that is profiled, on its thread; `p` may be NULL, and then nothing happens. */
void profile_enter(profile *p, profile_stage stage);
void profile_leave(profile *p);
/* Ends the stage before and begins this one. */
void profile_switch(profile *p, profile_stage stage);

/* The profile that this thread counts for, or NULL; and counting for `p` (or NULL for none) as `worker`. */
profile *profile_here(void);
void profile_attach(profile *p, int worker);

/* A clock as cheap as there is: it runs evenly, in units of its own. */
uint64_t profile_ticks(void);
double profile_tick_ms(const profile *p);
/* Counts a call that began at `start` for the thread's profile, which there must be. */
void profile_add(profile_operation operation, uint64_t start, uint64_t flop);
/* An operation of a stage, summed over the threads. */
profile_cell profile_sum(const profile *p, profile_stage stage, profile_operation operation);

#endif
