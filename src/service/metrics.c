#include "service/metrics.h"
#include "base/counter.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the format ---- */

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(FILE *out, const char *name, const char *type, uint64_t value, const char *help)
{
    head(out, name, type, help);
    fprintf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void seconds(FILE *out, const char *name, const char *type, double value, const char *help)
{
    head(out, name, type, help);
    fprintf(out, "%s %.6f\n", name, value);
}

/* A sample with labels, written as they stand in the braces. */
static void sample(FILE *out, const char *name, const char *labels, uint64_t value)
{
    fprintf(out, "%s{%s} %llu\n", name, labels, (unsigned long long)value);
}

/* Upper bounds of buckets: 1, 2.5 and 5 of each decade. A job is measured by the same ones, so that its wait and its
 * run can be compared. */
static const struct bound {
    const char *text;
    uint64_t ns;
} bounds[] = {
    {"0.0001", 100 * MR_NS_PER_US},
    {"0.00025", 250 * MR_NS_PER_US},
    {"0.0005", 500 * MR_NS_PER_US},
    {"0.001", MR_NS_PER_MS},
    {"0.0025", 2500 * MR_NS_PER_US},
    {"0.005", 5 * MR_NS_PER_MS},
    {"0.01", 10 * MR_NS_PER_MS},
    {"0.025", 25 * MR_NS_PER_MS},
    {"0.05", 50 * MR_NS_PER_MS},
    {"0.1", 100 * MR_NS_PER_MS},
    {"0.25", 250 * MR_NS_PER_MS},
    {"0.5", 500 * MR_NS_PER_MS},
    {"1", MR_NS_PER_S},
    {"2.5", 2500 * MR_NS_PER_MS},
    {"5", 5 * MR_NS_PER_S},
    {"10", 10 * MR_NS_PER_S},
    {"30", 30 * MR_NS_PER_S},
};

/* label: `lane="bulk"`, or "". */
static void histogram(FILE *out, const char *name, const char *label, const struct mr_histogram_view *view)
{
    const char *comma = label[0] != '\0' ? "," : "";
    for (size_t i = 0; i < MR_ARRAY_SIZE(bounds); i++)
        fprintf(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", name, label, comma, bounds[i].text,
                (unsigned long long)mr_histogram_count_at_or_below(view, bounds[i].ns));
    fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, label, comma, (unsigned long long)view->count);
    const char *open = label[0] != '\0' ? "{" : "", *close = label[0] != '\0' ? "}" : "";
    fprintf(out, "%s_sum%s%s%s %.9f\n", name, open, label, close, (double)view->sum / (double)MR_NS_PER_S);
    fprintf(out, "%s_count%s%s%s %llu\n", name, open, label, close, (unsigned long long)view->count);
}

/* What the buckets are too coarse for: p50, p90, p99, p99.9 and the maximum, since the start. (A label "quantile" is
 * for summaries only.) */
static void percentiles(FILE *out, const char *name, const struct mr_histogram_view *view)
{
    static const struct {
        const char *text;
        double percent;
    } shown[] = {{"50", 50}, {"90", 90}, {"99", 99}, {"99.9", 99.9}, {"100", 100}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(shown); i++)
        fprintf(out, "%s{percentile=\"%s\"} %.9f\n", name, shown[i].text,
                (double)mr_histogram_percentile(view, shown[i].percent) / (double)MR_NS_PER_S);
}

/* ---- the loops ---- */

/* Sum of one of the loops' HTTP counters. */
#define SUM_HTTP(service, field) sum_http(service, offsetof(struct mr_http_counters, field))

static uint64_t sum_http(const struct mr_service *service, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < service->loop_count; i++)
        sum += mr_counter_read((const _Atomic uint64_t *)((const char *)&service->http.counters[i] + offset));
    return sum;
}

static void write_loops(FILE *out, const struct mr_service *service)
{
    struct mr_histogram_view lag = {.count = 0}, busy = {.count = 0};
    uint64_t iterations = 0, deliveries = 0, longest = 0;
    const char *label = "none";
    for (unsigned i = 0; i < service->loop_count; i++) {
        struct mr_loop_stats *stats = mr_loop_stats(service->loops[i].loop);
        mr_histogram_read(&stats->lag, &lag);
        mr_histogram_read(&stats->busy, &busy);
        iterations += mr_counter_read(&stats->iterations);
        deliveries += mr_counter_read(&stats->deliveries);
        uint64_t its_longest = mr_counter_read(&stats->longest_ns);
        const char *its_label = atomic_load_explicit(&stats->longest_label, memory_order_relaxed);
        if (its_longest > longest && its_label != NULL) {
            longest = its_longest;
            label = its_label;
        }
    }
    head(out, "millrace_loop_lag_seconds", "histogram", "How late a timer fired while requests were in flight.");
    histogram(out, "millrace_loop_lag_seconds", "", &lag);
    head(out, "millrace_loop_lag_percentile_seconds", "gauge", "The same as percentiles since the start, to 3 %.");
    percentiles(out, "millrace_loop_lag_percentile_seconds", &lag);
    head(out, "millrace_loop_busy_seconds", "histogram", "Time an iteration of a loop computed between two polls.");
    histogram(out, "millrace_loop_busy_seconds", "", &busy);
    head(out, "millrace_loop_busy_percentile_seconds", "gauge", "The same as percentiles since the start, to 3 %.");
    percentiles(out, "millrace_loop_busy_percentile_seconds", &busy);
    number(out, "millrace_loops", "gauge", service->loop_count, "Event loops.");
    number(out, "millrace_loop_iterations_total", "counter", iterations, "Iterations of all loops.");
    number(out, "millrace_loop_deliveries_total", "counter", deliveries, "Completions handed to loops.");
    head(out, "millrace_loop_longest_callback_seconds", "gauge", "Longest callback since the start, and which it was.");
    fprintf(out, "millrace_loop_longest_callback_seconds{callback=\"%s\"} %.9f\n", label,
            (double)longest / (double)MR_NS_PER_S);
}

