/* --offload=workers: threads of our own that sleep in the parking when the lanes are empty. */
#include "base/assert.h"
#include "workers/offload_internal.h"

static struct mr_job *look(struct mr_offload *offload, struct mr_runner *runner)
{
    struct mr_job *job = mr_lanes_take(&offload->lanes, &runner->picker);

    if (runner->picker.heavy_freed) {
        runner->picker.heavy_freed = false;
        mr_parking_wake_one(&offload->parking);
    }
    return job;
}

/* The next job, or NULL when the offload ends. */
static struct mr_job *wait_for_job(struct mr_offload *offload, struct mr_runner *runner)
{
    for (;;) {
        struct mr_job *job = look(offload, runner);
        if (job != NULL)
            return job;
        mr_parking_prepare(&offload->parking);
        job = look(offload, runner);
        /* Relaxed: prepare acquires what was written before a wake-up, as it does for jobs. */
        if (job != NULL || atomic_load_explicit(&offload->ending, memory_order_relaxed)) {
            mr_parking_cancel(&offload->parking);
            return job;
        }
        mr_parking_wait(&offload->parking);
    }
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
