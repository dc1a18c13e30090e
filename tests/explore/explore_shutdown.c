/* The whole offload with threads of its own, from submit to done(), under many interleavings: offload.c,
 * offload_workers.c, lanes.c, runner.c, queue.c, parking.c and inbox.c are the real ones; the loop, the threads and the
 * clock are stood in for. Properties:
 *  - every accepted job comes back exactly once, whenever the offload is closed; a refused one does not;
 *  - a job that only ends when it is cancelled ends: close either marks it or keeps it from starting;
 *  - nobody touches a job after it came back, nor the offload after it was destroyed;
 *  - done() sees what work() wrote, work() and close what the submitter wrote;
 *  - heavy jobs never run on all workers at once, and the one that waited for that gets its turn, also when the worker
 *    that made room for it is busy with something else;
 *  - destroy ends the workers, asleep or not. */
#include "base/macros.h"
#include "explorer.h"
#include "workers/offload_internal.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define JOBS    3
#define WORKERS 2

struct mr_loop {
    struct mr_inbox inbox;
    atomic_bool woken;
};

static struct {
    struct mr_loop loop;
    struct mr_loop *loops[1];
    struct mr_offload *offload;
    struct mr_job jobs[JOBS];
    int input[JOBS], output[JOBS];
    void (*work)(struct mr_job *job), (*last_work)(struct mr_job *job); /* NULL: the last is as the others */
    enum mr_lane lane;
    unsigned job_count, accepted, back;
    atomic_uint running, heavy_ended;
    atomic_bool closer_ended, worker_ended[WORKERS];
} it;

/* ---- what the offload stands on ------------------------------------------------------------------------------------
 */

/* An eventfd: one system call is ordered with the other by the kernel's lock. */
void mr_loop_post(struct mr_loop *loop, struct mr_inbox_node *node)
{
    if (mr_inbox_post(&loop->inbox, node))
        atomic_exchange_explicit(&loop->woken, true, memory_order_acq_rel);
}

static void sleep_until_woken(struct mr_loop *loop)
{
    while (!atomic_exchange_explicit(&loop->woken, false, memory_order_acq_rel))
        sched_yield();
}

unsigned mr_loop_index(const struct mr_loop *loop)
{
    return loop != &it.loop;
}

bool mr_loop_is_current(const struct mr_loop *loop)
{
    return loop == &it.loop;
}

uint64_t mr_loop_now(struct mr_loop *loop)
{
    return loop == &it.loop;
}

const struct mr_loop_note *mr_loop_noted(const struct mr_loop *loop)
{
    static const struct mr_loop_note nobody;
    (void)loop;
    return &nobody;
}

void mr_loop_note(struct mr_loop *loop, const struct mr_loop_note *note)
{
    (void)loop;
    (void)note;
}

/* No job here has an owner that wants to know when it is late, so no timer is ever set. */
void mr_timer_list_open(struct mr_timer_list *list, struct mr_loop *loop, uint64_t duration_ns,
                        void (*on_expire)(struct mr_timer *timer))
{
    *list = (struct mr_timer_list){.loop = loop, .duration_ns = duration_ns, .on_expire = on_expire};
}

void mr_timer_list_close(struct mr_timer_list *list)
{
    list->loop = NULL;
}

void mr_timer_set(struct mr_timer_list *list, struct mr_timer *timer)
{
    (void)list;
    (void)timer;
    abort();
}

void mr_timer_clear(struct mr_timer *timer)
{
    (void)timer;
    abort();
}

void mr_job_cancel(struct mr_job *job)
{
    (void)job;
    abort();
}

uint64_t mr_clock_now(void)
{
    return 1;
}

void mr_histogram_record(struct mr_histogram *histogram, uint64_t value)
{
    (void)histogram;
    (void)value;
}

const struct mr_offload_ops mr_offload_ops_libuv, mr_offload_ops_none, mr_offload_ops_inline;

struct mr_pool {
    void (*body)(void *argument, unsigned index);
    void *argument;
    unsigned threads;
};

static struct mr_pool pool;

static void run_worker(unsigned index)
{
    pool.body(pool.argument, index);
    atomic_store_explicit(&it.worker_ended[index], true, memory_order_release);
}

int mr_pool_start(struct mr_pool **out, unsigned threads, enum mr_worker_priority priority,
                  void (*body)(void *argument, unsigned index), void *argument)
{
    (void)priority;
    pool = (struct mr_pool){body, argument, threads};
    for (unsigned i = 0; i < threads; i++)
        explore_thread(run_worker, i);
    *out = &pool;
    return 0;
}

static void wait_for(atomic_bool *flag)
{
    while (!atomic_load_explicit(flag, memory_order_acquire))
        sched_yield();
}

void mr_pool_join(struct mr_pool **out)
{
    for (unsigned i = 0; i < (*out)->threads; i++)
        wait_for(&it.worker_ended[i]);
    *out = NULL;
}

/* ---- jobs ----------------------------------------------------------------------------------------------------------
 */

