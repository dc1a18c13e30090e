#include "stats/prometheus.h"

#include "base/macros.h"
#include "stats/counted.h"

#include <time.h>

/* The value of the sample that begins with `name` (labels included), or -1. */
static double value_of(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return -1;
}

static char *render_as(const struct counted *counted, enum mr_prometheus_format format)
{
    size_t len;
    char *text = mr_prometheus_render(&counted->source, format, &len);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    return text;
}

static char *render(const struct counted *counted)
{
    return render_as(counted, MR_PROMETHEUS_TEXT);
}

static void each_metric_of_the_contract_is_there(void **state)
{
    static const char *const names[] = {
        "millrace_loop_lag_seconds_count",
        "millrace_loop_busy_seconds_count",
        "millrace_queue_wait_seconds_count{lane=\"interactive\"}",
        "millrace_queue_wait_seconds_count{lane=\"bulk\"}",
        "millrace_queue_wait_seconds_count{lane=\"heavy\"}",
        "millrace_job_run_seconds_count{stage=\"image\"}",
        "millrace_queue_depth{lane=\"interactive\"}",
        "millrace_workers_busy",
        "millrace_workers",
        "millrace_connections",
        "millrace_request_bytes_total",
        "millrace_response_bytes_total",
        "millrace_jobs_total{outcome=\"done\"}",
        "millrace_jobs_total{outcome=\"refused\"}",
        "millrace_jobs_total{outcome=\"expired\"}",
        "millrace_jobs_total{outcome=\"cancelled\"}",
        "millrace_jobs_total{outcome=\"failed\"}",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "millrace_memory_budget_bytes",
        "millrace_memory_budget_used_bytes",
        "millrace_disk_budget_bytes",
        "millrace_disk_budget_used_bytes",
        "millrace_log_dropped_total",
    };
    (void)state;
    struct counted *counted = make_counted(1);
    char *text = render(counted);
    for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++) {
        if (value_of(text, names[i]) < 0)
            fail_msg("%s is missing in\n%s", names[i], text);
    }
    assert_true(value_of(text, "process_resident_memory_bytes") > 1e6);
    free(text);
    free_counted(counted);
}

static void each_status_has_its_code_and_they_ascend(void **state)
{
    (void)state;
    struct counted *counted = make_counted(1);
    _Atomic uint64_t *by_status = unmatched_of(counted, 0)->by_status;
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++)
        mr_counter_add(&by_status[at], (uint64_t)at + 1);
    char *text = render(counted);
    char line[80];
    const char *from = text;
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++) {
        snprintf(line, sizeof(line), "millrace_requests_total{route=\"none\",code=\"%d\"} %d\n", mr_status_code(at),
                 (int)at + 1);
        from = strstr(from, line);
        assert_non_null(from);
    }
    free(text);
    free_counted(counted);
}

