/* The parking under every interleaving. What is looked at is a number of jobs of each producer, changed by relaxed
 * operations only, so that nothing but the parking's own orders makes a push visible, and seeing one producer's says
 * nothing of the other's. Properties:
 *  - no wake-up is lost: while there is a job, not all workers sleep (it would show as a deadlock);
 *  - wake_all reaches every worker, and what was written before it is seen after;
 *  - nothing is left in the parking when nobody is in it: no waiter is counted, no signal wakes a later one in vain. */
#include "base/macros.h"
#include "explorer.h"
#include "workers/parking.h"
#include <stdbool.h>
#include <string.h>

#define PRODUCERS 2

static struct {
    struct mr_parking parking;
    unsigned producers, pushes; /* of each producer */
    atomic_uint jobs[PRODUCERS];
    atomic_bool ending;
} it;

static void push(unsigned self)
{
    for (unsigned i = 0; i < it.pushes; i++) {
        atomic_fetch_add_explicit(&it.jobs[self], 1, memory_order_relaxed);
        mr_parking_wake_one(&it.parking);
    }
}

static bool have_job(void)
{
    for (unsigned i = 0; i < it.producers; i++)
        if (atomic_load_explicit(&it.jobs[i], memory_order_relaxed) > 0)
            return true;
    return false;
}

static bool take_from(atomic_uint *jobs)
{
    unsigned seen = atomic_load_explicit(jobs, memory_order_relaxed);

    while (seen > 0)
        if (atomic_compare_exchange_strong_explicit(jobs, &seen, seen - 1, memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

static bool take_job(void)
{
    for (unsigned i = 0; i < it.producers; i++)
        if (take_from(&it.jobs[i]))
            return true;
    return false;
}

static bool is_ending(void)
{
    return atomic_load_explicit(&it.ending, memory_order_relaxed);
}

/* The worker's side as parking.h states it. False: look again, or end. */
static bool park(unsigned self)
{
    mr_parking_prepare(&it.parking);
    bool taken = take_job();
    if (taken || is_ending()) {
        mr_parking_cancel(&it.parking);
    } else {
        mr_parking_wait(&it.parking, self);
        taken = take_job();
    }
    if (taken && have_job())
        mr_parking_wake_one(&it.parking);
    return taken;
}

static bool wait_for_job(unsigned self)
{
    bool taken = take_job();

    while (!taken && !is_ending())
        taken = park(self);
    return taken;
}

static void take(unsigned self, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        EXPLORE_CHECK(wait_for_job(self));
}

static void take_one(unsigned self)
{
    take(self, 1);
}

static void take_two(unsigned self)
{
    take(self, 2);
}

static void take_until_end(unsigned self)
{
    while (wait_for_job(self))
        ;
}

static void end(unsigned self)
{
    (void)self;
    atomic_store_explicit(&it.ending, true, memory_order_relaxed);
    mr_parking_wake_all(&it.parking);
}

static void push_then_end(unsigned self)
{
    push(self);
    end(self);
}

static void start(unsigned workers, void (*worker)(unsigned index), unsigned producers,
                  void (*producer)(unsigned index), unsigned pushes)
{
    memset(&it, 0, sizeof(it));
    mr_parking_init(&it.parking);
    it.producers = producers;
    it.pushes = pushes;
    for (unsigned i = 0; i < workers; i++)
        explore_thread(worker, i + 1);
    for (unsigned i = 0; i < producers; i++)
        explore_thread(producer, i);
}

static void one_worker_two_rounds(void)
{
    start(1, take_two, 1, push, 2);
}

static void one_worker_two_producers(void)
{
    start(1, take_two, 2, push, 1);
}

static void two_workers_one_producer(void)
{
    start(2, take_one, 1, push, 2);
}

static void two_workers_two_producers(void)
{
    start(2, take_one, 2, push, 1);
}

static void three_workers_wake_all(void)
{
    start(3, take_until_end, 1, end, 0);
}

static void job_then_wake_all(void)
{
    start(2, take_until_end, 1, push_then_end, 1);
}

static void check(void)
{
    EXPLORE_CHECK(atomic_load(&it.parking.state) == 0);
    EXPLORE_CHECK(atomic_load(&it.parking.asleep) == 0);
}

static void check_all_taken(void)
{
    for (unsigned i = 0; i < it.producers; i++)
        EXPLORE_CHECK(atomic_load(&it.jobs[i]) == 0);
    check();
}

int main(int argument_count, char **arguments)
{
    static const struct explore_scenario scenarios[] = {
        {"parking-one-worker-two-rounds", one_worker_two_rounds, check_all_taken, 0, false},
        {"parking-one-worker-two-producers", one_worker_two_producers, check_all_taken, 4, false},
        {"parking-two-workers-one-producer", two_workers_one_producer, check_all_taken, 3, false},
        {"parking-two-workers-two-producers", two_workers_two_producers, check_all_taken, 2, false},
        {"parking-wake-all", three_workers_wake_all, check, 3, false},
        {"parking-job-then-wake-all", job_then_wake_all, check, 3, false},
    };
    return explore_main(scenarios, MR_ARRAY_SIZE(scenarios), argument_count, arguments);
}
