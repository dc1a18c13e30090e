#include "stats/prometheus.h"
#include "base/number.h"
#include "stats/figures.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the format ---- */

/* What is being written, and in which of the two dialects. */
struct page {
    FILE *file;
    bool is_open_metrics;
};

/* A family's head. OpenMetrics names a family of counters without the _total of its samples. */
static void head(struct page *out, const char *name, const char *type, const char *help)
{
    int len = (int)strlen(name);
    if (out->is_open_metrics && strcmp(type, "counter") == 0)
        len -= (int)strlen("_total");
    fprintf(out->file, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, name, help, len, name, type);
}

static void number(struct page *out, const char *name, const char *type, uint64_t value, const char *help)
{
    head(out, name, type, help);
    fprintf(out->file, "%s %llu\n", name, (unsigned long long)value);
}

static double seconds_of(uint64_t ns)
{
    return (double)ns / (double)MR_NS_PER_S;
}

static void seconds(struct page *out, const char *name, const char *type, double value, const char *help)
{
    head(out, name, type, help);
    fprintf(out->file, "%s %.6f\n", name, value);
}

/* A sample with labels, written as they stand in the braces. */
static void sample(struct page *out, const char *name, const char *labels, uint64_t value)
{
    fprintf(out->file, "%s{%s} %llu\n", name, labels, (unsigned long long)value);
}

