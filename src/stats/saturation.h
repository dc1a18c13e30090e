/* saturation.h -- is the server saturated, and by what: one sentence for people, made of two readings of its numbers.
 *
 *      Saturated because 412 jobs wait in the interactive lane, 3.2 s of work for 2 workers.
 *
 * Saturated is a server that refuses, or soon will: something that has a bound is nearly used up. Of several reasons
 * the first counts, in the order of the list below. docs/metrics.md has it for operators. Pure; any thread. */
#ifndef MR_STATS_SATURATION_H
#define MR_STATS_SATURATION_H

#include "base/clock.h"
#include "stats/snapshot.h"

/* Percent of what there is: places of a lane, the budgets of memory and disk, time of the loops. */
#define MR_SATURATION_PERCENT 90
/* Percent of --job-deadline, of what a new job would wait, and of what the oldest has waited. */
#define MR_SATURATION_WAIT_PERCENT 50

/* What the disk had free is forgotten after that: nothing asks it while nothing is uploaded. */
#define MR_SATURATION_ROOM_NS (60 * MR_NS_PER_S)

struct mr_saturation {
    /* Static text; NULL: it is not saturated. The name of the problem that clients are or will be told:
     * "shutting-down", "no-space", "too-many-connections", "memory-budget", "disk-budget", "queue-full", "backlog". Or
     * "loop-busy"; or, when nothing of these is the case but requests were refused, the name of most of their
     * problems. */
    const char *reason;
    char text[200];
};

/* before: an earlier reading, from which the shares of time and the refusals count. */
void mr_saturation_find(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before);

#endif
