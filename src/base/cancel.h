/* cancel.h -- the one way to stop work that runs on another thread: a mark that it looks at.
 *
 * The loop sets `cancelled` (the client left) and never frees what the worker holds; the worker looks at its
 * checkpoints with mr_cancel_check(). `stop_at` is the end of the time the work may run (--job-time), written before it
 * starts. */
#ifndef MR_BASE_CANCEL_H
#define MR_BASE_CANCEL_H

#include "base/clock.h"
#include "base/error.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mr_cancel {
    atomic_bool cancelled; /* set by any thread, once */
    uint64_t stop_at;      /* monotonic ns; 0: no bound. Written before the work starts, read by it */
};

static inline void mr_cancel_request(struct mr_cancel *cancel)
{
    /* Relaxed: the flag carries no data; the worker only has to see it soon. */
    atomic_store_explicit(&cancel->cancelled, true, memory_order_relaxed);
}

/* MR_OK: go on. MR_ECANCELLED or MR_ETIME: stop now. Costs a clock reading: call it every 100 us or more apart. */
static inline enum mr_error mr_cancel_check(const struct mr_cancel *cancel)
{
    if (atomic_load_explicit(&cancel->cancelled, memory_order_relaxed))
        return MR_ECANCELLED;
    if (cancel->stop_at != 0 && mr_clock_now() >= cancel->stop_at)
        return MR_ETIME;
    return MR_OK;
}

#endif
