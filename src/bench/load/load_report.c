#include "bench/load/load_report.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/macros.h"
#include <math.h>
#include <stdbool.h>

#define BUSY_MAX 0.95

static const struct {
    const char *name;
    double percent;
} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

static const char *const connect_words[] = {
    [MR_LOAD_CONNECT_BEFORE] = "before", [MR_LOAD_CONNECT_ON_DEMAND] = "on-demand"};

static const char *const error_names[] = {
#define ERROR_NAME(id, name) name,
    MR_LOAD_ERRORS(ERROR_NAME)
#undef ERROR_NAME
};

/* False when too few samples lie above it. */
static bool percentile(const struct mr_histogram_view *view, double percent, uint64_t *out)
{
    *out = mr_histogram_percentile(view, percent);
    return mr_histogram_samples_above(view, percent) >= MR_LOAD_SAMPLES_ABOVE_MIN;
}

static bool is_poisson(const struct mr_load_report *report)
{
    return report->config->rate > 0 && report->config->arrivals == MR_LOAD_POISSON;
}

static double seconds(uint64_t ns)
{
    return (double)ns / (double)MR_NS_PER_S;
}

static double answered_per_second(const struct mr_load_report *report)
{
    uint64_t duration = report->config->duration;
    return duration == 0 ? 0 : (double)report->result->answered / seconds(duration);
}

const char *mr_load_report_invalid(const struct mr_load_report *report)
{
    if (report->config->rate == 0)
        return report->result->busy > BUSY_MAX ? "the generator had no time left: it was the bottleneck" : NULL;
    struct mr_histogram_view lateness = {0};
    mr_histogram_read(&report->result->lateness, &lateness);
    uint64_t late;
    if ((percentile(&lateness, 99, &late) && late > report->lateness_max) ||
        (percentile(&lateness, 50, &late) && late > report->lateness_max / 10))
        return "the generator sent too late: it was the bottleneck";
    return NULL;
}

/* ---- Table ---- */

static void print_ms(FILE *out, uint64_t ns)
{
    fprintf(out, " %9.3f", (double)ns / (double)MR_NS_PER_MS);
}

static void print_row(FILE *out, const char *name, const struct mr_histogram *histogram)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(histogram, &view);
    fprintf(out, "%-12s %7llu", name, (unsigned long long)view.count);
    for (size_t i = 0; i < MR_ARRAY_SIZE(percentiles); i++) {
        uint64_t value;
        if (percentile(&view, percentiles[i].percent, &value))
            print_ms(out, value);
        else
            fprintf(out, " %9s", "-");
    }
    print_ms(out, view.max);
    fputs(" ms\n", out);
}

static void print_bytes(FILE *out, const char *what, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < MR_ARRAY_SIZE(units); unit++)
        value /= 1024;
    fprintf(out, "%s %.*f %s", what, unit == 0 ? 0 : 1, value, units[unit]);
}

static void print_setting(FILE *out, const struct mr_load_report *report)
{
    const struct mr_load_stream_config *config = report->config;
    fprintf(out, "%s %s\n", report->method, report->url);
    if (config->rate == 0)
        fputs("closed loop", out);
    else
        fprintf(out, "open loop at %g/s%s", config->rate, is_poisson(report) ? " (Poisson)" : "");
    fprintf(out, " for %g s", seconds(config->duration));
    if (config->start > 0)
        fprintf(out, " from %g s on", seconds(config->start));
    fprintf(out, " after %g s of warm-up, %u connection%s opened %s\n\n", seconds(config->warmup), config->connections,
            config->connections == 1 ? "" : "s", config->connect == MR_LOAD_CONNECT_BEFORE ? "before" : "on demand");
}

