#include "stats/segment.h"

#include "base/counter.h"
#include "base/error.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LOOPS   2
#define RUNNERS 3

static struct mr_segment *segment;

static int set_up(void **state)
{
    (void)state;
    return mr_segment_create(&segment, 2, LOOPS, RUNNERS);
}

static int tear_down(void **state)
{
    (void)state;
    mr_segment_destroy(&segment);
    return segment != NULL;
}

/* Run `work` in a process of its own, as process 0. Its status, as of wait(). */
static int run_process(void (*work)(void))
{
    pid_t pid = fork();
    siginfo_t info;
    int status;
    if (pid == 0) {
        mr_segment_enter(segment, 0);
        work();
        _exit(0);
    }
    mr_segment_started(segment, 0, pid);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    mr_segment_ended(segment, 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void count_something(void)
{
    struct mr_loop_numbers *loop = mr_segment_loop(segment, 1);
    mr_counter_add(&loop->http.connections, 7);
    mr_counter_add(&loop->http.requests_in_flight, 5);
    mr_counter_add(&loop->http.connections_accepted, 3);
    mr_counter_add(&loop->http.routes[2].by_status[MR_STATUS_200], 4);
    mr_counter_add(&loop->offload.submitted[MR_LANE_BULK].jobs, 2);
    mr_counter_add(&loop->offload.submitted[MR_LANE_BULK].work_ns, 2000);
    mr_counter_add(&loop->offload.taken[MR_LANE_BULK].jobs, 1);
    mr_counter_add(&mr_segment_runner(segment, 2)->running_since, 1);
    mr_histogram_record(&loop->loop.lag, 1000);
    mr_budget_init(&mr_segment_process(segment, 0)->memory, 100);
    assert_true(mr_budget_try_take(&mr_segment_process(segment, 0)->memory, 60));
    assert_true(mr_budget_try_take(&mr_segment_process(segment, 0)->disk, 60));
}

static void counters_outlive_their_process_and_its_successor_counts_on(void **state)
{
    (void)state;
    for (unsigned life = 1; life <= 2; life++) {
        struct mr_histogram_view lag = {.count = 0};
        assert_int_equal(run_process(count_something), 0);
        struct mr_loop_numbers *loop = mr_segment_loop(segment, 1);
        assert_int_equal(mr_counter_read(&loop->http.connections_accepted), 3 * life);
        assert_int_equal(mr_counter_read(&loop->http.routes[2].by_status[MR_STATUS_200]), 4 * life);
        mr_histogram_read(&loop->loop.lag, &lag);
        assert_int_equal(lag.count, life);
    }
}

static void gauges_end_with_their_process(void **state)
{
    (void)state;
    assert_int_equal(run_process(count_something), 0);
    struct mr_loop_numbers *loop = mr_segment_loop(segment, 1);
    assert_int_equal(mr_counter_read(&loop->http.connections), 0);
    assert_int_equal(mr_counter_read(&loop->http.requests_in_flight), 0);
    struct mr_offload_waiting waiting = {.jobs = 0};
    mr_offload_add_waiting(&waiting, &loop->offload, MR_LANE_BULK);
    assert_int_equal(waiting.jobs, 0);
    assert_int_equal(mr_counter_read(&loop->offload.submitted[MR_LANE_BULK].work_ns), 0);
    assert_int_equal(mr_counter_read(&loop->offload.taken[MR_LANE_BULK].jobs), 0);
    assert_int_equal(mr_counter_read(&mr_segment_runner(segment, 2)->running_since), 0);
    assert_int_equal(mr_budget_used(&mr_segment_process(segment, 0)->memory), 0);
    assert_int_equal(mr_budget_used(&mr_segment_process(segment, 0)->disk), 0);
    assert_int_equal(mr_segment_running(segment), 0);
}

static void beat(void)
{
    atomic_store(&mr_segment_loop(segment, 0)->beat_at, 70);
    assert_int_equal(mr_segment_silent_since(segment, 0), 0); /* its other loop has not beaten yet */
    atomic_store(&mr_segment_loop(segment, 1)->beat_at, 50);
    assert_int_equal(mr_segment_silent_since(segment, 0), 50);
}

static void process_is_as_silent_as_its_most_silent_loop(void **state)
{
    (void)state;
    assert_int_equal(run_process(beat), 0);
    assert_int_equal(mr_segment_silent_since(segment, 0), 0); /* it has ended */
}

static void burn(void)
{
    while (clock() < CLOCKS_PER_SEC / 50)
        continue;
}

static void processor_time_of_the_dead_is_kept(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (int life = 0; life < 3; life++) {
        assert_int_equal(run_process(burn), 0);
        uint64_t now = mr_segment_cpu_ns(segment);
        assert_true(now >= before + 20000000);
        before = now;
    }
}

static void write_to_neighbour(void)
{
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would turn it into an exit */
    mr_counter_add(&mr_segment_loop(segment, LOOPS)->http.connections, 1);
}

static void process_that_writes_to_its_neighbour_ends_itself(void **state)
{
    (void)state;
    int status = run_process(write_to_neighbour);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_int_equal(mr_counter_read(&mr_segment_loop(segment, LOOPS)->http.connections), 0);
}

static void parts_do_not_overlap(void **state)
{
    (void)state;
    char *const last = (char *)mr_segment_runner(segment, RUNNERS - 1) + sizeof(struct mr_offload_runner_stats);
    assert_true((char *)mr_segment_process(segment, 0) + sizeof(struct mr_process_numbers) <=
                (char *)mr_segment_loop(segment, 0));
    assert_true((char *)(mr_segment_loop(segment, LOOPS - 1) + 1) <= (char *)mr_segment_runner(segment, 0));
    assert_true(last <= (char *)mr_segment_process(segment, 1));
    assert_int_equal(mr_segment_loops(segment), 2 * LOOPS);
    assert_int_equal(mr_segment_runners(segment), 2 * RUNNERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counters_outlive_their_process_and_its_successor_counts_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gauges_end_with_their_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(process_is_as_silent_as_its_most_silent_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processor_time_of_the_dead_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(process_that_writes_to_its_neighbour_ends_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_do_not_overlap, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
