/* lanes.h -- which job a worker takes next.
 *
 * Interactive jobs first; every MR_LANES_FAIR_EVERY-th time the other lanes are looked at first, bulk and heavy in
 * turn, so that they progress however many interactive jobs there are. Bulk jobs are short, so a place in line alone
 * would leave them next to nothing beside long ones: time that other jobs took earns them an eighth of it, and while
 * they have some left they go first, for MR_LANES_BULK_CREDIT at a stretch at most. At most `heavy_max` heavy jobs run
 * at once. Any worker. */
#ifndef MR_WORKERS_LANES_H
#define MR_WORKERS_LANES_H

#include "workers/queue.h"
#include <stdbool.h>

#define MR_LANES_FAIR_EVERY  8
#define MR_LANES_BULK_CREDIT 4000000 /* ns */

struct mr_lanes {
    struct mr_queue *queue;         /* borrowed */
    unsigned heavy_max;             /* 1 or more; constant */
    _Atomic unsigned heavy_running; /* private */
};

struct mr_picker {        /* one per worker, its own; zeroed memory is a new one */
    bool own_only;        /* set before the first take: jobs of `turn` alone, which is a producer of the queue */
    unsigned picks, turn; /* private otherwise */
    int64_t bulk_credit;  /* private: ns that bulk jobs may take before others */
    bool heavy_freed;     /* set when this worker made room for a heavy job: somebody has to look again */
};

void mr_lanes_init(struct mr_lanes *lanes, struct mr_queue *queue, unsigned heavy_max);
/* The next job to run, or NULL when there is none that may run now. */
struct mr_job *mr_lanes_take(struct mr_lanes *lanes, struct mr_picker *picker);
/* Is there a job that may run now? A snapshot: of what was pushed before the caller's last acquire, nothing is missed.
 */
bool mr_lanes_have_job(const struct mr_lanes *lanes);
/* After a job of `lane` ran, for so long, before anything is taken again. */
void mr_lanes_finish(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane, uint64_t run_ns);

#endif
