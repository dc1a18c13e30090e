#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void now_never_goes_backwards(void **state)
{
    (void)state;
    uint64_t last = mr_clock_now();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = mr_clock_now();
        assert_true(now >= last);
        last = now;
    }
}

static void wall_is_the_time_of_day(void **state)
{
    (void)state;
    uint64_t before = (uint64_t)time(NULL), wall = mr_clock_wall() / MR_NS_PER_S, after = (uint64_t)time(NULL) + 1;
    assert_true(before <= wall && wall <= after);
}

static void http_date_is_the_example_of_the_rfc(void **state)
{
    (void)state;
    char text[30];
    mr_clock_http_date(text, 784111777);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    mr_clock_http_date(text, 0);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    mr_clock_http_date(text, 951782400);
    assert_string_equal(text, "Tue, 29 Feb 2000 00:00:00 GMT");
    mr_clock_http_date(text, -1);
    assert_string_equal(text, "Wed, 31 Dec 1969 23:59:59 GMT");
}

static void http_date_agrees_with_gmtime(void **state)
{
    (void)state;
    int64_t step = 86400 * 3 + 7919; /* every third day, at odd times, from the year 0 to 9999 */
    for (int64_t seconds = -62167219200; seconds <= 253402300799; seconds += step) {
        char ours[30], theirs[64];
        time_t time = (time_t)seconds;
        struct tm tm;
        assert_non_null(gmtime_r(&time, &tm));
        strftime(theirs, sizeof(theirs), "%a, %d %b ", &tm);
        mr_clock_http_date(ours, seconds);
        assert_memory_equal(ours, theirs, strlen(theirs));
        strftime(theirs, sizeof(theirs), "%H:%M:%S GMT", &tm);
        assert_string_equal(ours + 17, theirs);
        assert_int_equal((ours[12] - '0') * 1000 + (ours[13] - '0') * 100 + (ours[14] - '0') * 10 + (ours[15] - '0'),
                         tm.tm_year + 1900);
    }
}

static void dates_outside_four_digits_are_held_at_the_edge(void **state)
{
    (void)state;
    char text[30];
    mr_clock_http_date(text, INT64_MAX);
    assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    mr_clock_http_date(text, INT64_MIN);
    assert_string_equal(text, "Sat, 01 Jan 0000 00:00:00 GMT");
}

static void iso_date_has_milliseconds_cut_not_rounded(void **state)
{
    (void)state;
    char text[25];
    mr_clock_iso_date(text, 1767323045678999999ull);
    assert_string_equal(text, "2026-01-02T03:04:05.678Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(now_never_goes_backwards),
        cmocka_unit_test(wall_is_the_time_of_day),
        cmocka_unit_test(http_date_is_the_example_of_the_rfc),
        cmocka_unit_test(http_date_agrees_with_gmtime),
        cmocka_unit_test(dates_outside_four_digits_are_held_at_the_edge),
        cmocka_unit_test(iso_date_has_milliseconds_cut_not_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
