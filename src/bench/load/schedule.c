#include "bench/load/schedule.h"
#include "base/assert.h"
#include "base/clock.h"
#include <math.h>

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): any seed is a good one. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* Exponentially distributed with mean 1, by inversion. */
static double next_gap(uint64_t *random)
{
    double unit = (double)(next_random(random) >> 11) * 0x1p-53; /* [0, 1) */
    return -log1p(-unit);
}

struct mr_schedule mr_schedule_constant(uint64_t start, double per_second)
{
    MR_ASSERT(per_second > 0);
    return (struct mr_schedule){.start = start, .interval_ns = (double)MR_NS_PER_S / per_second};
}

struct mr_schedule mr_schedule_poisson(uint64_t start, double per_second, uint64_t seed)
{
    struct mr_schedule schedule = mr_schedule_constant(start, per_second);
    schedule.is_poisson = true;
    schedule.random = seed;
    schedule.offset_ns = schedule.interval_ns * next_gap(&schedule.random);
    return schedule;
}

uint64_t mr_schedule_due(const struct mr_schedule *schedule)
{
    double offset_ns = schedule->is_poisson ? schedule->offset_ns : (double)schedule->index * schedule->interval_ns;
    return schedule->start + (uint64_t)offset_ns;
}

void mr_schedule_advance(struct mr_schedule *schedule)
{
    schedule->index++;
    if (schedule->is_poisson)
        schedule->offset_ns += schedule->interval_ns * next_gap(&schedule->random);
}

uint64_t mr_schedule_distance(const struct mr_schedule *ahead, const struct mr_schedule *behind)
{
    MR_ASSERT(ahead->index >= behind->index);
    return ahead->index - behind->index;
}
