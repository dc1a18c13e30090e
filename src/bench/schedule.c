#include "bench/schedule.h"
#include "base/assert.h"
#include "base/clock.h"

struct mr_schedule mr_schedule_constant(uint64_t start, double per_second)
{
    MR_ASSERT(per_second > 0);
    return (struct mr_schedule){.start = start, .interval_ns = (double)MR_NS_PER_S / per_second};
}

uint64_t mr_schedule_due(const struct mr_schedule *schedule)
{
    return schedule->start + (uint64_t)((double)schedule->index * schedule->interval_ns);
}

void mr_schedule_advance(struct mr_schedule *schedule)
{
    schedule->index++;
}

uint64_t mr_schedule_distance(const struct mr_schedule *ahead, const struct mr_schedule *behind)
{
    MR_ASSERT(ahead->index >= behind->index);
    return ahead->index - behind->index;
}
