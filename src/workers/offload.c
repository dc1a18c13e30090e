/* DESIGN. What all offloads have in common, in the order of a job's life:
 *
 *      admission (this loop) -> queue -> lanes -> mr_offload_run() (a worker) -> inbox -> deliver() (this loop) ->
 * done()
 *
 * Numbers are kept by the loop a job belongs to, at submit and at deliver, so that workers share nothing but the queue.
 */
#include "workers/offload_internal.h"

#include "base/assert.h"
#include "base/atomic.h"
#include <stdlib.h>
#include <string.h>

#define RUN_AVERAGE_OVER 8 /* jobs: weight of the newest in the moving average is 1/8 */

static const struct mr_offload_ops *const kinds[] = {
    [MR_OFFLOAD_WORKERS] = &mr_offload_ops_workers,
    [MR_OFFLOAD_LIBUV] = &mr_offload_ops_libuv,
    [MR_OFFLOAD_NONE] = &mr_offload_ops_none,
    [MR_OFFLOAD_INLINE] = &mr_offload_ops_inline,
};

const char *const mr_offload_names[MR_OFFLOAD_KINDS + 1] = {[MR_OFFLOAD_WORKERS] = "workers",
                                                            [MR_OFFLOAD_LIBUV] = "libuv",
                                                            [MR_OFFLOAD_NONE] = "none",
                                                            [MR_OFFLOAD_INLINE] = "inline"};

const char *mr_offload_name(enum mr_offload_kind kind)
{
    MR_ASSERT((unsigned)kind < MR_OFFLOAD_KINDS);
    return mr_offload_names[kind];
}

/* ---- life ----------------------------------------------------------------------------------------------------------
 */

/* Most workers are left to the other lanes; where each loop runs its own jobs there is nothing to leave. */
static unsigned heavy_max(const struct mr_offload_config *config)
{
    if (kinds[config->kind]->is_on_loop)
        return config->loop_count;
    return config->heavy_workers != 0 ? MR_MIN(config->heavy_workers, config->workers) : MR_MAX(config->workers / 4, 1);
}

unsigned mr_offload_runners(enum mr_offload_kind kind, unsigned workers, unsigned loop_count)
{
    if (kinds[kind]->is_on_loop)
        return loop_count;
    return kinds[kind]->runners != 0 ? kinds[kind]->runners : workers;
}

static void *aligned_zalloc(size_t size)
{
    void *memory = aligned_alloc(MR_CACHE_LINE, size);
    if (memory != NULL)
        memset(memory, 0, size);
    return memory;
}

static void release(struct mr_offload *offload)
{
    if (offload->queue != NULL)
        mr_queue_destroy(&offload->queue);
    for (unsigned i = 0; offload->loops != NULL && i < offload->config.loop_count; i++)
        if (offload->loops[i].lateness.loop != NULL)
            mr_timer_list_close(&offload->loops[i].lateness);
    free(offload->own_runner_stats);
    free(offload->runners);
    free(offload->loops);
    free(offload);
}

static int place_runner_stats(struct mr_offload *offload)
{
    offload->runner_stats = offload->config.runner_stats;
    if (offload->runner_stats == NULL)
        offload->runner_stats = offload->own_runner_stats =
            aligned_zalloc(offload->runner_count * sizeof(*offload->own_runner_stats));
    return offload->runner_stats != NULL ? MR_OK : MR_EMEMORY;
}

static void on_late(struct mr_timer *timer);

static int allocate(struct mr_offload *offload)
{
    const struct mr_offload_config *config = &offload->config;

    offload->runner_count = mr_offload_runners(config->kind, config->workers, config->loop_count);
    offload->loops = aligned_zalloc(config->loop_count * sizeof(*offload->loops));
    offload->runners = aligned_zalloc(offload->runner_count * sizeof(*offload->runners));
    if (offload->loops == NULL || offload->runners == NULL || place_runner_stats(offload) != MR_OK)
        return MR_EMEMORY;
    for (unsigned i = 0; i < config->loop_count; i++) {
        MR_ASSERT(mr_loop_index(config->loops[i]) == i);
        offload->loops[i].loop = config->loops[i];
        offload->loops[i].stats = config->stats != NULL ? config->stats[i] : &offload->loops[i].own_stats;
        mr_timer_list_open(&offload->loops[i].lateness, config->loops[i], config->deadline_ns, on_late);
    }
    return mr_queue_create(&offload->queue, config->loop_count, config->queue_depth);
}

