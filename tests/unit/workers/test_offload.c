/* Every test runs under all offloads, unless it holds workers, which the loop itself cannot be. */
#include "workers/offload.h"

#include "base/macros.h"
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS 2u /* also of libuv's pool, which keeps its first size as long as the process lives */

struct probe {
    struct mr_job job;
    unsigned runs, dones, lates;
    enum mr_error seen; /* by work() at its last checkpoint */
    unsigned order;     /* of done() */
};

static struct mr_loop *loop;
static struct mr_offload *offload;
static enum mr_offload_kind kind;
static struct probe probes[256], holders[WORKERS];
static unsigned outstanding, finished;
static void (*when_all_are_back)(void); /* or NULL: stop the loop */
static sem_t holding, release;
static struct mr_histogram run_time;
static _Atomic unsigned ended_workers;

static void count_worker_end(void)
{
    atomic_fetch_add(&ended_workers, 1);
}

static void on_done(struct mr_job *job)
{
    struct probe *probe = mr_container_of(job, struct probe, job);

    assert_true(mr_loop_is_current(job->loop));
    probe->dones++;
    probe->order = finished++;
    if (--outstanding > 0)
        return;
    void (*next)(void) = when_all_are_back;
    when_all_are_back = NULL;
    if (next != NULL)
        next();
    else
        mr_loop_stop(loop);
}

static void note_run(struct mr_job *job)
{
    mr_container_of(job, struct probe, job)->runs++;
}

static void run_until_told_to_stop(struct mr_job *job)
{
    struct probe *probe = mr_container_of(job, struct probe, job);

    probe->runs++;
    sem_post(&holding);
    do {
        probe->seen = mr_cancel_check(&job->cancel);
    } while (probe->seen == MR_OK);
}

static void run_until_released(struct mr_job *job)
{
    note_run(job);
    sem_post(&holding);
    sem_wait(&release);
}

static int submit_for(struct probe *probe, enum mr_lane lane, void (*work)(struct mr_job *job),
                      void (*late)(struct mr_job *job))
{
    *probe = (struct probe){
        .job = {.work = work, .done = on_done, .late = late, .loop = loop, .lane = lane, .run_time = &run_time}};
    int err = mr_offload_submit(offload, &probe->job);
    assert_int_equal(probe->dones, 0); /* never from inside submit */
    outstanding += err == 0;
    return err;
}

static int submit(struct probe *probe, enum mr_lane lane, void (*work)(struct mr_job *job))
{
    return submit_for(probe, lane, work, NULL);
}

static bool is_on_loop(void)
{
    return kind == MR_OFFLOAD_NONE || kind == MR_OFFLOAD_INLINE;
}

/* Make all workers busy until let_go(). There are none to hold on the loop. */
static void hold_workers(enum mr_lane lane)
{
    for (unsigned i = 0; i < WORKERS && !is_on_loop(); i++) {
        assert_int_equal(submit(&holders[i], lane, run_until_released), 0);
        sem_wait(&holding);
    }
}

static void let_go(void)
{
    for (unsigned i = 0; i < WORKERS && !is_on_loop(); i++)
        sem_post(&release);
}

static void close_offload(void)
{
    mr_offload_close(offload);
    mr_offload_destroy(&offload);
    assert_null(offload);
    mr_loop_destroy(&loop);
}

static void open_offload(uint32_t depth, uint64_t deadline_ns, uint64_t run_ns_max)
{
    assert_int_equal(mr_loop_create(&loop, 0), 0);
    assert_int_equal(mr_offload_create(&offload, &(struct mr_offload_config){.kind = kind,
                                                                             .workers = WORKERS,
                                                                             .queue_depth = depth,
                                                                             .deadline_ns = deadline_ns,
                                                                             .run_ns_max = run_ns_max,
                                                                             .worker_end = count_worker_end,
                                                                             .loops = &loop,
                                                                             .loop_count = 1}),
                     0);
    outstanding = finished = 0;
    when_all_are_back = NULL;
    sem_init(&holding, 0, 0);
    sem_init(&release, 0, 0);
    run_time = (struct mr_histogram){0};
}

