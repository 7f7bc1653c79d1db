#define _GNU_SOURCE

#include "base/pool.h"

#include "base/profile.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define RELAX() _mm_pause()
#else
#define RELAX() ((void)0)
#endif

/* How long a thread looks for work before it sleeps. Operators of a decode follow each other within microseconds, and
 * waking a thread costs tens of them; a longer wait would take a processor from others. */
#define SPINS 4000

typedef struct worker {
    pool *owner;
    pthread_t thread;
    int index;
} worker;

struct pool {
    sam2_allocator allocator;
    atomic_int users;
    int threads;
    worker *workers; /* [threads - 1] */
    int started;

    pthread_mutex_t in_use; /* held by the caller of pool_run */
    pthread_mutex_t lock;   /* for sleeping and waking */
    pthread_cond_t wake, finished;

    /* The job. Written by the caller before `generation` is raised, read by the workers after they see it raised. */
    pool_task task;
    void *context;
    size_t count;
    profile *profile;       /* what the caller counts for, or NULL */
    atomic_size_t next;     /* the next item to take */
    atomic_int busy;        /* workers that have not finished the job */
    atomic_uint generation; /* raised once a job */
    atomic_bool stop;
};

static void take_items(pool *p, int index)
{
    for (;;) {
        size_t item = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (item >= p->count)
            return;
        p->task(p->context, item, index);
    }
}

static void *worker_main(void *argument)
{
    worker *w = argument;
    pool *p = w->owner;
    unsigned seen = 0;
    for (;;) {
        int spins = 0;
        while (atomic_load_explicit(&p->generation, memory_order_acquire) == seen) {
            if (++spins < SPINS) {
                RELAX();
                continue;
            }
            pthread_mutex_lock(&p->lock);
            while (atomic_load_explicit(&p->generation, memory_order_acquire) == seen)
                pthread_cond_wait(&p->wake, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        seen++;
        if (atomic_load_explicit(&p->stop, memory_order_relaxed))
            return NULL;
        profile_attach(p->profile, w->index);
        take_items(p, w->index);
        if (atomic_fetch_sub_explicit(&p->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->finished);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

/* Publishes a job (or the stop) to the workers. */
static void raise_generation(pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

sam2_status pool_create(const sam2_allocator *a, int threads, pool **out, sam2_error *error)
{
    void *memory;
    TRY(alloc_array(a, 1, sizeof(pool), "the thread pool", &memory, error));
    pool *p = memory;
    p->allocator = *a;
    p->threads = threads;
    atomic_init(&p->users, 1);
    pthread_mutex_init(&p->in_use, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->finished, NULL);
    sam2_status status = SAM2_OK;
    if (threads > 1) {
        status = alloc_array(a, (size_t)threads - 1, sizeof(worker), "the thread pool", &memory, error);
        p->workers = status == SAM2_OK ? memory : NULL;
    }
    for (int i = 0; status == SAM2_OK && i < threads - 1; i++) {
        p->workers[i] = (worker){.owner = p, .index = i + 1};
        int reason = pthread_create(&p->workers[i].thread, NULL, worker_main, &p->workers[i]);
        if (reason)
            status = error_set(error, SAM2_ERROR_UNSUPPORTED, "thread %d of %d cannot be started: %s", i + 2, threads,
                               strerror(reason));
        else
            p->started++;
    }
    if (status != SAM2_OK) {
        pool_destroy(p);
        return status;
    }
    *out = p;
    return SAM2_OK;
}

pool *pool_share(pool *p)
{
    atomic_fetch_add_explicit(&p->users, 1, memory_order_relaxed);
    return p;
}

void pool_destroy(pool *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->users, 1, memory_order_acq_rel) > 1)
        return;
    atomic_store(&p->stop, true);
    raise_generation(p);
    for (int i = 0; i < p->started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->in_use);
    sam2_allocator a = p->allocator;
    if (p->workers)
        alloc_release(&a, p->workers, ((size_t)p->threads - 1) * sizeof(worker));
    alloc_release(&a, p, sizeof *p);
}

int pool_threads(const pool *p)
{
    return p->threads;
}

void pool_run(pool *p, pool_task task, void *context, size_t count)
{
    if (p->started == 0 || count < 2 || pthread_mutex_trylock(&p->in_use) != 0) {
        for (size_t item = 0; item < count; item++)
            task(context, item, 0);
        return;
    }
    p->task = task;
    p->context = context;
    p->count = count;
    p->profile = profile_here();
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->busy, p->started, memory_order_relaxed);
    raise_generation(p);
    take_items(p, 0);
    for (int spins = 0; atomic_load_explicit(&p->busy, memory_order_acquire) != 0;) {
        if (++spins < SPINS) {
            RELAX();
            continue;
        }
        pthread_mutex_lock(&p->lock);
        while (atomic_load_explicit(&p->busy, memory_order_acquire) != 0)
            pthread_cond_wait(&p->finished, &p->lock);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&p->in_use);
}
