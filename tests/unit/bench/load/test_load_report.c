#include "base/clock.h"
#include "bench/load/load_report.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_load_result result;
static struct mr_load_stream_config config;
static struct mr_load_report report, both[2];
static char *text;

static int prepare(void **state)
{
    (void)state;
    mr_load_result_free(&result);
    config = (struct mr_load_stream_config){
        .rate = 100, .connections = 4, .warmup = MR_NS_PER_S, .duration = 10 * MR_NS_PER_S};
    report = (struct mr_load_report){.name = "1",
                                     .method = "GET",
                                     .url = "http://127.0.0.1:81/",
                                     .config = &config,
                                     .result = &result,
                                     .lateness_max = 10 * MR_NS_PER_MS};
    return 0;
}

static int free_text(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

typedef void writer(const struct mr_load_report *reports, unsigned count, FILE *out);

static const char *written_of(writer *write, const struct mr_load_report *reports, unsigned count)
{
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    write(reports, count, out);
    fclose(out);
    return text;
}

static const char *written_by(writer *write)
{
    return written_of(write, &report, 1);
}

static void record(struct mr_histogram *histogram, unsigned count, uint64_t value)
{
    while (count-- > 0)
        mr_histogram_record(histogram, value);
}

#define assert_contains(text, part)                        \
    do {                                                   \
        if (strstr(text, part) == NULL)                    \
            fail_msg("\"%s\" is not in:\n%s", part, text); \
    } while (0)

static void percentile_with_ten_samples_above_is_printed(void **state)
{
    (void)state;
    record(&result.latency, 990, 1);
    record(&result.latency, 10, 20);
    assert_contains(written_by(mr_load_report_json), "\"latency\": {\"count\": 1000, \"mean\": 0.000000001, "
                                                     "\"p50\": 0.000000001, \"p90\": 0.000000001, "
                                                     "\"p99\": 0.000000001, \"p99.9\": null, \"max\": 0.000000020}");
}

static void percentile_with_nine_samples_above_is_not_printed(void **state)
{
    (void)state;
    record(&result.latency, 999, 2 * MR_NS_PER_MS); /* rank of p99: 990, nine are left above */
    assert_contains(written_by(mr_load_report_json), "\"p99\": null");
    free_text(NULL);
    assert_contains(written_by(mr_load_report_table),
                    "latency          999     2.000     2.000         -         -     2.000 ms\n");
}

static void empty_result_prints_no_percentile(void **state)
{
    (void)state;
    assert_contains(written_by(mr_load_report_json), "\"p50\": null");
    free_text(NULL);
    assert_contains(written_by(mr_load_report_table), "status     none\nerrors     none\n");
}

static void table_tells_setting_counts_and_bytes(void **state)
{
    (void)state;
    result.requests = 1000;
    result.answered = 990;
    result.unanswered = 3;
    result.by_status[200] = 980;
    result.by_status[503] = 10;
    result.errors[MR_LOAD_CLOSED] = 7;
    result.bytes_sent = 1536;
    result.bytes_received = 12;
    const char *table = written_by(mr_load_report_table);
    assert_contains(table, "GET http://127.0.0.1:81/\nopen loop at 100/s for 10 s after 1 s of warm-up, 4 connections");
    assert_contains(table, "requests   1000, answered 990 (99.0/s), unanswered 3,");
    assert_contains(table, "status     200: 980, 503: 10\nerrors     closed: 7\n");
    assert_contains(table, "bytes      sent 1.5 KiB, received 12 B\n");
}

static void closed_loop_has_no_lateness(void **state)
{
    (void)state;
    config.rate = 0;
    assert_contains(written_by(mr_load_report_json), "\"mode\": \"closed\"");
    assert_null(strstr(text, "\"lateness\""));
    free_text(NULL);
    assert_null(strstr(written_by(mr_load_report_table), "lateness"));
}

static void json_escapes_what_was_given(void **state)
{
    (void)state;
    report.url = "http://h/\"\\\x01";
    assert_contains(written_by(mr_load_report_json), "\"url\": \"http://h/\\\"\\\\\\u0001\"");
}

static void json_counts_statuses_and_errors(void **state)
{
    (void)state;
    result.by_status[200] = 5;
    result.by_status[404] = 1;
    result.errors[MR_LOAD_PROTOCOL] = 2;
    assert_contains(written_by(mr_load_report_json), "\"status\": {\"200\": 5, \"404\": 1},\n      \"errors\": "
                                                     "{\"closed\": 0, \"protocol\": 2, \"status\": 0, \"other\": 0}");
}

static void punctual_run_is_valid(void **state)
{
    (void)state;
    record(&result.lateness, 989, MR_NS_PER_US);
    record(&result.lateness, 11, 9 * MR_NS_PER_MS);
    assert_null(mr_load_report_invalid(&report));
    assert_contains(written_by(mr_load_report_json),
                    "\"valid\": true,\n      \"invalid_reason\": null\n    }\n  ]\n}\n");
}

static void late_tail_makes_the_run_invalid(void **state)
{
    (void)state;
    record(&result.lateness, 980, MR_NS_PER_US);
    record(&result.lateness, 20, 11 * MR_NS_PER_MS);
    assert_non_null(mr_load_report_invalid(&report));
    assert_contains(written_by(mr_load_report_table), "\nINVALID    the generator sent too late");
}

static void constant_lateness_makes_the_run_invalid(void **state)
{
    (void)state;
    record(&result.lateness, 100, 2 * MR_NS_PER_MS);
    assert_non_null(mr_load_report_invalid(&report));
}

static void single_late_request_of_a_short_run_does_not(void **state)
{
    (void)state;
    record(&result.lateness, 99, MR_NS_PER_US);
    record(&result.lateness, 1, 500 * MR_NS_PER_MS);
    assert_null(mr_load_report_invalid(&report));
}

static void generator_without_idle_time_makes_a_closed_loop_invalid(void **state)
{
    (void)state;
    config.rate = 0;
    result.busy = 0.94;
    assert_null(mr_load_report_invalid(&report));
    result.busy = 0.96;
    assert_non_null(mr_load_report_invalid(&report));
}

static void setting_tells_arrivals_start_and_connecting(void **state)
{
    (void)state;
    config.arrivals = MR_LOAD_POISSON;
    config.seed = 7;
    config.start = 2500 * MR_NS_PER_MS;
    config.connect = MR_LOAD_CONNECT_ON_DEMAND;
    config.connections = 1;
    assert_contains(written_by(mr_load_report_table),
                    "open loop at 100/s (Poisson) for 10 s from 2.5 s on after 1 s of "
                    "warm-up, 1 connection opened on demand\n");
    free_text(NULL);
    assert_contains(written_by(mr_load_report_json),
                    "\"arrivals\": \"poisson\",\n      \"seed\": 7,\n      \"connections\": 1,\n      \"connect\": "
                    "\"on-demand\",\n      \"start\": 2.5,");
}

static void new_and_open_connections_are_told_apart(void **state)
{
    (void)state;
    config.connect = MR_LOAD_CONNECT_ON_DEMAND;
    record(&result.latency, 102, MR_NS_PER_MS);
    record(&result.latency_open, 100, MR_NS_PER_MS);
    record(&result.latency_new, 2, 3 * MR_NS_PER_MS);
    record(&result.connecting, 2, 2 * MR_NS_PER_MS);
    const char *table = written_by(mr_load_report_table);
    assert_contains(table, "\n  when open      100     1.000");
    assert_contains(table, "\n  when new         2         -         -         -         -     3.000 ms\n");
    assert_contains(table, "\nconnecting         2 ");
    free_text(NULL);
    assert_contains(written_by(mr_load_report_json), "\"latency_new\": {\"count\": 2, \"mean\": 0.003000000, ");
}

/* Its slots stand on the clock of the run, so that streams lie over each other. */
static void timeline_is_written_slot_by_slot(void **state)
{
    (void)state;
    config.start = 5 * MR_NS_PER_S;
    mr_timeline_init(&result.timeline, MR_NS_PER_S, 500 * MR_NS_PER_MS);
    for (int i = 0; i < 100; i++)
        mr_timeline_record(&result.timeline, 0, 4 * MR_NS_PER_MS);
    mr_timeline_record_error(&result.timeline, 600 * MR_NS_PER_MS);
    assert_contains(written_by(mr_load_report_json),
                    "\"timeline\": {\"slot\": 0.5, \"slots\": [{\"at\": 5, \"count\": 100, \"errors\": 0, \"p50\": "
                    "0.004000000, \"p90\": 0.004000000, \"p99\": null, "
                    "\"p99.9\": null, \"max\": 0.004000000}, {\"at\": 5.5, \"count\": 0, \"errors\": 1, \"p50\": null, "
                    "\"p90\": null, \"p99\": null, \"p99.9\": null, "
                    "\"max\": 0.000000000}]},\n");
}

static void streams_stand_one_after_the_other(void **state)
{
    (void)state;
    both[0] = both[1] = report;
    both[0].name = "light";
    both[1].name = "heavy";
    const char *table = written_of(mr_load_report_table, both, 2);
    assert_contains(table, "light: GET http");
    assert_contains(table, "\n\nheavy: GET http");
    free_text(NULL);
    const char *json = written_of(mr_load_report_json, both, 2);
    assert_contains(json, "{\n  \"streams\": [\n    {\n      \"name\": \"light\"");
    assert_contains(json, "\n    },\n    {\n      \"name\": \"heavy\"");
}

#define test(name) cmocka_unit_test_setup_teardown(name, prepare, free_text)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(percentile_with_ten_samples_above_is_printed),
        test(percentile_with_nine_samples_above_is_not_printed),
        test(empty_result_prints_no_percentile),
        test(table_tells_setting_counts_and_bytes),
        test(closed_loop_has_no_lateness),
        test(json_escapes_what_was_given),
        test(json_counts_statuses_and_errors),
        test(punctual_run_is_valid),
        test(late_tail_makes_the_run_invalid),
        test(constant_lateness_makes_the_run_invalid),
        test(single_late_request_of_a_short_run_does_not),
        test(setting_tells_arrivals_start_and_connecting),
        test(new_and_open_connections_are_told_apart),
        test(timeline_is_written_slot_by_slot),
        test(streams_stand_one_after_the_other),
        test(generator_without_idle_time_makes_a_closed_loop_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