static void every_job_comes_back_once(void **state)
{
    (void)state;
    open_offload(256, MR_NS_PER_S * 60, 0);
    for (unsigned i = 0; i < MR_ARRAY_SIZE(probes); i++)
        assert_int_equal(submit(&probes[i], (enum mr_lane)(i % MR_LANE_COUNT), note_run), 0);
    mr_loop_run(loop);
    for (unsigned i = 0; i < MR_ARRAY_SIZE(probes); i++) {
        assert_int_equal(probes[i].runs, 1);
        assert_int_equal(probes[i].dones, 1);
        assert_int_equal(probes[i].job.outcome, MR_JOB_DONE);
        assert_true(probes[i].job.submitted_at <= probes[i].job.started_at);
        assert_true(probes[i].job.started_at <= probes[i].job.finished_at);
    }
    const struct mr_offload_stats *stats = mr_offload_stats(offload, 0);
    struct mr_histogram_view runs = {0}, waits = {0};
    mr_histogram_read(&run_time, &runs);
    for (int lane = 0; lane < MR_LANE_COUNT; lane++)
        mr_histogram_read(&stats->queue_wait[lane], &waits);
    assert_int_equal(runs.count, MR_ARRAY_SIZE(probes));
    assert_int_equal(waits.count, MR_ARRAY_SIZE(probes));
    assert_int_equal(stats->done, MR_ARRAY_SIZE(probes));
    assert_int_equal(stats->succeeded, MR_ARRAY_SIZE(probes));
    assert_int_equal(mr_offload_busy(offload), 0);
    assert_int_equal(mr_offload_depth(offload, MR_LANE_BULK), 0);
    close_offload();
}

static void run_and_fail(struct mr_job *job)
{
    note_run(job);
    job->has_failed = true;
}

