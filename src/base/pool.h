/* A small thread pool. Work is a number of independent items, cut the same way whatever the number of threads; each
 * item writes only its own outputs in its own order, so which thread takes it does not change a bit of the result. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/alloc.h"

typedef struct pool pool;

/* One item; `worker` (0 to pool_threads - 1) is the thread that runs it, for per-thread scratch memory. */
typedef void (*pool_task)(void *context, size_t item, int worker);

/* A pool of `threads` threads in all, the caller of pool_run being one of them: threads - 1 are started.
 * Errors: MEMORY, and UNSUPPORTED when the system refuses a thread. */
sam2_status pool_create(const sam2_allocator *a, int threads, pool **out, sam2_error *error);
/* One more user of the pool: it ends with the last one's pool_destroy. */
pool *pool_share(pool *p);
void pool_destroy(pool *p);
int pool_threads(const pool *p);

/* Runs task(context, 0 .. count - 1, worker) and returns when all are done. While another caller uses the pool, the
 * items run on the calling thread alone, as worker 0: results are the same. Not to be called from inside a task. */
void pool_run(pool *p, pool_task task, void *context, size_t count);

#endif
