#include "bench/load_report.h"
#include "base/clock.h"
#include "base/macros.h"
#include <stdbool.h>

#define SAMPLES_ABOVE_MIN 10
#define BUSY_MAX          0.95

static const struct {
    const char *name;
    double percent;
} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

static const char *const error_names[] = {
#define ERROR_NAME(id, name) name,
    MR_LOAD_ERRORS(ERROR_NAME)
#undef ERROR_NAME
};

/* False when too few samples lie above it. */
static bool percentile(const struct mr_histogram_view *view, double percent, uint64_t *out)
{
    *out = mr_histogram_percentile(view, percent);
    return mr_histogram_samples_above(view, percent) >= SAMPLES_ABOVE_MIN;
}

static double seconds(uint64_t ns)
{
    return (double)ns / (double)MR_NS_PER_S;
}

static double answered_per_second(const struct mr_load_report *report)
{
    return report->duration == 0 ? 0 : (double)report->result->answered / seconds(report->duration);
}

const char *mr_load_report_invalid(const struct mr_load_report *report)
{
    if (report->rate == 0)
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
    fprintf(out, "%-10s %9llu", name, (unsigned long long)view.count);
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
    fprintf(out, "%s %s\n", report->method, report->url);
    if (report->rate == 0)
        fputs("closed loop", out);
    else
        fprintf(out, "open loop at %g/s", report->rate);
    fprintf(out, " for %g s after %g s of warm-up, %u connection%s opened before\n\n", seconds(report->duration),
            seconds(report->warmup), report->connections, report->connections == 1 ? "" : "s");
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

void mr_load_report_table(const struct mr_load_report *report, FILE *out)
{
    const struct mr_load_result *result = report->result;
    print_setting(out, report);
    fprintf(out, "%-10s %9s", "", "count");
    for (size_t i = 0; i < MR_ARRAY_SIZE(percentiles); i++)
        fprintf(out, " %9s", percentiles[i].name);
    fprintf(out, " %9s\n", "max");
    print_row(out, "latency", &result->latency);
    if (report->rate > 0)
        print_row(out, "lateness", &result->lateness);

    fprintf(out, "\nrequests   %llu, answered %llu (%.1f/s), unanswered %llu, waited for a connection %llu\n",
            (unsigned long long)result->requests, (unsigned long long)result->answered, answered_per_second(report),
            (unsigned long long)result->unanswered, (unsigned long long)result->queued);
    print_counts(out, result);
    print_bytes(out, "bytes      sent", result->bytes_sent);
    print_bytes(out, ", received", result->bytes_received);
    fprintf(out, "\nreconnects %llu, of which %llu failed\n", (unsigned long long)result->reconnects,
            (unsigned long long)result->reconnect_failures);
    const char *reason = mr_load_report_invalid(report);
    fprintf(out, "generator  busy %.1f %%%s%s\n", 100 * result->busy, reason == NULL ? "" : "\nINVALID    ",
            reason == NULL ? "" : reason);
}

/* ---- JSON ---- */

static void write_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void write_histogram(FILE *out, const char *name, const struct mr_histogram *histogram)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(histogram, &view);
    fprintf(out, "  \"%s\": {\"count\": %llu, \"mean\": %.9f", name, (unsigned long long)view.count,
            view.count == 0 ? 0 : seconds(view.sum) / (double)view.count);
    for (size_t i = 0; i < MR_ARRAY_SIZE(percentiles); i++) {
        uint64_t value;
        if (percentile(&view, percentiles[i].percent, &value))
            fprintf(out, ", \"%s\": %.9f", percentiles[i].name, seconds(value));
        else
            fprintf(out, ", \"%s\": null", percentiles[i].name);
    }
    fprintf(out, ", \"max\": %.9f},\n", seconds(view.max));
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

void mr_load_report_json(const struct mr_load_report *report, FILE *out)
{
    const struct mr_load_result *result = report->result;
    fputs("{\n  \"method\": ", out);
    write_string(out, report->method);
    fputs(",\n  \"url\": ", out);
    write_string(out, report->url);
    fprintf(out, ",\n  \"mode\": \"%s\",\n  \"rate\": %.9g,\n  \"warmup\": %.9g,\n  \"duration\": %.9g,\n",
            report->rate == 0 ? "closed" : "open", report->rate, seconds(report->warmup), seconds(report->duration));
    write_number(out, "connections", report->connections);
    write_histogram(out, "latency", &result->latency);
    if (report->rate > 0)
        write_histogram(out, "lateness", &result->lateness);
    write_number(out, "requests", result->requests);
    write_number(out, "answered", result->answered);
    fprintf(out, "  \"answered_per_second\": %.9g,\n", answered_per_second(report));
    write_number(out, "unanswered", result->unanswered);
    write_number(out, "queued", result->queued);
    write_counts(out, result);
    write_number(out, "bytes_sent", result->bytes_sent);
    write_number(out, "bytes_received", result->bytes_received);
    write_number(out, "reconnects", result->reconnects);
    write_number(out, "reconnect_failures", result->reconnect_failures);
    fprintf(out, "  \"generator_busy\": %.4f,\n", result->busy);
    const char *reason = mr_load_report_invalid(report);
    fprintf(out, "  \"valid\": %s,\n  \"invalid_reason\": ", reason == NULL ? "true" : "false");
    if (reason == NULL)
        fputs("null", out);
    else
        write_string(out, reason);
    fputs("\n}\n", out);
}