static void job_that_says_that_it_failed_is_done_and_no_success(void **state)
{
    (void)state;
    open_offload(4, MR_NS_PER_S * 60, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(submit(&probes[i], MR_LANE_BULK, i == 1 ? note_run : run_and_fail), 0);
    mr_loop_run(loop);
    assert_int_equal(mr_offload_stats(offload, 0)->done, 3);
    assert_int_equal(mr_offload_stats(offload, 0)->succeeded, 1);
    close_offload();
}

static pthread_barrier_t together;

static void wait_for_the_others(struct mr_job *job)
{
    note_run(job);
    pthread_barrier_wait(&together);
}

static void submit_one_for_each_worker(void)
{
    static const enum mr_lane lanes[WORKERS] = {MR_LANE_INTERACTIVE, MR_LANE_BULK};

    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(submit(&probes[i], lanes[i], wait_for_the_others), 0);
    if (finished < 2000)
        when_all_are_back = submit_one_for_each_worker;
}

/* Hangs if a worker sleeps while a job waits: also one whose wake-up was left to the signal of another. */
static void jobs_that_come_together_run_together(void **state)
{
    (void)state;
    open_offload(8, 0, 0);
    pthread_barrier_init(&together, NULL, WORKERS);
    submit_one_for_each_worker();
    mr_loop_run(loop);
    assert_true(finished >= 2000);
    pthread_barrier_destroy(&together);
    close_offload();
}

static void a_full_lane_refuses_and_the_others_do_not(void **state)
{
    uint32_t retry_after_s = 0;

    (void)state;
    open_offload(2, MR_NS_PER_S * 60, 0);
    assert_int_equal(mr_offload_capacity(offload), 2);
    hold_workers(MR_LANE_INTERACTIVE);
    assert_int_equal(submit(&probes[0], MR_LANE_BULK, note_run), 0);
    assert_int_equal(mr_offload_admit(offload, loop, MR_LANE_BULK, NULL), 0);
    assert_int_equal(submit(&probes[1], MR_LANE_BULK, note_run), 0);
    assert_int_equal(mr_offload_admit(offload, loop, MR_LANE_BULK, &retry_after_s), MR_EBUSY);
    assert_true(retry_after_s >= 1);
    assert_int_equal(submit(&probes[2], MR_LANE_BULK, note_run), MR_EBUSY);
    assert_int_equal(submit(&probes[3], MR_LANE_HEAVY, note_run), 0);
    assert_int_equal(mr_offload_depth(offload, MR_LANE_BULK), 2);
    assert_int_equal(mr_offload_depth(offload, MR_LANE_HEAVY), 1);
    let_go();
    mr_loop_run(loop);
    assert_int_equal(probes[0].dones + probes[1].dones + probes[3].dones, 3);
    assert_int_equal(probes[2].dones, 0);
    assert_int_equal(mr_offload_stats(offload, 0)->refused, 1);
    close_offload();
}

static struct mr_offload_waiting waiting_in(enum mr_lane lane)
{
    struct mr_offload_waiting waiting = {.jobs = 0};
    mr_offload_add_waiting(&waiting, mr_offload_stats(offload, 0), lane);
    return waiting;
}

static void submit_expecting(struct probe *probe, enum mr_lane lane, uint64_t ns)
{
    *probe = (struct probe){.job = {.work = note_run, .done = on_done, .loop = loop, .lane = lane, .expected_ns = ns}};
    assert_int_equal(mr_offload_submit(offload, &probe->job), 0);
    outstanding++;
}

static void what_waits_is_known_by_lane_with_its_work_and_its_oldest_job(void **state)
{
    (void)state;
    open_offload(64, MR_NS_PER_S * 60, 0);
    hold_workers(MR_LANE_INTERACTIVE);
    submit_expecting(&probes[0], MR_LANE_BULK, 5000);
    for (unsigned i = 1; i < 50; i++)
        submit_expecting(&probes[i], MR_LANE_BULK, 1000);
    submit_expecting(&probes[50], MR_LANE_HEAVY, 7000);
    struct mr_offload_waiting bulk = waiting_in(MR_LANE_BULK), heavy = waiting_in(MR_LANE_HEAVY);
    assert_int_equal(bulk.jobs, 50);
    assert_int_equal(bulk.work_ns, 5000 + 49 * 1000);
    assert_int_equal(bulk.oldest_at, probes[0].job.submitted_at);
    assert_int_equal(heavy.jobs, 1);
    assert_int_equal(heavy.work_ns, 7000);
    assert_int_equal(heavy.oldest_at, probes[50].job.submitted_at);
    assert_int_equal(waiting_in(MR_LANE_INTERACTIVE).jobs, 0);
    let_go();
    mr_loop_run(loop);
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        struct mr_offload_waiting none = waiting_in(lane);
        assert_int_equal(none.jobs + none.work_ns + none.oldest_at, 0);
    }
    close_offload();
}

static void expect_as_much_work_as_ran_before(void)
{
    submit_expecting(&probes[1], MR_LANE_BULK, 0);
    /* Under `none` it waits for the loop; a worker may have taken it already. */
    if (kind == MR_OFFLOAD_NONE)
        assert_int_equal(waiting_in(MR_LANE_BULK).work_ns, probes[0].job.finished_at - probes[0].job.started_at);
}

static void job_of_unknown_length_counts_as_long_as_others_of_its_lane(void **state)
{
    (void)state;
    open_offload(8, MR_NS_PER_S * 60, 0);
    when_all_are_back = expect_as_much_work_as_ran_before;
    submit_expecting(&probes[0], MR_LANE_BULK, 0);
    mr_loop_run(loop);
    close_offload();
}

static void set_number(_Atomic uint64_t *number, uint64_t value)
{
    atomic_store(number, value);
}