static void numbers_of_the_loops_are_added(void **state)
{
    (void)state;
    struct counted *counted = make_counted(3);
    for (unsigned i = 0; i < 3; i++) {
        mr_histogram_record(&loop_of(counted, i)->pipes.run_time[MR_STAGE_IMAGE], 20 * MR_NS_PER_MS);
        mr_histogram_record(&loop_of(counted, i)->loop.lag, 200 * MR_NS_PER_US * (i + 1));
        mr_counter_add(&counted->counters[i]->connections, 2);
        mr_counter_add(&counted->counters[i]->routes[0].by_status[MR_STATUS_200], 5);
        mr_counter_add(&unmatched_of(counted, i)->by_status[MR_STATUS_404], 1);
        mr_counter_add(&loop_of(counted, i)->pipes.refused, 4);
    }
    char *text = render(counted);
    assert_true(value_of(text, "millrace_job_run_seconds_count{stage=\"image\"}") == 3);
    assert_true(value_of(text, "millrace_job_run_seconds_sum{stage=\"image\"}") > 0.0599);
    assert_true(value_of(text, "millrace_job_run_seconds_bucket{stage=\"image\",le=\"0.01\"}") == 0);
    assert_true(value_of(text, "millrace_job_run_seconds_bucket{stage=\"image\",le=\"0.025\"}") == 3);
    assert_true(value_of(text, "millrace_job_run_seconds_bucket{stage=\"image\",le=\"+Inf\"}") == 3);
    assert_true(value_of(text, "millrace_loop_lag_seconds_bucket{le=\"0.00025\"}") == 1);
    assert_true(value_of(text, "millrace_loop_lag_seconds_bucket{le=\"0.001\"}") == 3);
    double longest = value_of(text, "millrace_loop_lag_percentile_seconds{percentile=\"100\"}");
    assert_true(value_of(text, "millrace_loop_lag_percentile_seconds{percentile=\"50\"}") < longest);
    assert_true(value_of(text, "millrace_connections") == 6);
    assert_true(value_of(text, "millrace_requests_total{route=\"/pipe/{stages*}\",code=\"200\"}") == 15);
    assert_true(value_of(text, "millrace_requests_total{route=\"none\",code=\"404\"}") == 3);
    assert_true(value_of(text, "millrace_jobs_total{outcome=\"refused\"}") == 12);
    assert_true(value_of(text, "millrace_workers") == 2);
    assert_true(value_of(text, "millrace_memory_budget_bytes") == 64 * MR_MIB);
    free(text);
    free_counted(counted);
}

static void each_reason_of_refusal_is_there_from_the_start(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    mr_counter_add(&counted->counters[1]->refusals[-MR_ENOSPACE], 3);
    char *text = render(counted);
    assert_true(value_of(text, "millrace_refusals_total{reason=\"no-space\"}") == 3);
    assert_true(value_of(text, "millrace_refusals_total{reason=\"queue-full\"}") == 0);
    assert_true(value_of(text, "millrace_refusals_total{reason=\"too-many-connections\"}") == 0);
    assert_null(strstr(text, "reason=\"not-found\""));
    free(text);
    free_counted(counted);
}

static void only_what_occurred_is_listed_of_routes(void **state)
{
    (void)state;
    struct counted *counted = make_counted(1);
    char *text = render(counted);
    assert_null(strstr(text, "millrace_requests_total{"));
    assert_non_null(strstr(text, "# TYPE millrace_requests_total counter\n"));
    free(text);
    free_counted(counted);
}

static void block(const struct counted *counted, unsigned loop, enum mr_label label, uint64_t ns, const char *id)
{
    struct mr_loop_blocked *blocked = &loop_of(counted, loop)->loop.blocked[label];
    struct mr_exemplar_value worst = {.value = ns, .wall = 1500 * MR_NS_PER_MS};
    strcpy(worst.request_id, id);
    mr_counter_add(&blocked->count, 1);
    mr_counter_add(&blocked->ns, ns);
    mr_exemplar_offer(&blocked->worst, &worst);
}

static void what_blocked_the_loops_is_added_by_label(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    block(counted, 0, MR_LABEL_JOB, 20 * MR_NS_PER_MS, "a");
    block(counted, 0, MR_LABEL_ACCEPT, 30 * MR_NS_PER_MS, "b");
    block(counted, 1, MR_LABEL_JOB, 500 * MR_NS_PER_MS, "c");
    char *text = render(counted);
    assert_true(value_of(text, "millrace_loop_blocked_total{label=\"job\"}") == 2);
    assert_true(value_of(text, "millrace_loop_blocked_total{label=\"accept\"}") == 1);
    assert_true(value_of(text, "millrace_loop_blocked_seconds_total{label=\"job\"}") == 0.52);
    assert_null(strstr(text, "request_id")); /* the classic format has no place for it */
    free(text);
    free_counted(counted);
}

