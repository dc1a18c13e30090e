#include "base/clock.h"
#include "http/http1/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct mr_http_limits limits = {.min_rate = 1000, .body_timeout_ns = 60 * MR_NS_PER_S};

/* Bytes that pass at `rate` a second, asked about every `step` seconds, until `until`. Returns the second in which they
 * are too slow; 0: they never were. */
static uint64_t run(struct mr_pace *pace, uint64_t *bytes, uint64_t *now, uint64_t rate, uint64_t step, uint64_t until)
{
    while (*now < until) {
        *now += step;
        *bytes += rate * step;
        if (mr_pace_is_too_slow(pace, &limits, *bytes, *now * MR_NS_PER_S))
            return *now;
    }
    return 0;
}

static void steady_bytes_at_the_rate_are_never_too_slow(void **state)
{
    (void)state;
    for (uint64_t step = 1; step < 60; step += 7) {
        struct mr_pace pace = {0};
        uint64_t bytes = 0, now = 0;
        assert_int_equal(run(&pace, &bytes, &now, 1000, step, 3600), 0);
        assert_int_equal(mr_pace_rate(&pace, bytes, now * MR_NS_PER_S), 1000);
    }
}

static void slow_bytes_have_a_grace(void **state)
{
    (void)state;
    struct mr_pace pace = {0};
    uint64_t bytes = 0, now = 0;
    assert_int_equal(run(&pace, &bytes, &now, 999, 1, 100), 6);
}

/* An average over the whole would forgive it for a day. */
static void fast_begin_is_forgotten_after_a_minute(void **state)
{
    (void)state;
    for (uint64_t step = 1; step < 60; step += 7) {
        struct mr_pace pace = {0};
        uint64_t bytes = 0, now = 0;
        assert_int_equal(run(&pace, &bytes, &now, 10000000, 1, 10), 0);
        uint64_t cut = run(&pace, &bytes, &now, 100, step, 3600);
        assert_in_range(cut, 10 + 30, 10 + 60 + 2 * step);
    }
}

static void slow_minute_is_seen_late_in_a_body_too(void **state)
{
    (void)state;
    struct mr_pace pace = {0};
    uint64_t bytes = 0, now = 0;
    assert_int_equal(run(&pace, &bytes, &now, 5000, 3, 7200), 0);
    assert_in_range(run(&pace, &bytes, &now, 10, 3, 9000), 7200 + 20, 7200 + 70);
}

static void no_rate_is_asked_for_where_there_is_no_limit(void **state)
{
    (void)state;
    struct mr_pace pace = {0};
    const struct mr_http_limits none = {0};
    assert_false(mr_pace_is_too_slow(&pace, &none, 0, 3600 * MR_NS_PER_S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_bytes_at_the_rate_are_never_too_slow),
        cmocka_unit_test(slow_bytes_have_a_grace),
        cmocka_unit_test(fast_begin_is_forgotten_after_a_minute),
        cmocka_unit_test(slow_minute_is_seen_late_in_a_body_too),
        cmocka_unit_test(no_rate_is_asked_for_where_there_is_no_limit),
    };
    return cmocka_run_group_tests_name("pacing", tests, NULL, NULL);
}
