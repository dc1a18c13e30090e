/* load_result.h -- what one stream of requests measured. Only requests that were meant to leave inside the window
 * count; warm-up and what is sent to fill the time after it do not. */
#ifndef MR_BENCH_LOAD_RESULT_H
#define MR_BENCH_LOAD_RESULT_H

#include "base/histogram.h"
#include "bench/load/timeline.h"
#include <stdint.h>

#define MR_LOAD_STATUS_MAX 600

/* A percentile with fewer samples above it is noise with a name, and is not named. */
#define MR_LOAD_SAMPLES_ABOVE_MIN 10

/*    id        in JSON and tables */
#define MR_LOAD_ERRORS(X)                                                                      \
    X(CLOSED, "closed")     /* the peer closed or reset the connection instead of answering */ \
    X(PROTOCOL, "protocol") /* what came is not an HTTP/1.1 answer */                          \
    X(STATUS, "status")     /* an answer with another status than the expected one */          \
    X(OTHER, "other")

enum mr_load_error {
#define MR_LOAD_ERROR_ENUM(id, name) MR_LOAD_##id,
    MR_LOAD_ERRORS(MR_LOAD_ERROR_ENUM)
#undef MR_LOAD_ERROR_ENUM
        MR_LOAD_ERROR_COUNT
};

/* requests = answered + unanswered + the sum of errors */
struct mr_load_result {
    /* From the intended send time to the last byte of the answer, ns. A request that was still unanswered when the run
     * gave up counts with the time it had waited, so that a dead server does not look fast. Errors are not in it. */
    struct mr_histogram latency;
    /* The answered ones of these, told apart: sent on a connection that was open already, or one that waited for its
     * connection to be opened, and whose latency includes that. */
    struct mr_histogram latency_open, latency_new;
    /* How long opening a connection took, ns: of each that opened, before the run and in it. */
    struct mr_histogram connecting;
    /* Open loop: how long after its intended time the generator turned to a request, ns. Its own fault alone: waiting
     * for a free connection is the server's and counts as latency. */
    struct mr_histogram lateness;
    struct mr_timeline timeline; /* of latency and errors; freed by mr_load_result_free */
    uint64_t began_at;           /* when the window began, monotonic ns; 0: the run ended before */
    uint64_t requests, answered, unanswered;
    uint64_t by_status[MR_LOAD_STATUS_MAX]; /* all answers, the unexpected ones too */
    uint64_t errors[MR_LOAD_ERROR_COUNT];
    uint64_t queued; /* requests that found no free connection */
    uint64_t bytes_sent, bytes_received;
    uint64_t connects; /* tries to open a connection while the stream ran: lost ones again, and those on demand */
    uint64_t connect_failures; /* of these: refused, or closed before an answer came */
    double busy;               /* share of the window in which the generator's loop was not waiting, 0..1 */
};

/* Give back what the result holds. It is all zeros then. */
void mr_load_result_free(struct mr_load_result *result);

#endif