/* As of two loops, of which the second has more jobs waiting than it knows the times of. */
static void oldest_of_many_is_known_by_the_job_that_was_taken_before_it(void **state)
{
    static struct mr_offload_stats few, many; /* large */
    struct mr_offload_waiting sum = {.jobs = 0};
    (void)state;
    set_number(&few.submitted[MR_LANE_BULK].jobs, MR_OFFLOAD_TIMES + 1);
    set_number(&few.taken[MR_LANE_BULK].jobs, MR_OFFLOAD_TIMES - 1);
    set_number(&few.taken[MR_LANE_BULK].submitted_at, 100);
    set_number(&few.submitted[MR_LANE_BULK].at[MR_OFFLOAD_TIMES - 1], 900);
    set_number(&few.submitted[MR_LANE_BULK].at[0], 950);
    mr_offload_add_waiting(&sum, &few, MR_LANE_BULK);
    assert_int_equal(sum.jobs, 2);
    assert_int_equal(sum.oldest_at, 900);
    set_number(&many.submitted[MR_LANE_BULK].jobs, MR_OFFLOAD_TIMES + 4);
    for (unsigned i = 0; i < MR_OFFLOAD_TIMES; i++)
        set_number(&many.submitted[MR_LANE_BULK].at[i], 800);
    mr_offload_add_waiting(&sum, &many, MR_LANE_BULK);
    assert_int_equal(sum.oldest_at, 800); /* none was taken: the oldest that is known */
    set_number(&many.taken[MR_LANE_BULK].jobs, 2);
    set_number(&many.taken[MR_LANE_BULK].submitted_at, 700);
    mr_offload_add_waiting(&sum, &many, MR_LANE_BULK);
    assert_int_equal(sum.oldest_at, 700);
}

static void a_job_that_waited_past_its_deadline_is_not_run(void **state)
{
    (void)state;
    open_offload(8, 1, 0);
    assert_int_equal(submit(&probes[0], MR_LANE_INTERACTIVE, note_run), 0);
    mr_loop_run(loop);
    assert_int_equal(probes[0].runs, 0);
    assert_int_equal(probes[0].job.outcome, MR_JOB_EXPIRED);
    assert_int_equal(probes[0].job.started_at, 0);
    assert_int_equal(mr_offload_stats(offload, 0)->expired, 1);
    close_offload();
}

static void note_lateness(struct mr_job *job)
{
    mr_container_of(job, struct probe, job)->lates++;
}

static void let_go_of_the_workers(struct mr_job *job)
{
    struct probe *probe = mr_container_of(job, struct probe, job);

    assert_true(mr_loop_is_current(job->loop));
    assert_int_equal(probe->dones, 0);
    assert_int_equal(probe->runs, 0);
    note_lateness(job);
    let_go();
}

/* All workers are held until it says that it knows. */
static void owner_of_a_job_that_waits_past_its_deadline_is_told_before_a_worker_finds_it(void **state)
{
    (void)state;
    open_offload(16, MR_NS_PER_S, 0); /* so long that those which hold the workers begin in time */
    hold_workers(MR_LANE_INTERACTIVE);
    assert_int_equal(submit_for(&probes[0], MR_LANE_INTERACTIVE, note_run, let_go_of_the_workers), 0);
    assert_int_equal(submit(&probes[1], MR_LANE_INTERACTIVE, note_run), 0);
    mr_loop_run(loop);
    assert_int_equal(probes[0].lates, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(probes[i].job.outcome, MR_JOB_EXPIRED);
        assert_int_equal(probes[i].runs, 0);
        assert_int_equal(probes[i].dones, 1);
    }
    close_offload();
}

/* Its own time is another bound. */
static void job_that_began_in_time_is_never_late(void **state)
{
    (void)state;
    open_offload(16, 50 * MR_NS_PER_MS, 100 * MR_NS_PER_MS);
    assert_int_equal(submit_for(&probes[0], MR_LANE_INTERACTIVE, run_until_told_to_stop, note_lateness), 0);
    mr_loop_run(loop);
    bool has_run = probes[0].runs > 0; /* not where the machine is too busy */
    assert_true(!has_run || probes[0].lates == 0);
    assert_int_equal(probes[0].job.outcome, has_run ? MR_JOB_DONE : MR_JOB_EXPIRED);
    if (has_run)
        sem_wait(&holding);
    close_offload();
}

