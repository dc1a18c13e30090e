/* offload.h -- where CPU work runs. The same jobs, the same admission, lanes and deadlines; one switch apart:
 *
 *   workers   threads of our own over the lock-free queue (the default)
 *   libuv     uv_queue_work: libuv's one pool with a mutex, the common baseline
 *   none      on the loop that submits, one job a turn: what offloading is compared with
 *   inline    on the loop that submits, all jobs that are ready before it looks at its sockets again, as where handlers
 *             compute
 *
 * All of them draw from the same lanes (queue.h): under `libuv` and on the loop what is handed over is only the turn to
 * run the next job (on the loop the next of its own).
 *
 *                 the job's loop   any thread   main (no loop running)
 *   submit             yes             -              -
 *   admit              yes             -              -
 *   depth, busy, stream... yes        yes            yes
 *   close              yes            yes            yes
 *   create, destroy     -              -             yes
 */
#ifndef MR_WORKERS_OFFLOAD_H
#define MR_WORKERS_OFFLOAD_H

#include "base/macros.h"
#include "workers/job.h"

enum mr_offload_kind { MR_OFFLOAD_WORKERS, MR_OFFLOAD_LIBUV, MR_OFFLOAD_NONE, MR_OFFLOAD_INLINE };
enum { MR_OFFLOAD_KINDS = MR_OFFLOAD_INLINE + 1 };
extern const char *const mr_offload_names[MR_OFFLOAD_KINDS + 1]; /* by their kind, and a NULL: what options take */
const char *mr_offload_name(enum mr_offload_kind kind);          /* "workers", "libuv", "none", "inline" */

/* How workers stand to the loop when all cores are busy: docs/queue.md has the measurements. */
enum mr_worker_priority {
    MR_PRIORITY_NICE,  /* nice 10, SCHED_BATCH: below the loop, level with other niced programs (the default) */
    MR_PRIORITY_IDLE,  /* SCHED_IDLE: best tail, starves beside other busy programs */
    MR_PRIORITY_EQUAL, /* as the loop */
};

#define MR_OFFLOAD_TIMES 64 /* so many of the newest jobs of a lane are known by their time */

/* Numbers of the jobs of one loop, readable by any thread. Times are ns, monotonic. */
struct mr_offload_stats {
    /* Written by the loop. */
    struct mr_histogram queue_wait[MR_LANE_COUNT]; /* from submit to start */
    _Atomic uint64_t done, refused, expired, cancelled, shut_down;
    _Atomic uint64_t succeeded;                /* of `done`, those that did not say that they failed */
    struct mr_offload_submitted {              /* accepted, of one lane */
        _Atomic uint64_t jobs, work_ns;        /* that they are expected to run */
        _Atomic uint64_t at[MR_OFFLOAD_TIMES]; /* when the newest were, by their number */
    } submitted[MR_LANE_COUNT];
    /* Written by all runners that take its jobs. */
    _Alignas(MR_CACHE_LINE) struct mr_offload_taken {
        _Atomic uint64_t jobs, work_ns;
        _Atomic uint64_t submitted_at; /* of the last one */
    } taken[MR_LANE_COUNT];
};

/* And of one runner, a place where one job runs at a time: written by the thread that runs there. */
struct mr_offload_runner_stats {
    _Alignas(MR_CACHE_LINE) _Atomic uint64_t running_since; /* 0: it is idle */
};

struct mr_offload_config {
    enum mr_offload_kind kind;
    unsigned workers;       /* threads, also libuv's; 1 or more */
    unsigned heavy_workers; /* of them that may run heavy jobs at once; 0: a quarter, at least one */
    enum mr_worker_priority priority;
    uint32_t queue_depth;         /* jobs waiting per loop and lane, rounded up to a power of two */
    uint64_t deadline_ns;         /* a job that waited longer is not run */
    uint64_t run_ns_max;          /* a job is told to stop after running this long (cancel.stop_at); 0: no bound */
    void (*worker_end)(void);     /* or NULL: called by each worker thread before it ends */
    struct mr_loop *const *loops; /* borrowed: the loops that will submit, in order of their index */
    unsigned loop_count;
    /* Borrowed, or NULL: where its numbers are kept, one per loop and [mr_offload_runners()], not zeroed by the
     * offload. NULL: in itself. */
    struct mr_offload_stats *const *stats;
    struct mr_offload_runner_stats *runner_stats;
};

struct mr_offload;

/* What waits in a lane: jobs that were submitted and that no runner has taken. */
struct mr_offload_waiting {
    uint64_t jobs;
    uint64_t work_ns; /* what they are expected to run; where that is not known, as long as others of their lane ran */
    uint64_t oldest_at; /* when the oldest was submitted; 0: none waits */
};
/* Add those of one loop to *sum. */
void mr_offload_add_waiting(struct mr_offload_waiting *sum, const struct mr_offload_stats *stats, enum mr_lane lane);
/* How many runners an offload of this kind has. */
unsigned mr_offload_runners(enum mr_offload_kind kind, unsigned workers, unsigned loop_count);

/* Under `libuv` it sets UV_THREADPOOL_SIZE for the process: create it before anything uses libuv's pool. */
int mr_offload_create(struct mr_offload **out, const struct mr_offload_config *config);
/* After close, when every job came back: joins the threads, frees, clears *offload. */
void mr_offload_destroy(struct mr_offload **offload);

/* 0: the job is accepted and done() will be called. MR_EBUSY (its lane is full), MR_EBACKLOG (the wait would pass the
 * deadline), MR_ESHUTDOWN (closed): refused, the caller still owns it. */
int mr_offload_submit(struct mr_offload *offload, struct mr_job *job);
/* Would a job of this lane be accepted now? The same answers as submit, asked before a body is read. *retry_after_s:
 * from the backlog, when a try makes sense again (1 or more); may be NULL. */
int mr_offload_admit(struct mr_offload *offload, struct mr_loop *loop, enum mr_lane lane, uint32_t *retry_after_s);

/* A stream keeps several jobs in flight, so that no worker waits for it. Streams that have jobs in flight share that:
 * how many one of them should have now, and the most that one can have. 4 or more. */
unsigned mr_offload_stream_jobs(const struct mr_offload *offload);
unsigned mr_offload_stream_jobs_max(const struct mr_offload *offload);
/* One more has its first job in flight; its last one came back. */
void mr_offload_stream_begin(struct mr_offload *offload);
void mr_offload_stream_end(struct mr_offload *offload);

/* Take no more jobs; those not started come back as MR_JOB_SHUT_DOWN, running ones are cancelled. */
void mr_offload_close(struct mr_offload *offload);

/* For those who tell which one it is. What differs for jobs, the offload answers: nothing else should depend on it. */
enum mr_offload_kind mr_offload_kind(const struct mr_offload *offload);
unsigned mr_offload_workers(const struct mr_offload *offload); /* threads that run jobs: on the loop the loops' */
unsigned mr_offload_busy(const struct mr_offload *offload);    /* running a job now */
uint32_t mr_offload_depth(const struct mr_offload *offload, enum mr_lane lane); /* waiting now */
uint32_t mr_offload_capacity(const struct mr_offload *offload);                 /* of one lane, all loops */

const struct mr_offload_stats *mr_offload_stats(const struct mr_offload *offload, unsigned loop_index);

#endif