/* The end of a sample's line; before it, whose request the number is of. Only OpenMetrics has a place for that. */
static void end_line(struct page *out, const struct mr_exemplar_value *example)
{
    if (out->is_open_metrics && example != NULL && example->value > 0) {
        fprintf(out->file, " # {request_id=\"%s\"", example->request_id);
        if (example->trace_id[0] != '\0')
            fprintf(out->file, ",trace_id=\"%s\"", example->trace_id);
        fprintf(out->file, "} %.9f %.3f", seconds_of(example->value), seconds_of(example->wall));
    }
    fputc('\n', out->file);
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

/* OpenMetrics wants a bound to be told from an integer. */
static const char *point_zero(const struct page *out, const char *number)
{
    return out->is_open_metrics && strchr(number, '.') == NULL ? ".0" : "";
}

/* label: `lane="bulk"`, or "". example: stands at the bucket it fell into; or NULL. */
static void histogram(struct page *out, const char *name, const char *label, const struct mr_histogram_view *view,
                      const struct mr_exemplar_value *example)
{
    const char *comma = label[0] != '\0' ? "," : "";
    for (size_t i = 0; i < MR_ARRAY_SIZE(bounds); i++) {
        fprintf(out->file, "%s_bucket{%s%sle=\"%s%s\"} %llu", name, label, comma, bounds[i].text,
                point_zero(out, bounds[i].text),
                (unsigned long long)mr_histogram_count_at_or_below(view, bounds[i].ns));
        bool fell_here = example != NULL && example->value <= bounds[i].ns;
        end_line(out, fell_here ? example : NULL);
        if (fell_here)
            example = NULL;
    }
    fprintf(out->file, "%s_bucket{%s%sle=\"+Inf\"} %llu", name, label, comma, (unsigned long long)view->count);
    end_line(out, example);
    const char *open = label[0] != '\0' ? "{" : "", *close = label[0] != '\0' ? "}" : "";
    fprintf(out->file, "%s_sum%s%s%s %.9f\n", name, open, label, close, seconds_of(view->sum));
    fprintf(out->file, "%s_count%s%s%s %llu\n", name, open, label, close, (unsigned long long)view->count);
}

/* What the buckets are too coarse for: p50, p90, p99, p99.9 and the maximum, since the start. (A label "quantile" is
 * for summaries only.) */
static void percentiles(struct page *out, const char *name, const struct mr_histogram_view *view)
{
    static const struct {
        const char *text;
        double percent;
    } shown[] = {{"50", 50}, {"90", 90}, {"99", 99}, {"99.9", 99.9}, {"100", 100}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(shown); i++)
        fprintf(out->file, "%s{percentile=\"%s\"} %.9f\n", name, shown[i].text,
                seconds_of(mr_histogram_percentile(view, shown[i].percent)));
}

/* ---- the loops ---- */

static void write_blocked(struct page *out, const struct mr_figures *figures)
{
    head(out, "millrace_loop_blocked_total", "counter",
         "Iterations of a loop that were busy for longer than --lag-warn, by their longest callback.");
    for (unsigned i = 0; i < figures->blocked_count; i++) {
        const struct mr_figures_blocked *blocked = &figures->blocked[i];
        fprintf(out->file, "millrace_loop_blocked_total{label=\"%s\"} %llu", blocked->label,
                (unsigned long long)blocked->count);
        end_line(out, &blocked->worst);
    }
    head(out, "millrace_loop_blocked_seconds_total", "counter", "Time that these iterations were busy.");
    for (unsigned i = 0; i < figures->blocked_count; i++)
        fprintf(out->file, "millrace_loop_blocked_seconds_total{label=\"%s\"} %.9f\n", figures->blocked[i].label,
                seconds_of(figures->blocked[i].ns));
}

static void write_loops(struct page *out, const struct mr_figures *figures)
{
    head(out, "millrace_loop_lag_seconds", "histogram", "How late a timer fired while requests were in flight.");
    histogram(out, "millrace_loop_lag_seconds", "", &figures->lag, NULL);
    head(out, "millrace_loop_lag_percentile_seconds", "gauge", "The same as percentiles since the start, to 3 %.");
    percentiles(out, "millrace_loop_lag_percentile_seconds", &figures->lag);
    head(out, "millrace_loop_busy_seconds", "histogram", "Time an iteration of a loop computed between two polls.");
    histogram(out, "millrace_loop_busy_seconds", "", &figures->busy, NULL);
    head(out, "millrace_loop_busy_percentile_seconds", "gauge", "The same as percentiles since the start, to 3 %.");
    percentiles(out, "millrace_loop_busy_percentile_seconds", &figures->busy);
    number(out, "millrace_loops", "gauge", figures->loops, "Event loops.");
    number(out, "millrace_loop_iterations_total", "counter", figures->iterations, "Iterations of all loops.");
    number(out, "millrace_loop_deliveries_total", "counter", figures->deliveries, "Completions handed to loops.");
    head(out, "millrace_loop_longest_callback_seconds", "gauge", "Longest callback since the start, and which it was.");
    fprintf(out->file, "millrace_loop_longest_callback_seconds{callback=\"%s\"} %.9f\n", figures->longest_label,
            seconds_of(figures->longest_ns));
    write_blocked(out, figures);
}

/* ---- jobs ---- */

static void write_queue(struct page *out, const struct mr_figures *figures)
{
    char label[40];
    head(out, "millrace_queue_wait_seconds", "histogram", "Time from submitting a job to its start.");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        snprintf(label, sizeof(label), "lane=\"%s\"", mr_lane_name(lane));
        histogram(out, "millrace_queue_wait_seconds", label, &figures->queue_wait[lane], NULL);
    }
    head(out, "millrace_queue_depth", "gauge", "Jobs waiting for a worker.");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        snprintf(label, sizeof(label), "lane=\"%s\"", mr_lane_name(lane));
        sample(out, "millrace_queue_depth", label, figures->queue_depth[lane]);
    }
    number(out, "millrace_queue_capacity", "gauge", figures->queue_capacity, "Jobs that one lane holds.");
    number(out, "millrace_workers", "gauge", figures->workers, "Threads that run jobs.");
    number(out, "millrace_workers_busy", "gauge", figures->workers_busy, "Of these, running a job now.");
}

