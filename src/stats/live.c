#include "stats/live.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/problem.h"
#include "stats/saturation.h"
#include <stdio.h>
#include <stdlib.h>

static void live_add_route(struct mr_live *out, const struct mr_snapshot_route *route, const char *endless)
{
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++)
        out->requests[mr_status_code(at) / 100] += route->by_status[at];
    if (strcmp(route->pattern, endless) != 0)
        mr_histogram_add(&out->request_durations, &route->duration);
}

void mr_live_read(struct mr_live *out, const struct mr_snapshot_source *source, const char *endless)
{
    struct mr_snapshot_route route;
    unsigned next = 0;
    memset(out, 0, sizeof(*out));
    out->wall = mr_clock_wall();
    mr_snapshot_read(&out->snapshot, source);
    do {
        next = mr_snapshot_read_route(&route, source, next);
        live_add_route(out, &route, endless);
    } while (next != 0);
}

/* ---- JSON ---- */

struct live_page {
    struct mr_json json;
    const struct mr_live *now, *before;
};

static double live_interval(const struct live_page *out)
{
    return mr_clock_seconds(MR_MAX(out->now->snapshot.at - out->before->snapshot.at, 1));
}

static void live_open(struct live_page *out, const char *text)
{
    mr_json_open(&out->json, text, '{');
}

static void live_close(struct live_page *out)
{
    mr_json_close(&out->json);
}

static void live_gauge(struct live_page *out, const char *text, uint64_t value)
{
    mr_json_integer(&out->json, text, value);
}

