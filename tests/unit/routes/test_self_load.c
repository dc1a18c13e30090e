/* The load of the lab on one loop, turned by hand. */
#include "routes/self_load.h"

#include "routes/offered.h"
#include <poll.h>

static struct offered *offered;
static struct mr_offload *offloads[MR_OFFLOAD_KINDS];
static struct mr_self_load *load;
static struct mr_self_report report;

static int set_up(void **state)
{
    (void)state;
    offered = make_offered();
    mr_budget_init(offered->app.memory, 0);
    for (unsigned kind = 0; kind < MR_OFFLOAD_KINDS; kind++) {
        const struct mr_offload_config config = {.kind = (enum mr_offload_kind)kind,
                                                 .workers = 2,
                                                 .queue_depth = 1024,
                                                 .loops = offered->loops,
                                                 .loop_count = 1};
        assert_int_equal(mr_offload_create(&offloads[kind], &config), MR_OK);
    }
    offered->app.lab = offloads;
    assert_int_equal(mr_self_load_create(&load, &offered->app), MR_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(mr_loop_requests(offered->loop), 0);
    assert_int_equal(mr_budget_used(offered->app.memory), 0);
    for (unsigned kind = 0; kind < MR_OFFLOAD_KINDS; kind++) {
        mr_offload_close(offloads[kind]);
        mr_offload_destroy(&offloads[kind]);
    }
    mr_self_load_destroy(&load);
    free_offered(offered);
    return 0;
}

/* Wait for what the loop has next, a few milliseconds at most: the workers need the core. */
static const struct mr_self_report *turn(void)
{
    struct pollfd ready = {.fd = mr_loop_fd(offered->loop), .events = POLLIN};
    int wait_ms = mr_loop_wait_ms(offered->loop);
    poll(&ready, 1, wait_ms < 0 ? 5 : MR_MIN(wait_ms, 5));
    mr_loop_turn(offered->loop);
    mr_self_load_read(load, &report);
    return &report;
}

static bool is_over(void)
{
    uint64_t all = report.order.rate * report.order.duration_ns / MR_NS_PER_S;
    return report.left_ns == 0 && report.in_flight == 0 && report.submitted + report.refused == all;
}

static void begin(enum mr_self_kind kind, uint32_t rate, uint64_t ms)
{
    const struct mr_self_order order = {.kind = kind, .rate = rate, .duration_ns = ms * MR_NS_PER_MS};
    mr_self_load_begin(load, &order);
}

static void run(enum mr_self_kind kind, uint32_t rate, uint64_t ms)
{
    begin(kind, rate, ms);
    do
        turn();
    while (!is_over());
}

static void all_that_is_due_is_dealt_with_and_comes_back(void **state)
{
    (void)state;
    mr_self_load_switch(load, MR_OFFLOAD_NONE, 60 * MR_NS_PER_S);
    for (enum mr_self_kind kind = 0; kind < MR_SELF_KINDS; kind++) {
        run(kind, 100, 50);
        assert_int_equal(report.submitted, 5);
        assert_int_equal(report.refused, 0);
        assert_int_equal(report.done, 5);
        assert_int_equal(report.expired, 0);
        assert_true(report.run_ns > 0);
        assert_int_equal(mr_loop_requests(offered->loop), 0);
    }
    const struct mr_pipe_numbers *numbers = &mr_app_numbers(&offered->app, offered->loop)->pipes;
    struct mr_histogram_view view = {.count = 0};
    mr_histogram_read(&numbers->run_time[MR_STAGE_GZIP], &view);
    assert_int_equal(view.count, 5);
    assert_int_equal(mr_counter_read(&numbers->failed), 0);
}

static uint64_t done_by(enum mr_offload_kind kind)
{
    return mr_counter_read(&mr_offload_stats(offloads[kind], 0)->done);
}

static void jobs_go_where_the_switch_stands(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < MR_OFFLOAD_KINDS; kind++) {
        mr_self_load_switch(load, kind, 60 * MR_NS_PER_S);
        run(MR_SELF_ENCRYPT, 100, 50);
        assert_int_equal(report.offload, kind);
        assert_int_equal(report.offload_left_ns > 0, kind != MR_OFFLOAD_WORKERS);
        for (unsigned each = 0; each < MR_OFFLOAD_KINDS; each++)
            assert_int_equal(done_by(each), each <= kind ? 5 : 0);
    }
}

