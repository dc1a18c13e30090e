#include "base/clock.h"
#include "bench/schedule.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t after_steps(struct mr_schedule schedule, unsigned steps)
{
    while (steps-- > 0)
        mr_schedule_advance(&schedule);
    return mr_schedule_due(&schedule);
}

static void first_request_is_due_at_the_start(void **state)
{
    (void)state;
    struct mr_schedule schedule = mr_schedule_constant(1000, 50);
    assert_int_equal(mr_schedule_due(&schedule), 1000);
}

static void requests_are_evenly_spaced(void **state)
{
    (void)state;
    struct mr_schedule schedule = mr_schedule_constant(7, 200);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(mr_schedule_due(&schedule), 7 + i * 5 * MR_NS_PER_MS);
        mr_schedule_advance(&schedule);
    }
}

static void a_rate_that_divides_badly_does_not_drift(void **state)
{
    (void)state;
    /* 1/3 s is not a whole number of ns: the 3,000,000th request is still due after a million seconds. */
    uint64_t due = after_steps(mr_schedule_constant(0, 3), 3000000);
    assert_in_range(due, 1000000 * MR_NS_PER_S - 1, 1000000 * MR_NS_PER_S + 1);
}

static void rates_below_one_are_known(void **state)
{
    (void)state;
    assert_int_equal(after_steps(mr_schedule_constant(0, 0.5), 3), 6 * MR_NS_PER_S);
}

static void distance_is_what_waits(void **state)
{
    (void)state;
    struct mr_schedule arrivals = mr_schedule_constant(0, 10), sends = arrivals;
    assert_int_equal(mr_schedule_distance(&arrivals, &sends), 0);
    mr_schedule_advance(&arrivals);
    mr_schedule_advance(&arrivals);
    mr_schedule_advance(&sends);
    assert_int_equal(mr_schedule_distance(&arrivals, &sends), 1);
    assert_int_equal(mr_schedule_due(&sends), 100 * MR_NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_request_is_due_at_the_start),
        cmocka_unit_test(requests_are_evenly_spaced),
        cmocka_unit_test(a_rate_that_divides_badly_does_not_drift),
        cmocka_unit_test(rates_below_one_are_known),
        cmocka_unit_test(distance_is_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
