/* timeline.h -- a stream's latencies over time: a histogram for each slot of its window. A request belongs to the slot
 * in which it was meant to leave, so a stall shows where it began.
 *
 * Memory is bounded by MR_TIMELINE_SLOTS_MAX histograms (11 MiB), of which only touched pages are real. One thread. */
#ifndef MR_BENCH_TIMELINE_H
#define MR_BENCH_TIMELINE_H

#include "base/histogram.h"
#include <stdint.h>

#define MR_TIMELINE_SLOTS_MAX 1200

struct mr_timeline_slot {
    struct mr_histogram latency; /* ns */
    uint64_t errors;             /* requests without a (right) answer: their time is not in it */
};

struct mr_timeline {
    uint64_t slot_ns;
    unsigned count;                 /* 0: nothing is kept */
    struct mr_timeline_slot *slots; /* owned */
};

/* Slots of slot_ns that cover `duration`, wider ones where there would be too many. slot_ns 0: no timeline. */
void mr_timeline_init(struct mr_timeline *timeline, uint64_t duration, uint64_t slot_ns);
/* at: ns since the window began, below `duration`. */
void mr_timeline_record(struct mr_timeline *timeline, uint64_t at, uint64_t latency);
void mr_timeline_record_error(struct mr_timeline *timeline, uint64_t at);
void mr_timeline_free(struct mr_timeline *timeline);

#endif
