/* job.h -- one piece of work for a worker: what it does, where it comes back, what became of it.
 *
 * Ownership, in four sentences:
 *  1. A job belongs to its loop before submit, to the offload and one worker until it is posted to the loop's
 *     inbox, then to the loop again. Nobody else looks, except mr_job_cancel(), which only marks.
 *  2. work() touches the job (and what embeds it) and nothing else: no request, no connection, no uv handle.
 *  3. Every accepted job comes back: done() runs exactly once, on its loop, never from inside submit, also when it
 *     expired, was cancelled or the offload shut down. A refused one never left its owner; done() is not called.
 *  4. A job is embedded in what it serves (mr_container_of): submitting allocates nothing. */
#ifndef MR_WORKERS_JOB_H
#define MR_WORKERS_JOB_H

#include "base/cancel.h"
#include "base/histogram.h"
#include "loop/loop.h"
#include "loop/timer.h"

/* Who waits for whom. A worker takes interactive jobs first; the other lanes have a share of its time, so that they
 * always progress. Heavy jobs (a second or more each) hold a part of the workers at most (lanes.h). */
enum mr_lane {
    MR_LANE_INTERACTIVE, /* a person waits: up to about 100 ms of work */
    MR_LANE_BULK,        /* chunks of long streams: a millisecond or so each, very many */
    MR_LANE_HEAVY,       /* single long jobs: a 100-megapixel decode */
    MR_LANE_COUNT,
};
const char *mr_lane_name(enum mr_lane lane); /* "interactive" ... */

enum mr_job_outcome {
    MR_JOB_DONE,      /* work() ran (whatever it found) */
    MR_JOB_EXPIRED,   /* waited past its deadline: work() was not run, see `late` */
    MR_JOB_CANCELLED, /* cancelled before it started: work() was not run */
    MR_JOB_SHUT_DOWN, /* the offload closed: work() was not run */
};

struct mr_job {
    /* Set by the owner before submit, which resets the rest. */
    void (*work)(struct mr_job *job); /* on a worker (on the loop itself under --offload=none and inline) */
    void (*done)(struct mr_job *job); /* on `loop`, exactly once */
    /* Or NULL. On `loop`, before done(), at most once: it waits past its deadline, and comes back only when a worker
     * finds it. Its client can be told now. It may still be run, in part, by a worker that took it in this
     * moment. */
    void (*late)(struct mr_job *job);
    struct mr_loop *loop; /* borrowed: the loop it is submitted from; outlives the job */
    enum mr_lane lane;
    struct mr_histogram *run_time; /* borrowed or NULL: where `loop` records how long work() ran (ns) */
    uint64_t expected_ns;          /* how long work() is expected to run; 0: not known */

    /* Read-only; valid in done(). Monotonic ns; started and finished are 0 when work() was not run. */
    enum mr_job_outcome outcome;
    uint64_t submitted_at, started_at, finished_at;

    /* Set by work(), or left false: it did not make what it was asked for, and is not counted as a success. */
    bool has_failed;

    /* work() looks at it at its checkpoints; stop_at is set by the worker that starts the job. */
    struct mr_cancel cancel;

    /* Private to workers/. */
    struct mr_loop_note note; /* of the callback that submitted it: whom the loop works for in done() (and work()) */
    struct mr_inbox_node completion;
    struct mr_offload *offload;
    uint64_t deadline, counted_ns; /* the latter: of work, while it waits */
    struct mr_timer lateness;      /* set while it waits, if `late` is to be called */
    atomic_bool has_begun;
};

/* Mark the job as not wanted any more: it is not started, or stops at its next checkpoint. It comes back all the same.
 * Its loop's thread, between submit and done(). */
void mr_job_cancel(struct mr_job *job);

#endif
