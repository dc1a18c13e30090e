#include "bench/lab/lab_result.h"
#include "base/assert.h"
#include "base/macros.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct stream {
    const char *name, *text;
    bool is_heavy;
};

static const struct stream streams[] = {
#define MR_LAB_STREAM_ROW(id, stream_name, heavy, says) {.name = (stream_name), .text = (says), .is_heavy = (heavy)},
    MR_LAB_STREAMS(MR_LAB_STREAM_ROW)
#undef MR_LAB_STREAM_ROW
};

const char *mr_lab_stream_name(enum mr_lab_stream stream)
{
    return streams[stream].name;
}

const char *mr_lab_stream_text(enum mr_lab_stream stream)
{
    return streams[stream].text;
}

bool mr_lab_stream_is_heavy(enum mr_lab_stream stream)
{
    return streams[stream].is_heavy;
}

/* A slot that lies in both belongs to neither: what began in it may have met the load or not. */
static bool is_slot_of(const struct mr_lab_result *result, uint64_t from, uint64_t until, bool under_load)
{
    if (under_load)
        return from >= result->heavy_from_ns && until <= result->heavy_until_ns;
    return until <= result->heavy_from_ns;
}

void mr_lab_round_read(const struct mr_lab_result *result, const struct mr_lab_round *round, enum mr_lab_stream stream,
                       bool under_load, struct mr_histogram_view *view)
{
    const struct mr_timeline *timeline = &round->streams[stream].timeline;
    for (unsigned i = 0; i < timeline->count; i++) {
        uint64_t from = i * timeline->slot_ns;
        if (is_slot_of(result, from, from + timeline->slot_ns, under_load))
            mr_histogram_read(&timeline->slots[i].latency, view);
    }
}

void mr_lab_model_read(const struct mr_lab_result *result, const struct mr_lab_model *model, enum mr_lab_stream stream,
                       bool under_load, struct mr_histogram_view *view)
{
    for (unsigned i = 0; i < model->round_count; i++)
        if (model->rounds[i].is_measured)
            mr_lab_round_read(result, &model->rounds[i], stream, under_load, view);
}

double mr_lab_round_throughput(const struct mr_lab_result *result, const struct mr_lab_round *round,
                               enum mr_lab_stream stream)
{
    double seconds = (double)(result->heavy_until_ns - result->heavy_from_ns) / 1e9;
    return (double)round->streams[stream].answered / seconds;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

struct mr_lab_spread mr_lab_spread(const double *values, unsigned count)
{
    double known[MR_LAB_ROUNDS_MAX];
    unsigned n = 0;
    MR_ASSERT(count <= MR_LAB_ROUNDS_MAX);
    for (unsigned i = 0; i < count; i++)
        if (!isnan(values[i]))
            known[n++] = values[i];
    if (n == 0)
        return (struct mr_lab_spread){.median = NAN, .lowest = NAN, .highest = NAN, .count = 0};
    qsort(known, n, sizeof(known[0]), compare);
    double median = n % 2 == 1 ? known[n / 2] : (known[n / 2 - 1] + known[n / 2]) / 2;
    return (struct mr_lab_spread){.median = median, .lowest = known[0], .highest = known[n - 1], .count = n};
}

struct mr_lab_result *mr_lab_result_create(void)
{
    struct mr_lab_result *result = calloc(1, sizeof(*result));
    MR_ASSERT(result != NULL);
    return result;
}

struct mr_lab_model *mr_lab_result_add(struct mr_lab_result *result, const char *name, unsigned rounds)
{
    MR_ASSERT(result->model_count < MR_LAB_MODELS_MAX && rounds <= MR_LAB_ROUNDS_MAX);
    struct mr_lab_model *model = &result->models[result->model_count++];
    snprintf(model->name, sizeof(model->name), "%s", name);
    model->round_count = rounds;
    model->rounds = calloc(rounds, sizeof(*model->rounds));
    MR_ASSERT(model->rounds != NULL);
    return model;
}

void mr_lab_result_destroy(struct mr_lab_result **out)
{
    struct mr_lab_result *result = *out;
    *out = NULL;
    for (unsigned m = 0; m < result->model_count; m++) {
        struct mr_lab_model *model = &result->models[m];
        for (unsigned i = 0; i < model->round_count; i++)
            for (unsigned s = 0; s < MR_LAB_STREAM_COUNT; s++)
                mr_load_result_free(&model->rounds[i].streams[s]);
        free(model->rounds);
    }
    free(result);
}