/* One that is a difference of two, which were not read at the same moment, may be less than before. */
static uint64_t growth(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* A counter since the start, and per second since the reading before. */
static void live_counter(struct live_page *out, const char *text, uint64_t now, uint64_t before)
{
    live_open(out, text);
    mr_json_integer(&out->json, "total", now);
    mr_json_decimal(&out->json, "rate", (double)growth(now, before) / live_interval(out), 3);
    live_close(out);
}

static void seconds_member(struct live_page *out, const char *text, uint64_t ns)
{
    mr_json_decimal(&out->json, text, mr_clock_seconds(ns), 6);
}

static void seconds_counter(struct live_page *out, const char *text, uint64_t now, uint64_t before)
{
    live_open(out, text);
    seconds_member(out, "total", now);
    mr_json_decimal(&out->json, "rate", mr_clock_seconds(growth(now, before)) / live_interval(out), 6);
    live_close(out);
}

/* Of what was recorded since the reading before. */
static void live_histogram(struct live_page *out, const char *text, const struct mr_histogram_view *now,
                           const struct mr_histogram_view *before)
{
    struct mr_histogram_view recent = *now;
    mr_histogram_since(&recent, before);
    live_open(out, text);
    mr_json_integer(&out->json, "count", recent.count);
    seconds_member(out, "sum", recent.sum);
    seconds_member(out, "p50", mr_histogram_percentile(&recent, 50));
    seconds_member(out, "p99", mr_histogram_percentile(&recent, 99));
    seconds_member(out, "max", recent.max);
    live_close(out);
}

/* ---- the members ---- */

/* A counter of struct mr_snapshot, by its field. */
#define COUNTER(out, text, field) live_counter(out, text, (out)->now->snapshot.field, (out)->before->snapshot.field)

static void live_write_requests(struct live_page *out)
{
    static const char *const classes[MR_STATUS_CLASSES] = {"0", "1xx", "2xx", "3xx", "4xx", "5xx"};
    live_open(out, "millrace_requests_total");
    for (unsigned i = 0; i < MR_STATUS_CLASSES; i++)
        live_counter(out, classes[i], out->now->requests[i], out->before->requests[i]);
    live_close(out);
}

static void live_write_jobs(struct live_page *out)
{
    live_open(out, "millrace_jobs_total");
    COUNTER(out, "done", jobs_done);
    COUNTER(out, "refused", jobs_refused);
    COUNTER(out, "expired", jobs_expired);
    COUNTER(out, "cancelled", jobs_cancelled);
    COUNTER(out, "failed", jobs_failed);
    live_close(out);
}

static void live_write_refusals(struct live_page *out)
{
    const uint64_t *now = out->now->snapshot.refusals, *before = out->before->snapshot.refusals;
    live_open(out, "millrace_refusals_total");
    for (enum mr_error error = MR_OK; (error = mr_snapshot_next_refusal(error)) != MR_OK;)
        live_counter(out, mr_problem_type(error), now[-error], before[-error]);
    live_close(out);
}

static void live_write_blocked(struct live_page *out)
{
    const struct mr_snapshot *now = &out->now->snapshot;
    const struct mr_snapshot_blocked *before = out->before->snapshot.blocked;
    live_open(out, "millrace_loop_blocked_total");
    for (enum mr_label label = 0; (label = mr_snapshot_next_blocked(now, label)) != MR_LABEL_COUNT; label++)
        live_counter(out, mr_label_text(label), now->blocked[label].count, before[label].count);
    live_close(out);
    live_open(out, "millrace_loop_blocked_seconds_total");
    for (enum mr_label label = 0; (label = mr_snapshot_next_blocked(now, label)) != MR_LABEL_COUNT; label++)
        seconds_counter(out, mr_label_text(label), now->blocked[label].ns, before[label].ns);
    live_close(out);
}

static void live_write_saturated(struct live_page *out)
{
    struct mr_saturation saturation;
    mr_saturation_find(&saturation, &out->now->snapshot, &out->before->snapshot);
    if (saturation.reason == NULL) {
        mr_json_text(&out->json, "saturated", NULL);
        return;
    }
    live_open(out, "saturated");
    mr_json_text(&out->json, "reason", saturation.reason);
    mr_json_text(&out->json, "text", saturation.text);
    live_close(out);
}

static void live_write_last_blocked(struct live_page *out)
{
    enum mr_label label = mr_snapshot_last_blocked(&out->now->snapshot);
    if (label == MR_LABEL_COUNT) {
        mr_json_text(&out->json, "blocked_last", NULL);
        return;
    }
    const struct mr_exemplar_value *last = &out->now->snapshot.blocked[label].last;
    live_open(out, "blocked_last");
    mr_json_text(&out->json, "label", mr_label_text(label));
    seconds_member(out, "seconds", last->value);
    mr_json_text(&out->json, "request", last->request_id[0] != '\0' ? last->request_id : NULL);
    mr_json_decimal(&out->json, "time", mr_clock_seconds(last->wall), 3);
    live_close(out);
}

static void live_write_counters(struct live_page *out)
{
    live_open(out, "counters");
    live_write_requests(out);
    COUNTER(out, "millrace_request_bytes_total", request_bytes);
    COUNTER(out, "millrace_response_bytes_total", response_bytes);
    COUNTER(out, "millrace_connections_accepted_total", connections_accepted);
    COUNTER(out, "millrace_connections_refused_total", connections_refused);
    COUNTER(out, "millrace_timeouts_total", timeouts);
    live_write_refusals(out);
    live_write_jobs(out);
    live_write_blocked(out);
    COUNTER(out, "millrace_loop_iterations_total", iterations);
    COUNTER(out, "millrace_process_restarts_total", restarts);
    COUNTER(out, "millrace_log_dropped_total", log_dropped);
    COUNTER(out, "millrace_events_dropped_total", listener_drops);
    live_close(out);
}

static void live_write_queue(struct live_page *out, const struct mr_snapshot *snapshot)
{
    live_open(out, "millrace_queue_depth");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        live_gauge(out, mr_lane_name(lane), snapshot->queue[lane].jobs);
    live_close(out);
    live_open(out, "millrace_queue_work_seconds");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        seconds_member(out, mr_lane_name(lane), snapshot->queue[lane].work_ns);
    live_close(out);
    live_open(out, "millrace_queue_oldest_seconds");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        seconds_member(out, mr_lane_name(lane), snapshot->queue[lane].oldest_ns);
    live_close(out);
    live_gauge(out, "millrace_queue_capacity", snapshot->queue_capacity);
    live_gauge(out, "millrace_workers", snapshot->workers);
    live_gauge(out, "millrace_workers_busy", snapshot->workers_busy);
    seconds_member(out, "millrace_job_oldest_seconds", snapshot->longest_running_ns);
}

static void live_write_store(struct live_page *out, const struct mr_snapshot_store *store)
{
    live_gauge(out, "millrace_store_uploads_open", store->uploads_open);
    seconds_member(out, "millrace_store_upload_oldest_seconds", store->oldest_upload_ns);
    live_gauge(out, "millrace_store_free_bytes", store->free_bytes);
    live_gauge(out, "millrace_store_reserved_bytes", store->reserved_bytes);
    live_gauge(out, "millrace_store_min_free_bytes", store->min_free_bytes);
}

static void live_write_gauges(struct live_page *out)
{
    const struct mr_snapshot *snapshot = &out->now->snapshot;
    live_open(out, "gauges");
    live_gauge(out, "millrace_connections", snapshot->connections);
    live_gauge(out, "millrace_connections_max", snapshot->connections_max);
    live_gauge(out, "millrace_requests_in_flight", snapshot->requests_in_flight);
    live_write_queue(out, snapshot);
    live_gauge(out, "millrace_memory_budget_bytes", snapshot->memory_limit);
    live_gauge(out, "millrace_memory_budget_used_bytes", snapshot->memory_used);
    live_gauge(out, "millrace_disk_budget_bytes", snapshot->disk_limit);
    live_gauge(out, "millrace_disk_budget_used_bytes", snapshot->disk_used);
    if (snapshot->has_store)
        live_write_store(out, &snapshot->store);
    live_gauge(out, "millrace_processes", snapshot->processes);
    seconds_member(out, "process_start_time_seconds", snapshot->started_wall);
    live_gauge(out, "millrace_loops", snapshot->loops);
    live_gauge(out, "millrace_events_listeners", snapshot->listeners);
    live_gauge(out, "millrace_draining", snapshot->is_draining);
    live_close(out);
}

static void live_write_histograms(struct live_page *out)
{
    const struct mr_snapshot *now = &out->now->snapshot, *before = &out->before->snapshot;
    live_open(out, "histograms");
    live_histogram(out, "millrace_loop_lag_seconds", &now->lag, &before->lag);
    live_histogram(out, "millrace_loop_busy_seconds", &now->busy, &before->busy);
    live_histogram(out, "millrace_request_seconds", &out->now->request_durations, &out->before->request_durations);
    live_open(out, "millrace_queue_wait_seconds");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        live_histogram(out, mr_lane_name(lane), &now->queue_wait[lane], &before->queue_wait[lane]);
    live_close(out);
    live_open(out, "millrace_job_run_seconds");
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++)
        live_histogram(out, mr_stage_about(id).name, &now->run_time[id], &before->run_time[id]);
    live_close(out);
    live_close(out);
}

char *mr_live_json(const struct mr_live *now, const struct mr_live *before, size_t *len)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, len);
    if (file == NULL)
        return NULL;
    struct live_page page = {.now = now, .before = before};
    uint64_t busy = now->snapshot.busy.sum - before->snapshot.busy.sum;
    mr_json_begin(&page.json, file);
    live_open(&page, NULL);
    mr_json_decimal(&page.json, "time", mr_clock_seconds(now->wall), 3);
    mr_json_decimal(&page.json, "interval", live_interval(&page), 3);
    mr_json_decimal(&page.json, "loop_busy_share",
                    mr_clock_seconds(busy) / (live_interval(&page) * now->snapshot.loops), 6);
    live_write_saturated(&page);
    live_write_last_blocked(&page);
    live_write_counters(&page);
    live_write_gauges(&page);
    live_write_histograms(&page);
    live_close(&page);
    if (fclose(file) == 0)
        return text;
    free(text);
    return NULL;
}