static void print_counts(FILE *out, const struct mr_load_result *result)
{
    fputs("status     ", out);
    bool any = false;
    for (unsigned status = 0; status < MR_LOAD_STATUS_MAX; status++) {
        if (result->by_status[status] > 0)
            fprintf(out, "%s%u: %llu", any ? ", " : "", status, (unsigned long long)result->by_status[status]);
        any |= result->by_status[status] > 0;
    }
    fputs(any ? "\nerrors     " : "none\nerrors     ", out);
    any = false;
    for (size_t i = 0; i < MR_LOAD_ERROR_COUNT; i++) {
        if (result->errors[i] > 0)
            fprintf(out, "%s%s: %llu", any ? ", " : "", error_names[i], (unsigned long long)result->errors[i]);
        any |= result->errors[i] > 0;
    }
    fputs(any ? "\n" : "none\n", out);
}

static void print_times(FILE *out, const struct mr_load_report *report)
{
    const struct mr_load_result *result = report->result;
    fprintf(out, "%-10s %9s", "", "count");
    for (size_t i = 0; i < MR_ARRAY_SIZE(percentiles); i++)
        fprintf(out, " %9s", percentiles[i].name);
    fprintf(out, " %9s\n", "max");
    print_row(out, "latency", &result->latency);
    if (report->config->connect == MR_LOAD_CONNECT_ON_DEMAND) {
        print_row(out, "  when open", &result->latency_open);
        print_row(out, "  when new", &result->latency_new);
    }
    print_row(out, "connecting", &result->connecting);
    if (report->config->rate > 0)
        print_row(out, "lateness", &result->lateness);
}

static void print_stream(FILE *out, const struct mr_load_report *report)
{
    const struct mr_load_result *result = report->result;
    print_setting(out, report);
    print_times(out, report);
    fprintf(out, "\nrequests   %llu, answered %llu (%.1f/s), unanswered %llu, waited for a connection %llu\n",
            (unsigned long long)result->requests, (unsigned long long)result->answered, answered_per_second(report),
            (unsigned long long)result->unanswered, (unsigned long long)result->queued);
    print_counts(out, result);
    print_bytes(out, "bytes      sent", result->bytes_sent);
    print_bytes(out, ", received", result->bytes_received);
    fprintf(out, "\nconnects   %llu in the run, of which %llu failed\n", (unsigned long long)result->connects,
            (unsigned long long)result->connect_failures);
    const char *reason = mr_load_report_invalid(report);
    fprintf(out, "generator  busy %.1f %%%s%s\n", 100 * result->busy, reason == NULL ? "" : "\nINVALID    ",
            reason == NULL ? "" : reason);
}

void mr_load_report_table(const struct mr_load_report *reports, unsigned count, FILE *out)
{
    for (unsigned i = 0; i < count; i++) {
        if (count > 1)
            fprintf(out, "%s%s: ", i > 0 ? "\n" : "", reports[i].name);
        print_stream(out, &reports[i]);
    }
}

/* ---- JSON ---- */

enum { LINES = 3 }; /* each member of a stream has a line */

static void write_seconds(struct mr_json *json, const char *name, uint64_t ns)
{
    mr_json_decimal(json, name, seconds(ns), 9);
}

/* "p50": ..., "max": ... */
static void write_percentiles(struct mr_json *json, const struct mr_histogram_view *view)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(percentiles); i++) {
        uint64_t value = 0;
        bool is_known = percentile(view, percentiles[i].percent, &value);
        mr_json_decimal(json, percentiles[i].name, is_known ? seconds(value) : NAN, 9);
    }
    write_seconds(json, "max", view->max);
}

static void write_histogram(struct mr_json *json, const char *name, const struct mr_histogram *histogram)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(histogram, &view);
    mr_json_open(json, name, '{');
    mr_json_integer(json, "count", view.count);
    mr_json_decimal(json, "mean", view.count == 0 ? 0 : seconds(view.sum) / (double)view.count, 9);
    write_percentiles(json, &view);
    mr_json_close(json);
}