int mr_offload_create(struct mr_offload **out, const struct mr_offload_config *config)
{
    MR_ASSERT(config->workers > 0 && config->loop_count > 0 && config->queue_depth > 0);
    struct mr_offload *offload = aligned_zalloc(sizeof(*offload));
    if (offload == NULL)
        return MR_EMEMORY;
    offload->config = *config;
    offload->ops = kinds[config->kind];

    int err = allocate(offload);
    if (err != 0)
        goto fail;
    mr_lanes_init(&offload->lanes, offload->queue, mr_lane_shares, heavy_max(config));
    err = offload->ops->start(offload);
    if (err != 0) {
        offload->ops->stop(offload);
        goto fail;
    }
    *out = offload;
    return 0;

fail:
    release(offload);
    return err;
}

void mr_offload_destroy(struct mr_offload **out)
{
    struct mr_offload *offload = *out;

    MR_ASSERT(atomic_load_explicit(&offload->closed, memory_order_relaxed));
    for (unsigned i = 0; i < offload->config.loop_count; i++)
        for (int lane = 0; lane < MR_LANE_COUNT; lane++)
            MR_ASSERT(mr_counter_read(&offload->loops[i].in_flight[lane]) == 0);
    offload->ops->stop(offload);
    release(offload);
    *out = NULL;
}

void mr_offload_close(struct mr_offload *offload)
{
    /* Relaxed: mr_runner_cancel() orders it before each worker's next start of a job. The jobs that wait have their
     * turns already: they come back in them. */
    atomic_store_explicit(&offload->closed, true, memory_order_relaxed);
    for (unsigned i = 0; i < offload->runner_count; i++)
        mr_runner_cancel(&offload->runners[i]);
}

/* ---- admission -----------------------------------------------------------------------------------------------------
 */

/* Of one loop's jobs. */
static unsigned parallelism(const struct mr_offload *offload)
{
    return offload->ops->is_on_loop ? 1 : offload->config.workers;
}

/* Of these, what a lane may have: heavy jobs that run do not make room for others. */
static unsigned runners_for(const struct mr_offload *offload, enum mr_lane lane)
{
    unsigned heavy = mr_load(&offload->lanes.heavy_running, relaxed), all = parallelism(offload);

    if (lane == MR_LANE_HEAVY)
        return offload->lanes.heavy_max;
    return heavy < all ? all - heavy : 1;
}

/* Time to run the jobs that a loop has in `lane` and in those before it, also the running ones. */
static uint64_t work_ns(const struct mr_offload_loop *loop, enum mr_lane lane)
{
    uint64_t ns = 0;

    for (unsigned ahead = 0; ahead <= lane; ahead++)
        ns += mr_counter_read(&loop->in_flight_ns[ahead]);
    return ns;
}

/* How long a job of `lane` would wait: what is to be run before it, over the workers. What other lanes take out of turn
 * is left out. */
static uint64_t expected_wait_ns(const struct mr_offload *offload, const struct mr_offload_loop *own, enum mr_lane lane)
{
    uint64_t ns = 0;

    if (offload->ops->is_on_loop)
        return work_ns(own, lane);
    for (unsigned i = 0; i < offload->config.loop_count; i++)
        ns += work_ns(&offload->loops[i], lane);
    return ns / runners_for(offload, lane);
}

static int admission(struct mr_offload *offload, unsigned index, enum mr_lane lane)
{
    if (atomic_load_explicit(&offload->closed, memory_order_relaxed))
        return MR_ESHUTDOWN;
    if (mr_queue_is_full(offload->queue, index, lane))
        return MR_EBUSY;
    uint64_t deadline_ns = offload->config.deadline_ns;
    if (deadline_ns != 0 && expected_wait_ns(offload, &offload->loops[index], lane) > deadline_ns)
        return MR_EBACKLOG;
    return 0;
}

