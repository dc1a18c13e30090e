#include "stats/metrics.h"

#include "base/clock.h"
#include "base/counter.h"
#include "base/macros.h"
#include "service/served.h"

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

static char *render_as(const struct served *served, enum mr_metrics_format format)
{
    size_t len;
    char *text = mr_metrics_render(served->service, format, &len);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    return text;
}

static char *render(const struct served *served)
{
    return render_as(served, MR_METRICS_TEXT);
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
        "millrace_log_dropped_total",
    };
    (void)state;
    struct served *served = BUILD("--loops=1");
    char *text = render(served);
    for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++) {
        if (value_of(text, names[i]) < 0)
            fail_msg("%s is missing in\n%s", names[i], text);
    }
    assert_true(value_of(text, "process_resident_memory_bytes") > 1e6);
    free(text);
    free_service(served);
}

static void each_status_has_its_code_and_they_ascend(void **state)
{
    (void)state;
    struct served *served = BUILD("--loops=1");
    struct mr_http_counters *counters = served->service->http.counters[0];
    _Atomic uint64_t *by_status = counters->routes[served->service->http.route_count].by_status;
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++)
        mr_counter_add(&by_status[at], (uint64_t)at + 1);
    char *text = render(served);
    char line[80];
    const char *from = text;
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++) {
        snprintf(line, sizeof(line), "millrace_requests_total{route=\"none\",code=\"%d\"} %d\n", mr_status_code(at),
                 (int)at + 1);
        from = strstr(from, line);
        assert_non_null(from);
    }
    free(text);
    free_service(served);
}

static void numbers_of_the_loops_are_added(void **state)
{
    (void)state;
    struct served *served = BUILD("--loops=3", "--workers=2", "--memory-budget=64MiB");
    struct mr_service *service = served->service;
    for (unsigned i = 0; i < 3; i++) {
        mr_histogram_record(&service->loops[i].numbers->pipes.run_time[MR_STAGE_IMAGE], 20 * MR_NS_PER_MS);
        mr_histogram_record(&mr_loop_stats(service->loops[i].loop)->lag, 200 * MR_NS_PER_US * (i + 1));
        mr_counter_add(&service->http.counters[i]->connections, 2);
        mr_counter_add(&service->http.counters[i]->routes[0].by_status[MR_STATUS_200], 5);
        mr_counter_add(&service->http.counters[i]->routes[service->http.route_count].by_status[MR_STATUS_404], 1);
        mr_counter_add(&service->loops[i].numbers->pipes.refused, 4);
    }
    char *text = render(served);
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
    free_service(served);
}

static void only_what_occurred_is_listed_of_routes(void **state)
{
    (void)state;
    struct served *served = BUILD("--loops=1");
    char *text = render(served);
    assert_null(strstr(text, "millrace_requests_total{"));
    assert_non_null(strstr(text, "# TYPE millrace_requests_total counter\n"));
    free(text);
    free_service(served);
}

static void block(struct served *served, unsigned loop, unsigned place, const char *label, uint64_t ns, const char *id)
{
    struct mr_loop_blocked *blocked = &mr_loop_stats(served->service->loops[loop].loop)->blocked[place];
    struct mr_exemplar_value worst = {.value = ns, .wall = 1500 * MR_NS_PER_MS};
    strcpy(worst.request_id, id);
    atomic_store(&blocked->label, label);
    mr_counter_add(&blocked->count, 1);
    mr_counter_add(&blocked->ns, ns);
    mr_exemplar_offer(&blocked->worst, &worst);
}

static void what_blocked_the_loops_is_added_by_label(void **state)
{
    (void)state;
    struct served *served = BUILD("--loops=2");
    block(served, 0, 0, "job", 20 * MR_NS_PER_MS, "a");
    block(served, 0, 1, "accept", 30 * MR_NS_PER_MS, "b");
    block(served, 1, 0, "job", 500 * MR_NS_PER_MS, "c");
    char *text = render(served);
    assert_true(value_of(text, "millrace_loop_blocked_total{label=\"job\"}") == 2);
    assert_true(value_of(text, "millrace_loop_blocked_total{label=\"accept\"}") == 1);
    assert_true(value_of(text, "millrace_loop_blocked_seconds_total{label=\"job\"}") == 0.52);
    assert_null(strstr(text, "request_id")); /* the classic format has no place for it */
    free(text);
    free_service(served);
}

