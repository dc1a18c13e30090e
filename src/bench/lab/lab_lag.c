#include "bench/lab/lab_lag.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET     "millrace_loop_lag_seconds_bucket{le=\""
#define PERCENTILE "millrace_loop_lag_percentile_seconds{percentile=\""

/* Of a line `prefix LABEL"} VALUE`: both as numbers ("+Inf" is one for strtod, too). */
static bool take_line(const char *line, const char *prefix, double *label, double *value)
{
    size_t len = strlen(prefix);
    if (strncmp(line, prefix, len) != 0)
        return false;
    char *end;
    *label = strtod(line + len, &end);
    if (strncmp(end, "\"} ", 3) != 0)
        return false;
    *value = strtod(end + 3, NULL);
    return true;
}

static void take_percentile(struct mr_lab_lag *lag, double percentile, double seconds)
{
    if (percentile == 50)
        lag->p50 = seconds;
    else if (percentile == 90)
        lag->p90 = seconds;
    else if (percentile == 99)
        lag->p99 = seconds;
    else if (percentile > 99 && percentile < 100)
        lag->p999 = seconds;
    else if (percentile == 100)
        lag->max = seconds;
}

void mr_lab_lag_read(struct mr_lab_lag *lag, const char *metrics)
{
    *lag = (struct mr_lab_lag){0};
    for (const char *line = metrics; *line != '\0';) {
        double label, value;
        if (take_line(line, BUCKET, &label, &value) && lag->bucket_count < MR_LAB_LAG_BUCKETS_MAX) {
            lag->upper[lag->bucket_count] = label;
            lag->below[lag->bucket_count++] = (uint64_t)value;
        } else if (take_line(line, PERCENTILE, &label, &value)) {
            take_percentile(lag, label, value);
        }
        const char *end = strchr(line, '\n');
        line = end == NULL ? line + strlen(line) : end + 1;
    }
    lag->samples = lag->bucket_count > 0 ? lag->below[lag->bucket_count - 1] : 0;
    lag->is_known = lag->samples > 0;
    if (lag->samples < 100ull * MR_LOAD_SAMPLES_ABOVE_MIN)
        lag->p99 = NAN;
    if (lag->samples < 1000ull * MR_LOAD_SAMPLES_ABOVE_MIN)
        lag->p999 = NAN;
}
