/* load_stream.h -- one stream of equal requests: its connections, its schedule, its line, its numbers.
 *
 * Open loop (rate > 0): a timerfd brings each request to the line at its intended time; the line moves on whenever a
 * connection is free, oldest first, each connection in turn. Closed loop (rate 0): a connection sends its next request
 * when the last answer came.
 *
 * Connections are opened before the run, and lost ones at once again; or on demand: in an open loop when a request
 * finds none free, and it takes the first that is; in a closed loop with the first request that each is to carry.
 *
 * Steps, in order: create, open, (opened), start, (settled), close, (closed), destroy. The loop's thread only. */
#ifndef MR_BENCH_LOAD_STREAM_H
#define MR_BENCH_LOAD_STREAM_H

#include "bench/load/load_result.h"
#include "bench/load/target.h"
#include "bench/load/wire.h"
#include <uv.h>

enum mr_load_arrivals { MR_LOAD_CONSTANT, MR_LOAD_POISSON };
enum mr_load_connect { MR_LOAD_CONNECT_BEFORE, MR_LOAD_CONNECT_ON_DEMAND };

struct mr_load_stream_config {
    const struct mr_target *target; /* borrowed, as the next: resolved */
    struct mr_wire *wire;
    double rate; /* requests/s; 0: closed loop */
    enum mr_load_arrivals arrivals;
    uint64_t seed;        /* of Poisson arrivals */
    unsigned connections; /* at most */
    enum mr_load_connect connect;
    int expected_status; /* another one is an error; 0: any is right */
    /* ns. The window that counts begins `start` after that of a stream with start 0; the stream sends from `warmup`
     * before it, uncounted. */
    uint64_t start, warmup, duration;
    uint64_t grace; /* how long after it to wait for answers that are due */
    uint64_t slot;  /* of the timeline; 0: none */
};

struct mr_load_stream_events {
    void (*opened)(void *context);             /* it can start; may come from inside open */
    void (*refused)(void *context, int error); /* a connection cannot be opened before the run: it cannot begin */
    void (*settled)(void *context);            /* nothing is due any more, or it gave up */
    void (*closed)(void *context);             /* after close: destroy may follow */
};

struct mr_load_stream;

/* result: zeroed, borrowed. The loop is configured with UV_METRICS_IDLE_TIME. */
struct mr_load_stream *mr_load_stream_create(uv_loop_t *loop, const struct mr_load_stream_config *config,
                                             const struct mr_load_stream_events *events, void *context,
                                             struct mr_load_result *result);
void mr_load_stream_open(struct mr_load_stream *stream);
/* zero: the monotonic time from which `start` is counted. start - warmup must not be past yet. */
void mr_load_stream_start(struct mr_load_stream *stream, uint64_t zero);
/* Count what is still due as unanswered and close everything. */
void mr_load_stream_close(struct mr_load_stream *stream);
void mr_load_stream_destroy(struct mr_load_stream **stream);

#endif
