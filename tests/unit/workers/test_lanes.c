#include "workers/lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_queue *queue;
static struct mr_lanes lanes;
static struct mr_job interactive[64], bulk[64], heavy[64];

static int open_lanes(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++) {
        interactive[i].lane = MR_LANE_INTERACTIVE;
        bulk[i].lane = MR_LANE_BULK;
        heavy[i].lane = MR_LANE_HEAVY;
    }
    int err = mr_queue_create(&queue, 2, 64);
    if (err == 0)
        mr_lanes_init(&lanes, queue, mr_lane_shares, 1);
    return err;
}

static int close_lanes(void **state)
{
    (void)state;
    mr_queue_destroy(&queue);
    return 0;
}

static void push_to(unsigned producer, struct mr_job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(mr_queue_try_push(queue, producer, &jobs[i]), 0);
}

static void push(struct mr_job *jobs, unsigned count)
{
    push_to(0, jobs, count);
}

static struct mr_job *run_next_for(struct mr_picker *picker, uint64_t ns)
{
    struct mr_job *job = mr_lanes_take(&lanes, picker);
    if (job != NULL)
        mr_lanes_finish(&lanes, picker, job->lane, ns);
    return job;
}

static struct mr_job *run_next(struct mr_picker *picker)
{
    return run_next_for(picker, 0);
}

static void interactive_jobs_go_first(void **state)
{
    struct mr_picker picker = {0};

    (void)state;
    push(heavy, 1);
    push(bulk, 2);
    push(interactive, 2);
    assert_ptr_equal(run_next(&picker), &interactive[0]);
    assert_ptr_equal(run_next(&picker), &interactive[1]);
    assert_ptr_equal(run_next(&picker), &bulk[0]);
    assert_ptr_equal(run_next(&picker), &bulk[1]);
    assert_ptr_equal(run_next(&picker), &heavy[0]);
    assert_null(run_next(&picker));
}

/* All take as long: of ten jobs eight are interactive. */
static void bulk_and_heavy_progress_under_endless_interactive_jobs(void **state)
{
    struct mr_picker picker = {0};
    unsigned count[MR_LANE_COUNT] = {0};

    (void)state;
    push(interactive, 60);
    push(bulk, 20);
    push(heavy, 20);
    for (int i = 0; i < 50; i++)
        count[run_next_for(&picker, 1000)->lane]++;
    assert_in_range(count[MR_LANE_INTERACTIVE], 38, 42);
    assert_in_range(count[MR_LANE_BULK], 4, 6);
    assert_in_range(count[MR_LANE_HEAVY], 4, 6);
    while (run_next(&picker) != NULL)
        ;
}

static void a_lane_that_had_a_worker_to_itself_does_not_wait_for_long_afterwards(void **state)
{
    struct mr_picker picker = {0};
    uint64_t waited = 0;

    (void)state;
    push(heavy, 40);
    for (int i = 0; i < 20; i++)
        assert_int_equal(run_next_for(&picker, 5000000000)->lane, MR_LANE_HEAVY);
    for (push(interactive, 60); run_next_for(&picker, 500000000)->lane == MR_LANE_INTERACTIVE; waited += 500000000)
        ;
    assert_in_range(waited, 7ull * MR_LANES_HEAVY_DEBT, 9ull * MR_LANES_HEAVY_DEBT);
    while (run_next(&picker) != NULL)
        ;
}

/* ---- many workers, simulated ---- */

enum { WORKERS_MAX = 64, MS = 1000000 };

struct simulation {
    unsigned workers;
    uint64_t now, took[MR_LANE_COUNT];
    struct mr_picker pickers[WORKERS_MAX];
    struct mr_job *running[WORKERS_MAX];
    uint64_t ends_at[WORKERS_MAX];
};

static const uint64_t run_ns[MR_LANE_COUNT] = {
    [MR_LANE_INTERACTIVE] = 20 * MS, [MR_LANE_BULK] = MS, [MR_LANE_HEAVY] = 2000 * MS};

