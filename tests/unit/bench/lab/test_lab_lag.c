/* What a server says of its own loops. */
#include "bench/lab/lab_lag.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BUCKETS(inside)                                          \
    "# TYPE millrace_loop_lag_seconds histogram\n"               \
    "millrace_loop_lag_seconds_bucket{le=\"0.001\"} 10\n"        \
    "millrace_loop_lag_seconds_bucket{le=\"0.01\"} 30\n"         \
    "millrace_loop_lag_seconds_bucket{le=\"+Inf\"} " inside "\n" \
    "millrace_loop_lag_seconds_sum 1.5\n"
#define PERCENTILES                                                           \
    "millrace_loop_lag_percentile_seconds{percentile=\"50\"} 0.000500000\n"   \
    "millrace_loop_lag_percentile_seconds{percentile=\"90\"} 0.002000000\n"   \
    "millrace_loop_lag_percentile_seconds{percentile=\"99\"} 0.020000000\n"   \
    "millrace_loop_lag_percentile_seconds{percentile=\"99.9\"} 0.200000000\n" \
    "millrace_loop_lag_percentile_seconds{percentile=\"100\"} 0.700000000\n"

static void buckets_and_percentiles_are_found_among_other_lines(void **state)
{
    struct mr_lab_lag lag;
    (void)state;
    mr_lab_lag_read(&lag, "millrace_loops 1\n" BUCKETS("20000") PERCENTILES "millrace_connections 3");
    assert_true(lag.is_known);
    assert_int_equal(lag.bucket_count, 3);
    assert_true(lag.upper[0] == 0.001 && lag.upper[1] == 0.01 && isinf(lag.upper[2]));
    assert_int_equal(lag.below[1], 30);
    assert_int_equal(lag.samples, 20000);
    assert_true(lag.p50 == 0.0005 && lag.p90 == 0.002 && lag.p99 == 0.02 && lag.p999 == 0.2 && lag.max == 0.7);
}

static void percentiles_of_too_few_samples_are_not_known(void **state)
{
    struct mr_lab_lag lag;
    (void)state;
    mr_lab_lag_read(&lag, BUCKETS("999") PERCENTILES);
    assert_true(isnan(lag.p99) && isnan(lag.p999) && lag.p90 == 0.002);
    mr_lab_lag_read(&lag, BUCKETS("1000") PERCENTILES);
    assert_true(lag.p99 == 0.02 && isnan(lag.p999));
}

static void a_server_without_a_loop_has_no_lag(void **state)
{
    struct mr_lab_lag lag;
    (void)state;
    mr_lab_lag_read(&lag, "http_requests_total 7\n");
    assert_false(lag.is_known);
    mr_lab_lag_read(&lag, BUCKETS("0") PERCENTILES);
    assert_false(lag.is_known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_and_percentiles_are_found_among_other_lines),
        cmocka_unit_test(percentiles_of_too_few_samples_are_not_known),
        cmocka_unit_test(a_server_without_a_loop_has_no_lag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
