#include "stats/live.h"
#include "base/clock.h"
#include "base/json.h"
#include <stdio.h>
#include <stdlib.h>

static void add_route(struct mr_live *out, const struct mr_figures_route *route, const char *endless)
{
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++)
        out->requests[mr_status_code(at) / 100] += route->by_status[at];
    if (strcmp(route->pattern, endless) != 0)
        mr_histogram_add(&out->request_durations, &route->duration);
}

void mr_live_read(struct mr_live *out, const struct mr_figures_source *source, const char *endless)
{
    struct mr_figures_route route;
    unsigned next = 0;
    memset(out, 0, sizeof(*out));
    out->wall = mr_clock_wall();
    mr_figures_read(&out->figures, source);
    do {
        next = mr_figures_read_route(&route, source, next);
        add_route(out, &route, endless);
    } while (next != 0);
}

/* ---- JSON ---- */

struct page {
    struct mr_json json;
    const struct mr_live *now, *before;
};

static double seconds_of(uint64_t ns)
{
    return (double)ns / (double)MR_NS_PER_S;
}

static double interval(const struct page *out)
{
    return seconds_of(MR_MAX(out->now->figures.at - out->before->figures.at, 1));
}

static void open_object(struct page *out, const char *text)
{
    mr_json_open(&out->json, text, '{');
}

static void close_object(struct page *out)
{
    mr_json_close(&out->json);
}

static void gauge(struct page *out, const char *text, uint64_t value)
{
    mr_json_integer(&out->json, text, value);
}

/* A counter since the start, and per second since the reading before. */
static void counter(struct page *out, const char *text, uint64_t now, uint64_t before)
{
    open_object(out, text);
    mr_json_integer(&out->json, "total", now);
    mr_json_decimal(&out->json, "rate", (double)(now - before) / interval(out), 3);
    close_object(out);
}

static void seconds_member(struct page *out, const char *text, uint64_t ns)
{
    mr_json_decimal(&out->json, text, seconds_of(ns), 6);
}

static void seconds_counter(struct page *out, const char *text, uint64_t now, uint64_t before)
{
    open_object(out, text);
    seconds_member(out, "total", now);
    mr_json_decimal(&out->json, "rate", seconds_of(now - before) / interval(out), 6);
    close_object(out);
}

/* Of what was recorded since the reading before. */
static void histogram(struct page *out, const char *text, const struct mr_histogram_view *now,
                      const struct mr_histogram_view *before)
{
    struct mr_histogram_view recent = *now;
    mr_histogram_since(&recent, before);
    open_object(out, text);
    mr_json_integer(&out->json, "count", recent.count);
    seconds_member(out, "sum", recent.sum);
    seconds_member(out, "p50", mr_histogram_percentile(&recent, 50));
    seconds_member(out, "p99", mr_histogram_percentile(&recent, 99));
    seconds_member(out, "max", recent.max);
    close_object(out);
}

/* ---- the members ---- */

/* A counter of struct mr_figures, by its field. */
#define COUNTER(out, text, field) counter(out, text, (out)->now->figures.field, (out)->before->figures.field)

static void write_requests(struct page *out)
{
    static const char *const classes[MR_STATUS_CLASSES] = {"0", "1xx", "2xx", "3xx", "4xx", "5xx"};
    open_object(out, "millrace_requests_total");
    for (unsigned i = 0; i < MR_STATUS_CLASSES; i++)
        counter(out, classes[i], out->now->requests[i], out->before->requests[i]);
    close_object(out);
}

static void write_jobs(struct page *out)
{
    open_object(out, "millrace_jobs_total");
    COUNTER(out, "done", jobs_done);
    COUNTER(out, "refused", jobs_refused);
    COUNTER(out, "expired", jobs_expired);
    COUNTER(out, "cancelled", jobs_cancelled);
    COUNTER(out, "failed", jobs_failed);
    close_object(out);
}

/* Labels may have moved since: a loop has met a new one. */
static const struct mr_figures_blocked *blocked_before(const struct page *out, const char *label)
{
    static const struct mr_figures_blocked none;
    const struct mr_figures *figures = &out->before->figures;
    for (unsigned i = 0; i < figures->blocked_count; i++) {
        if (strcmp(figures->blocked[i].label, label) == 0)
            return &figures->blocked[i];
    }
    return &none;
}