static void a_job_cancelled_while_it_waits_is_not_run(void **state)
{
    (void)state;
    open_offload(8, MR_NS_PER_S * 60, 0);
    hold_workers(MR_LANE_INTERACTIVE);
    assert_int_equal(submit(&probes[0], MR_LANE_INTERACTIVE, note_run), 0);
    assert_int_equal(submit(&probes[1], MR_LANE_INTERACTIVE, note_run), 0);
    mr_job_cancel(&probes[0].job);
    let_go();
    mr_loop_run(loop);
    assert_int_equal(probes[0].runs, 0);
    assert_int_equal(probes[0].job.outcome, MR_JOB_CANCELLED);
    assert_int_equal(probes[1].job.outcome, MR_JOB_DONE);
    assert_int_equal(mr_offload_stats(offload, 0)->cancelled, 1);
    close_offload();
}

static void a_running_job_sees_that_it_was_cancelled(void **state)
{
    (void)state;
    open_offload(8, MR_NS_PER_S * 60, 0);
    assert_int_equal(submit(&probes[0], MR_LANE_INTERACTIVE, run_until_told_to_stop), 0);
    sem_wait(&holding);
    assert_int_equal(mr_offload_busy(offload), 1);
    mr_job_cancel(&probes[0].job);
    mr_loop_run(loop);
    assert_int_equal(probes[0].seen, MR_ECANCELLED);
    assert_int_equal(probes[0].job.outcome, MR_JOB_DONE); /* it ran; what it found is its own matter */
    close_offload();
}

static void a_job_that_runs_too_long_sees_its_time_end(void **state)
{
    (void)state;
    open_offload(8, MR_NS_PER_S * 60, MR_NS_PER_MS);
    assert_int_equal(submit(&probes[0], MR_LANE_HEAVY, run_until_told_to_stop), 0);
    mr_loop_run(loop);
    assert_int_equal(probes[0].seen, MR_ETIME);
    assert_true(probes[0].job.finished_at - probes[0].job.started_at >= MR_NS_PER_MS);
    close_offload();
}

static void close_sends_waiting_jobs_back_unrun_and_refuses_new_ones(void **state)
{
    (void)state;
    open_offload(8, MR_NS_PER_S * 60, 0);
    hold_workers(MR_LANE_INTERACTIVE);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(submit(&probes[i], (enum mr_lane)(i % MR_LANE_COUNT), note_run), 0);
    mr_offload_close(offload);
    assert_int_equal(mr_offload_admit(offload, loop, MR_LANE_BULK, NULL), MR_ESHUTDOWN);
    assert_int_equal(submit(&probes[9], MR_LANE_BULK, note_run), MR_ESHUTDOWN);
    let_go();
    mr_loop_run(loop);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(probes[i].runs, 0);
        assert_int_equal(probes[i].dones, 1);
        assert_int_equal(probes[i].job.outcome, MR_JOB_SHUT_DOWN);
    }
    assert_int_equal(mr_offload_stats(offload, 0)->shut_down, 6);
    close_offload();
}

