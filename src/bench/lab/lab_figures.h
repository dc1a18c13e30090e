/* lab_figures.h -- every figure that the report of the lab names, computed once: tables, plots, words and JSON read
 * them here, so that they agree.
 *
 * A figure is the median of the rounds, with the lowest and the highest. A percentile with fewer than 10 samples above
 * it is noise with a name: a round that has too few does not know it; if no round knows it, it is that of all rounds
 * together ("pooled"), and if these have too few as well, nobody knows it (NaN). A maximum is that of all rounds.
 * Times are seconds, rates are answers a second, memory is bytes. */
#ifndef MR_BENCH_LAB_FIGURES_H
#define MR_BENCH_LAB_FIGURES_H

#include "bench/lab/lab_result.h"

/* What the figures are numbers of, which says how they are written. */
enum mr_lab_unit {
    MR_LAB_UNIT_TIME,  /* seconds, shown as ms */
    MR_LAB_UNIT_PLAIN, /* a number, in the unit that its column names */
    MR_LAB_UNIT_SHARE, /* 1: the best model; shown as % */
    MR_LAB_UNIT_BYTES, /* shown as MiB */
    MR_LAB_UNIT_COUNT,
};

/* Light and fresh ones are of the time under the heavy load, "rest" ones of the time before it.
 *    id             in JSON             column         unit */
#define MR_LAB_FIGURES(X)                                                    \
    X(LIGHT_P50, "light_p50", "p50", MR_LAB_UNIT_TIME)                       \
    X(LIGHT_P90, "light_p90", "p90", MR_LAB_UNIT_TIME)                       \
    X(LIGHT_P99, "light_p99", "p99", MR_LAB_UNIT_TIME)                       \
    X(LIGHT_P999, "light_p99.9", "p99.9", MR_LAB_UNIT_TIME)                  \
    X(LIGHT_MAX, "light_max", "max", MR_LAB_UNIT_TIME)                       \
    X(REST_P50, "rest_p50", "p50", MR_LAB_UNIT_TIME)                         \
    X(REST_P99, "rest_p99", "p99", MR_LAB_UNIT_TIME)                         \
    X(FRESH_P50, "fresh_p50", "p50", MR_LAB_UNIT_TIME)                       \
    X(FRESH_P99, "fresh_p99", "p99", MR_LAB_UNIT_TIME)                       \
    X(LAG_P50, "lag_p50", "p50", MR_LAB_UNIT_TIME)                           \
    X(LAG_P90, "lag_p90", "p90", MR_LAB_UNIT_TIME)                           \
    X(LAG_P99, "lag_p99", "p99", MR_LAB_UNIT_TIME)                           \
    X(LAG_P999, "lag_p99.9", "p99.9", MR_LAB_UNIT_TIME)                      \
    X(LAG_MAX, "lag_max", "max", MR_LAB_UNIT_TIME)                           \
    X(IMAGE_RATE, "image_rate", "images/s", MR_LAB_UNIT_PLAIN)               \
    X(GZIP_RATE, "gzip_rate", "gzip MiB/s", MR_LAB_UNIT_PLAIN)               \
    X(ENCRYPT_RATE, "encrypt_rate", "encrypt MiB/s", MR_LAB_UNIT_PLAIN)      \
    X(HEAVY, "heavy_index", "together", MR_LAB_UNIT_SHARE)                   \
    X(CPU, "cpu_seconds", "CPU s", MR_LAB_UNIT_PLAIN)                        \
    X(RSS, "rss_bytes", "memory MiB", MR_LAB_UNIT_BYTES)                     \
    X(VOLUNTARY, "switches_voluntary", "voluntary", MR_LAB_UNIT_COUNT)       \
    X(INVOLUNTARY, "switches_involuntary", "involuntary", MR_LAB_UNIT_COUNT) \
    X(THREADS, "threads", "threads", MR_LAB_UNIT_COUNT)

enum mr_lab_figure_id {
#define MR_LAB_FIGURE_ENUM(id, name, column, unit) MR_LAB_##id,
    MR_LAB_FIGURES(MR_LAB_FIGURE_ENUM)
#undef MR_LAB_FIGURE_ENUM
        MR_LAB_FIGURE_COUNT
};

struct mr_lab_figure {
    double value;                     /* NaN: not known */
    double lowest, highest;           /* of the rounds; NaN when pooled */
    double rounds[MR_LAB_ROUNDS_MAX]; /* of each round; NaN where it does not know */
    unsigned count;                   /* of rounds that know it; 0 beside a known value: pooled */
};

/* The latencies of one light stream of one model, to draw a curve from. About 200 KiB: not for a stack. */
struct mr_lab_latency {
    unsigned count;
    struct mr_histogram_view rounds[MR_LAB_ROUNDS_MAX]; /* empty: not measured */
    struct mr_histogram_view pooled;
};

struct mr_lab_figures {
    const struct mr_lab_result *result; /* borrowed */
    struct mr_lab_figure of[MR_LAB_MODELS_MAX][MR_LAB_FIGURE_COUNT];
    struct mr_lab_latency latency[MR_LAB_MODELS_MAX]; /* of light requests under load */
};

/* Never NULL; the result must outlive it. */
struct mr_lab_figures *mr_lab_figures_create(const struct mr_lab_result *result);
void mr_lab_figures_destroy(struct mr_lab_figures **figures);

const char *mr_lab_figure_name(enum mr_lab_figure_id id);
const char *mr_lab_figure_column(enum mr_lab_figure_id id);
enum mr_lab_unit mr_lab_figure_unit(enum mr_lab_figure_id id);
struct mr_lab_figure mr_lab_latency_percentile(const struct mr_lab_latency *latency, double percent);

/* Nothing lies between them that could not be chance: they are within 10 % of each other, or the rounds of one reach
 * into those of the other. Both must be known. */
bool mr_lab_figure_ties(const struct mr_lab_figure *a, const struct mr_lab_figure *b);

/* The model has met the whole load, so that it may be compared: it was measured, and skips nothing. */
bool mr_lab_model_is_comparable(const struct mr_lab_model *model);
/* The model of ours with that name, or -1. */
int mr_lab_model_find(const struct mr_lab_result *result, const char *name);
/* The number of a model's colour in the report (class "m0", "m1", ...): ours have theirs in every report. */
unsigned mr_lab_model_colour(const struct mr_lab_result *result, unsigned model);

#endif