static void write_blocked(struct page *out)
{
    const struct mr_figures *figures = &out->now->figures;
    open_object(out, "millrace_loop_blocked_total");
    for (unsigned i = 0; i < figures->blocked_count; i++) {
        const struct mr_figures_blocked *now = &figures->blocked[i];
        counter(out, now->label, now->count, blocked_before(out, now->label)->count);
    }
    close_object(out);
    open_object(out, "millrace_loop_blocked_seconds_total");
    for (unsigned i = 0; i < figures->blocked_count; i++) {
        const struct mr_figures_blocked *now = &figures->blocked[i];
        seconds_counter(out, now->label, now->ns, blocked_before(out, now->label)->ns);
    }
    close_object(out);
}

static void write_counters(struct page *out)
{
    open_object(out, "counters");
    write_requests(out);
    COUNTER(out, "millrace_request_bytes_total", request_bytes);
    COUNTER(out, "millrace_response_bytes_total", response_bytes);
    COUNTER(out, "millrace_connections_accepted_total", connections_accepted);
    COUNTER(out, "millrace_connections_refused_total", connections_refused);
    COUNTER(out, "millrace_timeouts_total", timeouts);
    write_jobs(out);
    write_blocked(out);
    COUNTER(out, "millrace_loop_iterations_total", iterations);
    COUNTER(out, "millrace_log_dropped_total", log_dropped);
    COUNTER(out, "millrace_events_dropped_total", listener_drops);
    close_object(out);
}

static void write_gauges(struct page *out)
{
    const struct mr_figures *figures = &out->now->figures;
    open_object(out, "gauges");
    gauge(out, "millrace_connections", figures->connections);
    gauge(out, "millrace_requests_in_flight", figures->requests_in_flight);
    open_object(out, "millrace_queue_depth");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        gauge(out, mr_lane_name(lane), figures->queue_depth[lane]);
    close_object(out);
    gauge(out, "millrace_queue_capacity", figures->queue_capacity);
    gauge(out, "millrace_workers", figures->workers);
    gauge(out, "millrace_workers_busy", figures->workers_busy);
    gauge(out, "millrace_memory_budget_bytes", figures->memory_limit);
    gauge(out, "millrace_memory_budget_used_bytes", figures->memory_used);
    gauge(out, "millrace_processes", figures->processes);
    gauge(out, "millrace_loops", figures->loops);
    gauge(out, "millrace_events_listeners", figures->listeners);
    gauge(out, "millrace_draining", figures->is_draining);
    close_object(out);
}

static void write_histograms(struct page *out)
{
    const struct mr_figures *now = &out->now->figures, *before = &out->before->figures;
    open_object(out, "histograms");
    histogram(out, "millrace_loop_lag_seconds", &now->lag, &before->lag);
    histogram(out, "millrace_loop_busy_seconds", &now->busy, &before->busy);
    histogram(out, "millrace_request_seconds", &out->now->request_durations, &out->before->request_durations);
    open_object(out, "millrace_queue_wait_seconds");
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        histogram(out, mr_lane_name(lane), &now->queue_wait[lane], &before->queue_wait[lane]);
    close_object(out);
    open_object(out, "millrace_job_run_seconds");
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++)
        histogram(out, mr_stage_about(id).name, &now->run_time[id], &before->run_time[id]);
    close_object(out);
    close_object(out);
}

char *mr_live_json(const struct mr_live *now, const struct mr_live *before, size_t *len)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, len);
    if (file == NULL)
        return NULL;
    struct page page = {.now = now, .before = before};
    uint64_t busy = now->figures.busy.sum - before->figures.busy.sum;
    mr_json_begin(&page.json, file);
    open_object(&page, NULL);
    mr_json_decimal(&page.json, "time", seconds_of(now->wall), 3);
    mr_json_decimal(&page.json, "interval", interval(&page), 3);
    mr_json_decimal(&page.json, "loop_busy_share", seconds_of(busy) / (interval(&page) * now->figures.loops), 6);
    write_counters(&page);
    write_gauges(&page);
    write_histograms(&page);
    close_object(&page);
    if (fclose(file) == 0)
        return text;
    free(text);
    return NULL;
}