static void openmetrics_names_the_request_behind_a_number(void **state)
{
    (void)state;
    struct served *served = BUILD("--loops=2");
    struct mr_http_route_counter *counter = &served->service->http.counters[1]->routes[0];
    struct mr_exemplar_value slowest = {
        .request_id = "0123456789abcdef", .trace_id = "t1", .value = 20 * MR_NS_PER_MS, .wall = 2500 * MR_NS_PER_MS};
    mr_counter_add(&counter->by_status[MR_STATUS_200], 1);
    mr_histogram_record(&counter->duration, slowest.value);
    mr_exemplar_offer(&counter->slowest, &slowest);
    block(served, 0, 0, "job", 20 * MR_NS_PER_MS, "a");
    block(served, 1, 0, "job", 500 * MR_NS_PER_MS, "c");
    char *text = render_as(served, MR_METRICS_OPENMETRICS);
    assert_non_null(strstr(text, "# TYPE millrace_loop_blocked counter\n"));
    assert_non_null(strstr(text, "millrace_loop_blocked_total{label=\"job\"} 2 "
                                 "# {request_id=\"c\"} 0.500000000 1.500\n"));
    assert_non_null(strstr(text, "millrace_request_seconds_bucket{route=\"/pipe/{stages*}\",le=\"0.01\"} 0\n"));
    assert_non_null(strstr(text, "millrace_request_seconds_bucket{route=\"/pipe/{stages*}\",le=\"0.025\"} 1 "
                                 "# {request_id=\"0123456789abcdef\",trace_id=\"t1\"} 0.020000000 2.500\n"));
    assert_non_null(strstr(text, "millrace_request_seconds_bucket{route=\"/pipe/{stages*}\",le=\"1.0\"} 1\n"));
    assert_string_equal(text + strlen(text) - strlen("# EOF\n"), "# EOF\n");
    free(text);
    free_service(served);
}

static void openmetrics_is_given_to_those_who_ask_for_it(void **state)
{
    static const struct {
        const char *accept;
        enum mr_metrics_format format;
    } cases[] = {
        {NULL, MR_METRICS_TEXT},
        {"", MR_METRICS_TEXT},
        {"*/*", MR_METRICS_TEXT},
        {"text/plain;version=0.0.4", MR_METRICS_TEXT},
        {"application/openmetrics-text; version=1.0.0", MR_METRICS_OPENMETRICS},
        {"application/openmetrics-text", MR_METRICS_OPENMETRICS},
        {"text/plain;q=0.5, Application/OpenMetrics-Text ;q=0.2 ; Version=\"1.0.0\"", MR_METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1",
         MR_METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=0.0.1", MR_METRICS_TEXT},
        {"application/openmetrics-text;version=1.0.0;q=0.0", MR_METRICS_TEXT},
        {"application/openmetrics-textual", MR_METRICS_TEXT},
        {"application/openmetrics-text;q", MR_METRICS_OPENMETRICS},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        if (mr_metrics_format_of(mr_slice_of(cases[i].accept)) != cases[i].format)
            fail_msg("Accept: %s", cases[i].accept);
    }
}

static void promtool_finds_nothing_to_say(void **state)
{
    (void)state;
    if (system("command -v promtool >/dev/null 2>&1") != 0)
        skip();
    struct served *served = BUILD("--loops=2");
    mr_histogram_record(&served->service->loops[1].numbers->pipes.run_time[MR_STAGE_IMAGE], 3 * MR_NS_PER_S);
    mr_counter_add(&served->service->http.counters[1]->routes[1].by_status[MR_STATUS_200], 1);
    char *text = render(served);
    FILE *promtool = popen("promtool check metrics >&2", "w");
    assert_non_null(promtool);
    fputs(text, promtool);
    assert_int_equal(pclose(promtool), 0);
    free(text);
    free_service(served);
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
    struct served *served = BUILD("--loops=4");
    for (unsigned i = 0; i < 4; i++) /* each route was asked on each loop */
        for (unsigned route = 0; route <= served->service->http.route_count; route++)
            mr_counter_add(&served->service->http.counters[i]->routes[route].by_status[MR_STATUS_200], 1);
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t began = processor_ns();
        free(render(served));
        best = MR_MIN(best, processor_ns() - began);
    }
    print_message("rendered in %.3f ms\n", (double)best / 1e6);
#ifndef MR_SANITIZED
    assert_true(best < MR_NS_PER_MS);
#endif
    free_service(served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_metric_of_the_contract_is_there),
        cmocka_unit_test(each_status_has_its_code_and_they_ascend),
        cmocka_unit_test(numbers_of_the_loops_are_added),
        cmocka_unit_test(only_what_occurred_is_listed_of_routes),
        cmocka_unit_test(promtool_finds_nothing_to_say),
        cmocka_unit_test(what_blocked_the_loops_is_added_by_label),
        cmocka_unit_test(openmetrics_names_the_request_behind_a_number),
        cmocka_unit_test(openmetrics_is_given_to_those_who_ask_for_it),
        cmocka_unit_test(rendering_for_four_loops_takes_less_than_a_millisecond),
    };
    return cmocka_run_group_tests(tests, set_up_images, tear_down_images);
}
