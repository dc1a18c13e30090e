/* lanes.h -- which job a worker takes next.
 *
 * Interactive jobs first, but each of the other lanes is sure of a share of a worker's time, however many jobs of
 * other lanes there are: time that those took earns it credit, and while it has some it goes first. Shares are of time
 * and not of jobs, since bulk jobs take a millisecond and heavy ones seconds. Credit has bounds (lanes.c), so that
 * interactive jobs wait for few bulk jobs, and a lane that had the workers to itself is not made to pay for it for
 * long. At most `heavy_max` heavy jobs run at once. Any worker. */
#ifndef MR_WORKERS_LANES_H
#define MR_WORKERS_LANES_H

#include "workers/queue.h"
#include <stdbool.h>

#define MR_LANES_BULK_CREDIT 4000000    /* ns that bulk jobs run at a stretch before others */
#define MR_LANES_HEAVY_DEBT  1000000000 /* ns of heavy jobs that are paid for by waiting, at most */

/* Of a lane. In the order of the table: lanes that have credit go first, then those without a share, then those whose
 * credit is used up. A lane above the interactive one is a row above it, with a share. */
struct mr_lane_share {
    int64_t part;                 /* of the time of others' jobs it earns one part in `part`; 0: it has no share */
    int64_t credit_max, debt_max; /* ns; so long others wait for it at most, and it for others */
};
extern const struct mr_lane_share mr_lane_shares[MR_LANE_COUNT]; /* those of the offload */

struct mr_lanes {
    struct mr_queue *queue;             /* borrowed */
    const struct mr_lane_share *shares; /* borrowed: [MR_LANE_COUNT] */
    unsigned heavy_max;                 /* 1 or more; constant */
    _Atomic unsigned heavy_running;     /* private */
};

struct mr_picker {                 /* one per worker, its own; zeroed memory is a new one */
    bool own_only;                 /* set before the first take: jobs of `turn` alone, a producer of the queue */
    unsigned turn;                 /* private otherwise */
    int64_t credit[MR_LANE_COUNT]; /* private: ns that jobs of the lane may take before others */
    bool heavy_freed;              /* set when this worker made room for a heavy job: a worker has to look again */
};

void mr_lanes_init(struct mr_lanes *lanes, struct mr_queue *queue, const struct mr_lane_share *shares,
                   unsigned heavy_max);
/* The next job to run, or NULL when there is none that may run now. */
struct mr_job *mr_lanes_take(struct mr_lanes *lanes, struct mr_picker *picker);
/* Is there a job that may run now? A snapshot: of what was pushed before the caller's last acquire, nothing is missed.
 */
bool mr_lanes_have_job(const struct mr_lanes *lanes);
/* After a job of `lane` ran, for so long, before anything is taken again. */
void mr_lanes_finish(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane, uint64_t run_ns);

#endif