static void the_switch_goes_back_by_itself(void **state)
{
    (void)state;
    mr_self_load_switch(load, MR_OFFLOAD_INLINE, 1);
    run(MR_SELF_ENCRYPT, 100, 50);
    assert_int_equal(report.offload, MR_OFFLOAD_WORKERS);
    assert_int_equal(report.offload_left_ns, 0);
    assert_int_equal(done_by(MR_OFFLOAD_WORKERS), 5);
}

static void a_loop_that_was_held_catches_up_within_its_bound(void **state)
{
    (void)state;
    mr_self_load_switch(load, MR_OFFLOAD_NONE, 60 * MR_NS_PER_S); /* it runs one a turn */
    begin(MR_SELF_ENCRYPT, 1000, 400);
    uint64_t began = mr_clock_now();
    while (mr_clock_now() < began + 400 * MR_NS_PER_MS)
        ;
    while (turn()->submitted == 0)
        ;
    assert_int_equal(report.submitted, MR_SELF_JOBS_MAX);
    assert_int_equal(report.refused, 400 - MR_SELF_JOBS_MAX);
    while (!is_over())
        turn();
    assert_int_equal(report.done, MR_SELF_JOBS_MAX);
}

static void one_that_is_replaced_or_ended_counts_no_more(void **state)
{
    (void)state;
    mr_self_load_switch(load, MR_OFFLOAD_NONE, 60 * MR_NS_PER_S);
    begin(MR_SELF_GZIP, 1000, 60000);
    while (turn()->submitted < 5)
        ;
    begin(MR_SELF_ENCRYPT, 100, 50);
    mr_self_load_read(load, &report);
    assert_int_equal(report.submitted, 0);
    while (!is_over())
        turn();
    assert_int_equal(report.order.kind, MR_SELF_ENCRYPT);
    assert_int_equal(report.done, 5);
    begin(MR_SELF_GZIP, 1000, 60000);
    while (turn()->submitted < 5)
        ;
    mr_self_load_end(load);
    while (mr_loop_requests(offered->loop) > 0)
        turn();
    mr_self_load_read(load, &report);
    assert_false(report.has_load);
    assert_int_equal(report.in_flight, 0);
}

static void a_loop_that_drains_ends_its_part(void **state)
{
    (void)state;
    begin(MR_SELF_IMAGE, 100, 60000);
    while (turn()->submitted == 0)
        ;
    assert_int_equal(mr_loop_requests(offered->loop), 1);
    mr_self_load_drain(load, offered->loop);
    while (mr_loop_requests(offered->loop) > 0)
        turn();
    begin(MR_SELF_IMAGE, 1000, 20);
    do
        turn();
    while (report.left_ns > 0);
    assert_int_equal(report.submitted + report.refused, 0);
}

static void what_has_no_room_is_refused(void **state)
{
    (void)state;
    const struct mr_pipe_numbers *numbers = &mr_app_numbers(&offered->app, offered->loop)->pipes;
    mr_budget_init(offered->app.memory, 1000);
    for (enum mr_self_kind kind = 0; kind < MR_SELF_KINDS; kind++) {
        uint64_t refused = mr_counter_read(&numbers->refused);
        run(kind, 100, 50);
        assert_int_equal(report.refused, 5);
        assert_int_equal(mr_counter_read(&numbers->refused) - refused, 5);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int start_images(void **state)
{
    (void)state;
    return mr_image_setup();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_that_is_due_is_dealt_with_and_comes_back),
        TEST(jobs_go_where_the_switch_stands),
        TEST(the_switch_goes_back_by_itself),
        TEST(a_loop_that_was_held_catches_up_within_its_bound),
        TEST(one_that_is_replaced_or_ended_counts_no_more),
        TEST(a_loop_that_drains_ends_its_part),
        TEST(what_has_no_room_is_refused),
    };
    return cmocka_run_group_tests_name("self_load", tests, start_images, NULL);
}
