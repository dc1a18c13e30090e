/* lab_fixture.h -- a lab's result made by hand: seven models and a peer, plausible and always the same, with everything
 * that a report must bear: a round that failed, an invalid one, figures that nobody knows, and a peer whose name is
 * markup. */
#ifndef TESTS_LAB_FIXTURE_H
#define TESTS_LAB_FIXTURE_H

#include "base/clock.h"
#include "base/macros.h"
#include "bench/lab/lab_result.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_ROUNDS 5
#define FIXTURE_PEER   "<script>alert('peer')</script>"

struct fixture_model {
    const char *name, *title, *command;
    double p50, p99;     /* ms, of light requests under load */
    double image, gzip;  /* a second; encryption is three times gzip */
    double lag_p50, lag; /* ms: p50 and p99; 0: no loop */
    unsigned threads, rss_mib;
};

static const struct fixture_model fixture_models[] = {
    {"none", "the event loop alone: every job between two polls", "millrace --offload=none", 96, 310, 61, 18, 45, 120,
     4, 96},
    {"threads", "a thread for each connection, blocking", "millrace-bench serve-threads", 1.1, 14, 98, 33, 0, 0, 66,
     188},
    {"libuv", "event loop and libuv's pool", "millrace --offload=libuv", 0.24, 6.1, 103, 35, 0.09, 2.2, 7, 131},
    {"workers", "event loop, lock-free queue, worker threads", "millrace --offload=workers", 0.21, 1.21, 104, 35.5,
     0.07, 0.93, 5, 118},
    {"cluster-none", "two processes, each an event loop alone", "millrace --processes=2 --offload=none", 44, 255, 99,
     34, 31, 101, 9, 190},
    {"cluster-workers", "two processes, each with workers", "millrace --processes=2 --offload=workers", 0.25, 1.9, 101,
     34.6, 0.08, 1.1, 9, 214},
    {"inline", "computes in its handlers: no socket is looked at until all jobs that are ready have run",
     "millrace --offload=inline", 230, 520, 60, 18, 110, 440, 4, 94},
    {FIXTURE_PEER, "a server that runs already", "http://127.0.0.1:9000/?a=1&b=\"2\"", 2.2, 31, 88, 21, 0, 0, 0, 0},
};

static uint64_t fixture_seed;

/* Normally distributed, by twelve uniform numbers of a linear congruence. */
static double fixture_normal(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        fixture_seed = fixture_seed * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(fixture_seed >> 40) / (double)(1u << 24);
    }
    return sum;
}

/* Log-normal with these percentiles (ms), as ns. */
static uint64_t fixture_latency(double p50, double p99)
{
    return (uint64_t)(1e6 * p50 * exp(log(p99 / p50) / 2.326 * fixture_normal()));
}

static void fixture_fill_stream(const struct mr_lab_result *result, struct mr_load_result *stream,
                                const struct fixture_model *from, double rate, double factor)
{
    struct mr_timeline *timeline = &stream->timeline;
    mr_timeline_init(timeline, result->round_ns, 100 * MR_NS_PER_MS);
    for (uint64_t at = 0; at < result->round_ns; at += (uint64_t)(1e9 / rate)) {
        bool is_loaded = at >= result->heavy_from_ns && at < result->heavy_until_ns;
        uint64_t latency = is_loaded ? fixture_latency(from->p50 * factor, from->p99 * factor)
                                     : fixture_latency(0.16 * factor, 0.34 * factor);
        mr_timeline_record(timeline, at, latency);
        mr_histogram_record(&stream->latency, latency);
        stream->requests++;
        stream->answered++;
    }
}

static void fixture_fill_lag(struct mr_lab_lag *lag, const struct fixture_model *from)
{
    static const double upper[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,   0.05,
                                   0.1,    0.25,    0.5,    1,     2.5,    5,     10,   INFINITY};
    const uint64_t samples = 4500;
    *lag = (struct mr_lab_lag){.p999 = NAN, .is_known = from->lag > 0};
    if (!lag->is_known)
        return;
    lag->samples = samples;
    lag->bucket_count = MR_ARRAY_SIZE(upper);
    memcpy(lag->upper, upper, sizeof(upper));
    for (uint64_t n = 0; n < samples; n++) {
        double seconds = (double)fixture_latency(from->lag_p50, from->lag) / 1e9;
        lag->max = fmax(lag->max, seconds);
        for (unsigned i = 0; i < lag->bucket_count; i++)
            lag->below[i] += seconds <= upper[i];
    }
    lag->p50 = from->lag_p50 / 1e3;
    lag->p90 = from->lag_p50 / 1e3 * pow(from->lag / from->lag_p50, 0.551);
    lag->p99 = from->lag / 1e3;
}