static void openmetrics_names_the_request_behind_a_number(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    struct mr_http_route_counter *counter = &counted->counters[1]->routes[0];
    struct mr_exemplar_value slowest = {
        .request_id = "0123456789abcdef", .trace_id = "t1", .value = 20 * MR_NS_PER_MS, .wall = 2500 * MR_NS_PER_MS};
    mr_counter_add(&counter->by_status[MR_STATUS_200], 1);
    mr_histogram_record(&counter->duration, slowest.value);
    mr_exemplar_offer(&counter->slowest, &slowest);
    block(counted, 0, MR_LABEL_JOB, 20 * MR_NS_PER_MS, "a");
    block(counted, 1, MR_LABEL_JOB, 500 * MR_NS_PER_MS, "c");
    char *text = render_as(counted, MR_PROMETHEUS_OPENMETRICS);
    assert_non_null(strstr(text, "# TYPE millrace_loop_blocked counter\n"));
    assert_non_null(strstr(text, "millrace_loop_blocked_total{label=\"job\"} 2 "
                                 "# {request_id=\"c\"} 0.500000000 1.500\n"));
    assert_non_null(strstr(text, "millrace_request_seconds_bucket{route=\"/pipe/{stages*}\",le=\"0.01\"} 0\n"));
    assert_non_null(strstr(text, "millrace_request_seconds_bucket{route=\"/pipe/{stages*}\",le=\"0.025\"} 1 "
                                 "# {request_id=\"0123456789abcdef\",trace_id=\"t1\"} 0.020000000 2.500\n"));
    assert_non_null(strstr(text, "millrace_request_seconds_bucket{route=\"/pipe/{stages*}\",le=\"1.0\"} 1\n"));
    assert_string_equal(text + strlen(text) - strlen("# EOF\n"), "# EOF\n");
    free(text);
    free_counted(counted);
}

static void promtool_finds_nothing_to_say(void **state)
{
    (void)state;
    if (system("command -v promtool >/dev/null 2>&1") != 0)
        skip();
    struct counted *counted = make_counted(2);
    mr_histogram_record(&loop_of(counted, 1)->pipes.run_time[MR_STAGE_IMAGE], 3 * MR_NS_PER_S);
    mr_counter_add(&counted->counters[1]->routes[1].by_status[MR_STATUS_200], 1);
    char *text = render(counted);
    FILE *promtool = popen("promtool check metrics >&2", "w");
    assert_non_null(promtool);
    fputs(text, promtool);
    assert_int_equal(pclose(promtool), 0);
    free(text);
    free_counted(counted);
}

static uint64_t processor_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * MR_NS_PER_S + (uint64_t)used.tv_nsec;
}

/* The bound of everything that a loop does is 1 ms. Time is the processor's, which a busy machine does not make longer,
 * and the best of a few. Sixteen loops take 0.9 ms. */
static void rendering_for_four_loops_takes_less_than_a_millisecond(void **state)
{
    (void)state;
    struct counted *counted = make_counted(4);
    for (unsigned i = 0; i < 4; i++) /* each route was asked on each loop */
        for (unsigned route = 0; route <= counted->http.route_count; route++)
            mr_counter_add(&counted->counters[i]->routes[route].by_status[MR_STATUS_200], 1);
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t began = processor_ns();
        free(render(counted));
        best = MR_MIN(best, processor_ns() - began);
    }
    print_message("rendered in %.3f ms\n", (double)best / 1e6);
#ifndef MR_SANITIZED
    assert_true(best < MR_NS_PER_MS);
#endif
    free_counted(counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_metric_of_the_contract_is_there),
        cmocka_unit_test(each_status_has_its_code_and_they_ascend),
        cmocka_unit_test(numbers_of_the_loops_are_added),
        cmocka_unit_test(each_reason_of_refusal_is_there_from_the_start),
        cmocka_unit_test(only_what_occurred_is_listed_of_routes),
        cmocka_unit_test(promtool_finds_nothing_to_say),
        cmocka_unit_test(what_blocked_the_loops_is_added_by_label),
        cmocka_unit_test(openmetrics_names_the_request_behind_a_number),
        cmocka_unit_test(rendering_for_four_loops_takes_less_than_a_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