static void work_shortly(struct mr_job *job)
{
    it.output[job - it.jobs] = it.input[job - it.jobs];
}

static void work_until_cancelled(struct mr_job *job)
{
    while (mr_cancel_check(&job->cancel) == MR_OK)
        sched_yield();
    work_shortly(job);
}

static void work_heavily(struct mr_job *job)
{
    unsigned running = atomic_fetch_add_explicit(&it.running, 1, memory_order_relaxed) + 1;
    EXPLORE_CHECK(running < WORKERS);
    work_shortly(job);
    atomic_fetch_sub_explicit(&it.running, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&it.heavy_ended, 1, memory_order_relaxed);
}

/* Keeps its worker until the heavy jobs are through: the other worker has to run what is left of them. */
static void work_until_heavy_ended(struct mr_job *job)
{
    while (atomic_load_explicit(&it.heavy_ended, memory_order_relaxed) < it.job_count - 1)
        sched_yield();
    work_shortly(job);
}

static void done(struct mr_job *job)
{
    size_t i = (size_t)(job - it.jobs);

    if (job->outcome == MR_JOB_DONE)
        EXPLORE_CHECK(it.output[i] == it.input[i]);
    it.back++;
    explore_retire(job, sizeof(*job));
}

/* ---- threads -------------------------------------------------------------------------------------------------------
 */

/* The job is written here, not in setup: who marks it must have seen that. */
static void submit(unsigned i)
{
    bool last = it.last_work != NULL && i == it.job_count - 1;
    it.jobs[i] = (struct mr_job){.work = last ? it.last_work : it.work,
                                 .done = done,
                                 .loop = &it.loop,
                                 .lane = last ? MR_LANE_INTERACTIVE : it.lane};
    it.input[i] = 7;
    int err = mr_offload_submit(it.offload, &it.jobs[i]);
    EXPLORE_CHECK(err == 0 || err == MR_ESHUTDOWN);
    it.accepted += err == 0;
}

/* Submits, takes back what was accepted, and destroys the offload when nobody else uses it any more. */
static void run_loop(unsigned closes_itself)
{
    for (unsigned i = 0; i < it.job_count; i++)
        submit(i);
    while (it.back < it.accepted) {
        bool more = true;
        sleep_until_woken(&it.loop);
        while (more)
            mr_inbox_drain(&it.loop.inbox, JOBS, &more);
    }
    EXPLORE_CHECK(it.back == it.accepted);
    if (closes_itself)
        mr_offload_close(it.offload);
    else
        wait_for(&it.closer_ended);
    mr_offload_destroy(&it.offload);
}

static void close_offload(unsigned self)
{
    (void)self;
    mr_offload_close(it.offload);
    atomic_store_explicit(&it.closer_ended, true, memory_order_release);
}

static void start(unsigned workers, unsigned jobs, void (*work)(struct mr_job *job), enum mr_lane lane)
{
    memset(&it, 0, sizeof(it));
    mr_inbox_init(&it.loop.inbox);
    it.loops[0] = &it.loop;
    it.job_count = jobs;
    it.work = work;
    it.lane = lane;
    const struct mr_offload_config config = {
        .kind = MR_OFFLOAD_WORKERS, .workers = workers, .queue_depth = JOBS, .loops = it.loops, .loop_count = 1};
    EXPLORE_CHECK(mr_offload_create(&it.offload, &config) == 0);
}

static void close_while_jobs_run(void)
{
    start(1, 2, work_shortly, MR_LANE_INTERACTIVE);
    explore_thread(run_loop, false);
    explore_thread(close_offload, 0);
}

static void close_ends_endless_jobs(void)
{
    start(1, 1, work_until_cancelled, MR_LANE_INTERACTIVE);
    explore_thread(run_loop, false);
    explore_thread(close_offload, 0);
}

static void two_workers(void)
{
    start(2, 2, work_shortly, MR_LANE_INTERACTIVE);
    explore_thread(run_loop, true);
}

static void heavy_jobs(void)
{
    start(2, 2, work_heavily, MR_LANE_HEAVY);
    explore_thread(run_loop, true);
}

static void heavy_job_left(void)
{
    start(2, 3, work_heavily, MR_LANE_HEAVY);
    it.last_work = work_until_heavy_ended;
    explore_thread(run_loop, true);
}

static void check(void)
{
    EXPLORE_CHECK(it.offload == NULL);
    EXPLORE_CHECK(it.back == it.accepted);
}

int main(int argument_count, char **arguments)
{
    static const struct explore_scenario scenarios[] = {
        {"shutdown-endless-job", close_ends_endless_jobs, check, 3, false},
        {"shutdown-two-jobs", close_while_jobs_run, check, 3, false},
        {"offload-two-workers", two_workers, check, 2, false},
        {"offload-heavy-jobs", heavy_jobs, check, 2, false},
        {"offload-heavy-job-left", heavy_job_left, check, 2, false},
    };
    return explore_main(scenarios, MR_ARRAY_SIZE(scenarios), argument_count, arguments);
}
