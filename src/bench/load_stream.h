/* load_stream.h -- one stream of equal requests: its connections, its schedule, its line, its numbers.
 *
 * Open loop (rate > 0): a timerfd brings each request to the line at its intended time; the line moves on whenever a
 * connection is free, oldest first, each connection in turn. Closed loop (rate 0): a connection sends its next request
 * when the last answer came.
 *
 * Steps, in order: create, open, (opened), start, end, (settled), close, (closed), destroy. The loop's thread only. */
#ifndef MR_BENCH_LOAD_STREAM_H
#define MR_BENCH_LOAD_STREAM_H

#include "bench/load_result.h"
#include "bench/target.h"
#include "bench/wire.h"
#include <uv.h>

struct mr_load_stream_config {
    const struct mr_target *target; /* borrowed, as the next: resolved */
    const struct mr_wire *wire;
    double rate; /* requests/s; 0: closed loop */
    unsigned connections;
};

struct mr_load_stream_events {
    void (*opened)(void *context);             /* all connections are open */
    void (*refused)(void *context, int error); /* one could not be opened: the run cannot begin */
    void (*settled)(void *context);            /* after end: nothing is due any more */
    void (*closed)(void *context);             /* after close: destroy may follow */
};

/* Monotonic ns: sending begins at start, counts in [from, until), ends at until. */
struct mr_load_window {
    uint64_t start, from, until;
};

struct mr_load_stream;

/* result: zeroed, borrowed. */
struct mr_load_stream *mr_load_stream_create(uv_loop_t *loop, const struct mr_load_stream_config *config,
                                             const struct mr_load_stream_events *events, void *context,
                                             struct mr_load_result *result);
void mr_load_stream_open(struct mr_load_stream *stream);
void mr_load_stream_start(struct mr_load_stream *stream, const struct mr_load_window *window);
/* The window is over: nothing is sent but what waits in line. */
void mr_load_stream_end(struct mr_load_stream *stream);
/* Count what is still due as unanswered and close everything. */
void mr_load_stream_close(struct mr_load_stream *stream);
void mr_load_stream_destroy(struct mr_load_stream **stream);

#endif
