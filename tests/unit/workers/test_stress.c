/* What no single schedule shows: many threads, rings of two slots, yields at random, also on one core only. Lost,
 * doubled and overtaking jobs are counted; a lost wake-up hangs until the test's time is up. Under ThreadSanitizer each
 * job's plain fields are watched on their way too. */
#define _GNU_SOURCE /* sched_setaffinity */
#include "base/macros.h"
#include "workers/offload.h"
#include "workers/parking.h"
#include "workers/queue.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef MR_SANITIZED
#define ITEMS  50000u /* of each producer */
#define ROUNDS 8u     /* of close, each offload */
#else
#define ITEMS  150000u
#define ROUNDS 40u
#endif

static uint32_t next_random(uint32_t *state) /* xorshift32 */
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void yield_sometimes(uint32_t *random)
{
    if (next_random(random) % 16 == 0)
        sched_yield();
}

/* ---- queue and parking ---- */

#define PRODUCERS 2u
#define CONSUMERS 3u

struct item {
    struct mr_job job;
    unsigned producer, number; /* written before the push, plainly */
    _Atomic unsigned taken;
};

static struct mr_queue *queue;
static struct mr_parking parking;
static struct item *items[PRODUCERS];
static atomic_bool ending;

struct consumer {
    uint64_t taken;
    unsigned overtaken;
};

static void *produce(void *argument)
{
    unsigned producer = (unsigned)(uintptr_t)argument;
    uint32_t random = 2463534242u + producer;

    for (unsigned i = 0; i < ITEMS; i++) {
        struct item *item = &items[producer][i];
        item->producer = producer;
        item->number = i;
        item->job.lane = (enum mr_lane)(next_random(&random) % MR_LANE_COUNT);
        while (mr_queue_try_push(queue, producer, &item->job) != 0)
            sched_yield();
        yield_sometimes(&random);
        mr_parking_wake_one(&parking);
    }
    return NULL;
}

static struct mr_job *take(unsigned *turn)
{
    struct mr_job *job = NULL;

    for (int lane = 0; job == NULL && lane < MR_LANE_COUNT; lane++)
        job = mr_queue_try_pop(queue, (enum mr_lane)lane, turn);
    return job;
}

static bool has_job(void)
{
    return mr_queue_depth(queue, MR_LANE_INTERACTIVE) + mr_queue_depth(queue, MR_LANE_BULK) +
               mr_queue_depth(queue, MR_LANE_HEAVY) >
           0;
}

/* As a worker does (offload_workers.c). NULL: the end. */
static struct mr_job *wait_for_job(unsigned *turn, uint32_t *random)
{
    struct mr_job *job = take(turn);

    while (job == NULL && !atomic_load_explicit(&ending, memory_order_relaxed)) {
        mr_parking_prepare(&parking);
        yield_sometimes(random);
        job = take(turn);
        if (job != NULL || atomic_load_explicit(&ending, memory_order_relaxed)) {
            mr_parking_cancel(&parking);
        } else {
            mr_parking_wait(&parking, next_random(random) % 64); /* any number will do */
            job = take(turn);
        }
        if (job != NULL && has_job())
            mr_parking_wake_one(&parking);
    }
    return job;
}

static void *consume(void *argument)
{
    struct consumer *consumer = argument;
    unsigned turn = 0, next[PRODUCERS][MR_LANE_COUNT] = {0};
    uint32_t random = 88675123u + (uint32_t)(uintptr_t)argument;

    for (struct mr_job *job; (job = wait_for_job(&turn, &random)) != NULL;) {
        struct item *item = mr_container_of(job, struct item, job);
        unsigned *expected = &next[item->producer][job->lane];
        atomic_fetch_add_explicit(&item->taken, 1, memory_order_relaxed);
        consumer->taken++;
        consumer->overtaken += item->number < *expected; /* what one consumer sees of a ring goes up */
        *expected = item->number + 1;
        yield_sometimes(&random);
    }
    return NULL;
}