/* Seconds until half of what waits now is done, or until the wait is within the deadline, whichever is later. */
static uint32_t retry_after_s(const struct mr_offload *offload, unsigned index, enum mr_lane lane)
{
    uint64_t wait_ns = expected_wait_ns(offload, &offload->loops[index], lane);
    uint64_t deadline_ns = offload->config.deadline_ns;
    uint64_t over_ns = deadline_ns != 0 && wait_ns > deadline_ns ? wait_ns - deadline_ns : 0;
    uint64_t seconds = (MR_MAX(over_ns, wait_ns / 2) + MR_NS_PER_S - 1) / MR_NS_PER_S;

    return (uint32_t)MR_MAX(MR_MIN(seconds, 3600), 1);
}

int mr_offload_admit(struct mr_offload *offload, struct mr_loop *loop, enum mr_lane lane, uint32_t *retry_after)
{
    MR_ON_LOOP(loop);
    unsigned index = mr_loop_index(loop);
    int err = admission(offload, index, lane);
    if (retry_after != NULL)
        *retry_after = retry_after_s(offload, index, lane);
    return err;
}

/* ---- streams of jobs ---- */

enum { STREAM_JOBS_MIN = 4 };

/* One runs on each worker, as many wait, and two are on their way. */
unsigned mr_offload_stream_jobs_max(const struct mr_offload *offload)
{
    return MR_MAX(2 * parallelism(offload) + 2, STREAM_JOBS_MIN);
}

/* Relaxed, as below: the number is the whole message, and an older one does no harm. */
unsigned mr_offload_stream_jobs(const struct mr_offload *offload)
{
    unsigned streams = atomic_load_explicit(&offload->streams, memory_order_relaxed);
    return MR_MAX(mr_offload_stream_jobs_max(offload) / MR_MAX(streams, 1), STREAM_JOBS_MIN);
}

void mr_offload_stream_begin(struct mr_offload *offload)
{
    atomic_fetch_add_explicit(&offload->streams, 1, memory_order_relaxed);
}

void mr_offload_stream_end(struct mr_offload *offload)
{
    unsigned before = atomic_fetch_sub_explicit(&offload->streams, 1, memory_order_relaxed);
    MR_ASSERT(before > 0);
}

/* ---- a job's way ---------------------------------------------------------------------------------------------------
 */

static void deliver(struct mr_inbox_node *node);

/* What is expected of a job, as this machine has kept to what was expected of others; of a job of which nothing is
 * known, what others of its lane took. */
static uint64_t likely_ns(const struct mr_offload_loop *own, const struct mr_job *job)
{
    const struct mr_offload_pace *pace = &own->pace[job->lane];

    if (job->expected_ns == 0)
        return own->run_ns[job->lane];
    if (pace->expected_ns == 0)
        return job->expected_ns;
    return (uint64_t)((double)job->expected_ns * (double)pace->ran_ns / (double)pace->expected_ns);
}

static void count_submitted(struct mr_offload_loop *own, struct mr_job *job)
{
    struct mr_offload_submitted *lane = &own->stats->submitted[job->lane];
    uint64_t number = mr_counter_read(&lane->jobs);

    job->counted_ns = likely_ns(own, job);
    mr_counter_add(&own->in_flight[job->lane], 1);
    mr_counter_add(&own->in_flight_ns[job->lane], job->counted_ns);
    mr_store(&lane->at[number % MR_OFFLOAD_TIMES], job->submitted_at, relaxed);
    mr_counter_add(&lane->work_ns, job->counted_ns);
    mr_counter_add(&lane->jobs, 1);
}

/* Relaxed: numbers that guard nothing. Two runners may note their jobs' times in the wrong order, of jobs that were
 * submitted one after the other. */
static void count_taken(const struct mr_offload *offload, const struct mr_job *job)
{
    struct mr_offload_taken *lane = &offload->loops[mr_loop_index(job->loop)].stats->taken[job->lane];

    mr_store(&lane->submitted_at, job->submitted_at, relaxed);
    mr_fetch_add(&lane->work_ns, job->counted_ns, relaxed);
    mr_fetch_add(&lane->jobs, 1, relaxed);
}

static void expect_begin(struct mr_offload_loop *own, struct mr_job *job)
{
    mr_store(&job->has_begun, false, relaxed);
    mr_timer_set(&own->lateness, &job->lateness);
}

