#include "stats/prometheus.h"
#include "base/machine.h"
#include "base/number.h"
#include "http/problem.h"
#include "stats/snapshot.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the format ---- */

/* What is being written, and in which of the two dialects. */
struct exposition {
    FILE *file;
    bool is_open_metrics;
};

/* A family's head. OpenMetrics names a family of counters without the _total of its samples. */
static void write_head(struct exposition *out, const char *name, const char *type, const char *help)
{
    int len = (int)strlen(name);
    if (out->is_open_metrics && strcmp(type, "counter") == 0)
        len -= (int)strlen("_total");
    fprintf(out->file, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, name, help, len, name, type);
}

static void write_number(struct exposition *out, const char *name, const char *type, uint64_t value, const char *help)
{
    write_head(out, name, type, help);
    fprintf(out->file, "%s %llu\n", name, (unsigned long long)value);
}

static void write_seconds(struct exposition *out, const char *name, const char *type, double value, const char *help)
{
    write_head(out, name, type, help);
    fprintf(out->file, "%s %.6f\n", name, value);
}

/* A sample with labels, written as they stand in the braces. */
static void write_sample(struct exposition *out, const char *name, const char *labels, uint64_t value)
{
    fprintf(out->file, "%s{%s} %llu\n", name, labels, (unsigned long long)value);
}