static void run_threads(struct consumer *consumers)
{
    pthread_t producing[PRODUCERS], consuming[CONSUMERS];

    for (uintptr_t i = 0; i < CONSUMERS; i++)
        assert_int_equal(pthread_create(&consuming[i], NULL, consume, &consumers[i]), 0);
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&producing[i], NULL, produce, (void *)i), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        pthread_join(producing[i], NULL);
    while (has_job()) /* the consumers have been woken for all there is */
        sched_yield();
    atomic_store_explicit(&ending, true, memory_order_relaxed);
    mr_parking_wake_all(&parking);
    for (unsigned i = 0; i < CONSUMERS; i++)
        pthread_join(consuming[i], NULL);
}

static void nothing_is_lost_doubled_or_overtaken(void **state)
{
    struct consumer consumers[CONSUMERS] = {0};
    uint64_t taken = 0;

    (void)state;
    atomic_store(&ending, false);
    mr_parking_init(&parking);
    assert_int_equal(mr_queue_create(&queue, PRODUCERS, 2), 0);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        items[i] = calloc(ITEMS, sizeof(items[i][0]));
        assert_non_null(items[i]);
    }
    run_threads(consumers);
    for (unsigned i = 0; i < CONSUMERS; i++) {
        assert_int_equal(consumers[i].overtaken, 0);
        taken += consumers[i].taken;
    }
    assert_int_equal(taken, PRODUCERS * ITEMS);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        for (unsigned k = 0; k < ITEMS; k++)
            assert_int_equal(atomic_load(&items[i][k].taken), 1);
        free(items[i]);
    }
    mr_queue_destroy(&queue);
}

/* Every switch of threads then falls between two instructions of somebody. */
static void nothing_is_lost_doubled_or_overtaken_on_one_core(void **state)
{
    cpu_set_t before, one;

    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0); /* the threads inherit it */
    nothing_is_lost_doubled_or_overtaken(state);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* ---- several loops that submit while somebody closes ---- */

#define LOOPS     3u
#define IN_FLIGHT 24u
#define WORKERS   2u

struct errand {
    struct mr_job job;
    struct site *site;
    unsigned runs; /* written by the worker, plainly */
};

struct site { /* a loop and what it sent out */
    struct mr_loop *loop;
    struct errand errands[IN_FLIGHT];
    unsigned outstanding, refused;
    uint64_t accepted, back, outcomes[MR_JOB_SHUT_DOWN + 1];
    uint32_t random;
};

static struct mr_offload *offload;
static struct site sites[LOOPS];
static _Atomic uint64_t all_back;

static void work_briefly(struct mr_job *job)
{
    struct errand *errand = mr_container_of(job, struct errand, job);

    errand->runs++;
    if (job->lane == MR_LANE_HEAVY)
        sched_yield();
}

static void submit_errand(struct errand *errand);

static void on_back(struct mr_job *job)
{
    struct errand *errand = mr_container_of(job, struct errand, job);
    struct site *site = errand->site;

    assert_true(mr_loop_is_current(site->loop));
    assert_int_equal(errand->runs, job->outcome == MR_JOB_DONE);
    site->back++;
    site->outcomes[job->outcome]++;
    site->outstanding--;
    atomic_fetch_add_explicit(&all_back, 1, memory_order_relaxed);
    submit_errand(errand);
    if (site->outstanding == 0)
        mr_loop_stop(site->loop);
}

static void submit_errand(struct errand *errand)
{
    struct site *site = errand->site;
    enum mr_lane lane = (enum mr_lane)(next_random(&site->random) % MR_LANE_COUNT);

    errand->runs = 0;
    errand->job = (struct mr_job){.work = work_briefly, .done = on_back, .loop = site->loop, .lane = lane};
    site->outstanding++;
    if (mr_offload_submit(offload, &errand->job) != 0) { /* closed */
        site->outstanding--;
        site->refused++;
        return;
    }
    site->accepted++;
    if (next_random(&site->random) % 8 == 0)
        mr_job_cancel(&errand->job);
}

