#include "workers/runner.h"

#include "base/assert.h"
#include "base/atomic.h"
#include <sched.h>

/* Stands in for the running job while a closer marks it. */
static char pinned_mark;
#define PINNED ((struct mr_job *)(void *)&pinned_mark)

void mr_runner_begin(struct mr_runner *runner, struct mr_job *job)
{
    /* Release: pairs with the acquire of cancel(), which goes on to *job. Acquire: pairs with its release: if the
     * closer came first and found nobody, what he wrote before (that the offload closed) is seen from here on. */
    struct mr_job *before = mr_exchange(&runner->running, job, acq_rel);
    MR_ASSERT(before == NULL);
}

void mr_runner_end(struct mr_runner *runner, struct mr_job *job)
{
    struct mr_job *seen = job;

    /* Acquire: pairs with the release of the unpinning: the closer's mark is in *job before its owner gets it back. */
    while (!mr_compare_swap(&runner->running, &seen, NULL, acquire, relaxed)) {
        MR_ASSERT(seen == PINNED);
        sched_yield();
        seen = job;
    }
}

void mr_runner_cancel(struct mr_runner *runner)
{
    struct mr_job *seen = mr_load(&runner->running, relaxed), *next;

    /* A swap also for an idle runner: see begin(). */
    do {
        if (seen == PINNED)
            return; /* another closer marks it */
        next = seen == NULL ? NULL : PINNED;
    } while (!mr_compare_swap(&runner->running, &seen, next, acq_rel, relaxed));
    if (seen == NULL)
        return;
    mr_cancel_request(&seen->cancel);
    mr_store(&runner->running, seen, release);
}

bool mr_runner_is_busy(const struct mr_runner *runner)
{
    return mr_load(&runner->running, relaxed) != NULL;
}
