#include "base/clock.h"
#include "base/macros.h"
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/timerfd.h>

#include <cmocka.h>

static struct mr_loop *loop;
static uv_timer_t timer;
static uint64_t stall_ns;
static int turns_left;

static void stall(uint64_t ns)
{
    for (uint64_t until = mr_clock_now() + ns; mr_clock_now() < until;)
        ;
}

static struct mr_histogram_view recorded_lag(void)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(&mr_loop_stats(loop)->lag, &view);
    return view;
}

static void finish(uv_timer_t *handle)
{
    uv_close((uv_handle_t *)handle, NULL);
    mr_loop_stop(loop);
}

static void stall_then_finish(uv_timer_t *handle)
{
    stall(stall_ns);
    uv_timer_start(handle, finish, 10, 0);
}

static int open_loop(void **state)
{
    (void)state;
    if (mr_loop_create(&loop, 0) != 0)
        return -1;
    return uv_timer_init(mr_loop_uv(loop), &timer);
}

static int close_loop(void **state)
{
    (void)state;
    mr_loop_destroy(&loop);
    return 0;
}

static void a_loop_without_requests_records_nothing(void **state)
{
    (void)state;
    stall_ns = 20 * MR_NS_PER_MS;
    uv_timer_start(&timer, stall_then_finish, 1, 0);
    mr_loop_run(loop);
    assert_int_equal(recorded_lag().count, 0);
}

static void ticks_are_recorded_while_a_request_is_in_flight(void **state)
{
    (void)state;
    mr_loop_request_begin(loop);
    assert_int_equal(mr_loop_requests(loop), 1);
    uint64_t began = mr_clock_now();
    uv_timer_start(&timer, finish, 100, 0);
    mr_loop_run(loop);
    mr_loop_request_end(loop);
    uint64_t ticks = (mr_clock_now() - began) / MR_LAG_INTERVAL_NS; /* missed ones of a busy machine are recorded too */
    struct mr_histogram_view view = recorded_lag();
    assert_in_range(view.count, 20, ticks + 2);
}

static void a_stall_records_the_ticks_it_swallowed(void **state)
{
    (void)state;
    stall_ns = 40 * MR_NS_PER_MS;
    mr_loop_request_begin(loop);
    uv_timer_start(&timer, stall_then_finish, 3, 0);
    mr_loop_run(loop);
    mr_loop_request_end(loop);
    struct mr_histogram_view view = recorded_lag();
    assert_true(view.max >= 36 * MR_NS_PER_MS);
    uint64_t early = mr_histogram_count_at_or_below(&view, 8 * MR_NS_PER_MS);
    assert_true(view.count - early >= 10); /* late by 38, 36, ... 10 ms */
}

static void count_turns(uv_timer_t *handle)
{
    if (--turns_left == 0)
        finish(handle);
}

/* A loop at rest: the probe must disarm itself after the request. Its timerfd is the one that this process has. */
static bool some_timerfd_is_armed(void)
{
    for (int fd = 0; fd < 64; fd++) {
        struct itimerspec left;
        if (timerfd_gettime(fd, &left) == 0 && (left.it_value.tv_sec != 0 || left.it_value.tv_nsec != 0))
            return true;
    }
    return false;
}

static void the_probe_disarms_itself_when_the_last_request_is_gone(void **state)
{
    (void)state;
    mr_loop_request_begin(loop);
    assert_true(some_timerfd_is_armed());
    mr_loop_request_end(loop);
    turns_left = 5;
    uv_timer_start(&timer, count_turns, 5, 5); /* 25 ms: a dozen ticks, of which two may happen */
    mr_loop_run(loop);
    assert_false(some_timerfd_is_armed());
    assert_true(recorded_lag().count >= 1);
    assert_int_equal(mr_loop_requests(loop), 0);
}

static void a_request_that_waits_for_time_alone_wakes_nothing(void **state)
{
    (void)state;
    mr_loop_request_begin(loop);
    mr_loop_request_rest(loop);
    uv_timer_start(&timer, finish, 200, 0);
    mr_loop_run(loop);
    uint64_t iterations = atomic_load(&mr_loop_stats(loop)->iterations);
    assert_in_range(iterations, 1, 20); /* with the probe a hundred */
    mr_loop_request_wake(loop);
    mr_loop_request_end(loop);
    assert_int_equal(mr_loop_requests(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_loop_without_requests_records_nothing, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(ticks_are_recorded_while_a_request_is_in_flight, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_stall_records_the_ticks_it_swallowed, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(a_request_that_waits_for_time_alone_wakes_nothing, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(the_probe_disarms_itself_when_the_last_request_is_gone, open_loop, close_loop),
    };
    return cmocka_run_group_tests_name("lag", tests, NULL, NULL);
}