static void *run_site(void *argument)
{
    struct site *site = argument;
    mr_loop_run(site->loop);
    return NULL;
}

static void open_sites(enum mr_offload_kind kind)
{
    static struct mr_loop *loops[LOOPS];

    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(mr_loop_create(&loops[i], i), 0);
        sites[i] = (struct site){.loop = loops[i], .random = 521288629u + i};
    }
    struct mr_offload_config config = {
        .kind = kind, .workers = WORKERS, .queue_depth = IN_FLIGHT, .loops = loops, .loop_count = LOOPS};
    assert_int_equal(mr_offload_create(&offload, &config), 0);
    for (unsigned i = 0; i < LOOPS; i++)
        for (unsigned k = 0; k < IN_FLIGHT; k++) {
            sites[i].errands[k].site = &sites[i];
            submit_errand(&sites[i].errands[k]);
        }
}

static void check_site(struct site *site, unsigned index)
{
    const struct mr_offload_stats *stats = mr_offload_stats(offload, index);

    assert_int_equal(site->outstanding, 0);
    assert_int_equal(site->back, site->accepted);
    assert_int_equal(site->refused, IN_FLIGHT); /* each errand went on until it was refused */
    assert_int_equal(stats->refused, site->refused);
    assert_int_equal(stats->done, site->outcomes[MR_JOB_DONE]);
    assert_int_equal(stats->cancelled, site->outcomes[MR_JOB_CANCELLED]);
    assert_int_equal(stats->shut_down, site->outcomes[MR_JOB_SHUT_DOWN]);
    assert_int_equal(stats->done + stats->cancelled + stats->shut_down, site->accepted);
}

static void close_during_a_round(enum mr_offload_kind kind, uint64_t after)
{
    pthread_t threads[LOOPS];

    atomic_store(&all_back, 0);
    open_sites(kind);
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_site, &sites[i]), 0);
    while (atomic_load_explicit(&all_back, memory_order_relaxed) < after)
        sched_yield();
    mr_offload_close(offload);
    for (unsigned i = 0; i < LOOPS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < LOOPS; i++)
        check_site(&sites[i], i);
    for (int lane = 0; lane < MR_LANE_COUNT; lane++)
        assert_int_equal(mr_offload_depth(offload, (enum mr_lane)lane), 0);
    mr_offload_destroy(&offload);
    for (unsigned i = 0; i < LOOPS; i++)
        mr_loop_destroy(&sites[i].loop);
}

static void every_job_of_several_loops_comes_back_once_though_somebody_closes(void **state)
{
    enum mr_offload_kind *kind = *state;
    uint32_t random = 362436069u;

    for (unsigned round = 0; round < ROUNDS; round++)
        close_during_a_round(*kind, next_random(&random) % 2000);
}

static enum mr_offload_kind kinds[] = {MR_OFFLOAD_WORKERS, MR_OFFLOAD_LIBUV, MR_OFFLOAD_NONE, MR_OFFLOAD_INLINE};

#define UNDER(name, index, text)                              \
    {                                                         \
#name "_under_" text, name, NULL, NULL, &kinds[index] \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_doubled_or_overtaken),
        cmocka_unit_test(nothing_is_lost_doubled_or_overtaken_on_one_core),
        UNDER(every_job_of_several_loops_comes_back_once_though_somebody_closes, 0, "workers"),
        UNDER(every_job_of_several_loops_comes_back_once_though_somebody_closes, 1, "libuv"),
        UNDER(every_job_of_several_loops_comes_back_once_though_somebody_closes, 2, "none"),
        UNDER(every_job_of_several_loops_comes_back_once_though_somebody_closes, 3, "inline"),
    };
    return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
