#include "bench/load_report.h"
#include "base/clock.h"
#include "base/macros.h"
#include "bench/json.h"
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

/* "p50": ..., "max": ... */
static void write_percentiles(FILE *out, const struct mr_histogram_view *view)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(percentiles); i++) {
        uint64_t value;
        if (percentile(view, percentiles[i].percent, &value))
            fprintf(out, "\"%s\": %.9f, ", percentiles[i].name, seconds(value));
        else
            fprintf(out, "\"%s\": null, ", percentiles[i].name);
    }
    fprintf(out, "\"max\": %.9f", seconds(view->max));
}

static void write_histogram(FILE *out, const char *name, const struct mr_histogram *histogram)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(histogram, &view);
    fprintf(out, "  \"%s\": {\"count\": %llu, \"mean\": %.9f, ", name, (unsigned long long)view.count,
            view.count == 0 ? 0 : seconds(view.sum) / (double)view.count);
    write_percentiles(out, &view);
    fputs("},\n", out);
}

/* at: on the clock on which streams start, so that those of one run lie over each other. */
static void write_timeline(FILE *out, const struct mr_load_report *report)
{
    const struct mr_timeline *timeline = &report->result->timeline;
    fprintf(out, "  \"timeline\": {\"slot\": %.9g, \"slots\": [", seconds(timeline->slot_ns));
    for (unsigned i = 0; i < timeline->count; i++) {
        struct mr_histogram_view view = {0};
        mr_histogram_read(&timeline->slots[i].latency, &view);
        fprintf(out, "%s\n    {\"at\": %.9g, \"count\": %llu, \"errors\": %llu, ", i == 0 ? "" : ",",
                seconds(report->config->start + i * timeline->slot_ns), (unsigned long long)view.count,
                (unsigned long long)timeline->slots[i].errors);
        write_percentiles(out, &view);
        fputc('}', out);
    }
    fputs("]},\n", out);
}

static void write_counts(FILE *out, const struct mr_load_result *result)
{
    const char *separator = "";
    fputs("  \"status\": {", out);
    for (unsigned status = 0; status < MR_LOAD_STATUS_MAX; status++) {
        if (result->by_status[status] == 0)
            continue;
        fprintf(out, "%s\"%u\": %llu", separator, status, (unsigned long long)result->by_status[status]);
        separator = ", ";
    }
    fputs("},\n  \"errors\": {", out);
    for (size_t i = 0; i < MR_LOAD_ERROR_COUNT; i++)
        fprintf(out, "%s\"%s\": %llu", i == 0 ? "" : ", ", error_names[i], (unsigned long long)result->errors[i]);
    fputs("},\n", out);
}

static void write_number(FILE *out, const char *name, uint64_t value)
{
    fprintf(out, "  \"%s\": %llu,\n", name, (unsigned long long)value);
}

static void write_setting(FILE *out, const struct mr_load_report *report)
{
    const struct mr_load_stream_config *config = report->config;
    fputs("  \"name\": ", out);
    mr_json_write_string(out, report->name);
    fputs(",\n  \"method\": ", out);
    mr_json_write_string(out, report->method);
    fputs(",\n  \"url\": ", out);
    mr_json_write_string(out, report->url);
    fprintf(out, ",\n  \"mode\": \"%s\",\n  \"rate\": %.9g,\n", config->rate == 0 ? "closed" : "open", config->rate);
    if (config->rate > 0)
        fprintf(out, "  \"arrivals\": \"%s\",\n", is_poisson(report) ? "poisson" : "constant");
    if (is_poisson(report))
        write_number(out, "seed", config->seed);
    write_number(out, "connections", config->connections);
    fprintf(out, "  \"connect\": \"%s\",\n", connect_words[config->connect]);
    fprintf(out, "  \"start\": %.9g,\n  \"warmup\": %.9g,\n  \"duration\": %.9g,\n", seconds(config->start),
            seconds(config->warmup), seconds(config->duration));
}

static void write_times(FILE *out, const struct mr_load_report *report)
{
    const struct mr_load_result *result = report->result;
    write_histogram(out, "latency", &result->latency);
    write_histogram(out, "latency_open", &result->latency_open);
    write_histogram(out, "latency_new", &result->latency_new);
    write_histogram(out, "connecting", &result->connecting);
    if (report->config->rate > 0)
        write_histogram(out, "lateness", &result->lateness);
}

static void write_stream(FILE *out, const struct mr_load_report *report)
{
    const struct mr_load_result *result = report->result;
    write_setting(out, report);
    write_times(out, report);
    write_number(out, "requests", result->requests);
    write_number(out, "answered", result->answered);
    fprintf(out, "  \"answered_per_second\": %.9g,\n", answered_per_second(report));
    write_number(out, "unanswered", result->unanswered);
    write_number(out, "queued", result->queued);
    write_counts(out, result);
    write_number(out, "bytes_sent", result->bytes_sent);
    write_number(out, "bytes_received", result->bytes_received);
    write_number(out, "connects", result->connects);
    write_number(out, "connect_failures", result->connect_failures);
    write_timeline(out, report);
    fprintf(out, "  \"generator_busy\": %.4f,\n", result->busy);
    const char *reason = mr_load_report_invalid(report);
    fprintf(out, "  \"valid\": %s,\n  \"invalid_reason\": ", reason == NULL ? "true" : "false");
    if (reason == NULL)
        fputs("null", out);
    else
        mr_json_write_string(out, reason);
}

void mr_load_report_json(const struct mr_load_report *reports, unsigned count, FILE *out)
{
    fputs("{\"streams\": [", out);
    for (unsigned i = 0; i < count; i++) {
        fputs(i == 0 ? "{\n" : ", {\n", out);
        write_stream(out, &reports[i]);
        fputs("\n}", out);
    }
    fputs("]}\n", out);
}
