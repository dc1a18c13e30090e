#include "workers/lanes.h"

#include "base/assert.h"
#include "base/atomic.h"
#include "base/macros.h"

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

static struct mr_job *pop(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane)
{
    if (picker->own_only)
        return mr_queue_try_pop_of(lanes->queue, picker->turn, lane);
    return mr_queue_try_pop(lanes->queue, lane, &picker->turn);
}

static struct mr_job *take_heavy(struct mr_lanes *lanes, struct mr_picker *picker)
{
    /* The look keeps an idle worker from entering, and so from calling others in vain when it leaves. */
    uint32_t waiting = picker->own_only ? mr_queue_depth_of(lanes->queue, picker->turn, MR_LANE_HEAVY)
                                        : mr_queue_depth(lanes->queue, MR_LANE_HEAVY);
    if (waiting == 0 || !enter_heavy(lanes))
        return NULL;
    struct mr_job *job = pop(lanes, picker, MR_LANE_HEAVY);
    if (job == NULL)
        leave_heavy(lanes, picker);
    return job;
}

static struct mr_job *take_from(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane)
{
    if (lane == MR_LANE_HEAVY)
        return take_heavy(lanes, picker);
    return pop(lanes, picker, lane);
}

/* The orders in which the lanes are looked at. */
enum { USUAL, BULK_FIRST, HEAVY_FIRST, BULK_BEFORE_USUAL };
static const enum mr_lane orders[][MR_LANE_COUNT] = {
    [USUAL] = {MR_LANE_INTERACTIVE, MR_LANE_BULK, MR_LANE_HEAVY},
    [BULK_FIRST] = {MR_LANE_BULK, MR_LANE_HEAVY, MR_LANE_INTERACTIVE},
    [HEAVY_FIRST] = {MR_LANE_HEAVY, MR_LANE_BULK, MR_LANE_INTERACTIVE},
    [BULK_BEFORE_USUAL] = {MR_LANE_BULK, MR_LANE_INTERACTIVE, MR_LANE_HEAVY},
};

static const enum mr_lane *order_of(const struct mr_picker *picker)
{
    unsigned pick = picker->picks;
    if (pick % MR_LANES_FAIR_EVERY != MR_LANES_FAIR_EVERY - 1)
        return orders[picker->bulk_credit > 0 ? BULK_BEFORE_USUAL : USUAL];
    return orders[pick / MR_LANES_FAIR_EVERY % 2 == 0 ? BULK_FIRST : HEAVY_FIRST];
}

struct mr_job *mr_lanes_take(struct mr_lanes *lanes, struct mr_picker *picker)
{
    const enum mr_lane *order = order_of(picker);

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

/* The bounds keep short what interactive jobs wait for, and what bulk jobs can owe. */
static void account(struct mr_picker *picker, enum mr_lane lane, int64_t run_ns)
{
    int64_t credit = picker->bulk_credit + (lane == MR_LANE_BULK ? -run_ns : run_ns / MR_LANES_FAIR_EVERY);
    picker->bulk_credit = MR_MAX(MR_MIN(credit, MR_LANES_BULK_CREDIT), -MR_LANES_BULK_CREDIT);
}

void mr_lanes_finish(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane, uint64_t run_ns)
{
    account(picker, lane, (int64_t)run_ns);
    if (lane == MR_LANE_HEAVY)
        leave_heavy(lanes, picker);
}