int mr_offload_submit(struct mr_offload *offload, struct mr_job *job)
{
    MR_ON_LOOP(job->loop);
    unsigned index = mr_loop_index(job->loop);
    struct mr_offload_loop *own = &offload->loops[index];
    int err = admission(offload, index, job->lane);
    if (err != 0) {
        mr_counter_add(&own->stats->refused, 1);
        return err;
    }
    job->offload = offload;
    job->completion.deliver = deliver;
    job->note = *mr_loop_noted(job->loop);
    job->submitted_at = mr_loop_now(job->loop);
    job->deadline = offload->config.deadline_ns != 0 ? job->submitted_at + offload->config.deadline_ns : UINT64_MAX;
    job->started_at = job->finished_at = 0;
    job->has_failed = false;
    mr_store(&job->cancel.cancelled, false, relaxed);
    job->cancel.stop_at = 0;
    if (job->late != NULL)
        expect_begin(own, job);
    count_submitted(own, job);

    err = mr_queue_try_push(offload->queue, index, job);
    MR_ASSERT(err == 0); /* admission saw room, and only this loop fills it */
    offload->ops->give_turn(offload, index);
    return 0;
}

/* Is the job still to be run? */
static enum mr_job_outcome outcome_before_run(const struct mr_offload *offload, const struct mr_job *job, uint64_t now)
{
    if (atomic_load_explicit(&offload->closed, memory_order_relaxed))
        return MR_JOB_SHUT_DOWN;
    if (now > job->deadline) /* which on_late() cancelled, too */
        return MR_JOB_EXPIRED;
    return mr_load(&job->cancel.cancelled, relaxed) ? MR_JOB_CANCELLED : MR_JOB_DONE;
}

void mr_offload_run(struct mr_offload *offload, struct mr_runner *runner, struct mr_job *job)
{
    struct mr_offload_runner_stats *stats = &offload->runner_stats[runner - offload->runners];

    mr_runner_begin(runner, job);
    count_taken(offload, job);
    uint64_t now = mr_clock_now();
    mr_store(&stats->running_since, now, relaxed);
    job->outcome = outcome_before_run(offload, job, now);
    if (job->outcome == MR_JOB_DONE) {
        if (job->late != NULL)
            mr_store(&job->has_begun, true, relaxed);
        job->started_at = now;
        if (offload->config.run_ns_max != 0)
            job->cancel.stop_at = now + offload->config.run_ns_max;
        job->work(job);
        job->finished_at = mr_clock_now();
    }
    uint64_t ran = job->outcome == MR_JOB_DONE ? job->finished_at - now : 0;
    mr_store(&stats->running_since, 0, relaxed);
    mr_runner_end(runner, job);
    mr_lanes_finish(&offload->lanes, &runner->picker, job->lane, ran);
    mr_loop_post(job->loop, &job->completion); /* the loop's from here on */
}

/* Relaxed: a job that began in this moment is taken for one that waits. It is told to stop, as its owner gives up. */
static void on_late(struct mr_timer *timer)
{
    struct mr_job *job = mr_container_of(timer, struct mr_job, lateness);

    if (mr_load(&job->has_begun, relaxed))
        return;
    mr_job_cancel(job);
    mr_loop_note(job->loop, &job->note);
    job->late(job);
}

static uint64_t faded(uint64_t sum, uint64_t newest)
{
    return sum - sum / RUN_AVERAGE_OVER + newest;
}

/* A job that failed or was told to stop did not do what was expected, and says at most that it takes longer than that:
 * damaged images would else make all others seem cheap. */
static void note_pace(struct mr_offload_pace *pace, const struct mr_job *job, uint64_t ran_ns)
{
    bool is_part = job->has_failed || mr_cancel_check(&job->cancel) != MR_OK;
    if (job->expected_ns == 0 || (is_part && ran_ns < job->expected_ns))
        return;
    pace->ran_ns = faded(pace->ran_ns, ran_ns);
    pace->expected_ns = faded(pace->expected_ns, job->expected_ns);
}

static void count_run(struct mr_offload_loop *own, const struct mr_job *job)
{
    uint64_t ran_ns = job->finished_at - job->started_at, *average = &own->run_ns[job->lane];

    mr_counter_add(&own->stats->done, 1);
    if (!job->has_failed)
        mr_counter_add(&own->stats->succeeded, 1);
    mr_histogram_record(&own->stats->queue_wait[job->lane], job->started_at - job->submitted_at);
    if (job->run_time != NULL)
        mr_histogram_record(job->run_time, ran_ns);
    *average = *average == 0 ? ran_ns : faded(*average, ran_ns / RUN_AVERAGE_OVER);
    note_pace(&own->pace[job->lane], job, ran_ns);
}

