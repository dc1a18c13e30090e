#include "bench/lab/lab_figures.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TIE 1.10

static const struct {
    const char *name, *column;
    enum mr_lab_unit unit;
} infos[] = {
#define FIGURE_ROW(id, json, heading, what) {json, heading, what},
    MR_LAB_FIGURES(FIGURE_ROW)
#undef FIGURE_ROW
};

const char *mr_lab_figure_name(enum mr_lab_figure_id id)
{
    return infos[id].name;
}

const char *mr_lab_figure_column(enum mr_lab_figure_id id)
{
    return infos[id].column;
}

enum mr_lab_unit mr_lab_figure_unit(enum mr_lab_figure_id id)
{
    return infos[id].unit;
}

/* ---- putting rounds together ---- */

/* From figure->rounds. */
static void put_together(struct mr_lab_figure *figure, unsigned rounds)
{
    struct mr_lab_spread spread = mr_lab_spread(figure->rounds, rounds);
    figure->value = spread.median;
    figure->lowest = spread.lowest;
    figure->highest = spread.highest;
    figure->count = spread.count;
}

static double percentile_of(const struct mr_histogram_view *view, double percent)
{
    bool tells =
        percent >= 100 ? view->count > 0 : mr_histogram_samples_above(view, percent) >= MR_LOAD_SAMPLES_ABOVE_MIN;
    return tells ? (double)mr_histogram_percentile(view, percent) / (double)MR_NS_PER_S : NAN;
}

struct mr_lab_figure mr_lab_latency_percentile(const struct mr_lab_latency *latency, double percent)
{
    struct mr_lab_figure figure = {0};
    for (unsigned i = 0; i < latency->count; i++)
        figure.rounds[i] = percentile_of(&latency->rounds[i], percent);
    put_together(&figure, latency->count);
    if (figure.count == 0)
        figure.value = percentile_of(&latency->pooled, percent);
    else if (percent >= 100)
        figure.value = figure.highest;
    return figure;
}

static void read_latency(struct mr_lab_latency *latency, const struct mr_lab_result *result,
                         const struct mr_lab_model *model, enum mr_lab_stream stream, bool under_load)
{
    *latency = (struct mr_lab_latency){.count = model->round_count};
    for (unsigned i = 0; i < model->round_count; i++)
        if (model->rounds[i].is_measured)
            mr_lab_round_read(result, &model->rounds[i], stream, under_load, &latency->rounds[i]);
    mr_lab_model_read(result, model, stream, under_load, &latency->pooled);
}

/* ---- what a round says by itself ---- */

static double lag_of(const struct mr_lab_lag *lag, enum mr_lab_figure_id id)
{
    if (!lag->is_known)
        return NAN;
    const double values[] = {lag->p50, lag->p90, lag->p99, lag->p999, lag->max};
    return values[id - MR_LAB_LAG_P50];
}

static double usage_of(const struct mr_lab_usage *usage, enum mr_lab_figure_id id)
{
    if (usage->rss_bytes == 0) /* nobody looked */
        return NAN;
    switch (id) {
    case MR_LAB_CPU:
        return usage->cpu_seconds;
    case MR_LAB_RSS:
        return (double)usage->rss_bytes;
    case MR_LAB_VOLUNTARY:
        return (double)usage->switches_voluntary;
    case MR_LAB_INVOLUNTARY:
        return (double)usage->switches_involuntary;
    default:
        return (double)usage->threads;
    }
}

static double rate_of(const struct mr_lab_result *result, const struct mr_lab_model *model,
                      const struct mr_lab_round *round, enum mr_lab_stream stream)
{
    return model->skips_heavy[stream] ? NAN : mr_lab_round_throughput(result, round, stream);
}

/* The geometric mean of the kinds: twice as many images weigh as much as twice as many MiB. */
static double heavy_of(const struct mr_lab_result *result, const struct mr_lab_model *model,
                       const struct mr_lab_round *round)
{
    double product = 1;
    for (unsigned stream = MR_LAB_IMAGE; stream < MR_LAB_STREAM_COUNT; stream++)
        product *= rate_of(result, model, round, (enum mr_lab_stream)stream);
    return pow(product, 1.0 / (MR_LAB_STREAM_COUNT - MR_LAB_IMAGE));
}

static double of_round(const struct mr_lab_result *result, const struct mr_lab_model *model,
                       const struct mr_lab_round *round, enum mr_lab_figure_id id)
{
    if (!round->is_measured)
        return NAN;
    if (id == MR_LAB_HEAVY)
        return heavy_of(result, model, round);
    if (id < MR_LAB_IMAGE_RATE)
        return lag_of(&round->lag, id);
    if (id < MR_LAB_HEAVY)
        return rate_of(result, model, round, (enum mr_lab_stream)(MR_LAB_IMAGE + (id - MR_LAB_IMAGE_RATE)));
    return usage_of(&round->usage, id);
}

/* ---- all of them ---- */

