#include "service/metrics.h"

#include "base/clock.h"
#include "base/counter.h"
#include "base/macros.h"
#include "service/served.h"

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

static char *render(const struct served *served)
{
    size_t len;
    char *text = mr_metrics_render(served->service, &len);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    return text;
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

static void numbers_of_the_loops_are_added(void **state)
{
    (void)state;
    struct served *served = BUILD("--loops=3", "--workers=2", "--memory-budget=64MiB");
    struct mr_service *service = served->service;
    for (unsigned i = 0; i < 3; i++) {
        mr_histogram_record(&service->loops[i].image_run, 20 * MR_NS_PER_MS);
        mr_histogram_record(&mr_loop_stats(service->loops[i].loop)->lag, 200 * MR_NS_PER_US * (i + 1));
        mr_counter_add(&service->http.counters[i].connections, 2);
        mr_counter_add(&service->http.counters[i].routes[0].by_status[200], 5);
        mr_counter_add(&service->http.counters[i].routes[service->http.route_count].by_status[404], 1);
        mr_counter_add(&service->loops[i].jobs_refused, 4);
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
    assert_true(value_of(text, "millrace_requests_total{route=\"/pipe/image\",code=\"200\"}") == 15);
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

static void promtool_finds_nothing_to_say(void **state)
{
    (void)state;
    if (system("command -v promtool >/dev/null 2>&1") != 0)
        skip();
    struct served *served = BUILD("--loops=2");
    mr_histogram_record(&served->service->loops[1].image_run, 3 * MR_NS_PER_S);
    mr_counter_add(&served->service->http.counters[1].routes[1].by_status[200], 1);
    char *text = render(served);
    FILE *promtool = popen("promtool check metrics >&2", "w");
    assert_non_null(promtool);
    fputs(text, promtool);
    assert_int_equal(pclose(promtool), 0);
    free(text);
    free_service(served);
}

/* The bound of everything that a loop does is 1 ms; the best of a few, as this machine may be busy. */
static void rendering_takes_less_than_a_millisecond(void **state)
{
    (void)state;
    struct served *served = BUILD("--loops=16");
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t began = mr_clock_now();
        free(render(served));
        best = MR_MIN(best, mr_clock_now() - began);
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
        cmocka_unit_test(each_metric_of_the_contract_is_there),    cmocka_unit_test(numbers_of_the_loops_are_added),
        cmocka_unit_test(only_what_occurred_is_listed_of_routes),  cmocka_unit_test(promtool_finds_nothing_to_say),
        cmocka_unit_test(rendering_takes_less_than_a_millisecond),
    };
    return cmocka_run_group_tests(tests, set_up_images, tear_down_images);
}