/* The end of a sample's line; before it, whose request the number is of. Only OpenMetrics has a place for that. */
static void end_line(struct exposition *out, const struct mr_exemplar_value *example)
{
    if (out->is_open_metrics && example != NULL && example->value > 0) {
        fprintf(out->file, " # {request_id=\"%s\"", example->request_id);
        if (example->trace_id[0] != '\0')
            fprintf(out->file, ",trace_id=\"%s\"", example->trace_id);
        fprintf(out->file, "} %.9f %.3f", mr_clock_seconds(example->value), mr_clock_seconds(example->wall));
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
static const char *point_zero(const struct exposition *out, const char *number)
{
    return out->is_open_metrics && strchr(number, '.') == NULL ? ".0" : "";
}

/* label: `lane="bulk"`, or "". example: stands at the bucket it fell into; or NULL. */
static void write_histogram(struct exposition *out, const char *name, const char *label,
                            const struct mr_histogram_view *view, const struct mr_exemplar_value *example)
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
    fprintf(out->file, "%s_sum%s%s%s %.9f\n", name, open, label, close, mr_clock_seconds(view->sum));
    fprintf(out->file, "%s_count%s%s%s %llu\n", name, open, label, close, (unsigned long long)view->count);
}

/* What the buckets are too coarse for: p50, p90, p99, p99.9 and the maximum, since the start. (A label "quantile" is
 * for summaries only.) */
static void write_percentiles(struct exposition *out, const char *name, const struct mr_histogram_view *view)
{
    static const struct {
        const char *text;
        double percent;
    } shown[] = {{"50", 50}, {"90", 90}, {"99", 99}, {"99.9", 99.9}, {"100", 100}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(shown); i++)
        fprintf(out->file, "%s{percentile=\"%s\"} %.9f\n", name, shown[i].text,
                mr_clock_seconds(mr_histogram_percentile(view, shown[i].percent)));
}

/* ---- the loops ---- */

static void write_blocked(struct exposition *out, const struct mr_snapshot *snapshot)
{
    write_head(out, "millrace_loop_blocked_total", "counter",
               "Iterations of a loop that were busy for longer than --lag-warn, by their longest callback.");
    for (enum mr_label label = 0; (label = mr_snapshot_next_blocked(snapshot, label)) != MR_LABEL_COUNT; label++) {
        fprintf(out->file, "millrace_loop_blocked_total{label=\"%s\"} %llu", mr_label_text(label),
                (unsigned long long)snapshot->blocked[label].count);
        end_line(out, &snapshot->blocked[label].worst);
    }
    write_head(out, "millrace_loop_blocked_last_timestamp_seconds", "gauge",
               "When the last of them ended, since 1970.");
    for (enum mr_label label = 0; (label = mr_snapshot_next_blocked(snapshot, label)) != MR_LABEL_COUNT; label++)
        fprintf(out->file, "millrace_loop_blocked_last_timestamp_seconds{label=\"%s\"} %.3f\n", mr_label_text(label),
                mr_clock_seconds(snapshot->blocked[label].last.wall));
    write_head(out, "millrace_loop_blocked_seconds_total", "counter", "Time that these iterations were busy.");
    for (enum mr_label label = 0; (label = mr_snapshot_next_blocked(snapshot, label)) != MR_LABEL_COUNT; label++)
        fprintf(out->file, "millrace_loop_blocked_seconds_total{label=\"%s\"} %.9f\n", mr_label_text(label),
                mr_clock_seconds(snapshot->blocked[label].ns));
}

static void write_loops(struct exposition *out, const struct mr_snapshot *snapshot)
{
    write_head(out, "millrace_loop_lag_seconds", "histogram", "How late a timer fired while requests were in flight.");
    write_histogram(out, "millrace_loop_lag_seconds", "", &snapshot->lag, NULL);
    write_head(out, "millrace_loop_lag_percentile_seconds", "gauge",
               "The same as percentiles since the start, to 3 %.");
    write_percentiles(out, "millrace_loop_lag_percentile_seconds", &snapshot->lag);
    write_head(out, "millrace_loop_busy_seconds", "histogram",
               "Time an iteration of a loop computed between two polls.");
    write_histogram(out, "millrace_loop_busy_seconds", "", &snapshot->busy, NULL);
    write_head(out, "millrace_loop_busy_percentile_seconds", "gauge",
               "The same as percentiles since the start, to 3 %.");
    write_percentiles(out, "millrace_loop_busy_percentile_seconds", &snapshot->busy);
    write_number(out, "millrace_loops", "gauge", snapshot->loops, "Event loops.");
    write_number(out, "millrace_loop_iterations_total", "counter", snapshot->iterations, "Iterations of all loops.");
    write_number(out, "millrace_loop_deliveries_total", "counter", snapshot->deliveries,
                 "Completions handed to loops.");
    write_head(out, "millrace_loop_longest_callback_seconds", "gauge",
               "Longest callback since the start, and which it was.");
    fprintf(out->file, "millrace_loop_longest_callback_seconds{callback=\"%s\"} %.9f\n", snapshot->longest_label,
            mr_clock_seconds(snapshot->longest_ns));
    write_blocked(out, snapshot);
}

/* ---- jobs ---- */

static void write_lane_seconds(struct exposition *out, const char *name, enum mr_lane lane, uint64_t ns)
{
    fprintf(out->file, "%s{lane=\"%s\"} %.6f\n", name, mr_lane_name(lane), mr_clock_seconds(ns));
}

static void write_queue(struct exposition *out, const struct mr_snapshot *snapshot)
{
    char label[40];
    write_head(out, "millrace_queue_wait_seconds", "histogram", "Time from submitting a job to its start.");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        snprintf(label, sizeof(label), "lane=\"%s\"", mr_lane_name(lane));
        write_histogram(out, "millrace_queue_wait_seconds", label, &snapshot->queue_wait[lane], NULL);
    }
    write_head(out, "millrace_queue_depth", "gauge", "Jobs waiting for a worker.");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        snprintf(label, sizeof(label), "lane=\"%s\"", mr_lane_name(lane));
        write_sample(out, "millrace_queue_depth", label, snapshot->queue[lane].jobs);
    }
    write_head(out, "millrace_queue_work_seconds", "gauge", "Time that the waiting jobs are expected to run.");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        write_lane_seconds(out, "millrace_queue_work_seconds", lane, snapshot->queue[lane].work_ns);
    write_head(out, "millrace_queue_oldest_seconds", "gauge", "Time that the oldest waiting job has waited.");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        write_lane_seconds(out, "millrace_queue_oldest_seconds", lane, snapshot->queue[lane].oldest_ns);
    write_number(out, "millrace_queue_capacity", "gauge", snapshot->queue_capacity, "Jobs that one lane holds.");
    write_number(out, "millrace_workers", "gauge", snapshot->workers, "Threads that run jobs.");
    write_number(out, "millrace_workers_busy", "gauge", snapshot->workers_busy, "Of these, running a job now.");
    write_seconds(out, "millrace_job_oldest_seconds", "gauge", mr_clock_seconds(snapshot->longest_running_ns),
                  "Time that the oldest running job has run; 0: none runs.");
}

