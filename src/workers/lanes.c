#include "workers/lanes.h"

#include "base/assert.h"
#include "base/atomic.h"

void mr_lanes_init(struct mr_lanes *lanes, struct mr_queue *queue, unsigned heavy_max)
{
    MR_ASSERT(heavy_max > 0);
    lanes->queue = queue;
    lanes->heavy_max = heavy_max;
    mr_store(&lanes->heavy_running, 0, relaxed);
}

static bool enter_heavy(struct mr_lanes *lanes)
{
    unsigned running = mr_load(&lanes->heavy_running, relaxed);

    /* Relaxed: the number guards no data. That a worker who was kept out looks again is the matter of heavy_freed. */
    do {
        if (running >= lanes->heavy_max)
            return false;
    } while (!mr_compare_swap(&lanes->heavy_running, &running, running + 1, relaxed, relaxed));
    return true;
}

static void leave_heavy(struct mr_lanes *lanes, struct mr_picker *picker)
{
    mr_fetch_add(&lanes->heavy_running, -1u, relaxed);
    /* Another worker may have seen the limit reached and gone to sleep with a heavy job waiting. */
    picker->heavy_freed = true;
}

static struct mr_job *take_heavy(struct mr_lanes *lanes, struct mr_picker *picker)
{
    /* The look keeps an idle worker from entering, and so from calling others in vain when it leaves. */
    if (mr_queue_depth(lanes->queue, MR_LANE_HEAVY) == 0 || !enter_heavy(lanes))
        return NULL;
    struct mr_job *job = mr_queue_try_pop(lanes->queue, MR_LANE_HEAVY, &picker->turn);
    if (job == NULL)
        leave_heavy(lanes, picker);
    return job;
}

static struct mr_job *take_from(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane)
{
    if (lane == MR_LANE_HEAVY)
        return take_heavy(lanes, picker);
    return mr_queue_try_pop(lanes->queue, lane, &picker->turn);
}

/* The orders in which the lanes are looked at. */
enum { USUAL, BULK_FIRST, HEAVY_FIRST };
static const enum mr_lane orders[][MR_LANE_COUNT] = {
    [USUAL] = {MR_LANE_INTERACTIVE, MR_LANE_BULK, MR_LANE_HEAVY},
    [BULK_FIRST] = {MR_LANE_BULK, MR_LANE_HEAVY, MR_LANE_INTERACTIVE},
    [HEAVY_FIRST] = {MR_LANE_HEAVY, MR_LANE_BULK, MR_LANE_INTERACTIVE},
};

static const enum mr_lane *order_of(unsigned pick)
{
    if (pick % MR_LANES_FAIR_EVERY != MR_LANES_FAIR_EVERY - 1)
        return orders[USUAL];
    return orders[pick / MR_LANES_FAIR_EVERY % 2 == 0 ? BULK_FIRST : HEAVY_FIRST];
}

struct mr_job *mr_lanes_take(struct mr_lanes *lanes, struct mr_picker *picker)
{
    const enum mr_lane *order = order_of(picker->picks);

    for (int i = 0; i < MR_LANE_COUNT; i++) {
        struct mr_job *job = take_from(lanes, picker, order[i]);
        if (job != NULL) {
            picker->picks++; /* picks of jobs, so that looking in vain does not spend a lane's turn */
            return job;
        }
    }
    return NULL;
}

bool mr_lanes_have_job(const struct mr_lanes *lanes)
{
    if (mr_queue_depth(lanes->queue, MR_LANE_INTERACTIVE) > 0 || mr_queue_depth(lanes->queue, MR_LANE_BULK) > 0)
        return true;
    return mr_queue_depth(lanes->queue, MR_LANE_HEAVY) > 0 &&
           mr_load(&lanes->heavy_running, relaxed) < lanes->heavy_max;
}

void mr_lanes_finish(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane)
{
    if (lane == MR_LANE_HEAVY)
        leave_heavy(lanes, picker);
}
