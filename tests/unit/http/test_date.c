#include "base/clock.h"
#include "base/macros.h"
#include "http/date.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW ((int64_t)1800000000) /* January 2027 */

static int64_t seconds(const char *text)
{
    int64_t out = INT64_MIN;
    assert_true(mr_date_parse(mr_slice_of(text), NOW, &out));
    return out;
}

static void all_three_forms_of_the_rfc_are_read(void **state)
{
    (void)state;
    assert_int_equal(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    assert_int_equal(seconds("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    assert_int_equal(seconds("Sun Nov  6 08:49:37 1994"), 784111777);
    assert_int_equal(seconds("Wed Nov 16 08:49:37 1994"), 784111777 + 10 * 86400);
    assert_int_equal(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    assert_int_equal(seconds("Wed, 31 Dec 1969 23:59:59 GMT"), -1);
    assert_int_equal(seconds("Tue, 29 Feb 2000 00:00:00 GMT"), 951782400);
    assert_int_equal(seconds("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    int64_t step = 86400 * 3 + 7919; /* every third day, at odd times, from the year 0 to 9999 */
    for (int64_t at = -62167219200; at <= 253402300799; at += step) {
        char text[30];
        mr_clock_http_date(text, at);
        assert_int_equal(seconds(text), at);
    }
}

static void two_digits_name_a_year_near_now(void **state)
{
    (void)state;
    assert_int_equal(seconds("Friday, 01-Jan-27 00:00:00 GMT"), seconds("Fri, 01 Jan 2027 00:00:00 GMT"));
    assert_int_equal(seconds("Friday, 01-Jan-76 00:00:00 GMT"), seconds("Wed, 01 Jan 2076 00:00:00 GMT"));
    assert_int_equal(seconds("Friday, 01-Mar-77 00:00:00 GMT"), seconds("Tue, 01 Mar 1977 00:00:00 GMT"));
    assert_int_equal(seconds("Friday, 31-Dec-99 00:00:00 GMT"), seconds("Fri, 31 Dec 1999 00:00:00 GMT"));
    assert_int_equal(seconds("Tuesday, 29-Feb-00 00:00:00 GMT"), seconds("Tue, 29 Feb 2000 00:00:00 GMT"));
    int64_t out, in_2099 = 4070908800;
    assert_true(mr_date_parse(MR_SLICE("Friday, 01-Jan-10 00:00:00 GMT"), in_2099, &out));
    assert_int_equal(out, seconds("Wed, 01 Jan 2110 00:00:00 GMT"));
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "Sun",
        "0",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Dec 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 29 Feb 2001 08:49:37 GMT",
        "Sun, 06 Nov 19940 8:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 30-Feb-94 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 1994 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  0 08:49:37 1994",
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        int64_t out;
        assert_false(mr_date_parse(mr_slice_of(rows[i]), NOW, &out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_three_forms_of_the_rfc_are_read),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(two_digits_name_a_year_near_now),
        cmocka_unit_test(what_is_no_date_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
