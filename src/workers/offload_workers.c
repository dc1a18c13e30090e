/* --offload=workers: threads of our own that sleep in the parking when the lanes are empty.
 *
 * One exception: a worker that ran the only job in flight looks on for a moment before it sleeps. If the next job
 * depends on this one it comes within microseconds, while falling asleep and being woken costs tens of them where idle
 * cores halt (docs/queue.md). A search in vain makes the worker skip the next ones, up to SKIPS_MAX in a row: on a core
 * that it shares with the loop the search only holds up who would bring the job. */
#include "base/assert.h"
#include "base/atomic.h"
#include "workers/offload_internal.h"

#ifndef MR_SEARCH_LOOKS
#define MR_SEARCH_LOOKS 200 /* of about 0.2 us each */
#endif
#define SKIPS_MAX 63

struct spin_backoff { /* of one worker */
    unsigned skips;   /* searches to leave out now */
    unsigned next;    /* and after the next one in vain */
};

static bool is_ending(const struct mr_offload *offload)
{
    /* Relaxed: prepare and wait acquire what was written before a wake-up, as they do for jobs. */
    return atomic_load_explicit(&offload->ending, memory_order_relaxed);
}

static struct mr_job *look(struct mr_offload *offload, struct mr_runner *runner)
{
    struct mr_job *job = mr_lanes_take(&offload->lanes, &runner->picker);

    if (runner->picker.heavy_freed) {
        runner->picker.heavy_freed = false;
        mr_parking_wake_one(&offload->parking);
    }
    return job;
}

static bool nothing_else_in_flight(const struct mr_offload *offload)
{
    uint64_t jobs = 0;

    for (unsigned i = 0; i < offload->config.loop_count; i++)
        for (int lane = 0; lane < MR_LANE_COUNT; lane++)
            jobs += mr_counter_read(&offload->loops[i].in_flight[lane]);
    return jobs <= 1; /* 1: the loop has not taken back yet what was just sent */
}

static struct mr_job *search(struct mr_offload *offload, struct mr_runner *runner, struct spin_backoff *backoff)
{
    struct mr_job *job = NULL;

    if (MR_SEARCH_LOOKS == 0 || !nothing_else_in_flight(offload))
        return NULL;
    if (backoff->skips > 0) {
        backoff->skips--;
        return NULL;
    }
    for (int looks = 0; job == NULL && looks < MR_SEARCH_LOOKS; looks++) {
        for (int i = 0; i < 8; i++)
            mr_pause();
        job = look(offload, runner);
    }
    backoff->next = job != NULL ? 0 : MR_MIN(2 * backoff->next + 1, SKIPS_MAX);
    backoff->skips = backoff->next;
    return job;
}

/* Sleep until there may be a job, and take it. NULL: look again, or end. */
static struct mr_job *park(struct mr_offload *offload, struct mr_runner *runner)
{
    mr_parking_prepare(&offload->parking);
    struct mr_job *job = look(offload, runner);
    if (job != NULL || is_ending(offload)) {
        mr_parking_cancel(&offload->parking);
    } else {
        mr_parking_wait(&offload->parking, (unsigned)(runner - offload->runners));
        job = look(offload, runner);
    }
    /* One signal may stand for many jobs (parking.h). */
    if (job != NULL && mr_lanes_have_job(&offload->lanes))
        mr_parking_wake_one(&offload->parking);
    return job;
}

/* The next job, or NULL when the offload ends. */
static struct mr_job *wait_for_job(struct mr_offload *offload, struct mr_runner *runner, struct spin_backoff *backoff)
{
    struct mr_job *job = look(offload, runner);

    if (job == NULL)
        job = search(offload, runner, backoff);
    while (job == NULL && !is_ending(offload))
        job = park(offload, runner);
    return job;
}

static void run_worker(void *argument, unsigned index)
{
    struct mr_offload *offload = argument;
    struct mr_runner *runner = &offload->runners[index];
    struct spin_backoff backoff = {0};

    for (struct mr_job *job; (job = wait_for_job(offload, runner, &backoff)) != NULL;)
        mr_offload_run(offload, runner, job);
    if (offload->config.worker_end != NULL)
        offload->config.worker_end();
}

static int start(struct mr_offload *offload)
{
    mr_parking_init(&offload->parking);
    return mr_pool_start(&offload->pool, offload->config.workers, offload->config.priority, run_worker, offload);
}

static void give_turn(struct mr_offload *offload, unsigned loop_index)
{
    (void)loop_index;
    mr_parking_wake_one(&offload->parking);
}

static void stop(struct mr_offload *offload)
{
    atomic_store_explicit(&offload->ending, true, memory_order_relaxed);
    mr_parking_wake_all(&offload->parking);
    mr_pool_join(&offload->pool);
}

const struct mr_offload_ops mr_offload_ops_workers = {.start = start, .give_turn = give_turn, .stop = stop};