/* ---- jobs ---- */

static void write_queue(FILE *out, const struct mr_service *service)
{
    head(out, "millrace_queue_wait_seconds", "histogram", "Time from submitting a job to its start.");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        struct mr_histogram_view wait = {.count = 0};
        char label[40];
        for (unsigned i = 0; i < service->loop_count; i++)
            mr_histogram_read(&mr_offload_stats(service->offload, i)->queue_wait[lane], &wait);
        snprintf(label, sizeof(label), "lane=\"%s\"", mr_lane_name(lane));
        histogram(out, "millrace_queue_wait_seconds", label, &wait);
    }
    head(out, "millrace_queue_depth", "gauge", "Jobs waiting for a worker.");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        fprintf(out, "millrace_queue_depth{lane=\"%s\"} %u\n", mr_lane_name(lane),
                mr_offload_depth(service->offload, lane));
    number(out, "millrace_queue_capacity", "gauge", mr_offload_capacity(service->offload), "Jobs that one lane holds.");
    number(out, "millrace_workers", "gauge", mr_offload_workers(service->offload), "Threads that run jobs.");
    number(out, "millrace_workers_busy", "gauge", mr_offload_busy(service->offload), "Of these, running a job now.");
}

static void write_jobs(FILE *out, const struct mr_service *service)
{
    struct mr_histogram_view run = {.count = 0};
    uint64_t ran = 0, refused = 0, expired = 0, cancelled = 0, failed = 0, stopped = 0;
    for (unsigned i = 0; i < service->loop_count; i++) {
        const struct mr_offload_stats *stats = mr_offload_stats(service->offload, i);
        const struct mr_service_loop *loop = &service->loops[i];
        mr_histogram_read(&loop->image_run, &run);
        failed += mr_counter_read(&loop->jobs_failed);
        stopped += mr_counter_read(&loop->jobs_stopped);
        ran += mr_counter_read(&stats->done);
        refused += mr_counter_read(&loop->jobs_refused);
        expired += mr_counter_read(&stats->expired);
        cancelled += mr_counter_read(&stats->cancelled) + mr_counter_read(&stats->shut_down);
    }
    head(out, "millrace_job_run_seconds", "histogram", "Time that a job ran on a worker.");
    histogram(out, "millrace_job_run_seconds", "stage=\"image\"", &run);
    head(out, "millrace_jobs_total", "counter", "Jobs by what became of them.");
    uint64_t fruitless = failed + stopped;
    sample(out, "millrace_jobs_total", "outcome=\"done\"", ran > fruitless ? ran - fruitless : 0);
    sample(out, "millrace_jobs_total", "outcome=\"refused\"", refused);
    sample(out, "millrace_jobs_total", "outcome=\"expired\"", expired);
    sample(out, "millrace_jobs_total", "outcome=\"cancelled\"", cancelled + stopped);
    sample(out, "millrace_jobs_total", "outcome=\"failed\"", failed);
}

/* ---- HTTP ---- */

/* Routes of one pattern with different methods stand next to each other in the table, and are one label here. */
static unsigned next_pattern(const struct mr_http *http, unsigned route)
{
    const char *pattern = http->routes[route].pattern; /* NULL behind the last: no route matched */
    do
        route++;
    while (route < http->route_count && strcmp(http->routes[route].pattern, pattern) == 0);
    return route;
}

/* Loop by loop and status by status, as they lie in memory: with many loops this is most of the work. */
static void add_requests(uint64_t sums[MR_STATUS_END], const struct mr_service *service, unsigned route)
{
    for (unsigned i = 0; i < service->loop_count; i++) {
        const struct mr_http_route_counter *counter = &service->http.counters[i].routes[route];
        for (int status = 0; status < MR_STATUS_END; status++)
            sums[status] += mr_counter_read(&counter->by_status[status]);
    }
}

