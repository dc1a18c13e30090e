#include "bench/load/timeline.h"
#include "base/assert.h"
#include "base/macros.h"
#include <stdlib.h>

static uint64_t divide_up(uint64_t number, uint64_t by)
{
    return number / by + (number % by != 0);
}

void mr_timeline_init(struct mr_timeline *timeline, uint64_t duration, uint64_t slot_ns)
{
    *timeline = (struct mr_timeline){0};
    if (slot_ns == 0 || duration == 0)
        return;
    uint64_t wider = divide_up(duration, MR_TIMELINE_SLOTS_MAX);
    timeline->slot_ns = MR_MAX(slot_ns, wider);
    timeline->count = (unsigned)divide_up(duration, timeline->slot_ns);
    timeline->slots = calloc(timeline->count, sizeof(*timeline->slots));
    MR_ASSERT(timeline->slots != NULL);
}

static struct mr_timeline_slot *slot_at(struct mr_timeline *timeline, uint64_t at)
{
    uint64_t slot = at / timeline->slot_ns;
    MR_ASSERT(slot < timeline->count);
    return &timeline->slots[slot];
}

void mr_timeline_record(struct mr_timeline *timeline, uint64_t at, uint64_t latency)
{
    if (timeline->count > 0)
        mr_histogram_record(&slot_at(timeline, at)->latency, latency);
}

void mr_timeline_record_error(struct mr_timeline *timeline, uint64_t at)
{
    if (timeline->count > 0)
        slot_at(timeline, at)->errors++;
}

void mr_timeline_free(struct mr_timeline *timeline)
{
    free(timeline->slots);
    *timeline = (struct mr_timeline){0};
}
