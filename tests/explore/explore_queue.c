/* The queue under every interleaving. Properties:
 *  - nothing is lost and nothing given out twice: what was accepted is popped once, or still in the queue at the end;
 *  - each consumer gets one producer's jobs of a lane in the order they were pushed;
 *  - who pops a job sees what its producer wrote into it, and may write into it;
 *  - a slot is read before it is written anew (late loads);
 *  - a push is refused only when the ring holds as many jobs as it may, as far as the producer can know;
 *  - a pop finds nothing only when all rings were seen empty: who knows of a push finds its job. */
#include "base/macros.h"
#include "explorer.h"
#include "workers/queue.h"
#include <sched.h>
#include <string.h>

#define PRODUCERS  2
#define CONSUMERS  2
#define OPERATIONS 3 /* at most, of one thread */

struct parcel {
    struct mr_job job;
    unsigned producer, number;
};

static struct {
    struct mr_queue *queue;
    uint32_t capacity;
    unsigned producers, operations;
    struct parcel parcels[PRODUCERS][OPERATIONS];
    unsigned accepted[PRODUCERS];
    struct parcel *popped[CONSUMERS][OPERATIONS];
    unsigned popped_count[CONSUMERS];
    atomic_bool told_of_pop, told_of_push;
} it;

static void produce(unsigned self)
{
    for (unsigned i = 0; i < it.operations; i++) {
        struct parcel *parcel = &it.parcels[self][it.accepted[self]];
        *parcel = (struct parcel){.producer = self, .number = it.accepted[self]};
        if (mr_queue_try_push(it.queue, self, &parcel->job) == 0)
            it.accepted[self]++;
        else
            EXPLORE_CHECK(it.accepted[self] >= it.capacity);
    }
}

static void note(unsigned consumer, struct mr_job *job)
{
    struct parcel *parcel = mr_container_of(job, struct parcel, job);
    unsigned count = it.popped_count[consumer];

    EXPLORE_CHECK(parcel == &it.parcels[parcel->producer][parcel->number]); /* reads what the producer wrote */
    for (unsigned i = 0; i < count; i++) {
        const struct parcel *before = it.popped[consumer][i];
        EXPLORE_CHECK(before->producer != parcel->producer || before->number < parcel->number);
    }
    parcel->job.outcome = MR_JOB_DONE; /* it is ours: a write, to be seen as a race if it is not */
    it.popped[consumer][count] = parcel;
    it.popped_count[consumer] = count + 1;
}

static void consume(unsigned self)
{
    unsigned turn = self;

    for (unsigned i = 0; i < it.operations; i++) {
        struct mr_job *job = mr_queue_try_pop(it.queue, MR_LANE_INTERACTIVE, &turn);
        if (job != NULL)
            note(self, job);
    }
}

/* Each job once, in a consumer's hands or in the queue. */
static void check_conservation(void)
{
    unsigned seen[PRODUCERS][OPERATIONS] = {{0}}, turn = 0;

    for (unsigned c = 0; c < CONSUMERS; c++)
        for (unsigned i = 0; i < it.popped_count[c]; i++)
            seen[it.popped[c][i]->producer][it.popped[c][i]->number]++;
    for (struct mr_job *job; (job = mr_queue_try_pop(it.queue, MR_LANE_INTERACTIVE, &turn)) != NULL;) {
        const struct parcel *parcel = mr_container_of(job, struct parcel, job);
        seen[parcel->producer][parcel->number]++;
    }
    for (unsigned p = 0; p < it.producers; p++)
        for (unsigned i = 0; i < OPERATIONS; i++)
            EXPLORE_CHECK(seen[p][i] == (i < it.accepted[p]));
    mr_queue_destroy(&it.queue);
}

static void create(unsigned producers, uint32_t capacity, unsigned operations)
{
    memset(&it, 0, sizeof(it));
    it.producers = producers;
    it.capacity = capacity;
    it.operations = operations;
    EXPLORE_CHECK(mr_queue_create(&it.queue, producers, capacity) == 0);
}

static void start(unsigned producers, unsigned consumers, uint32_t capacity, unsigned operations)
{
    create(producers, capacity, operations);
    for (unsigned i = 0; i < producers; i++)
        explore_thread(produce, i);
    for (unsigned i = 0; i < consumers; i++)
        explore_thread(consume, i);
}

static void two_by_two_capacity_one(void)
{
    start(2, 2, 1, 2);
}

static void two_by_two_capacity_two(void)
{
    start(2, 2, 2, 2);
}

static void wrap_capacity_one(void)
{
    start(1, 2, 1, 3);
}

static void wrap_capacity_two(void)
{
    start(1, 2, 2, 3);
}

/* ---- full and empty, as far as one can know ------------------------------------------------------------------------
 */

/* The ring is full from the start. Who is told of a pop has room, who is told of a push finds the job. */
static void push_when_told(unsigned self)
{
    while (!atomic_load_explicit(&it.told_of_pop, memory_order_acquire))
        sched_yield();
    EXPLORE_CHECK(!mr_queue_is_full(it.queue, self, MR_LANE_INTERACTIVE));
    it.operations = 1;
    produce(self);
    EXPLORE_CHECK(it.accepted[self] == 2);
    atomic_store_explicit(&it.told_of_push, true, memory_order_release);
}

static void pop_when_told(unsigned self)
{
    unsigned turn = 0;
    struct mr_job *job = mr_queue_try_pop(it.queue, MR_LANE_INTERACTIVE, &turn);

    EXPLORE_CHECK(job != NULL);
    note(self, job);
    atomic_store_explicit(&it.told_of_pop, true, memory_order_release);
    while (!atomic_load_explicit(&it.told_of_push, memory_order_acquire))
        sched_yield();
    job = mr_queue_try_pop(it.queue, MR_LANE_INTERACTIVE, &turn);
    EXPLORE_CHECK(job != NULL);
    note(self, job);
}

static void what_one_is_told(void)
{
    create(1, 1, 1);
    produce(0);
    explore_thread(push_when_told, 0);
    explore_thread(pop_when_told, 0);
}

int main(int argument_count, char **arguments)
{
    static const struct explore_scenario scenarios[] = {
        {"queue-told", what_one_is_told, check_conservation, 0, true},
        {"queue-wrap-capacity-1", wrap_capacity_one, check_conservation, 5, true},
        {"queue-wrap-capacity-2", wrap_capacity_two, check_conservation, 5, true},
        {"queue-2x2-capacity-1", two_by_two_capacity_one, check_conservation, 4, true},
        {"queue-2x2-capacity-2", two_by_two_capacity_two, check_conservation, 4, true},
    };
    return explore_main(scenarios, MR_ARRAY_SIZE(scenarios), argument_count, arguments);
}
