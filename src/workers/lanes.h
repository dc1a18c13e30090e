/* lanes.h -- which job a worker takes next.
 *
 * Interactive jobs first; every MR_LANES_FAIR_EVERY-th time the other lanes are looked at first, bulk and heavy in
 * turn, so that they progress however many interactive jobs there are. At most `heavy_max` heavy jobs run at once. Any
 * worker. */
#ifndef MR_WORKERS_LANES_H
#define MR_WORKERS_LANES_H

#include "workers/queue.h"
#include <stdbool.h>

#define MR_LANES_FAIR_EVERY 8

struct mr_lanes {
    struct mr_queue *queue;         /* borrowed */
    unsigned heavy_max;             /* 1 or more; constant */
    _Atomic unsigned heavy_running; /* private */
};

struct mr_picker {        /* one per worker, its own; zeroed memory is a new one */
    unsigned picks, turn; /* private */
    bool heavy_freed;     /* set when this worker made room for a heavy job: somebody has to look again */
};

void mr_lanes_init(struct mr_lanes *lanes, struct mr_queue *queue, unsigned heavy_max);
/* The next job to run, or NULL when there is none that may run now. */
struct mr_job *mr_lanes_take(struct mr_lanes *lanes, struct mr_picker *picker);
/* Is there a job that may run now? A snapshot: of what was pushed before the caller's last acquire, nothing is missed.
 */
bool mr_lanes_have_job(const struct mr_lanes *lanes);
/* After a job of `lane` ran, before anything is taken again. */
void mr_lanes_finish(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane);

#endif