static void write_jobs(struct exposition *out, const struct mr_snapshot *snapshot)
{
    write_head(out, "millrace_job_run_seconds", "histogram", "Time that a job ran on a worker.");
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++) {
        char label[40];
        snprintf(label, sizeof(label), "stage=\"%s\"", mr_stage_about(id).name);
        write_histogram(out, "millrace_job_run_seconds", label, &snapshot->run_time[id], NULL);
    }
    write_head(out, "millrace_jobs_total", "counter", "Jobs by what became of them.");
    write_sample(out, "millrace_jobs_total", "outcome=\"done\"", snapshot->jobs_done);
    write_sample(out, "millrace_jobs_total", "outcome=\"refused\"", snapshot->jobs_refused);
    write_sample(out, "millrace_jobs_total", "outcome=\"expired\"", snapshot->jobs_expired);
    write_sample(out, "millrace_jobs_total", "outcome=\"cancelled\"", snapshot->jobs_cancelled);
    write_sample(out, "millrace_jobs_total", "outcome=\"failed\"", snapshot->jobs_failed);
}

/* ---- HTTP ---- */

static void write_statuses(struct exposition *out, const struct mr_snapshot_route *route)
{
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++) {
        if (route->by_status[at] > 0)
            fprintf(out->file, "millrace_requests_total{route=\"%s\",code=\"%d\"} %llu\n", route->pattern,
                    mr_status_code(at), (unsigned long long)route->by_status[at]);
    }
}

static void write_duration(struct exposition *out, const struct mr_snapshot_route *route)
{
    char label[100];
    if (route->count == 0)
        return;
    snprintf(label, sizeof(label), "route=\"%s\"", route->pattern);
    write_histogram(out, "millrace_request_seconds", label, &route->duration, &route->slowest);
}

/* A family's samples stand together: all statuses, then all durations. */
static void write_routes(struct exposition *out, const struct mr_snapshot_source *source)
{
    struct mr_snapshot_route route;
    unsigned next = 0;
    write_head(out, "millrace_requests_total", "counter",
               "Requests by route and status; code 0: the client left before the answer.");
    do {
        next = mr_snapshot_read_route(&route, source, next);
        write_statuses(out, &route);
    } while (next != 0);
    write_head(out, "millrace_request_seconds", "histogram",
               "Time from the first byte of a request to the end of its answer.");
    do {
        next = mr_snapshot_read_route(&route, source, next);
        write_duration(out, &route);
    } while (next != 0);
}

/* All reasons, also those that did not occur: a rate begins with the first one then. */
static void write_refusals(struct exposition *out, const struct mr_snapshot *snapshot)
{
    char label[64];
    write_head(out, "millrace_refusals_total", "counter",
               "Problem responses that say that the server could not, by their type.");
    for (enum mr_error error = MR_OK; (error = mr_snapshot_next_refusal(error)) != MR_OK;) {
        snprintf(label, sizeof(label), "reason=\"%s\"", mr_problem_type(error));
        write_sample(out, "millrace_refusals_total", label, snapshot->refusals[-error]);
    }
}

static void write_http(struct exposition *out, const struct mr_snapshot *snapshot)
{
    write_number(out, "millrace_connections", "gauge", snapshot->connections, "Connections that are open.");
    write_number(out, "millrace_connections_max", "gauge", snapshot->connections_max, "Connections that may be open.");
    write_number(out, "millrace_connections_accepted_total", "counter", snapshot->connections_accepted,
                 "Connections that were accepted.");
    write_number(out, "millrace_connections_refused_total", "counter", snapshot->connections_refused,
                 "Connections beyond --max-connections.");
    write_number(out, "millrace_connections_dropped_total", "counter", snapshot->connections_dropped,
                 "Connections that were closed at once for want of a file descriptor or memory.");
    write_number(out, "millrace_requests_in_flight", "gauge", snapshot->requests_in_flight,
                 "Requests that are being read, worked on or answered.");
    write_number(out, "millrace_request_bytes_total", "counter", snapshot->request_bytes, "Bytes received.");
    write_number(out, "millrace_response_bytes_total", "counter", snapshot->response_bytes, "Bytes sent.");
    write_number(out, "millrace_timeouts_total", "counter", snapshot->timeouts,
                 "Requests and answers that were cut by a timeout or for their rate.");
    write_number(out, "millrace_wrong_keys_total", "counter", snapshot->wrong_keys,
                 "Requests with an API key that is not known.");
    write_refusals(out, snapshot);
}

/* ---- images of files ---- */

