/* --offload=workers: threads of our own that sleep in the parking when the lanes are empty. */
#include "base/assert.h"
#include "workers/offload_internal.h"

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

/* Sleep until there may be a job, and take it. NULL: look again, or end. */
static struct mr_job *park(struct mr_offload *offload, struct mr_runner *runner)
{
    mr_parking_prepare(&offload->parking);
    struct mr_job *job = look(offload, runner);
    if (job != NULL || is_ending(offload)) {
        mr_parking_cancel(&offload->parking);
    } else {
        mr_parking_wait(&offload->parking);
        job = look(offload, runner);
    }
    /* One signal may stand for many jobs (parking.h). */
    if (job != NULL && mr_lanes_have_job(&offload->lanes))
        mr_parking_wake_one(&offload->parking);
    return job;
}

/* The next job, or NULL when the offload ends. */
static struct mr_job *wait_for_job(struct mr_offload *offload, struct mr_runner *runner)
{
    struct mr_job *job = look(offload, runner);

    while (job == NULL && !is_ending(offload))
        job = park(offload, runner);
    return job;
}

static void run_worker(void *argument, unsigned index)
{
    struct mr_offload *offload = argument;
    struct mr_runner *runner = &offload->runners[index];

    for (struct mr_job *job; (job = wait_for_job(offload, runner)) != NULL;)
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

const struct mr_offload_ops mr_offload_ops_workers = {start, give_turn, stop};
