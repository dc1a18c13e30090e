#include "service/live.h"
#include "base/clock.h"
#include "service/events.h"
#include <stdio.h>
#include <stdlib.h>

static void add_route(struct mr_live *out, const struct mr_figures_route *route)
{
    for (int status = 0; status < MR_STATUS_END; status++)
        out->requests[status / 100] += route->by_status[status];
    if (strcmp(route->pattern, MR_EVENTS_PATTERN) == 0)
        return; /* they last as long as somebody listens */
    mr_histogram_add(&out->request_durations, &route->duration);
}

void mr_live_read(struct mr_live *out, const struct mr_service *service)
{
    struct mr_figures_route route;
    unsigned next = 0;
    memset(out, 0, sizeof(*out));
    out->wall = mr_clock_wall();
    mr_figures_read(&out->figures, service);
    do {
        next = mr_figures_read_route(&route, service, next);
        add_route(out, &route);
    } while (next != 0);
}

/* ---- JSON ---- */

struct page {
    FILE *file;
    const struct mr_live *now, *before;
    const char *comma; /* before the next member */
};

static double seconds_of(uint64_t ns)
{
    return (double)ns / (double)MR_NS_PER_S;
}

static double interval(const struct page *out)
{
    return seconds_of(MR_MAX(out->now->figures.at - out->before->figures.at, 1));
}

/* Names are ours and need no escape. */
static void name(struct page *out, const char *text)
{
    fprintf(out->file, "%s\"%s\":", out->comma, text);
    out->comma = ",";
}

static void open_object(struct page *out, const char *text)
{
    name(out, text);
    fputc('{', out->file);
    out->comma = "";
}

static void close_object(struct page *out)
{
    fputc('}', out->file);
    out->comma = ",";
}

static void gauge(struct page *out, const char *text, uint64_t value)
{
    name(out, text);
    fprintf(out->file, "%llu", (unsigned long long)value);
}

/* A counter since the start, and per second since the reading before. */
static void counter(struct page *out, const char *text, uint64_t now, uint64_t before)
{
    name(out, text);
    fprintf(out->file, "{\"total\":%llu,\"rate\":%.3f}", (unsigned long long)now,
            (double)(now - before) / interval(out));
}

static void seconds_counter(struct page *out, const char *text, uint64_t now, uint64_t before)
{
    name(out, text);
    fprintf(out->file, "{\"total\":%.6f,\"rate\":%.6f}", seconds_of(now), seconds_of(now - before) / interval(out));
}

/* Of what was recorded since the reading before. */
static void histogram(struct page *out, const char *text, const struct mr_histogram_view *now,
                      const struct mr_histogram_view *before)
{
    struct mr_histogram_view recent = *now;
    mr_histogram_since(&recent, before);
    name(out, text);
    fprintf(out->file, "{\"count\":%llu,\"sum\":%.6f,\"p50\":%.6f,\"p99\":%.6f,\"max\":%.6f}",
            (unsigned long long)recent.count, seconds_of(recent.sum), seconds_of(mr_histogram_percentile(&recent, 50)),
            seconds_of(mr_histogram_percentile(&recent, 99)), seconds_of(recent.max));
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
    struct page page = {.file = open_memstream(&text, len), .now = now, .before = before, .comma = ","};
    if (page.file == NULL)
        return NULL;
    uint64_t busy = now->figures.busy.sum - before->figures.busy.sum;
    fprintf(page.file, "{\"time\":%.3f,\"interval\":%.3f,\"loop_busy_share\":%.6f", seconds_of(now->wall),
            interval(&page), seconds_of(busy) / (interval(&page) * now->figures.loops));
    write_counters(&page);
    write_gauges(&page);
    write_histograms(&page);
    fputc('}', page.file);
    if (fclose(page.file) == 0)
        return text;
    free(text);
    return NULL;
}