static void write_variants(struct exposition *out, const struct mr_snapshot_variants *variants)
{
    static const char *const labels[MR_VARIANT_WAYS] = {
        [MR_VARIANT_KEPT] = "cache=\"hit\"",
        [MR_VARIANT_READ] = "cache=\"disk\"",
        [MR_VARIANT_JOINED] = "cache=\"collapsed\"",
        [MR_VARIANT_MADE] = "cache=\"miss\"",
    };
    write_head(out, "millrace_image_seconds", "histogram", "Time from a request for an image to its response.");
    for (enum mr_variant_way way = 0; way < MR_VARIANT_WAYS; way++)
        write_histogram(out, "millrace_image_seconds", labels[way], &variants->time[way], NULL);
    write_number(out, "millrace_image_fallbacks_total", "counter", variants->fallbacks,
                 "Requests for images that could not be made, whose response was the original or another image.");
    write_number(out, "millrace_image_cache_bytes", "gauge", variants->bytes, "Images kept in memory, in bytes.");
    write_number(out, "millrace_image_cache_images", "gauge", variants->images, "Images kept in memory.");
    write_number(out, "millrace_image_cache_evicted_total", "counter", variants->evicted,
                 "Images that others took the room of.");
    write_number(out, "millrace_image_disk_bytes", "gauge", variants->disk.bytes,
                 "Files of images on the disk, in bytes.");
    write_number(out, "millrace_image_disk_written_total", "counter", variants->disk_written,
                 "Images that were written to the disk.");
    write_number(out, "millrace_image_disk_evicted_total", "counter", variants->disk_evicted,
                 "Files of images that were removed for others.");
    write_number(out, "millrace_image_disk_damaged_total", "counter", variants->disk_damaged,
                 "Images on the disk that were damaged, and are made again.");
    write_number(out, "millrace_image_disk_failed_total", "counter", variants->disk_failed,
                 "Images that the disk would not write or read.");
}

/* ---- the store ---- */

static void write_scrub(struct exposition *out, const struct mr_snapshot_store *store)
{
    char labels[32];
    if (store->has_totals) {
        write_number(out, "millrace_store_objects", "gauge", store->totals.objects,
                     "Files that are kept: those that the last scrub saw, and changes since.");
        write_number(out, "millrace_store_bytes", "gauge", store->totals.bytes, "Their bytes.");
    }
    write_number(out, "millrace_store_scrub_bytes_total", "counter", store->scrub_bytes,
                 "Bytes that the scrub has read.");
    write_number(out, "millrace_store_scrubs_total", "counter", store->scrub_walks,
                 "Times that it has read all files.");
    write_head(out, "millrace_store_scrub_findings_total", "counter", "What it found, by kind.");
    for (enum mr_store_finding finding = 0; finding < MR_STORE_FINDINGS; finding++) {
        snprintf(labels, sizeof(labels), "kind=\"%s\"", mr_store_finding_name(finding));
        write_sample(out, "millrace_store_scrub_findings_total", labels, store->findings[finding]);
    }
    if (store->scrub_ended != 0)
        write_seconds(out, "millrace_store_scrub_ended_timestamp_seconds", "gauge",
                      mr_clock_seconds(store->scrub_ended), "When it had last read all files, since 1970.");
}

static void write_store(struct exposition *out, const struct mr_snapshot_store *store)
{
    write_number(out, "millrace_store_objects_written_total", "counter", store->objects_written,
                 "Files that were kept.");
    write_number(out, "millrace_store_bytes_written_total", "counter", store->bytes_written, "Their bytes.");
    write_number(out, "millrace_store_changed_total", "counter", store->changed, "Changes of what is known of a file.");
    write_number(out, "millrace_store_deleted_total", "counter", store->deleted, "Files that were deleted.");
    write_number(out, "millrace_store_failed_total", "counter", store->failed,
                 "Operations on files that the disk refused, or that found one damaged.");
    write_number(out, "millrace_store_damaged_total", "counter", store->damaged,
                 "Times that a file was found to be damaged.");
    write_number(out, "millrace_store_debris_removed_total", "counter", store->debris_removed,
                 "Files of interrupted uploads that were removed.");
    write_number(out, "millrace_store_commit_groups_total", "counter", store->groups,
                 "Groups of files that became durable together.");
    write_head(out, "millrace_store_commit_seconds", "histogram", "Time from the end of an upload to its durability.");
    write_histogram(out, "millrace_store_commit_seconds", "", &store->commit, NULL);
    write_number(out, "millrace_store_uploads_open", "gauge", store->uploads_open, "Uploads under way.");
    write_number(out, "millrace_store_reserved_bytes", "gauge", store->reserved_bytes, "Room that they have reserved.");
    write_number(out, "millrace_store_free_bytes", "gauge", store->free_bytes,
                 "Free bytes of the file system, when it was last asked.");
    write_number(out, "millrace_store_min_free_bytes", "gauge", store->min_free_bytes,
                 "Bytes of the file system that are to stay free.");
    write_seconds(out, "millrace_store_upload_oldest_seconds", "gauge", mr_clock_seconds(store->oldest_upload_ns),
                  "Time that the oldest upload is under way; 0: there is none.");
    write_scrub(out, store);
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

static void write_descriptors(struct exposition *out, const struct mr_snapshot_source *source, uint64_t open)
{
    struct rlimit limit;
    if (open > 0)
        write_number(out, "process_open_fds", "gauge", open, "Open descriptors.");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        write_number(out, "process_max_fds", "gauge", limit.rlim_cur * mr_segment_running(source->segment),
                     "Descriptors that may be open.");
}

static void write_process(struct exposition *out, const struct mr_snapshot_source *source)
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
    write_number(out, "process_resident_memory_bytes", "gauge", sums.resident * page, "Resident memory.");
    write_number(out, "process_virtual_memory_bytes", "gauge", sums.size * page, "Address space.");
    write_seconds(out, "process_cpu_seconds_total", "counter", mr_clock_seconds(mr_segment_cpu_ns(segment)),
                  "Processor time, user and system.");
    uint64_t throttled;
    if (source->throttling != NULL && mr_machine_read_throttling(source->throttling, &throttled))
        write_seconds(out, "millrace_cpu_throttled_seconds_total", "counter", mr_clock_seconds(throttled),
                      "Time in which the CPU quota of the cgroup stopped its threads.");
    write_seconds(out, "process_start_time_seconds", "gauge", mr_clock_seconds(mr_segment_started_wall(segment)),
                  "When the server started, since 1970.");
    write_descriptors(out, source, sums.descriptors);
    write_number(out, "millrace_processes", "gauge", mr_segment_running(segment), "Processes that serve.");
    write_number(out, "millrace_process_restarts_total", "counter", mr_segment_restarts(segment),
                 "Processes started in place of one that ended.");
}

