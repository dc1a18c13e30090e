/* lag.h -- the lag probe: how late a loop runs, while there is somebody who could notice.
 *
 * *Loop lag* is how late a timer fires. A timerfd ticks every MR_LAG_INTERVAL while requests are in flight on the loop
 * (armed at the first, disarmed at the first tick that finds none and found none since the last: a loop at rest has no
 * wake-ups; requests that wait for time alone do not count), and each tick's lateness goes into a histogram; a tick
 * that swallowed others (the timerfd counts them) records those too, so that one stall of 100 ms is not one sample
 * among thousands. Beside it stand the *busy time* of each iteration (of its callbacks and of libuv between them), the
 * label of the longest callback, and what blocked the loop (blocked.h).
 *
 * Recorded by the loop's thread; the histograms may be read by any thread (histogram.h). */
#ifndef MR_LOOP_LAG_H
#define MR_LOOP_LAG_H

#include "base/clock.h"
#include "base/exemplar.h"
#include "base/histogram.h"
#include "loop/label.h"

#define MR_LAG_INTERVAL_NS (2 * MR_NS_PER_MS)

/* Iterations longer than mr_loop_set_warn() said, by the label of their longest callback. */
struct mr_loop_blocked {
    _Atomic uint64_t count, ns; /* ns: of the whole iterations */
    struct mr_exemplar worst;   /* of those that worked for a request */
    struct mr_exemplar last;    /* of all; its request_id may be "" */
};

struct mr_loop_stats {
    struct mr_histogram lag;        /* ns a tick was late */
    struct mr_histogram busy;       /* ns an iteration was busy, of iterations that did something */
    _Atomic uint32_t longest_label; /* of the longest callback since start: enum mr_label */
    _Atomic uint64_t longest_ns;    /* its length; 0: there was none */
    _Atomic uint64_t iterations;
    _Atomic uint64_t deliveries; /* completions delivered */
    struct mr_loop_blocked blocked[MR_LABEL_COUNT];
};

#endif
