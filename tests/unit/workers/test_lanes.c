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
    int err = mr_queue_create(&queue, 1, 64);
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

static void push(struct mr_job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(mr_queue_try_push(queue, 0, &jobs[i]), 0);
}

static struct mr_job *run_next(struct mr_picker *picker)
{
    struct mr_job *job = mr_lanes_take(&lanes, picker);
    if (job != NULL)
        mr_lanes_finish(&lanes, picker, job->lane);
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

static void heavy_jobs_beyond_the_limit_wait_while_others_go_on(void **state)
{
    struct mr_picker one = {0}, other = {0};

    (void)state;
    push(heavy, 2);
    assert_ptr_equal(mr_lanes_take(&lanes, &one), &heavy[0]);
    assert_null(mr_lanes_take(&lanes, &other));
    push(bulk, 1);
    assert_ptr_equal(mr_lanes_take(&lanes, &other), &bulk[0]);
    mr_lanes_finish(&lanes, &other, MR_LANE_BULK);
    assert_false(other.heavy_freed);
    mr_lanes_finish(&lanes, &one, MR_LANE_HEAVY);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(interactive_jobs_go_first),
        TEST(bulk_and_heavy_progress_under_endless_interactive_jobs),
        TEST(heavy_jobs_beyond_the_limit_wait_while_others_go_on),
        TEST(looking_in_vain_frees_nothing),
        cmocka_unit_test(every_lane_has_a_name),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