static void write_server(struct exposition *out, const struct mr_snapshot *snapshot,
                         const struct mr_snapshot_source *source)
{
    write_number(out, "millrace_events_listeners", "gauge", snapshot->listeners, "Clients that listen to /events.");
    write_number(out, "millrace_events_dropped_total", "counter", snapshot->listener_drops,
                 "Events that a listener did not read in time.");
    write_number(out, "millrace_memory_budget_bytes", "gauge", snapshot->memory_limit,
                 "Bytes for bodies and jobs together.");
    write_number(out, "millrace_memory_budget_used_bytes", "gauge", snapshot->memory_used, "Of these, taken now.");
    write_number(out, "millrace_disk_budget_bytes", "gauge", snapshot->disk_limit,
                 "Bytes for temporary files together.");
    write_number(out, "millrace_disk_budget_used_bytes", "gauge", snapshot->disk_used, "Of these, taken now.");
    write_number(out, "millrace_draining", "gauge", snapshot->is_draining, "1 on the way out, else 0.");
    write_number(out, "millrace_log_dropped_total", "counter", snapshot->log_dropped, "Log lines lost to the bound.");
    write_head(out, "millrace_build_info", "gauge", "What runs here.");
    fprintf(out->file, "millrace_build_info{version=\"%s\",libvips=\"%s\",libuv=\"%s\",offload=\"%s\"} 1\n",
            MILLRACE_VERSION, mr_image_library_version(), uv_version_string(), source->offload);
}

/* ---- all of it ---- */

static void write_page(struct exposition *out, const struct mr_snapshot *snapshot,
                       const struct mr_snapshot_source *source)
{
    write_loops(out, snapshot);
    write_queue(out, snapshot);
    write_jobs(out, snapshot);
    write_http(out, snapshot);
    write_routes(out, source);
    if (source->store != NULL) {
        write_store(out, &snapshot->store);
        write_variants(out, &snapshot->variants);
    }
    write_process(out, source);
    write_server(out, snapshot, source);
    if (out->is_open_metrics)
        fputs("# EOF\n", out->file);
}

char *mr_prometheus_render(const struct mr_snapshot_source *source, enum mr_prometheus_format format, size_t *len)
{
    char *text = NULL;
    struct exposition page = {.is_open_metrics = format == MR_PROMETHEUS_OPENMETRICS};
    struct mr_snapshot *snapshot = malloc(sizeof(*snapshot));
    if (snapshot == NULL)
        return NULL;
    mr_snapshot_read(snapshot, source);
    page.file = open_memstream(&text, len);
    if (page.file != NULL)
        write_page(&page, snapshot, source);
    free(snapshot);
    if (page.file != NULL && fclose(page.file) == 0)
        return text;
    free(text);
    return NULL;
}