/* at: on the clock on which streams start, so that those of one run lie over each other. */
static void write_timeline(struct mr_json *json, const struct mr_load_report *report)
{
    const struct mr_timeline *timeline = &report->result->timeline;
    mr_json_open(json, "timeline", '{');
    mr_json_number(json, "slot", seconds(timeline->slot_ns));
    mr_json_open(json, "slots", '[');
    for (unsigned i = 0; i < timeline->count; i++) {
        struct mr_histogram_view view = {0};
        mr_histogram_read(&timeline->slots[i].latency, &view);
        mr_json_open(json, NULL, '{');
        mr_json_number(json, "at", seconds(report->config->start + i * timeline->slot_ns));
        mr_json_integer(json, "count", view.count);
        mr_json_integer(json, "errors", timeline->slots[i].errors);
        write_percentiles(json, &view);
        mr_json_close(json);
    }
    mr_json_close(json);
    mr_json_close(json);
}

static void write_counts(struct mr_json *json, const struct mr_load_result *result)
{
    mr_json_open(json, "status", '{');
    for (unsigned status = 0; status < MR_LOAD_STATUS_MAX; status++) {
        char name[8];
        snprintf(name, sizeof(name), "%u", status);
        if (result->by_status[status] != 0)
            mr_json_integer(json, name, result->by_status[status]);
    }
    mr_json_close(json);
    mr_json_open(json, "errors", '{');
    for (size_t i = 0; i < MR_LOAD_ERROR_COUNT; i++)
        mr_json_integer(json, error_names[i], result->errors[i]);
    mr_json_close(json);
}

static void write_setting(struct mr_json *json, const struct mr_load_report *report)
{
    const struct mr_load_stream_config *config = report->config;
    mr_json_text(json, "name", report->name);
    mr_json_text(json, "method", report->method);
    mr_json_text(json, "url", report->url);
    mr_json_text(json, "mode", config->rate == 0 ? "closed" : "open");
    mr_json_number(json, "rate", config->rate);
    if (config->rate > 0)
        mr_json_text(json, "arrivals", is_poisson(report) ? "poisson" : "constant");
    if (is_poisson(report))
        mr_json_integer(json, "seed", config->seed);
    mr_json_integer(json, "connections", config->connections);
    mr_json_text(json, "connect", connect_words[config->connect]);
    mr_json_number(json, "start", seconds(config->start));
    mr_json_number(json, "warmup", seconds(config->warmup));
    mr_json_number(json, "duration", seconds(config->duration));
}

static void write_times(struct mr_json *json, const struct mr_load_report *report)
{
    const struct mr_load_result *result = report->result;
    write_histogram(json, "latency", &result->latency);
    write_histogram(json, "latency_open", &result->latency_open);
    write_histogram(json, "latency_new", &result->latency_new);
    write_histogram(json, "connecting", &result->connecting);
    if (report->config->rate > 0)
        write_histogram(json, "lateness", &result->lateness);
}

static void write_stream(struct mr_json *json, const struct mr_load_report *report)
{
    const struct mr_load_result *result = report->result;
    const char *reason = mr_load_report_invalid(report);
    mr_json_open(json, NULL, '{');
    write_setting(json, report);
    write_times(json, report);
    mr_json_integer(json, "requests", result->requests);
    mr_json_integer(json, "answered", result->answered);
    mr_json_number(json, "answered_per_second", answered_per_second(report));
    mr_json_integer(json, "unanswered", result->unanswered);
    mr_json_integer(json, "queued", result->queued);
    write_counts(json, result);
    mr_json_integer(json, "bytes_sent", result->bytes_sent);
    mr_json_integer(json, "bytes_received", result->bytes_received);
    mr_json_integer(json, "connects", result->connects);
    mr_json_integer(json, "connect_failures", result->connect_failures);
    write_timeline(json, report);
    mr_json_decimal(json, "generator_busy", result->busy, 4);
    mr_json_bool(json, "valid", reason == NULL);
    mr_json_text(json, "invalid_reason", reason);
    mr_json_close(json);
}

void mr_load_report_json(const struct mr_load_report *reports, unsigned count, FILE *out)
{
    struct mr_json json;
    mr_json_begin(&json, out);
    json.lines = LINES;
    mr_json_open(&json, NULL, '{');
    mr_json_open(&json, "streams", '[');
    for (unsigned i = 0; i < count; i++)
        write_stream(&json, &reports[i]);
    mr_json_close(&json);
    mr_json_close(&json);
    fputc('\n', out);
}