static void write_jobs(struct page *out, const struct mr_figures *figures)
{
    head(out, "millrace_job_run_seconds", "histogram", "Time that a job ran on a worker.");
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++) {
        char label[40];
        snprintf(label, sizeof(label), "stage=\"%s\"", mr_stage_about(id).name);
        histogram(out, "millrace_job_run_seconds", label, &figures->run_time[id], NULL);
    }
    head(out, "millrace_jobs_total", "counter", "Jobs by what became of them.");
    sample(out, "millrace_jobs_total", "outcome=\"done\"", figures->jobs_done);
    sample(out, "millrace_jobs_total", "outcome=\"refused\"", figures->jobs_refused);
    sample(out, "millrace_jobs_total", "outcome=\"expired\"", figures->jobs_expired);
    sample(out, "millrace_jobs_total", "outcome=\"cancelled\"", figures->jobs_cancelled);
    sample(out, "millrace_jobs_total", "outcome=\"failed\"", figures->jobs_failed);
}

/* ---- HTTP ---- */

static void write_statuses(struct page *out, const struct mr_figures_route *route)
{
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++) {
        if (route->by_status[at] > 0)
            fprintf(out->file, "millrace_requests_total{route=\"%s\",code=\"%d\"} %llu\n", route->pattern,
                    mr_status_code(at), (unsigned long long)route->by_status[at]);
    }
}

static void write_duration(struct page *out, const struct mr_figures_route *route)
{
    char label[100];
    if (route->count == 0)
        return;
    snprintf(label, sizeof(label), "route=\"%s\"", route->pattern);
    histogram(out, "millrace_request_seconds", label, &route->duration, &route->slowest);
}

/* A family's samples stand together: all statuses, then all durations. */
static void write_routes(struct page *out, const struct mr_figures_source *source)
{
    struct mr_figures_route route;
    unsigned next = 0;
    head(out, "millrace_requests_total", "counter",
         "Requests by route and status; code 0: the client left before the answer.");
    do {
        next = mr_figures_read_route(&route, source, next);
        write_statuses(out, &route);
    } while (next != 0);
    head(out, "millrace_request_seconds", "histogram",
         "Time from the first byte of a request to the end of its answer.");
    do {
        next = mr_figures_read_route(&route, source, next);
        write_duration(out, &route);
    } while (next != 0);
}

static void write_http(struct page *out, const struct mr_figures *figures)
{
    number(out, "millrace_connections", "gauge", figures->connections, "Connections that are open.");
    number(out, "millrace_connections_accepted_total", "counter", figures->connections_accepted,
           "Connections that were accepted.");
    number(out, "millrace_connections_refused_total", "counter", figures->connections_refused,
           "Connections beyond --max-connections.");
    number(out, "millrace_connections_dropped_total", "counter", figures->connections_dropped,
           "Connections that were closed at once for want of a file descriptor or memory.");
    number(out, "millrace_requests_in_flight", "gauge", figures->requests_in_flight,
           "Requests that are being read, worked on or answered.");
    number(out, "millrace_request_bytes_total", "counter", figures->request_bytes, "Bytes received.");
    number(out, "millrace_response_bytes_total", "counter", figures->response_bytes, "Bytes sent.");
    number(out, "millrace_timeouts_total", "counter", figures->timeouts,
           "Requests and answers that were cut by a timeout or for their rate.");
}

/* ---- the processes ---- */

/* What is known of those that run, added up. */
struct process_sums {
    uint64_t size, resident, descriptors;
};

/* The first two numbers of /proc/PID/statm: pages of address space, pages resident. One small read. */
static void add_memory(struct process_sums *sums, pid_t pid)
{
    char path[40], text[128];
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    uint64_t size, resident;
    struct mr_slice rest = mr_slice_of(fgets(text, sizeof(text), file));
    if (mr_number_next(&rest, UINT64_MAX, &size) && mr_number_next(&rest, UINT64_MAX, &resident)) {
        sums->size += size;
        sums->resident += resident;
    }
    fclose(file);
}

/* Linux 6.2 and later tell the number as the directory's size. Reading it through would take too long for a loop. */
static void add_descriptors(struct process_sums *sums, pid_t pid)
{
    char path[40];
    struct stat status;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    if (stat(path, &status) == 0)
        sums->descriptors += (uint64_t)status.st_size;
}

