/* schedule.h -- when the requests of an open-loop stream are meant to leave.
 *
 * A schedule is a cursor over intended send times. Two cursors that began alike walk through the same times, also
 * through random ones, so what waits between arrival and sending needs no memory: it is the distance of two cursors.
 * Pure; plain values, copied freely. */
#ifndef MR_BENCH_SCHEDULE_H
#define MR_BENCH_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct mr_schedule {
    uint64_t start; /* private, as all below: monotonic ns */
    double
        interval_ns; /* between two requests, in the mean. Not rounded: a million steps add up to what the rate says */
    uint64_t index;
    bool is_poisson;
    double offset_ns; /* Poisson: from the start to where the cursor stands */
    uint64_t random;  /* Poisson: where its generator stands */
};

/* A constant rate: the first request is due at `start`, the next 1/per_second later. per_second > 0. */
struct mr_schedule mr_schedule_constant(uint64_t start, double per_second);
/* A Poisson process: requests come independently of each other, as those of many clients do, per_second of them in the
 * mean; the times between them, and from `start` to the first, are exponentially distributed. The same seed gives the
 * same times. */
struct mr_schedule mr_schedule_poisson(uint64_t start, double per_second, uint64_t seed);

/* The time the cursor stands at, monotonic ns. */
uint64_t mr_schedule_due(const struct mr_schedule *schedule);
/* Step to the next time. */
void mr_schedule_advance(struct mr_schedule *schedule);
/* How many steps `behind` has to go until it stands where `ahead` does. */
uint64_t mr_schedule_distance(const struct mr_schedule *ahead, const struct mr_schedule *behind);

#endif