/* As soon as a worker is free it takes a job, and another one of its lane comes: no lane is ever empty. */
static void take_one(struct simulation *it, unsigned worker)
{
    struct mr_job *job = mr_lanes_take(&lanes, &it->pickers[worker]);

    assert_non_null(job);
    assert_int_equal(mr_queue_try_push(queue, 0, job), 0);
    it->running[worker] = job;
    it->ends_at[worker] = it->now + run_ns[job->lane];
    it->took[job->lane] += run_ns[job->lane];
}

static void simulate(struct simulation *it, unsigned workers, uint64_t ns)
{
    *it = (struct simulation){.workers = workers};
    push(interactive, 64);
    push(bulk, 64);
    push(heavy, 64);
    for (unsigned i = 0; i < workers; i++)
        take_one(it, i);
    while (it->now < ns) {
        unsigned next = 0;
        for (unsigned i = 1; i < workers; i++)
            if (it->ends_at[i] < it->ends_at[next])
                next = i;
        it->now = it->ends_at[next];
        enum mr_lane lane = it->running[next]->lane;
        mr_lanes_finish(&lanes, &it->pickers[next], lane, run_ns[lane]);
        take_one(it, next);
    }
    for (unsigned i = 0; i < workers; i++)
        mr_lanes_finish(&lanes, &it->pickers[i], it->running[i]->lane, 0);
    while (run_next(&it->pickers[0]) != NULL)
        ;
}

/* Thumbnails of 20 ms, pieces of streams of 1 ms and single jobs of 2 s, all without end, on machines of any size. */
static void shares_are_of_time_with_any_number_of_workers(void **state)
{
    static const unsigned sizes[] = {1, 2, 4, 8, 16, 64};
    static struct simulation it;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        unsigned heavy_max = sizes[i] / 4 > 0 ? sizes[i] / 4 : 1;
        assert_int_equal(open_lanes(state), 0);
        mr_lanes_init(&lanes, queue, mr_lane_shares, heavy_max);
        simulate(&it, sizes[i], 200000ull * MS);
        uint64_t percent = sizes[i] * it.now / 100;
        assert_in_range(it.took[MR_LANE_INTERACTIVE] / percent, 65, 85);
        assert_in_range(it.took[MR_LANE_BULK] / percent, 8, 14);
        assert_in_range(it.took[MR_LANE_HEAVY] / percent, 8, 20);
        close_lanes(state);
    }
}

static void short_bulk_jobs_get_an_eighth_of_the_time_beside_long_ones(void **state)
{
    enum { LONG = 8000000, SHORT = 100000 }; /* ns */
    struct mr_picker picker = {0};
    unsigned count[MR_LANE_COUNT] = {0};

    (void)state;
    push(interactive, 12);
    push(bulk, 64);
    for (int i = 0; i < 44; i++) {
        struct mr_job *job = mr_lanes_take(&lanes, &picker);
        count[job->lane]++;
        mr_lanes_finish(&lanes, &picker, job->lane, job->lane == MR_LANE_BULK ? SHORT : LONG);
    }
    assert_in_range(count[MR_LANE_INTERACTIVE], 4, 5); /* each earns ten of the short ones */
    while (run_next(&picker) != NULL)
        ;
}

static void interactive_jobs_wait_for_few_bulk_jobs_however_long_others_took(void **state)
{
    enum { SHORT = 100000 }; /* ns */
    struct mr_picker picker = {0};

    (void)state;
    mr_lanes_finish(&lanes, &picker, MR_LANE_INTERACTIVE, 1000ull * MR_LANES_BULK_CREDIT);
    push(bulk, 64);
    push(interactive, 1);
    unsigned before = 0;
    struct mr_job *job;
    while ((job = mr_lanes_take(&lanes, &picker)) != &interactive[0]) {
        mr_lanes_finish(&lanes, &picker, job->lane, SHORT);
        before++;
    }
    assert_in_range(before, MR_LANES_BULK_CREDIT / SHORT - 1, MR_LANES_BULK_CREDIT / SHORT + 1);
    while (run_next(&picker) != NULL)
        ;
}