static void write_descriptors(struct page *out, const struct mr_figures_source *source, uint64_t open)
{
    struct rlimit limit;
    if (open > 0)
        number(out, "process_open_fds", "gauge", open, "Open descriptors.");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        number(out, "process_max_fds", "gauge", limit.rlim_cur * mr_segment_running(source->segment),
               "Descriptors that may be open.");
}

static void write_process(struct page *out, const struct mr_figures_source *source)
{
    const struct mr_segment *segment = source->segment;
    struct process_sums sums = {.size = 0};
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (unsigned i = 0; i < mr_segment_processes(segment); i++) {
        pid_t pid = mr_segment_pid(segment, i);
        if (pid == 0)
            continue;
        add_memory(&sums, pid);
        add_descriptors(&sums, pid);
    }
    number(out, "process_resident_memory_bytes", "gauge", sums.resident * page, "Resident memory.");
    number(out, "process_virtual_memory_bytes", "gauge", sums.size * page, "Address space.");
    seconds(out, "process_cpu_seconds_total", "counter", seconds_of(mr_segment_cpu_ns(segment)),
            "Processor time, user and system.");
    seconds(out, "process_start_time_seconds", "gauge", seconds_of(mr_segment_started_wall(segment)),
            "When the server started, since 1970.");
    write_descriptors(out, source, sums.descriptors);
    number(out, "millrace_processes", "gauge", mr_segment_running(segment), "Processes that serve.");
    number(out, "millrace_process_restarts_total", "counter", mr_segment_restarts(segment),
           "Processes started in place of one that ended.");
}

static void write_rest(struct page *out, const struct mr_figures *figures, const struct mr_figures_source *source)
{
    number(out, "millrace_events_listeners", "gauge", figures->listeners, "Clients that listen to /events.");
    number(out, "millrace_events_dropped_total", "counter", figures->listener_drops,
           "Figures that a listener did not read in time.");
    number(out, "millrace_memory_budget_bytes", "gauge", figures->memory_limit, "Bytes for bodies and jobs together.");
    number(out, "millrace_memory_budget_used_bytes", "gauge", figures->memory_used, "Of these, taken now.");
    number(out, "millrace_disk_budget_bytes", "gauge", figures->disk_limit, "Bytes for temporary files together.");
    number(out, "millrace_disk_budget_used_bytes", "gauge", figures->disk_used, "Of these, taken now.");
    number(out, "millrace_draining", "gauge", figures->is_draining, "1 on the way out, else 0.");
    number(out, "millrace_log_dropped_total", "counter", figures->log_dropped, "Log lines lost to the bound.");
    head(out, "millrace_build_info", "gauge", "What runs here.");
    fprintf(out->file, "millrace_build_info{version=\"%s\",libvips=\"%s\",libuv=\"%s\",offload=\"%s\"} 1\n",
            MILLRACE_VERSION, mr_image_library_version(), uv_version_string(), source->offload);
}

/* ---- all of it ---- */

static void write_page(struct page *out, const struct mr_figures *figures, const struct mr_figures_source *source)
{
    write_loops(out, figures);
    write_queue(out, figures);
    write_jobs(out, figures);
    write_http(out, figures);
    write_routes(out, source);
    write_process(out, source);
    write_rest(out, figures, source);
    if (out->is_open_metrics)
        fputs("# EOF\n", out->file);
}

char *mr_prometheus_render(const struct mr_figures_source *source, enum mr_prometheus_format format, size_t *len)
{
    char *text = NULL;
    struct page page = {.is_open_metrics = format == MR_PROMETHEUS_OPENMETRICS};
    struct mr_figures *figures = malloc(sizeof(*figures));
    if (figures == NULL)
        return NULL;
    mr_figures_read(figures, source);
    page.file = open_memstream(&text, len);
    if (page.file != NULL)
        write_page(&page, figures, source);
    free(figures);
    if (page.file != NULL && fclose(page.file) == 0)
        return text;
    free(text);
    return NULL;
}
