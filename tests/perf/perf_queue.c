/* perf_queue -- empty-job round trips over the offload `workers` against raw uv_queue_work, and the worst stall with
 * more threads than cores, beside ConcurrencyKit's ck_ring.
 *
 *      perf_queue [--quick]
 *      perf_queue --once workers|libuv THREADS IN_FLIGHT JOBS      one run in this process, for perf(1) and strace(1)
 *
 * Same number of threads, same priority, one loop, in turns (who begins changes); every measurement in a process of its
 * own. A round trip is the time from submit to the callback on the loop, where both sides read the clock once and do
 * nothing else. What is ours stands with all it has (admission, lanes, deadlines, cancellation, numbers, the loop's lag
 * probe), libuv's bare. docs/queue.md explains the results. */
#include "perf.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "workers/offload.h"
#include "workers/queue.h"
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#if HAVE_CK
#include <ck_ring.h>
#endif

#define IN_FLIGHT_MAX 256

struct plan {
    unsigned threads, in_flight, jobs;
    bool ours;
};

struct outcome {
    struct mr_histogram_view round_trip;
    double jobs_per_s;
    double cpu_us;     /* of all threads, a job */
    uint64_t stall_ns; /* longest time without a completion */
};

/* ---- round trips ---------------------------------------------------------------------------------------------------
 */

static struct {
    struct plan plan;
    unsigned submitted, done;
    uint64_t began, last;
    uint64_t stall_ns;
    struct mr_histogram round_trip;
    struct mr_loop *loop;
    struct mr_offload *offload;
} run;

struct trip {
    struct mr_job job;
    uv_work_t request;
    uint64_t sent;
};
static struct trip trips[IN_FLIGHT_MAX];

/* Note a completion; false when the run is over for this trip. */
static bool note_back(struct trip *trip)
{
    uint64_t now = mr_clock_now();

    if (run.done == run.plan.jobs / 10) { /* the warm-up is over */
        run.round_trip = (struct mr_histogram){0};
        run.stall_ns = 0;
        run.began = now;
    } else {
        run.stall_ns = MR_MAX(run.stall_ns, now - run.last);
    }
    mr_histogram_record(&run.round_trip, now - trip->sent);
    run.last = now;
    run.done++;
    trip->sent = now;
    if (run.submitted == run.plan.jobs)
        return false;
    run.submitted++;
    return true;
}

static void no_work(struct mr_job *job)
{
    (void)job;
}

static void on_done(struct mr_job *job)
{
    if (note_back(mr_container_of(job, struct trip, job)))
        (void)mr_offload_submit(run.offload, job);
    else if (run.done == run.plan.jobs)
        mr_loop_stop(run.loop);
}

static void run_ours(void)
{
    struct mr_offload_config config = {.kind = MR_OFFLOAD_WORKERS,
                                       .workers = run.plan.threads,
                                       .priority = MR_PRIORITY_EQUAL,
                                       .queue_depth = 1024,
                                       .deadline_ns = 15 * MR_NS_PER_S,
                                       .run_ns_max = 30 * MR_NS_PER_S,
                                       .loops = &run.loop,
                                       .loop_count = 1};

    if (mr_loop_create(&run.loop, 0) != 0 || mr_offload_create(&run.offload, &config) != 0)
        abort();
    for (unsigned i = 0; i < run.plan.in_flight; i++, run.submitted++) {
        trips[i].job = (struct mr_job){.work = no_work, .done = on_done, .loop = run.loop};
        trips[i].sent = mr_clock_now();
        (void)mr_offload_submit(run.offload, &trips[i].job);
    }
    mr_loop_run(run.loop);
    mr_offload_close(run.offload);
    mr_offload_destroy(&run.offload);
    mr_loop_destroy(&run.loop);
}

static void no_request(uv_work_t *request)
{
    (void)request;
}

static void on_request_back(uv_work_t *request, int status)
{
    (void)status;
    if (note_back(mr_container_of(request, struct trip, request)))
        uv_queue_work(request->loop, request, no_request, on_request_back);
}

