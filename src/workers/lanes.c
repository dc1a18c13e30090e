#include "workers/lanes.h"

#include "base/assert.h"
#include "base/atomic.h"
#include "base/macros.h"

const struct mr_lane_share mr_lane_shares[MR_LANE_COUNT] = {
    [MR_LANE_INTERACTIVE] = {.part = 0},
    [MR_LANE_BULK] = {.part = 8, .credit_max = MR_LANES_BULK_CREDIT, .debt_max = MR_LANES_BULK_CREDIT},
    [MR_LANE_HEAVY] = {.part = 8, .credit_max = MR_LANES_BULK_CREDIT, .debt_max = MR_LANES_HEAVY_DEBT},
};

void mr_lanes_init(struct mr_lanes *lanes, struct mr_queue *queue, const struct mr_lane_share *shares,
                   unsigned heavy_max)
{
    MR_ASSERT(heavy_max > 0);
    lanes->queue = queue;
    lanes->shares = shares;
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

enum rank { HAS_CREDIT, HAS_NO_SHARE, HAS_USED_IT_UP, RANKS };

static enum rank lane_rank(const struct mr_lanes *lanes, const struct mr_picker *picker, enum mr_lane lane)
{
    if (lanes->shares[lane].part == 0)
        return HAS_NO_SHARE;
    return picker->credit[lane] > 0 ? HAS_CREDIT : HAS_USED_IT_UP;
}

struct mr_job *mr_lanes_take(struct mr_lanes *lanes, struct mr_picker *picker)
{
    struct mr_job *job = NULL;

    for (enum rank rank = 0; job == NULL && rank < RANKS; rank++)
        for (enum mr_lane lane = 0; job == NULL && lane < MR_LANE_COUNT; lane++)
            if (lane_rank(lanes, picker, lane) == rank)
                job = take_from(lanes, picker, lane);
    return job;
}

bool mr_lanes_have_job(const struct mr_lanes *lanes)
{
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        if (lane != MR_LANE_HEAVY && mr_queue_depth(lanes->queue, lane) > 0)
            return true;
    return mr_queue_depth(lanes->queue, MR_LANE_HEAVY) > 0 &&
           mr_load(&lanes->heavy_running, relaxed) < lanes->heavy_max;
}

static void account(const struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane ran, int64_t run_ns)
{
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        const struct mr_lane_share *share = &lanes->shares[lane];
        if (share->part == 0)
            continue;
        int64_t credit = picker->credit[lane] + (lane == ran ? -run_ns : run_ns / share->part);
        picker->credit[lane] = MR_MAX(MR_MIN(credit, share->credit_max), -share->debt_max);
    }
}

void mr_lanes_finish(struct mr_lanes *lanes, struct mr_picker *picker, enum mr_lane lane, uint64_t run_ns)
{
    account(lanes, picker, lane, (int64_t)run_ns);
    if (lane == MR_LANE_HEAVY)
        leave_heavy(lanes, picker);
}
