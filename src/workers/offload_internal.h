/* offload_internal.h -- what the implementations of the offload share; no other file includes it.
 *
 * offload.c admits a job, puts it into the lanes and takes its completion back. An implementation only provides turns:
 * a thread (or the loop itself) that takes the next job of the lanes and calls mr_offload_run(). */
#ifndef MR_WORKERS_OFFLOAD_INTERNAL_H
#define MR_WORKERS_OFFLOAD_INTERNAL_H

#include "base/counter.h"
#include "base/macros.h"
#include "workers/lanes.h"
#include "workers/offload.h"
#include "workers/parking.h"
#include "workers/pool.h"
#include "workers/runner.h"

struct mr_offload_ops {
    /* Each loop runs its own jobs, one at a time; else all of them share config.workers threads. */
    bool is_on_loop;
    bool empties_lanes; /* on the loop: all jobs that are ready run in one turn, and not one */
    unsigned runners;   /* that there may be, where that is more than what was asked for; 0: it is not */
    int (*start)(struct mr_offload *offload);
    /* One more job waits in the lanes. On the loop that submitted it. */
    void (*give_turn)(struct mr_offload *offload, unsigned loop_index);
    /* Every job came back: end the threads, free. Also after a start that failed. */
    void (*stop)(struct mr_offload *offload);
};
extern const struct mr_offload_ops mr_offload_ops_workers, mr_offload_ops_libuv, mr_offload_ops_none,
    mr_offload_ops_inline;

/* What belongs to one loop; written by it alone. */
struct mr_offload_loop {
    _Alignas(MR_CACHE_LINE) struct mr_loop *loop; /* borrowed */
    /* Submitted and not back: jobs, and what they are expected to run. Other loops read it for their estimates. */
    _Atomic uint64_t in_flight[MR_LANE_COUNT], in_flight_ns[MR_LANE_COUNT];
    uint64_t run_ns[MR_LANE_COUNT];   /* moving average of the time a job ran; 0: none did yet */
    struct mr_offload_pace {          /* of the newest jobs whose time was known before, fading: */
        uint64_t ran_ns, expected_ns; /* how this machine does what was expected */
    } pace[MR_LANE_COUNT];
    void *turns;                               /* the implementation's own */
    struct mr_timer_list lateness;             /* of jobs whose owner wants to know when their deadline passes */
    struct mr_offload_stats *stats, own_stats; /* the latter unless config.stats says where */
};

struct mr_offload {
    struct mr_offload_config config;
    const struct mr_offload_ops *ops;
    struct mr_queue *queue;
    struct mr_lanes lanes;
    struct mr_offload_loop *loops;                                   /* [config.loop_count] */
    struct mr_runner *runners;                                       /* [runner_count] */
    struct mr_offload_runner_stats *runner_stats, *own_runner_stats; /* [runner_count] */
    unsigned runner_count;
    atomic_bool closed;
    _Alignas(MR_CACHE_LINE) _Atomic unsigned streams; /* that have jobs in flight */

    /* workers */
    struct mr_pool *pool;
    struct mr_parking parking;
    atomic_bool ending;

    /* libuv */
    _Atomic unsigned banked;
};

/* Run *job, which was just taken from the lanes, or find that it must not run, and send it back to its loop. */
void mr_offload_run(struct mr_offload *offload, struct mr_runner *runner, struct mr_job *job);

#endif