static void write_requests(FILE *out, const struct mr_service *service)
{
    const struct mr_http *http = &service->http;
    head(out, "millrace_requests_total", "counter",
         "Requests by route and status; code 0: the client left before the answer.");
    for (unsigned route = 0, end; route <= http->route_count; route = end) {
        const char *pattern = route < http->route_count ? http->routes[route].pattern : "none";
        uint64_t sums[MR_STATUS_END] = {0};
        end = next_pattern(http, route);
        for (unsigned at = route; at < end; at++)
            add_requests(sums, service, at);
        for (int status = 0; status < MR_STATUS_END; status++) {
            if (sums[status] > 0)
                fprintf(out, "millrace_requests_total{route=\"%s\",code=\"%d\"} %llu\n", pattern, status,
                        (unsigned long long)sums[status]);
        }
    }
}

static void write_http(FILE *out, const struct mr_service *service)
{
    number(out, "millrace_connections", "gauge", SUM_HTTP(service, connections), "Connections that are open.");
    number(out, "millrace_connections_accepted_total", "counter", SUM_HTTP(service, connections_accepted),
           "Connections that were accepted.");
    number(out, "millrace_connections_refused_total", "counter", SUM_HTTP(service, connections_refused),
           "Connections beyond --max-connections.");
    number(out, "millrace_requests_in_flight", "gauge", SUM_HTTP(service, requests_in_flight),
           "Requests that are being read, worked on or answered.");
    write_requests(out, service);
    number(out, "millrace_request_bytes_total", "counter", SUM_HTTP(service, request_bytes), "Bytes received.");
    number(out, "millrace_response_bytes_total", "counter", SUM_HTTP(service, response_bytes), "Bytes sent.");
    number(out, "millrace_timeouts_total", "counter", SUM_HTTP(service, timeouts),
           "Requests and answers that were cut by a timeout or for their rate.");
}

/* ---- the process ---- */

/* The first two numbers of /proc/self/statm: pages of address space, pages resident. One small read. */
static bool read_statm(uint64_t *size, uint64_t *resident)
{
    char text[128], *at;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return false;
    bool got = fgets(text, sizeof(text), file) != NULL;
    fclose(file);
    if (!got)
        return false;
    *size = strtoull(text, &at, 10);
    *resident = strtoull(at, NULL, 10);
    return true;
}

static void write_descriptors(FILE *out)
{
    struct rlimit limit;
    struct stat status;
    /* Linux 6.2 and later tell the number as the directory's size. Reading it through would take too long for a loop.
     */
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
        number(out, "process_open_fds", "gauge", (uint64_t)status.st_size, "Open descriptors.");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        number(out, "process_max_fds", "gauge", limit.rlim_cur, "Descriptors that may be open.");
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void write_process(FILE *out, const struct mr_service *service)
{
    uint64_t size, resident;
    struct rusage usage;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (read_statm(&size, &resident)) {
        number(out, "process_resident_memory_bytes", "gauge", resident * page, "Resident memory.");
        number(out, "process_virtual_memory_bytes", "gauge", size * page, "Address space.");
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        seconds(out, "process_cpu_seconds_total", "counter", seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
                "Processor time, user and system.");
    seconds(out, "process_start_time_seconds", "gauge", (double)service->started_wall / (double)MR_NS_PER_S,
            "When the server started, since 1970.");
    write_descriptors(out);
}

static void write_service(FILE *out, const struct mr_service *service)
{
    number(out, "millrace_memory_budget_bytes", "gauge", service->memory.limit, "Bytes for bodies and jobs together.");
    number(out, "millrace_memory_budget_used_bytes", "gauge", mr_budget_used(&service->memory), "Of these, taken now.");
    number(out, "millrace_draining", "gauge", atomic_load_explicit(&service->http.draining, memory_order_relaxed),
           "1 on the way out, else 0.");
    number(out, "millrace_log_dropped_total", "counter", mr_log_dropped(), "Log lines lost to the bound.");
    head(out, "millrace_build_info", "gauge", "What runs here.");
    fprintf(out, "millrace_build_info{version=\"%s\",libvips=\"%s\",libuv=\"%s\",offload=\"%s\"} 1\n", MILLRACE_VERSION,
            mr_image_library_version(), uv_version_string(), mr_offload_name(mr_offload_kind(service->offload)));
}

/* ---- all of it ---- */

char *mr_metrics_render(const struct mr_service *service, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    if (out == NULL)
        return NULL;
    write_loops(out, service);
    write_queue(out, service);
    write_jobs(out, service);
    write_http(out, service);
    write_process(out, service);
    write_service(out, service);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

void mr_metrics_start(struct mr_request *request)
{
    size_t len;
    char *text = mr_metrics_render(mr_service_of(request), &len);
    struct mr_fault fault;
    if (text == NULL) {
        mr_fault_set(&fault, MR_EMEMORY, NULL);
        mr_respond_problem(request, &fault);
        return;
    }
    mr_respond(request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, text, len, free, text);
}
