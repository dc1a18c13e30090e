/* runner.h -- one place where a job runs at a time, so that closing can find the running jobs and cancel them.
 *
 * The race to win: close() wants to mark a job that may come back and be freed at that very moment. The closer pins the
 * job while he marks it; the worker that finishes it waits for the unpinning, a few instructions that happen once in
 * the life of an offload. And either the worker sees that the offload closed before it starts the job, or the closer
 * sees the job running: both change the same word by read-modify-write. */
#ifndef MR_WORKERS_RUNNER_H
#define MR_WORKERS_RUNNER_H

#include "workers/lanes.h"

struct mr_runner {                                            /* zeroed memory is an idle one */
    _Alignas(MR_CACHE_LINE) _Atomic(struct mr_job *) running; /* private: NULL when idle */
    struct mr_picker picker;                                  /* of the thread that runs here */
};

/* The worker's bracket around a job: from before it decides to run it until before it posts it. After begin it sees
 * everything that was written before a mr_runner_cancel() that did not find the job. */
void mr_runner_begin(struct mr_runner *runner, struct mr_job *job);
void mr_runner_end(struct mr_runner *runner, struct mr_job *job);
/* Any thread: request the cancellation of the job that runs here, if one does. */
void mr_runner_cancel(struct mr_runner *runner);
bool mr_runner_is_busy(const struct mr_runner *runner);

#endif