static void run_libuv(void)
{
    uv_loop_t loop;
    char size[8];

    snprintf(size, sizeof(size), "%u", run.plan.threads);
    setenv("UV_THREADPOOL_SIZE", size, 1);
    uv_loop_init(&loop);
    for (unsigned i = 0; i < run.plan.in_flight; i++, run.submitted++) {
        trips[i].sent = mr_clock_now();
        uv_queue_work(&loop, &trips[i].request, no_request, on_request_back);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void measure_trips(const void *argument, void *result)
{
    struct outcome *outcome = result;
    double cpu_before = cpu_seconds();

    run.plan = *(const struct plan *)argument;
    run.last = mr_clock_now();
    if (run.plan.ours)
        run_ours();
    else
        run_libuv();
    mr_histogram_read(&run.round_trip, &outcome->round_trip);
    unsigned measured = run.done - run.plan.jobs / 10; /* after the warm-up */
    outcome->jobs_per_s = (double)measured * (double)MR_NS_PER_S / (double)(run.last - run.began);
    outcome->cpu_us = (cpu_seconds() - cpu_before) * 1e6 / run.done;
    outcome->stall_ns = run.stall_ns;
}

static void add_view(struct mr_histogram_view *sum, const struct mr_histogram_view *view)
{
    for (int i = 0; i < MR_HISTOGRAM_CELLS; i++)
        sum->cells[i] += view->cells[i];
    sum->count += view->count;
    sum->max = MR_MAX(sum->max, view->max);
}

struct side {
    struct mr_histogram_view all;
    struct perf_series p50_us, jobs_per_us, cpu_us, stall_ms;
};

static void measure_side(struct side *side, struct plan plan)
{
    struct outcome outcome = {0};

    perf_in_child(measure_trips, &plan, &outcome, sizeof(outcome));
    add_view(&side->all, &outcome.round_trip);
    perf_add(&side->p50_us, (double)mr_histogram_percentile(&outcome.round_trip, 50) / 1000.0);
    perf_add(&side->jobs_per_us, outcome.jobs_per_s / 1e6);
    perf_add(&side->cpu_us, outcome.cpu_us);
    perf_add(&side->stall_ms, (double)outcome.stall_ns / 1e6);
}

static void print_side(const char *name, const struct side *side)
{
    printf("  %-8s p50 %s us, %s M jobs/s, %s us of CPU a job\n", name, perf_text(&side->p50_us),
           perf_text(&side->jobs_per_us), perf_text(&side->cpu_us));
    printf("  %-8s   all runs: p90 %s, p99 %s, p99.9 %s, max %s us; worst stall %.1f ms\n", "",
           perf_percentile_us(&side->all, 90), perf_percentile_us(&side->all, 99), perf_percentile_us(&side->all, 99.9),
           perf_percentile_us(&side->all, 100), perf_quantile(&side->stall_ms, 1));
}

static void compare_trips(struct plan plan, unsigned pairs, enum perf_bound bound, double target)
{
    struct side ours = {0}, libuv = {0};
    struct perf_series ratios = {0};

    for (unsigned i = 0; i < pairs; i++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            plan.ours = (i + turn) % 2 == 0;
            measure_side(plan.ours ? &ours : &libuv, plan);
        }
        if (bound == PERF_AT_MOST)
            perf_add(&ratios, ours.p50_us.values[i] / libuv.p50_us.values[i]);
        else
            perf_add(&ratios, ours.jobs_per_us.values[i] / libuv.jobs_per_us.values[i]);
    }
    const char *what = bound == PERF_AT_MOST ? "p50" : "rate";
    printf("%u in flight, %u threads, %u jobs, %u pairs\n", plan.in_flight, plan.threads, plan.jobs, pairs);
    print_side("workers", &ours);
    print_side("libuv", &libuv);
    printf("  %s ratio %s", what, perf_text(&ratios));
    if (target > 0)
        printf(", target %s %.2f: %s\n", bound == PERF_AT_MOST ? "<=" : ">=", target,
               perf_verdict(&ratios, bound, target));
    else
        printf(": %s\n", perf_compared(&ratios));
    if (plan.threads > 2)
        printf("  worst stall of workers in each run %s ms, target <= 50: %s\n", perf_text(&ours.stall_ms),
               perf_verdict(&ours.stall_ms, PERF_AT_MOST, 50));
}

/* ---- stalls of the bare queues --------------------------------------------------------------------------------------
 */

#define SIDES_MAX 4

static struct {
    unsigned producers, consumers;
    uint64_t until;
    bool ours;
    struct mr_queue *queue;
#if HAVE_CK
    ck_ring_t ring;
    ck_ring_buffer_t slots[1024];
#endif
    _Alignas(64) _Atomic uint64_t last_pop;
    _Alignas(64) _Atomic uint64_t stall_ns;
    _Alignas(64) _Atomic uint64_t pops;
} race;

static bool race_push(unsigned producer, struct mr_job *job)
{
#if HAVE_CK
    if (!race.ours)
        return ck_ring_enqueue_mpmc(&race.ring, race.slots, job);
#endif
    return mr_queue_try_push(race.queue, producer, job) == 0;
}

static bool race_pop(unsigned *turn)
{
#if HAVE_CK
    void *job;
    if (!race.ours)
        return ck_ring_dequeue_mpmc(&race.ring, race.slots, &job);
#endif
    return mr_queue_try_pop(race.queue, MR_LANE_BULK, turn) != NULL;
}

static void *race_produce(void *argument)
{
    struct mr_job job = {.lane = MR_LANE_BULK};
    unsigned producer = (unsigned)(uintptr_t)argument;

    while (mr_clock_now() < race.until)
        if (!race_push(producer, &job))
            sched_yield();
    return NULL;
}

static void *race_consume(void *argument)
{
    unsigned turn = (unsigned)(uintptr_t)argument;
    uint64_t pops = 0, worst = 0;

    for (uint64_t now; (now = mr_clock_now()) < race.until;) {
        if (!race_pop(&turn)) {
            sched_yield();
            continue;
        }
        pops++;
        uint64_t last = mr_load(&race.last_pop, relaxed);
        if (now > last) {
            worst = MR_MAX(worst, now - last);
            mr_store(&race.last_pop, now, relaxed);
        }
    }
    mr_fetch_add(&race.pops, pops, relaxed);
    uint64_t seen = mr_load(&race.stall_ns, relaxed);
    while (seen < worst && !mr_compare_swap(&race.stall_ns, &seen, worst, relaxed, relaxed))
        ;
    return NULL;
}

struct race_plan {
    unsigned producers, consumers;
    uint64_t length_ns;
    bool ours;
};

struct race_outcome {
    double pops_per_us, stall_ms;
};

static void measure_race(const void *argument, void *result)
{
    const struct race_plan *plan = argument;
    struct race_outcome *outcome = result;
    pthread_t threads[2 * SIDES_MAX];

    race.ours = plan->ours;
    race.producers = plan->producers;
#if HAVE_CK
    ck_ring_init(&race.ring, 1024);
#endif
    if (mr_queue_create(&race.queue, plan->producers, 1024 / plan->producers) != 0)
        abort();
    uint64_t began = mr_clock_now();
    race.until = began + plan->length_ns;
    mr_store(&race.last_pop, began, relaxed);
    for (unsigned i = 0; i < plan->producers + plan->consumers; i++)
        if (pthread_create(&threads[i], NULL, i < plan->producers ? race_produce : race_consume,
                           (void *)(uintptr_t)(i < plan->producers ? i : i - plan->producers)) != 0)
            abort();
    for (unsigned i = 0; i < plan->producers + plan->consumers; i++)
        pthread_join(threads[i], NULL);
    outcome->pops_per_us = (double)race.pops * 1000.0 / (double)plan->length_ns;
    outcome->stall_ms = (double)race.stall_ns / 1e6;
}

static void compare_races(unsigned sides, unsigned rounds, uint64_t length_ns)
{
    struct perf_series stalls[2] = {0}, rates[2] = {0};
    unsigned queues = 1;

#if HAVE_CK
    queues = 2;
#endif
    for (unsigned i = 0; i < rounds; i++)
        for (unsigned which = 0; which < queues; which++) {
            struct race_plan plan = {
                .producers = sides, .consumers = sides, .length_ns = length_ns, .ours = which == 0};
            struct race_outcome outcome;
            perf_in_child(measure_race, &plan, &outcome, sizeof(outcome));
            perf_add(&stalls[which], outcome.stall_ms);
            perf_add(&rates[which], outcome.pops_per_us);
        }
    printf("bare queues, %u producers and %u consumers on %ld cores, %u rounds of %.1f s\n", sides, sides,
           sysconf(_SC_NPROCESSORS_ONLN), rounds, (double)length_ns / 1e9);
    printf("  %-8s %s M jobs/s, worst stall of each round %s ms, target <= 50: %s\n", "queue.c", perf_text(&rates[0]),
           perf_text(&stalls[0]), perf_verdict(&stalls[0], PERF_AT_MOST, 50));
    if (queues > 1)
        printf("  %-8s %s M jobs/s, worst stall of each round %s ms\n", "ck_ring", perf_text(&rates[1]),
               perf_text(&stalls[1]));
}

static int measure_once(char **argv)
{
    static struct outcome outcome;
    struct plan plan = {.ours = strcmp(argv[0], "workers") == 0,
                        .threads = (unsigned)strtoul(argv[1], NULL, 10),
                        .in_flight = (unsigned)MR_MIN(strtoul(argv[2], NULL, 10), IN_FLIGHT_MAX),
                        .jobs = (unsigned)strtoul(argv[3], NULL, 10)};

    measure_trips(&plan, &outcome);
    printf("%s: p50 %s us, p99 %s us, %.2f M jobs/s, %.3f us of CPU a job, worst stall %.1f ms\n", argv[0],
           perf_percentile_us(&outcome.round_trip, 50), perf_percentile_us(&outcome.round_trip, 99),
           outcome.jobs_per_s / 1e6, outcome.cpu_us, (double)outcome.stall_ns / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "--once") == 0)
        return measure_once(argv + 2);

    bool quick = perf_has_option(argc, argv, "--quick");
    unsigned pairs = quick ? 5 : 25; /* many short ones: a burst of other work then spoils a few ratios only */

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned threads = 1; threads <= 4; threads *= 2)
        compare_trips((struct plan){.threads = threads, .in_flight = 1, .jobs = 10000}, pairs, PERF_AT_MOST, 0.6);
    for (unsigned threads = 1; threads <= 4; threads *= 2)
        compare_trips((struct plan){.threads = threads, .in_flight = IN_FLIGHT_MAX, .jobs = 300000}, pairs,
                      PERF_AT_LEAST,
                      threads == 1   ? 0
                      : threads == 2 ? 1.4
                                     : 1.8);
    for (unsigned sides = 2; sides <= SIDES_MAX; sides *= 2)
        compare_races(sides, quick ? 5 : 9, MR_NS_PER_S / 2);
    return 0;
}
