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
        mr_lanes_init(&lanes, queue, 1);
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

static struct mr_job *run_next(struct mr_picker *picker)
{
    struct mr_job *job = mr_lanes_take(&lanes, picker);
    if (job != NULL)
        mr_lanes_finish(&lanes, picker, job->lane, 0);
    return job;
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

static void bulk_and_heavy_progress_under_endless_interactive_jobs(void **state)
{
    struct mr_picker picker = {0};
    unsigned count[MR_LANE_COUNT] = {0};

    (void)state;
    push(interactive, 60);
    push(bulk, 20);
    push(heavy, 20);
    for (int i = 0; i < 48; i++)
        count[run_next(&picker)->lane]++;
    assert_int_equal(count[MR_LANE_INTERACTIVE], 42);
    assert_int_equal(count[MR_LANE_BULK], 3);
    assert_int_equal(count[MR_LANE_HEAVY], 3);
    while (run_next(&picker) != NULL)
        ;
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
        TEST(short_bulk_jobs_get_an_eighth_of_the_time_beside_long_ones),
        TEST(interactive_jobs_wait_for_few_bulk_jobs_however_long_others_took),
        TEST(heavy_jobs_beyond_the_limit_wait_while_others_go_on),
        TEST(looking_in_vain_frees_nothing),
        TEST(a_picker_of_its_own_jobs_only_leaves_those_of_others),
        cmocka_unit_test(every_lane_has_a_name),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