static void deliver(struct mr_inbox_node *node)
{
    struct mr_job *job = mr_container_of(node, struct mr_job, completion);
    struct mr_offload_loop *own = &job->offload->loops[mr_loop_index(job->loop)];

    if (job->late != NULL)
        mr_timer_clear(&job->lateness);
    mr_loop_note(job->loop, &job->note);
    mr_counter_subtract(&own->in_flight[job->lane], 1);
    mr_counter_subtract(&own->in_flight_ns[job->lane], job->counted_ns);
    switch (job->outcome) {
    case MR_JOB_DONE:
        count_run(own, job);
        break;
    case MR_JOB_EXPIRED:
        mr_counter_add(&own->stats->expired, 1);
        break;
    case MR_JOB_CANCELLED:
        mr_counter_add(&own->stats->cancelled, 1);
        break;
    case MR_JOB_SHUT_DOWN:
        mr_counter_add(&own->stats->shut_down, 1);
        break;
    }
    job->done(job);
}

/* ---- numbers -------------------------------------------------------------------------------------------------------
 */

enum mr_offload_kind mr_offload_kind(const struct mr_offload *offload)
{
    return offload->config.kind;
}

unsigned mr_offload_workers(const struct mr_offload *offload)
{
    return offload->ops->is_on_loop ? offload->config.loop_count : offload->config.workers;
}

unsigned mr_offload_busy(const struct mr_offload *offload)
{
    unsigned busy = 0;

    for (unsigned i = 0; i < offload->runner_count; i++)
        busy += mr_counter_read(&offload->runner_stats[i].running_since) != 0;
    return busy;
}

/* Number `first` is the oldest that waits. Jobs of a lane are taken in the order in which they were submitted: of more
 * than have their time noted, the oldest came next to the one that was taken last. */
static uint64_t oldest_at(const struct mr_offload_stats *stats, enum mr_lane lane, uint64_t first, uint64_t jobs)
{
    const struct mr_offload_submitted *submitted = &stats->submitted[lane];
    uint64_t last_taken_at = mr_counter_read(&stats->taken[lane].submitted_at);

    if (jobs <= MR_OFFLOAD_TIMES)
        return mr_counter_read(&submitted->at[first % MR_OFFLOAD_TIMES]);
    return last_taken_at != 0 ? last_taken_at : mr_counter_read(&submitted->at[(first + jobs) % MR_OFFLOAD_TIMES]);
}

void mr_offload_add_waiting(struct mr_offload_waiting *sum, const struct mr_offload_stats *stats, enum mr_lane lane)
{
    /* Those taken first: a job is submitted before it is taken. */
    uint64_t taken = mr_counter_read(&stats->taken[lane].jobs), taken_ns = mr_counter_read(&stats->taken[lane].work_ns);
    uint64_t submitted = mr_counter_read(&stats->submitted[lane].jobs);
    uint64_t submitted_ns = mr_counter_read(&stats->submitted[lane].work_ns);

    if (submitted <= taken)
        return;
    uint64_t oldest = oldest_at(stats, lane, taken, submitted - taken);
    sum->jobs += submitted - taken;
    sum->work_ns += submitted_ns > taken_ns ? submitted_ns - taken_ns : 0;
    sum->oldest_at = sum->oldest_at == 0 ? oldest : MR_MIN(sum->oldest_at, oldest);
}

uint32_t mr_offload_depth(const struct mr_offload *offload, enum mr_lane lane)
{
    struct mr_offload_waiting waiting = {.jobs = 0};

    for (unsigned i = 0; i < offload->config.loop_count; i++)
        mr_offload_add_waiting(&waiting, offload->loops[i].stats, lane);
    return (uint32_t)waiting.jobs;
}

uint32_t mr_offload_capacity(const struct mr_offload *offload)
{
    return mr_queue_capacity(offload->queue);
}

const struct mr_offload_stats *mr_offload_stats(const struct mr_offload *offload, unsigned loop_index)
{
    MR_ASSERT(loop_index < offload->config.loop_count);
    return offload->loops[loop_index].stats;
}
