#include "workers/runner.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void an_idle_runner_cancels_nothing(void **state)
{
    static struct mr_runner runner; /* on the stack, AddressSanitizer would not keep its alignment */
    struct mr_job job = {0};

    (void)state;
    mr_runner_cancel(&runner);
    assert_false(mr_runner_is_busy(&runner));
    mr_runner_begin(&runner, &job);
    assert_true(mr_runner_is_busy(&runner));
    mr_runner_end(&runner, &job);
    mr_runner_cancel(&runner);
    assert_false(atomic_load(&job.cancel.cancelled));
    assert_false(mr_runner_is_busy(&runner));
}

static void the_running_job_is_cancelled(void **state)
{
    static struct mr_runner runner; /* on the stack, AddressSanitizer would not keep its alignment */
    struct mr_job job = {0};

    (void)state;
    mr_runner_begin(&runner, &job);
    mr_runner_cancel(&runner);
    assert_true(atomic_load(&job.cancel.cancelled));
    assert_true(mr_runner_is_busy(&runner));
    mr_runner_end(&runner, &job);
    assert_false(mr_runner_is_busy(&runner));
}

#define ROUNDS 20000
static struct mr_runner shared;
static atomic_bool finished;

/* A job lives on the worker's stack and is written anew as soon as it ended, without an atomic operation: a closer that
 * still marks it is a race that ThreadSanitizer sees, and the mark is in the next job. */
static void *run_jobs(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        struct mr_job job = {0};
        mr_runner_begin(&shared, &job);
        mr_runner_end(&shared, &job);
        job.cancel = (struct mr_cancel){0};
        sched_yield();
        assert_false(atomic_load(&job.cancel.cancelled));
    }
    atomic_store(&finished, true);
    return NULL;
}

static void a_job_is_not_touched_after_its_end(void **state)
{
    pthread_t worker;

    (void)state;
    assert_int_equal(pthread_create(&worker, NULL, run_jobs, NULL), 0);
    while (!atomic_load(&finished)) {
        mr_runner_cancel(&shared);
        sched_yield();
    }
    pthread_join(worker, NULL);
    assert_false(mr_runner_is_busy(&shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_runner_cancels_nothing),
        cmocka_unit_test(the_running_job_is_cancelled),
        cmocka_unit_test(a_job_is_not_touched_after_its_end),
    };
    return cmocka_run_group_tests_name("runner", tests, NULL, NULL);
}
