#include "base/cancel.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void work_without_a_bound_goes_on(void **state)
{
    (void)state;
    struct mr_cancel cancel = {0};
    assert_int_equal(mr_cancel_check(&cancel), MR_OK);
}

static void time_that_has_come_stops(void **state)
{
    (void)state;
    struct mr_cancel cancel = {.stop_at = mr_clock_now()};
    assert_int_equal(mr_cancel_check(&cancel), MR_ETIME);
    cancel.stop_at = mr_clock_now() + 1000 * MR_NS_PER_S;
    assert_int_equal(mr_cancel_check(&cancel), MR_OK);
}

static void cancelled_stands_above_too_late(void **state)
{
    (void)state;
    struct mr_cancel cancel = {.stop_at = 1};
    mr_cancel_request(&cancel);
    assert_int_equal(mr_cancel_check(&cancel), MR_ECANCELLED);
}

static void *work_until_stopped(void *context)
{
    while (mr_cancel_check(context) == MR_OK)
        continue;
    return NULL;
}

static void another_thread_sees_the_mark(void **state)
{
    (void)state;
    struct mr_cancel cancel = {0};
    pthread_t worker;
    assert_int_equal(pthread_create(&worker, NULL, work_until_stopped, &cancel), 0);
    mr_cancel_request(&cancel);
    assert_int_equal(pthread_join(worker, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_without_a_bound_goes_on),
        cmocka_unit_test(time_that_has_come_stops),
        cmocka_unit_test(cancelled_stands_above_too_late),
        cmocka_unit_test(another_thread_sees_the_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
