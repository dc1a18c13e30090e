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

/* What a lane is sure of: of the time of others it earns one part in `part`. The bounds of its credit, in ns, keep
 * short what others wait for and what it can owe. */
static const struct share {
    int64_t part, credit_max, debt_max;
} shares[MR_LANE_COUNT] = {
    [MR_LANE_BULK] = {.part = 8, .credit_max = MR_LANES_BULK_CREDIT, .debt_max = MR_LANES_BULK_CREDIT},
    [MR_LANE_HEAVY] = {.part = 8, .credit_max = MR_LANES_BULK_CREDIT, .debt_max = MR_LANES_HEAVY_DEBT},
};

static struct mr_job *take_in_turn(struct mr_lanes *lanes, struct mr_picker *picker, bool has_credit)
{
    static const enum mr_lane order[] = {MR_LANE_BULK, MR_LANE_HEAVY};
    struct mr_job *job = NULL;

    for (unsigned i = 0; job == NULL && i < MR_ARRAY_SIZE(order); i++)
        if ((picker->credit[order[i]] > 0) == has_credit)
            job = take_from(lanes, picker, order[i]);
    return job;
}

struct mr_job *mr_lanes_take(struct mr_lanes *lanes, struct mr_picker *picker)
{
    struct mr_job *job = take_in_turn(lanes, picker, true);

    if (job == NULL)
        job = take_from(lanes, picker, MR_LANE_INTERACTIVE);
    return job != NULL ? job : take_in_turn(lanes, picker, false);
}

bool mr_lanes_have_job(const struct mr_lanes *lanes)
{
    if (mr_queue_depth(lanes->queue, MR_LANE_INTERACTIVE) > 0 || mr_queue_depth(lanes->queue, MR_LANE_BULK) > 0)
        return true;
    return mr_queue_depth(lanes->queue, MR_LANE_HEAVY) > 0 &&
           mr_load(&lanes->heavy_running, relaxed) < lanes->heavy_max;
}

static void account(struct mr_picker *picker, enum mr_lane ran, int64_t run_ns)
{
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        const struct share *share = &shares[lane];
        if (share->part == 0)
            continue;
        int64_t credit = picker->credit[lane] + (lane == ran ? -run_ns : run_ns / share->part);
        picker->credit[lane] = MR_MAX(MR_MIN(credit, share->credit_max), -share->debt_max);
    }
}

void mr_lanes_finish(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane, uint64_t run_ns)
{
    account(picker, lane, (int64_t)run_ns);
    if (lane == MR_LANE_HEAVY)
        leave_heavy(lanes, picker);
}
