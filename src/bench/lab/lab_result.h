/* lab_result.h -- what the lab measured: concurrency models side by side, each run several times under the same load.
 *
 * Filled by lab.c, read by what writes the report. Plain data; owned by whoever called mr_lab_result_create. */
#ifndef MR_BENCH_LAB_RESULT_H
#define MR_BENCH_LAB_RESULT_H

#include "bench/load/load_result.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_LAB_MODELS_MAX      16
#define MR_LAB_ROUNDS_MAX      20
#define MR_LAB_LAG_BUCKETS_MAX 32

/* The streams of a round. The light ones run from its begin to its end, the heavy ones in the middle. */
/*    id       name       is heavy  what it asks for */
#define MR_LAB_STREAMS(X)                                                             \
    X(LIGHT, "light", false, "GET /version, on connections opened before")            \
    X(FRESH, "fresh", false, "GET /version, on connections opened when none is free") \
    X(IMAGE, "image", true, "POST /pipe/image?w=300, a JPEG of 2 megapixels")         \
    X(GZIP, "gzip", true, "POST /pipe/gzip, 1 MiB")                                   \
    X(ENCRYPT, "encrypt", true, "POST /pipe/encrypt, 1 MiB")

enum mr_lab_stream {
#define MR_LAB_STREAM_ENUM(id, name, is_heavy, text) MR_LAB_##id,
    MR_LAB_STREAMS(MR_LAB_STREAM_ENUM)
#undef MR_LAB_STREAM_ENUM
        MR_LAB_STREAM_COUNT
};

/* Loop lag as the server's own probe has it, from its /metrics. */
struct mr_lab_lag {
    bool is_known;              /* a server without a loop, or another program, has none */
    double p50, p90, p99, p999; /* seconds; the last two are NaN with fewer than 10 samples above them */
    double max;
    uint64_t samples;
    unsigned bucket_count;
    double upper[MR_LAB_LAG_BUCKETS_MAX];   /* seconds; the last is infinite */
    uint64_t below[MR_LAB_LAG_BUCKETS_MAX]; /* samples at or below: cumulative */
};

/* Of the server's processes together, while the heavy load ran. */
struct mr_lab_usage {
    double cpu_seconds; /* user and system */
    uint64_t rss_bytes; /* the most that was seen */
    uint64_t threads;   /* the most that were seen */
    uint64_t switches_voluntary, switches_involuntary;
};

struct mr_lab_round {
    bool is_measured;                                   /* false: the server did not start, or died: see `failure` */
    char failure[224];                                  /* a sentence, or "" */
    char invalid[160];                                  /* why the generator was the bottleneck: a sentence, or "" */
    struct mr_load_result streams[MR_LAB_STREAM_COUNT]; /* in the order of the enum; with timelines */
    struct mr_lab_lag lag;
    struct mr_lab_usage usage;
};

struct mr_lab_model {
    char name[32];      /* "workers" */
    char title[96];     /* "event loop, lock-free queue, worker threads" */
    char command[1536]; /* what was run, without directories: "millrace --offload=workers"; of a peer: URL and paths */
    bool is_peer;       /* another server: started by hand, only its responses are known */
    bool skips_heavy[MR_LAB_STREAM_COUNT]; /* streams that it cannot answer (a peer) */
    unsigned round_count;
    struct mr_lab_round *rounds; /* owned: round_count */
};

struct mr_lab_result {
    /* What ran where. */
    char machine[320]; /* "AMD EPYC, 2 cores, 16 GiB, Linux 6.1" */
    char version[32];  /* of Millrace */
    char libraries[256];
    char photo[160];     /* what the picture was */
    uint64_t began_wall; /* ns since 1970 */
    double load_average; /* of the machine as the lab began: what else ran there */
    /* The load. ns, from the begin of a round's window. */
    uint64_t round_ns, heavy_from_ns, heavy_until_ns;
    double light_rate, fresh_rate; /* requests/s */
    unsigned connections[MR_LAB_STREAM_COUNT];
    unsigned model_count;
    struct mr_lab_model models[MR_LAB_MODELS_MAX];
};

/* What is written of them: names and texts of the streams. */
const char *mr_lab_stream_name(enum mr_lab_stream stream);
const char *mr_lab_stream_text(enum mr_lab_stream stream);
bool mr_lab_stream_is_heavy(enum mr_lab_stream stream);

/* The latencies (ns) of a light stream in one round while the heavy load ran, or while it did not; added into *view. */
void mr_lab_round_read(const struct mr_lab_result *result, const struct mr_lab_round *round, enum mr_lab_stream stream,
                       bool under_load, struct mr_histogram_view *view);
/* The same of all measured rounds of the model. */
void mr_lab_model_read(const struct mr_lab_result *result, const struct mr_lab_model *model, enum mr_lab_stream stream,
                       bool under_load, struct mr_histogram_view *view);
/* Answers a second of a heavy stream in one round. */
double mr_lab_round_throughput(const struct mr_lab_result *result, const struct mr_lab_round *round,
                               enum mr_lab_stream stream);

/* A figure of each round, put together: the median and the extremes. NaN where no round has it. */
struct mr_lab_spread {
    double median, lowest, highest;
    unsigned count;
};
struct mr_lab_spread mr_lab_spread(const double *values, unsigned count);

/* Zeroed, never NULL. */
struct mr_lab_result *mr_lab_result_create(void);
/* Append a model with so many empty rounds. */
struct mr_lab_model *mr_lab_result_add(struct mr_lab_result *result, const char *name, unsigned rounds);
void mr_lab_result_destroy(struct mr_lab_result **result);

#endif