static void fixture_fill_round(const struct mr_lab_result *result, struct mr_lab_round *round,
                               const struct fixture_model *from, double factor)
{
    double seconds = (double)(result->heavy_until_ns - result->heavy_from_ns) / 1e9;
    round->is_measured = true;
    fixture_fill_stream(result, &round->streams[MR_LAB_LIGHT], from, result->light_rate, factor);
    fixture_fill_stream(result, &round->streams[MR_LAB_FRESH], from, result->fresh_rate, 1.3 * factor);
    const double rates[] = {from->image, from->gzip, 3 * from->gzip};
    for (unsigned i = 0; i < MR_ARRAY_SIZE(rates); i++) {
        struct mr_load_result *stream = &round->streams[MR_LAB_IMAGE + i];
        stream->requests = stream->answered = (uint64_t)(rates[i] * seconds / factor);
    }
    fixture_fill_lag(&round->lag, from);
    if (from->rss_mib > 0)
        round->usage = (struct mr_lab_usage){.cpu_seconds = 13.2 / factor,
                                             .rss_bytes = from->rss_mib * MR_MIB,
                                             .threads = from->threads,
                                             .switches_voluntary = (uint64_t)(41250 * factor),
                                             .switches_involuntary = (uint64_t)(2100 * factor)};
}

static void fixture_fill_model(struct mr_lab_result *result, const struct fixture_model *from)
{
    struct mr_lab_model *model = mr_lab_result_add(result, from->name, FIXTURE_ROUNDS);
    snprintf(model->title, sizeof(model->title), "%s", from->title);
    snprintf(model->command, sizeof(model->command), "%s", from->command);
    for (unsigned i = 0; i < FIXTURE_ROUNDS; i++)
        fixture_fill_round(result, &model->rounds[i], from, 1 + 0.02 * ((int)i - 2));
}

/* A result with no model yet, of rounds of a second; under load from 100 to 900 ms. */
static inline struct mr_lab_result *lab_fixture_empty(void)
{
    struct mr_lab_result *result = mr_lab_result_create();
    result->round_ns = 1000 * MR_NS_PER_MS;
    result->heavy_from_ns = 100 * MR_NS_PER_MS;
    result->heavy_until_ns = 900 * MR_NS_PER_MS;
    return result;
}

/* To be destroyed by the caller, like the one above. */
static inline struct mr_lab_result *lab_fixture(void)
{
    struct mr_lab_result *result = mr_lab_result_create();
    fixture_seed = 1;
    *result = (struct mr_lab_result){
        .machine = "AMD EPYC 9B45, 2 cores, 16 GiB, Linux 6.18.1",
        .version = "0.1.0",
        .libraries = "libuv 1.44.2, libvips 8.14.1, libsodium 1.0.18, zlib 1.2.13",
        .photo = "2 megapixels of noise at many scales, made here",
        .began_wall = 1795544400 * MR_NS_PER_S,
        .load_average = 0.12,
        .round_ns = 9 * MR_NS_PER_S,
        .heavy_from_ns = 1 * MR_NS_PER_S,
        .heavy_until_ns = 8 * MR_NS_PER_S,
        .light_rate = 1000,
        .fresh_rate = 100,
        .connections = {16, 32, 8, 4, 4},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(fixture_models); i++)
        fixture_fill_model(result, &fixture_models[i]);
    result->models[7].is_peer = true;
    result->models[7].skips_heavy[MR_LAB_ENCRYPT] = true;
    struct mr_lab_round *failed = &result->models[1].rounds[2], *invalid = &result->models[0].rounds[3];
    failed->is_measured = false;
    snprintf(failed->failure, sizeof(failed->failure), "gzip: 3 requests failed");
    snprintf(invalid->invalid, sizeof(invalid->invalid), "light: the generator sent too late: it was the bottleneck");
    return result;
}

#endif