static void take_latencies(struct mr_lab_figures *figures, unsigned m, struct mr_lab_latency *scratch)
{
    const struct mr_lab_result *result = figures->result;
    const struct mr_lab_model *model = &result->models[m];
    struct mr_lab_figure *of = figures->of[m];
    struct mr_lab_latency *light = &figures->latency[m];
    static const double percents[] = {50, 90, 99, 99.9, 100};

    read_latency(light, result, model, MR_LAB_LIGHT, true);
    for (unsigned i = 0; i < MR_ARRAY_SIZE(percents); i++)
        of[MR_LAB_LIGHT_P50 + i] = mr_lab_latency_percentile(light, percents[i]);
    read_latency(scratch, result, model, MR_LAB_LIGHT, false);
    of[MR_LAB_REST_P50] = mr_lab_latency_percentile(scratch, 50);
    of[MR_LAB_REST_P99] = mr_lab_latency_percentile(scratch, 99);
    read_latency(scratch, result, model, MR_LAB_FRESH, true);
    of[MR_LAB_FRESH_P50] = mr_lab_latency_percentile(scratch, 50);
    of[MR_LAB_FRESH_P99] = mr_lab_latency_percentile(scratch, 99);
}

static void take_others(struct mr_lab_figures *figures, unsigned m)
{
    const struct mr_lab_model *model = &figures->result->models[m];
    for (unsigned id = MR_LAB_LAG_P50; id < MR_LAB_FIGURE_COUNT; id++) {
        struct mr_lab_figure *figure = &figures->of[m][id];
        for (unsigned i = 0; i < model->round_count; i++)
            figure->rounds[i] = of_round(figures->result, model, &model->rounds[i], (enum mr_lab_figure_id)id);
        put_together(figure, model->round_count);
    }
    figures->of[m][MR_LAB_LAG_MAX].value = figures->of[m][MR_LAB_LAG_MAX].highest;
}

/* The sum of all kinds has no unit: the best model is 1. */
static void scale_heavy(struct mr_lab_figures *figures)
{
    double best = 0;
    for (unsigned m = 0; m < figures->result->model_count; m++)
        best = fmax(best, figures->of[m][MR_LAB_HEAVY].value);
    for (unsigned m = 0; m < figures->result->model_count && best > 0; m++) {
        struct mr_lab_figure *figure = &figures->of[m][MR_LAB_HEAVY];
        for (unsigned i = 0; i < figures->result->models[m].round_count; i++)
            figure->rounds[i] /= best;
        put_together(figure, figures->result->models[m].round_count);
    }
}

struct mr_lab_figures *mr_lab_figures_create(const struct mr_lab_result *result)
{
    struct mr_lab_figures *figures = calloc(1, sizeof(*figures));
    struct mr_lab_latency *scratch = calloc(1, sizeof(*scratch));
    MR_ASSERT(figures != NULL && scratch != NULL);
    figures->result = result;
    for (unsigned m = 0; m < result->model_count; m++) {
        take_latencies(figures, m, scratch);
        take_others(figures, m);
    }
    scale_heavy(figures);
    free(scratch);
    return figures;
}

void mr_lab_figures_destroy(struct mr_lab_figures **figures)
{
    free(*figures);
    *figures = NULL;
}

bool mr_lab_figure_ties(const struct mr_lab_figure *a, const struct mr_lab_figure *b)
{
    double low = fmin(a->value, b->value), high = fmax(a->value, b->value);
    if (high <= low * TIE)
        return true;
    bool have_spread = a->count > 1 && b->count > 1;
    return have_spread && a->lowest <= b->highest && b->lowest <= a->highest;
}

bool mr_lab_model_is_comparable(const struct mr_lab_model *model)
{
    bool any = false;
    for (unsigned i = 0; i < model->round_count; i++)
        any |= model->rounds[i].is_measured;
    for (unsigned stream = 0; stream < MR_LAB_STREAM_COUNT; stream++)
        any &= !model->skips_heavy[stream];
    return any;
}

int mr_lab_model_find(const struct mr_lab_result *result, const char *name)
{
    for (unsigned m = 0; m < result->model_count; m++)
        if (!result->models[m].is_peer && strcmp(result->models[m].name, name) == 0)
            return (int)m;
    return -1;
}

#define COLOURS 16 /* classes in the report's style sheet */

/* Those that no name of ours has are for peers, in order. */
unsigned mr_lab_model_colour(const struct mr_lab_result *result, unsigned m)
{
    static const char *const ours[] = {"none",         "threads",         "libuv", "workers",
                                       "cluster-none", "cluster-workers", "inline"};
    const unsigned count = MR_ARRAY_SIZE(ours);
    unsigned peers = 0;
    for (unsigned i = 0; i < count; i++)
        if (mr_lab_model_find(result, ours[i]) == (int)m)
            return i;
    for (unsigned i = 0; i < m; i++)
        peers += result->models[i].is_peer;
    return count + peers % (COLOURS - count);
}
