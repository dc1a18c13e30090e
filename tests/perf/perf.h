/* perf.h -- what the micro-benchmarks share: series of measurements, medians with their spread, verdicts.
 *
 * Machines are noisy, so two things are compared in interleaved pairs (A B A B ...), each pair gives one ratio, and the
 * verdict is about the median of the ratios: `pass` or `FAIL`, or `undecided` when it is too near for the spread.
 * Ratios within 10 % of 1 are called a tie. A percentile with fewer than 10 samples above it is not printed. */
#ifndef MR_TESTS_PERF_PERF_H
#define MR_TESTS_PERF_PERF_H

#include "base/histogram.h"
#include "base/macros.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PERF_SERIES_MAX 64
#define PERF_PAIRS_MIN  5

struct perf_series {
    double values[PERF_SERIES_MAX];
    unsigned count;
};

static inline void perf_add(struct perf_series *series, double value)
{
    if (series->count < PERF_SERIES_MAX)
        series->values[series->count++] = value;
}

static inline int perf_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value at `share` (0..1) of the sorted series: 0.5 is the median. */
static inline double perf_quantile(const struct perf_series *series, double share)
{
    struct perf_series sorted = *series;

    if (series->count == 0)
        return NAN;
    qsort(sorted.values, sorted.count, sizeof(sorted.values[0]), perf_compare);
    double place = share * (double)(sorted.count - 1);
    unsigned below = (unsigned)place, above = MR_MIN(below + 1, sorted.count - 1);
    return sorted.values[below] + (place - below) * (sorted.values[above] - sorted.values[below]);
}

static inline double perf_median(const struct perf_series *series)
{
    return perf_quantile(series, 0.5);
}

/* "5.91 (5.80..6.32)": median and the middle half. The text is good until the fourth call after. */
static inline const char *perf_text(const struct perf_series *series)
{
    static char texts[4][64];
    static unsigned next;
    char *text = texts[next++ % 4];

    snprintf(text, sizeof(texts[0]), "%.2f (%.2f..%.2f)", perf_median(series), perf_quantile(series, 0.25),
             perf_quantile(series, 0.75));
    return text;
}

/* Is the series at most / at least `target`? Its median says so, unless it is within 10 % of the target and the middle
 * half of the series lies on both sides. */
enum perf_bound { PERF_AT_MOST, PERF_AT_LEAST };
static inline const char *perf_verdict(const struct perf_series *series, enum perf_bound bound, double target)
{
    double median = perf_median(series), lower = perf_quantile(series, 0.25), upper = perf_quantile(series, 0.75);

    if (series->count < PERF_PAIRS_MIN)
        return "undecided";
    if (fabs(median - target) <= 0.1 * target && lower <= target && target <= upper && lower < upper)
        return "undecided";
    return (bound == PERF_AT_MOST ? median <= target : median >= target) ? "pass" : "FAIL";
}

static inline const char *perf_compared(const struct perf_series *ratios)
{
    double median = perf_median(ratios);
    return median > 1.1 ? "more" : median < 1 / 1.1 ? "less" : "a tie";
}

/* One percentile in microseconds, or a dash where too few samples lie above it. Good until the eighth call after. */
static inline const char *perf_percentile_us(const struct mr_histogram_view *view, double percent)
{
    static char texts[8][24];
    static unsigned next;
    char *text = texts[next++ % 8];

    if (percent < 100 && mr_histogram_samples_above(view, percent) < 10)
        return "-";
    snprintf(text, sizeof(texts[0]), "%.1f", (double)mr_histogram_percentile(view, percent) / 1000.0);
    return text;
}

/* Run `measure(argument, result)` in a child process, so that thread pools and allocators start fresh and libuv's pool
 * can have another size each time. `result` is filled with what the child wrote into its own copy. */
static inline void perf_in_child(void (*measure)(const void *argument, void *result), const void *argument,
                                 void *result, size_t size)
{
    int ends[2], status;

    fflush(stdout);
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child == 0) {
        measure(argument, result);
        _exit(write(ends[1], result, size) == (ssize_t)size ? 0 : 1);
    }
    close(ends[1]);
    size_t got = 0;
    for (ssize_t n; got < size && (n = read(ends[0], (char *)result + got, size - got)) > 0;)
        got += (size_t)n;
    close(ends[0]);
    waitpid(child, &status, 0);
    if (got != size || status != 0) {
        fprintf(stderr, "a measurement died (status %d)\n", status);
        exit(1);
    }
}

static inline bool perf_has_option(int argc, char **argv, const char *option)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], option) == 0)
            return true;
    return false;
}

#endif
