#include "base/clock.h"
#include "bench/load/schedule.h"
#include <math.h>
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

/* ---- Poisson ---- */

enum { ARRIVALS = 100000, PER_SECOND = 1000 };

/* The gaps of one schedule, in units of their mean. */
static void draw_gaps(double gaps[ARRIVALS], uint64_t seed)
{
    struct mr_schedule schedule = mr_schedule_poisson(0, PER_SECOND, seed);
    uint64_t last = 0;
    for (int i = 0; i < ARRIVALS; i++, mr_schedule_advance(&schedule)) {
        uint64_t due = mr_schedule_due(&schedule);
        gaps[i] = (double)(due - last) * PER_SECOND / (double)MR_NS_PER_S;
        last = due;
    }
}

static double gaps[ARRIVALS];

/* Tolerances are five standard errors of what is estimated. */
static void assert_near(double value, double expected, double standard_error)
{
    if (fabs(value - expected) > 5 * standard_error)
        fail_msg("%g is not near %g", value, expected);
}

/* An exponential distribution with mean 1 has variance 1; its fourth central moment is 9. */
static void poisson_gaps_have_mean_and_variance_of_an_exponential(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        double sum = 0, squares = 0;
        draw_gaps(gaps, seed);
        for (int i = 0; i < ARRIVALS; i++) {
            sum += gaps[i];
            squares += (gaps[i] - 1) * (gaps[i] - 1);
        }
        assert_near(sum / ARRIVALS, 1, sqrt(1.0 / ARRIVALS));
        assert_near(squares / ARRIVALS, 1, sqrt(8.0 / ARRIVALS));
    }
}

/* Of the gaps that are longer than t, the share that is longer than t + 1 is always 1/e: no gap knows its age. */
static void poisson_gaps_have_no_memory(void **state)
{
    (void)state;
    draw_gaps(gaps, 7);
    for (int t = 0; t < 4; t++) {
        double older = 0, older_by_one = 0;
        for (int i = 0; i < ARRIVALS; i++) {
            older += gaps[i] > t;
            older_by_one += gaps[i] > t + 1;
        }
        assert_near(older_by_one / older, exp(-1), sqrt(exp(-1) * (1 - exp(-1)) / older));
    }
}

/* Counts of arrivals in equal spans of time: their variance is their mean, and one span says nothing about the next. */
static void poisson_counts_of_two_spans_are_independent(void **state)
{
    (void)state;
    enum { SPANS = 10000, MEAN = 5 };
    static double counts[SPANS];
    struct mr_schedule schedule = mr_schedule_poisson(0, PER_SECOND, 3);
    for (uint64_t span; (span = mr_schedule_due(&schedule) / (MEAN * MR_NS_PER_MS)) < SPANS;
         mr_schedule_advance(&schedule))
        counts[span]++;
    double variance = 0, covariance = 0;
    for (int i = 0; i + 1 < SPANS; i++) {
        variance += (counts[i] - MEAN) * (counts[i] - MEAN) / SPANS;
        covariance += (counts[i] - MEAN) * (counts[i + 1] - MEAN) / SPANS;
    }
    assert_near(variance, MEAN, sqrt((MEAN + 2.0 * MEAN * MEAN) / SPANS));
    assert_near(covariance, 0, MEAN / sqrt(SPANS));
}

static void equal_seeds_give_equal_times(void **state)
{
    (void)state;
    struct mr_schedule one = mr_schedule_poisson(5, 50, 42), same = one, other = mr_schedule_poisson(5, 50, 43);
    unsigned equal = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(mr_schedule_due(&one), mr_schedule_due(&same));
        equal += mr_schedule_due(&one) == mr_schedule_due(&other);
        mr_schedule_advance(&one);
        mr_schedule_advance(&same);
        mr_schedule_advance(&other);
    }
    assert_int_equal(equal, 0);
}

static void random_times_wait_like_regular_ones(void **state)
{
    (void)state;
    struct mr_schedule arrivals = mr_schedule_poisson(1000, 10, 1), sends = arrivals;
    mr_schedule_advance(&arrivals);
    uint64_t second = mr_schedule_due(&arrivals);
    mr_schedule_advance(&arrivals);
    assert_int_equal(mr_schedule_distance(&arrivals, &sends), 2);
    mr_schedule_advance(&sends);
    assert_int_equal(mr_schedule_due(&sends), second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_request_is_due_at_the_start),
        cmocka_unit_test(requests_are_evenly_spaced),
        cmocka_unit_test(a_rate_that_divides_badly_does_not_drift),
        cmocka_unit_test(rates_below_one_are_known),
        cmocka_unit_test(distance_is_what_waits),
        cmocka_unit_test(poisson_gaps_have_mean_and_variance_of_an_exponential),
        cmocka_unit_test(poisson_gaps_have_no_memory),
        cmocka_unit_test(poisson_counts_of_two_spans_are_independent),
        cmocka_unit_test(equal_seeds_give_equal_times),
        cmocka_unit_test(random_times_wait_like_regular_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