/* Bulk's place in the table, made one for urgent jobs, which may have half of the time and never more. */
static void lane_above_the_interactive_one_is_a_row_of_the_table(void **state)
{
    static const struct mr_lane_share shares[MR_LANE_COUNT] = {
        [MR_LANE_BULK] = {.part = 1, .credit_max = 4 * MS, .debt_max = 4 * MS},
        [MR_LANE_HEAVY] = {.part = 8, .credit_max = 4 * MS, .debt_max = 4 * MS},
    };
    struct mr_picker picker = {0};
    unsigned count[MR_LANE_COUNT] = {0};

    (void)state;
    mr_lanes_init(&lanes, queue, shares, 1);
    push(interactive, 60);
    push(heavy, 20);
    assert_int_equal(run_next_for(&picker, 2 * MS)->lane, MR_LANE_INTERACTIVE);
    push(bulk, 1);
    assert_ptr_equal(run_next_for(&picker, MS), &bulk[0]); /* the next one, before all that waited */
    push(&bulk[1], 40);
    for (int i = 0; i < 64; i++)
        count[run_next_for(&picker, MS)->lane]++;
    assert_in_range(count[MR_LANE_BULK], 30, 34);
    assert_in_range(count[MR_LANE_INTERACTIVE], 22, 28);
    assert_in_range(count[MR_LANE_HEAVY], 6, 9);
    while (run_next(&picker) != NULL)
        ;
}

static void heavy_jobs_beyond_the_limit_wait_while_others_go_on(void **state)
{
    struct mr_picker one = {0}, other = {0};

    (void)state;
    push(heavy, 2);
    assert_ptr_equal(mr_lanes_take(&lanes, &one), &heavy[0]);
    assert_null(mr_lanes_take(&lanes, &other));
    push(bulk, 1);
    assert_ptr_equal(mr_lanes_take(&lanes, &other), &bulk[0]);
    mr_lanes_finish(&lanes, &other, MR_LANE_BULK, 0);
    assert_false(other.heavy_freed);
    mr_lanes_finish(&lanes, &one, MR_LANE_HEAVY, 0);
    assert_true(one.heavy_freed); /* somebody has to look again */
    assert_ptr_equal(run_next(&other), &heavy[1]);
}

static void looking_in_vain_frees_nothing(void **state)
{
    struct mr_picker picker = {0};

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_null(mr_lanes_take(&lanes, &picker));
    assert_false(picker.heavy_freed); /* else an idle worker would wake itself for ever */
}

static void every_lane_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(mr_lane_name(MR_LANE_INTERACTIVE), "interactive");
    assert_string_equal(mr_lane_name(MR_LANE_BULK), "bulk");
    assert_string_equal(mr_lane_name(MR_LANE_HEAVY), "heavy");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_lanes, close_lanes)

static void a_picker_of_its_own_jobs_only_leaves_those_of_others(void **state)
{
    struct mr_picker own = {.own_only = true, .turn = 1}, any = {0};

    (void)state;
    push_to(0, interactive, 1);
    push_to(0, heavy, 1);
    assert_null(run_next(&own));
    push_to(1, &bulk[0], 1);
    push_to(1, &heavy[1], 2);
    assert_ptr_equal(run_next(&own), &bulk[0]);
    assert_ptr_equal(run_next(&own), &heavy[1]);
    assert_ptr_equal(run_next(&own), &heavy[2]);
    assert_null(run_next(&own));
    assert_ptr_equal(run_next(&any), &interactive[0]);
    assert_ptr_equal(run_next(&any), &heavy[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(interactive_jobs_go_first),
        TEST(bulk_and_heavy_progress_under_endless_interactive_jobs),
        TEST(a_lane_that_had_a_worker_to_itself_does_not_wait_for_long_afterwards),
        cmocka_unit_test(shares_are_of_time_with_any_number_of_workers),
        TEST(short_bulk_jobs_get_an_eighth_of_the_time_beside_long_ones),
        TEST(interactive_jobs_wait_for_few_bulk_jobs_however_long_others_took),
        TEST(lane_above_the_interactive_one_is_a_row_of_the_table),
        TEST(heavy_jobs_beyond_the_limit_wait_while_others_go_on),
        TEST(looking_in_vain_frees_nothing),
        TEST(a_picker_of_its_own_jobs_only_leaves_those_of_others),
        cmocka_unit_test(every_lane_has_a_name),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
