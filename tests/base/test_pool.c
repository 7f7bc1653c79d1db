/* The thread pool: every item once, whatever the number of threads and callers. */
#include "base/pool.h"
#include "support/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    atomic_int done[2000];
    atomic_int wrong_worker;
    int threads;
} job;

static void mark(void *context, size_t item, int worker)
{
    job *j = context;
    atomic_fetch_add(&j->done[item], 1);
    if (worker < 0 || worker >= j->threads)
        atomic_store(&j->wrong_worker, 1);
}

static void run_and_check(pool *p, size_t count)
{
    static _Thread_local job j;
    memset(&j, 0, sizeof j);
    j.threads = pool_threads(p);
    pool_run(p, mark, &j, count);
    for (size_t i = 0; i < 2000; i++)
        if (atomic_load(&j.done[i]) != (i < count))
            abort();
    if (atomic_load(&j.wrong_worker))
        abort();
}

static void every_item_once(void **state)
{
    (void)state;
    sam2_error e;
    for (int threads = 1; threads <= 9; threads++) {
        pool *p;
        assert_int_equal(pool_create(&alloc_default, threads, &p, &e), SAM2_OK);
        assert_int_equal(pool_threads(p), threads);
        for (size_t count = 0; count < 2000; count = count * 2 + 1)
            run_and_check(p, count);
        for (int i = 0; i < 2000; i++) /* many short jobs in a row: threads between waiting and sleeping */
            run_and_check(p, (size_t)(i % 5));
        pool_destroy(p);
    }
    pool_destroy(NULL);
}

static void ends_with_the_last_user(void **state)
{
    (void)state;
    sam2_error e;
    pool *p;
    assert_int_equal(pool_create(&alloc_default, 3, &p, &e), SAM2_OK);
    assert_ptr_equal(pool_share(p), p);
    pool_destroy(p);
    run_and_check(p, 100);
    pool_destroy(p);
}

static void *hammer(void *p)
{
    for (int i = 0; i < 300; i++)
        run_and_check(p, (size_t)(i % 40));
    return NULL;
}

static void many_callers(void **state)
{
    (void)state;
    sam2_error e;
    pool *p;
    pthread_t callers[4];
    assert_int_equal(pool_create(&alloc_default, 3, &p, &e), SAM2_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, hammer, p), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(callers[i], NULL);
    pool_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_item_once), cmocka_unit_test(many_callers),
                                       cmocka_unit_test(ends_with_the_last_user)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