static void close_cancels_running_jobs(void **state)
{
    (void)state;
    open_offload(8, MR_NS_PER_S * 60, 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(submit(&probes[i], MR_LANE_INTERACTIVE, run_until_told_to_stop), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        sem_wait(&holding);
    mr_offload_close(offload);
    mr_loop_run(loop);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(probes[i].seen, MR_ECANCELLED);
    close_offload();
}

static void let_go_when_done(struct mr_job *job)
{
    on_done(job);
    let_go();
}

static void heavy_jobs_never_hold_all_workers(void **state)
{
    (void)state;
    open_offload(8, MR_NS_PER_S * 60, 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(submit(&holders[i], MR_LANE_HEAVY, run_until_released), 0);
    sem_wait(&holding);
    assert_int_equal(submit(&probes[0], MR_LANE_INTERACTIVE, note_run), 0);
    probes[0].job.done = let_go_when_done; /* it comes back while one heavy job runs and the other waits */
    mr_loop_run(loop);
    assert_int_equal(probes[0].order, 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(holders[i].runs, 1); /* the one that had to wait was not forgotten */
    close_offload();
}

#define CHAIN 300u
static unsigned links;

static void submit_the_next(struct mr_job *job)
{
    if (++links == CHAIN) {
        on_done(job);
        return;
    }
    outstanding--;
    assert_int_equal(submit(mr_container_of(job, struct probe, job), (enum mr_lane)(links % MR_LANE_COUNT), note_run),
                     0);
    job->done = submit_the_next;
}

/* One in flight: the worker that ran it may still look for the next, or be asleep already. */
static void a_chain_of_jobs_each_submitted_by_the_one_before_goes_on(void **state)
{
    (void)state;
    open_offload(1, MR_NS_PER_S * 60, 0);
    links = 0;
    assert_int_equal(submit(&probes[0], MR_LANE_INTERACTIVE, note_run), 0);
    probes[0].job.done = submit_the_next;
    mr_loop_run(loop);
    assert_int_equal(links, CHAIN);
    assert_int_equal(mr_offload_stats(offload, 0)->done, CHAIN);
    close_offload();
}

static bool bulk_came_back;

static void submit_again(struct mr_job *job)
{
    struct probe *probe = mr_container_of(job, struct probe, job);

    if (bulk_came_back) {
        on_done(job);
        return;
    }
    outstanding--;
    assert_int_equal(submit(probe, MR_LANE_INTERACTIVE, note_run), 0);
    probe->job.done = submit_again;
}

static void note_bulk(struct mr_job *job)
{
    bulk_came_back = true;
    on_done(job);
}

static void bulk_progresses_under_endless_interactive_jobs(void **state)
{
    (void)state;
    open_offload(64, MR_NS_PER_S * 60, 0);
    bulk_came_back = false;
    hold_workers(MR_LANE_INTERACTIVE); /* so that `done` is set before a job comes back */
    for (unsigned i = 1; i < 33; i++) {
        assert_int_equal(submit(&probes[i], MR_LANE_INTERACTIVE, note_run), 0);
        probes[i].job.done = submit_again;
    }
    assert_int_equal(submit(&probes[0], MR_LANE_BULK, note_run), 0);
    probes[0].job.done = note_bulk;
    let_go();
    mr_loop_run(loop);
    assert_int_equal(probes[0].runs, 1);
    close_offload();
}

static void run_for_200_ms(struct mr_job *job)
{
    note_run(job);
    while (mr_clock_now() < job->started_at + 200 * MR_NS_PER_MS)
        ;
}

static void submit_more_than_the_deadline_allows(void)
{
    unsigned accepted = 0;
    uint32_t retry_after_s = 0;

    hold_workers(MR_LANE_BULK);
    while (accepted < 64 && submit(&probes[1 + accepted], MR_LANE_INTERACTIVE, note_run) == 0)
        accepted++;
    /* 200 ms each, or more if the machine is busy: at most five of them fit into a second, of each worker. */
    assert_in_range(accepted, 0, 6 * WORKERS);
    assert_int_equal(mr_offload_admit(offload, loop, MR_LANE_INTERACTIVE, &retry_after_s), MR_EBACKLOG);
    assert_int_equal(retry_after_s, 1);
    assert_int_equal(submit(&probes[100], MR_LANE_INTERACTIVE, note_run), MR_EBACKLOG);
    let_go();
}

static void a_wait_that_would_pass_the_deadline_is_refused(void **state)
{
    (void)state;
    open_offload(64, MR_NS_PER_S, 0); /* so long that those which hold the workers begin in time */
    /* From the first job the offload learns how long they run. */
    when_all_are_back = submit_more_than_the_deadline_allows;
    assert_int_equal(submit(&probes[0], MR_LANE_INTERACTIVE, run_for_200_ms), 0);
    mr_loop_run(loop);
    close_offload();
}

static int submit_light(struct probe *probe)
{
    *probe = (struct probe){.job = {.work = note_run, .done = on_done, .loop = loop, .expected_ns = MR_NS_PER_MS}};
    int err = mr_offload_submit(offload, &probe->job);
    outstanding += err == 0;
    return err;
}

/* What was slow before says nothing of those that are known to be short. */
static void submit_light_ones_behind_a_slow_one(void)
{
    for (unsigned i = 1; i < 20; i++)
        assert_int_equal(submit_light(&probes[i]), 0);
}

static void a_slow_job_does_not_make_light_ones_be_refused(void **state)
{
    (void)state;
    open_offload(64, 400 * MR_NS_PER_MS, 0);
    when_all_are_back = submit_light_ones_behind_a_slow_one;
    assert_int_equal(submit(&probes[0], MR_LANE_INTERACTIVE, run_for_200_ms), 0);
    mr_loop_run(loop);
    close_offload();
}

/* Three of 45 s over two workers: the fourth would wait for 67.5 s. */
static void expect_three_to_be_accepted(void)
{
    hold_workers(MR_LANE_INTERACTIVE);
    for (unsigned i = 0; i < 3; i++)
        submit_expecting(&probes[i], MR_LANE_INTERACTIVE, 45 * MR_NS_PER_S);
    assert_int_equal(submit_light(&probes[3]), MR_EBACKLOG);
    let_go();
}

static void the_work_that_is_expected_of_jobs_is_summed(void **state)
{
    (void)state;
    open_offload(64, 60 * MR_NS_PER_S, 0);
    expect_three_to_be_accepted();
    mr_loop_run(loop);
    close_offload();
}

static void fail_at_once(struct mr_job *job)
{
    job->has_failed = true;
}

/* Else a few damaged images would make all others seem cheap. */
static void jobs_that_failed_do_not_make_others_seem_cheap(void **state)
{
    (void)state;
    open_offload(64, 60 * MR_NS_PER_S, 0);
    when_all_are_back = expect_three_to_be_accepted;
    probes[10] =
        (struct probe){.job = {.work = fail_at_once, .done = on_done, .loop = loop, .expected_ns = 45 * MR_NS_PER_S}};
    assert_int_equal(mr_offload_submit(offload, &probes[10].job), 0);
    outstanding++;
    mr_loop_run(loop);
    close_offload();
}

static void streams_that_are_at_work_share_what_may_be_in_flight(void **state)
{
    (void)state;
    open_offload(8, 0, 0);
    unsigned most = mr_offload_stream_jobs_max(offload);
    assert_int_equal(most, is_on_loop() ? 4 : MR_MAX(2 * WORKERS + 2, 4));
    assert_int_equal(mr_offload_stream_jobs(offload), most);
    for (unsigned streams = 1; streams <= 5; streams++) {
        mr_offload_stream_begin(offload);
        assert_int_equal(mr_offload_stream_jobs(offload), MR_MAX(most / streams, 4));
    }
    for (unsigned streams = 5; streams > 0; streams--)
        mr_offload_stream_end(offload);
    assert_int_equal(mr_offload_stream_jobs(offload), most);
    close_offload();
}

static void workers_end_with_their_hook(void **state)
{
    (void)state;
    atomic_store(&ended_workers, 0);
    open_offload(8, 0, 0);
    assert_int_equal(mr_offload_workers(offload), WORKERS);
    assert_int_equal(mr_offload_kind(offload), kind);
    close_offload();
    assert_int_equal(atomic_load(&ended_workers), WORKERS);
}

static enum mr_offload_kind kinds[] = {MR_OFFLOAD_WORKERS, MR_OFFLOAD_LIBUV, MR_OFFLOAD_NONE, MR_OFFLOAD_INLINE};

/* ---- how often the loop looks at its sockets ---- */

static unsigned looks, looks_at_last_run;

static void on_look(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)status;
    (void)events;
    looks++; /* what is to be read stays there: it is called in each poll */
}

static void note_looks(struct mr_job *job)
{
    note_run(job);
    looks_at_last_run = looks;
}

/* Eight jobs are ready while a socket has something in each poll. */
static void jobs_that_are_ready_run_between_looks_at_sockets(void **state)
{
    (void)state;
    int pipe_fds[2];
    uv_poll_t handle;
    open_offload(8, 0, 0);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    looks = looks_at_last_run = 0;
    uv_poll_init(mr_loop_uv(loop), &handle, pipe_fds[0]);
    uv_poll_start(&handle, UV_READABLE, on_look);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(submit(&probes[i], (enum mr_lane)(i % MR_LANE_COUNT), note_looks), 0);
    mr_loop_run(loop);
    assert_int_equal(finished, 8);
    assert_int_equal(looks_at_last_run, kind == MR_OFFLOAD_INLINE ? 0 : 7);
    uv_close((uv_handle_t *)&handle, NULL);
    close_offload();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static int choose_kind(void **state)
{
    kind = *(enum mr_offload_kind *)*state;
    return 0;
}

#define UNDER(name, index, text)                                     \
    {                                                                \
#name "_under_" text, name, choose_kind, NULL, &kinds[index] \
    }
#define ON_THREADS(name) UNDER(name, 0, "workers"), UNDER(name, 1, "libuv")
#define ON_LOOP(name)    UNDER(name, 2, "none"), UNDER(name, 3, "inline")
#define EVERYWHERE(name) ON_THREADS(name), ON_LOOP(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EVERYWHERE(every_job_comes_back_once),
        EVERYWHERE(job_that_says_that_it_failed_is_done_and_no_success),
        ON_THREADS(jobs_that_come_together_run_together),
        EVERYWHERE(a_full_lane_refuses_and_the_others_do_not),
        EVERYWHERE(what_waits_is_known_by_lane_with_its_work_and_its_oldest_job),
        EVERYWHERE(job_of_unknown_length_counts_as_long_as_others_of_its_lane),
        UNDER(oldest_of_many_is_known_by_the_job_that_was_taken_before_it, 0, "workers"),
        EVERYWHERE(a_job_that_waited_past_its_deadline_is_not_run),
        ON_THREADS(owner_of_a_job_that_waits_past_its_deadline_is_told_before_a_worker_finds_it),
        ON_THREADS(job_that_began_in_time_is_never_late),
        EVERYWHERE(a_job_cancelled_while_it_waits_is_not_run),
        ON_THREADS(a_running_job_sees_that_it_was_cancelled),
        EVERYWHERE(a_job_that_runs_too_long_sees_its_time_end),
        EVERYWHERE(close_sends_waiting_jobs_back_unrun_and_refuses_new_ones),
        ON_THREADS(close_cancels_running_jobs),
        ON_THREADS(heavy_jobs_never_hold_all_workers),
        EVERYWHERE(a_chain_of_jobs_each_submitted_by_the_one_before_goes_on),
        EVERYWHERE(bulk_progresses_under_endless_interactive_jobs),
        EVERYWHERE(a_wait_that_would_pass_the_deadline_is_refused),
        ON_THREADS(a_slow_job_does_not_make_light_ones_be_refused),
        UNDER(the_work_that_is_expected_of_jobs_is_summed, 0, "workers"),
        UNDER(jobs_that_failed_do_not_make_others_seem_cheap, 0, "workers"),
        ON_LOOP(jobs_that_are_ready_run_between_looks_at_sockets),
        UNDER(streams_that_are_at_work_share_what_may_be_in_flight, 0, "workers"),
        UNDER(workers_end_with_their_hook, 0, "workers"),
    };
    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
