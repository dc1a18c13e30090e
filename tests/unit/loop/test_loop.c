#include "loop/loop.h"

#include "base/clock.h"
#include "base/macros.h"
#include "loop/timer.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct note {
    struct mr_inbox_node node;
    struct mr_loop *loop;
    unsigned times; /* post again until 0 */
    unsigned delivered;
    uint64_t iterations[4]; /* at which iteration it was delivered */
};

static uint64_t iteration_of(struct mr_loop *loop)
{
    return atomic_load(&mr_loop_stats(loop)->iterations);
}

static void deliver(struct mr_inbox_node *node)
{
    struct note *note = mr_container_of(node, struct note, node);

    assert_true(mr_loop_is_current(note->loop));
    note->iterations[note->delivered++ % 4] = iteration_of(note->loop);
    if (--note->times > 0)
        mr_loop_post(note->loop, node);
    else
        mr_loop_stop(note->loop);
}

static struct mr_loop *open_loop(void)
{
    struct mr_loop *loop = NULL;
    assert_int_equal(mr_loop_create(&loop, 0), 0);
    return loop;
}

static void stop_before_run_ends_the_run_at_once(void **state)
{
    struct mr_loop *loop = open_loop();

    (void)state;
    mr_loop_stop(loop);
    mr_loop_run(loop);
    mr_loop_destroy(&loop);
    assert_null(loop);
}

static void post_from_the_loop_is_delivered_in_a_later_turn(void **state)
{
    struct mr_loop *loop = open_loop();
    struct note note = {.node.deliver = deliver, .loop = loop, .times = 3};

    (void)state;
    mr_loop_post(loop, &note.node);
    assert_int_equal(note.delivered, 0);
    mr_loop_run(loop);
    assert_int_equal(note.delivered, 3);
    assert_true(note.iterations[0] < note.iterations[1]);
    assert_true(note.iterations[1] < note.iterations[2]);
    assert_int_equal(atomic_load(&mr_loop_stats(loop)->deliveries), 3);
    mr_loop_destroy(&loop);
}

static void *run_loop(void *loop)
{
    mr_loop_run(loop);
    return NULL;
}

static void post_from_another_thread_wakes_a_sleeping_loop(void **state)
{
    struct mr_loop *loop = open_loop();
    struct note note = {.node.deliver = deliver, .loop = loop, .times = 1};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, loop), 0);
    while (iteration_of(loop) == 0) /* about to sleep, or asleep */
        sched_yield();
    mr_loop_post(loop, &note.node);
    pthread_join(thread, NULL);
    assert_int_equal(note.delivered, 1);
    mr_loop_destroy(&loop);
}

static void stop_from_another_thread_ends_the_run(void **state)
{
    struct mr_loop *loop = open_loop();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, loop), 0);
    while (iteration_of(loop) == 0)
        sched_yield();
    mr_loop_stop(loop);
    pthread_join(thread, NULL);
    mr_loop_destroy(&loop);
}

static void spin(uint64_t ns)
{
    for (uint64_t until = mr_clock_now() + ns; mr_clock_now() < until;)
        ;
}

/* A flood: each delivery takes a moment and posts two more until there were FLOOD, so there is always another batch
 * waiting. */
#define FLOOD 2000
static struct mr_inbox_node flood[FLOOD];
static unsigned flood_posted, flood_delivered, delivered_before_timer;
static struct mr_loop *flood_loop;

static void deliver_flood(struct mr_inbox_node *node)
{
    (void)node;
    spin(10 * MR_NS_PER_US);
    if (++flood_delivered == FLOOD)
        mr_loop_stop(flood_loop);
    for (int i = 0; i < 2 && flood_posted < FLOOD; i++)
        mr_loop_post(flood_loop, &flood[flood_posted++]);
}

static void note_timer(uv_timer_t *timer)
{
    delivered_before_timer = flood_delivered;
    uv_close((uv_handle_t *)timer, NULL);
}

static void a_flood_of_completions_does_not_starve_other_handles(void **state)
{
    uv_timer_t timer;

    (void)state;
    flood_loop = open_loop();
    for (unsigned i = 0; i < FLOOD; i++)
        flood[i].deliver = deliver_flood;
    for (flood_posted = 0; flood_posted < FLOOD / 2; flood_posted++)
        mr_loop_post(flood_loop, &flood[flood_posted]);
    uv_timer_init(mr_loop_uv(flood_loop), &timer);
    uv_timer_start(&timer, note_timer, 0, 0);
    mr_loop_run(flood_loop);
    assert_int_equal(flood_delivered, FLOOD);
    assert_true(delivered_before_timer < FLOOD / 2);
    assert_true(iteration_of(flood_loop) >= FLOOD / 64);
    mr_loop_destroy(&flood_loop);
}

static void hold_the_loop(uv_timer_t *timer)
{
    struct mr_loop *loop = timer->data;
    uint64_t started = mr_loop_enter(loop);

    assert_true(mr_loop_now(loop) >= started);
    spin(5 * MR_NS_PER_MS);
    mr_loop_leave(loop, MR_LABEL_TEST, started);
    uv_close((uv_handle_t *)timer, NULL);
    mr_loop_stop(loop);
}

static void the_longest_callback_leaves_its_label_and_busy_time(void **state)
{
    struct mr_loop *loop = open_loop();
    struct mr_histogram_view view = {0};
    uv_timer_t timer;

    (void)state;
    uv_timer_init(mr_loop_uv(loop), &timer);
    timer.data = loop;
    uint64_t began = mr_clock_now();
    uv_timer_start(&timer, hold_the_loop, 300, 0);
    mr_loop_run(loop);
    uint64_t took = mr_clock_now() - began;
    struct mr_loop_stats *stats = mr_loop_stats(loop);
    assert_int_equal(atomic_load(&stats->longest_label), MR_LABEL_TEST);
    assert_true(atomic_load(&stats->longest_ns) >= 5 * MR_NS_PER_MS);
    mr_histogram_read(&stats->busy, &view);
    assert_true(view.count >= 1);
    assert_true(view.max >= 5 * MR_NS_PER_MS); /* it worked for 5 ms ... */
    assert_true(view.max <=
                took - 250 * MR_NS_PER_MS); /* ... and what it was in poll, most of 300 ms, does not count */
    mr_loop_destroy(&loop);
}

static void on_interrupt(int number)
{
    (void)number;
}

/* As SIGCONT does it. libuv's own idle time loses the part of a wait that ended in EINTR. */
static void a_wait_that_is_interrupted_is_no_busy_time(void **state)
{
    struct mr_loop *loop = open_loop();
    struct mr_histogram_view view = {0};
    struct sigaction interrupt = {.sa_handler = on_interrupt}, before;
    pthread_t thread;
    uv_timer_t timer;

    (void)state;
    sigaction(SIGUSR1, &interrupt, &before);
    uv_timer_init(mr_loop_uv(loop), &timer);
    timer.data = loop;
    uv_timer_start(&timer, hold_the_loop, 300, 0);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, loop), 0);
    while (iteration_of(loop) == 0)
        sched_yield();
    spin(250 * MR_NS_PER_MS);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
    mr_histogram_read(&mr_loop_stats(loop)->busy, &view);
    assert_true(view.max >= 5 * MR_NS_PER_MS);
    assert_true(view.max < 200 * MR_NS_PER_MS);
    mr_loop_destroy(&loop);
}

/* ---- a loop that is turned ---- */

struct turner {
    struct mr_loop *loop;
    struct note *note;
    struct mr_timer timer;
    bool expired;
};

static void turn_when_there_is_something(struct mr_loop *loop)
{
    struct pollfd ready = {.fd = mr_loop_fd(loop), .events = POLLIN};
    int wait_ms = mr_loop_wait_ms(loop);
    int count = poll(&ready, 1, wait_ms == -1 ? 10000 : wait_ms);
    assert_true(count > 0 || wait_ms != -1); /* it was woken, or it was time */
    mr_loop_turn(loop);
}

static void *turn_until_delivered(void *context)
{
    struct turner *turner = context;

    mr_loop_adopt(turner->loop);
    assert_true(mr_loop_is_current(turner->loop));
    mr_loop_turn(turner->loop); /* registers what was opened before */
    while (turner->note->delivered == 0)
        turn_when_there_is_something(turner->loop);
    mr_loop_release(turner->loop);
    return NULL;
}

static void post_wakes_a_thread_that_waits_for_its_loop_elsewhere(void **state)
{
    (void)state;
    struct turner turner = {.loop = open_loop()};
    for (int again = 0; again < 2; again++) { /* by one thread after the other */
        struct note note = {.node.deliver = deliver, .loop = turner.loop, .times = 2};
        pthread_t thread;
        turner.note = &note;
        pthread_create(&thread, NULL, turn_until_delivered, &turner);
        mr_loop_post(turner.loop, &note.node);
        pthread_join(thread, NULL);
        mr_loop_turn(turner.loop); /* nobody's loop: who holds it may turn it */
        assert_int_equal(note.delivered, 2);
    }
    mr_loop_destroy(&turner.loop);
}

/* What poll(2) would show: the eventfd was written to. */
static bool was_woken(struct mr_loop *loop)
{
    struct pollfd ready = {.fd = mr_loop_fd(loop), .events = POLLIN};
    return poll(&ready, 1, 0) > 0;
}

static void *post_note(void *context)
{
    struct note *note = context;
    mr_loop_post(note->loop, &note->node);
    return NULL;
}

static void a_loop_that_posts_to_itself_is_not_woken_and_does_not_sleep(void **state)
{
    struct mr_loop *loop = open_loop();
    struct note own = {.node.deliver = deliver, .loop = loop, .times = 3};
    struct note foreign = {.node.deliver = deliver, .loop = loop, .times = 1};
    pthread_t thread;

    (void)state;
    mr_loop_adopt(loop);
    mr_loop_turn(loop);
    assert_int_equal(mr_loop_wait_ms(loop), -1);
    for (unsigned turn = 0; turn < 3; turn++) { /* the second and third post are made while one is delivered */
        if (turn == 0)
            mr_loop_post(loop, &own.node);
        assert_false(was_woken(loop));
        assert_int_equal(mr_loop_wait_ms(loop), 0);
        assert_int_equal(own.delivered, turn);
        mr_loop_turn(loop);
    }
    assert_int_equal(own.delivered, 3);
    mr_loop_turn(loop); /* the last delivery has stopped the loop: it wrote */
    assert_false(was_woken(loop));
    assert_int_equal(mr_loop_wait_ms(loop), -1);

    own.times = 1; /* another thread that finds it there wakes nobody, and need not */
    mr_loop_post(loop, &own.node);
    assert_int_equal(pthread_create(&thread, NULL, post_note, &foreign), 0);
    pthread_join(thread, NULL);
    assert_false(was_woken(loop));
    assert_int_equal(mr_loop_wait_ms(loop), 0);
    mr_loop_turn(loop);
    assert_int_equal(own.delivered, 4);
    assert_int_equal(foreign.delivered, 1);
    mr_loop_release(loop);
    mr_loop_destroy(&loop);
}

static void on_expire(struct mr_timer *timer)
{
    mr_container_of(timer, struct turner, timer)->expired = true;
}

static void timers_of_a_loop_that_is_turned_bound_the_wait(void **state)
{
    struct mr_timer_list list;
    struct turner turner = {.loop = open_loop()};

    (void)state;
    mr_loop_adopt(turner.loop);
    mr_timer_list_open(&list, turner.loop, 20 * MR_NS_PER_MS, on_expire);
    mr_timer_set(&list, &turner.timer);
    mr_loop_turn(turner.loop);
    assert_in_range(mr_loop_wait_ms(turner.loop), 0, 21);
    while (!turner.expired)
        turn_when_there_is_something(turner.loop);
    mr_timer_list_close(&list);
    mr_loop_release(turner.loop);
    mr_loop_destroy(&turner.loop);
}

static void on_pool(uv_work_t *work)
{
    (void)work;
}

static void back_from_pool(uv_work_t *work, int status)
{
    assert_int_equal(status, 0);
    *(bool *)work->data = true;
}

static void a_loop_is_at_rest_when_nothing_is_to_come_back(void **state)
{
    struct mr_loop *loop = open_loop();
    struct note note = {.node.deliver = deliver, .loop = loop, .times = 1};
    bool is_back = false;
    uv_work_t work = {.data = &is_back};

    (void)state;
    mr_loop_adopt(loop);
    mr_loop_turn(loop);
    assert_true(mr_loop_is_at_rest(loop));
    mr_loop_request_begin(loop);
    assert_false(mr_loop_is_at_rest(loop));
    mr_loop_request_end(loop);
    mr_loop_post(loop, &note.node);
    assert_false(mr_loop_is_at_rest(loop));
    turn_when_there_is_something(loop);
    assert_true(mr_loop_is_at_rest(loop));
    assert_int_equal(uv_queue_work(mr_loop_uv(loop), &work, on_pool, back_from_pool), 0);
    while (!mr_loop_is_at_rest(loop))
        turn_when_there_is_something(loop);
    assert_true(is_back);
    mr_loop_release(loop);
    mr_loop_destroy(&loop);
}

struct operation {
    struct mr_inbox_node node;
    struct mr_loop *loop;
    pthread_t thread;
    bool is_back;
};

static void on_operation_back(struct mr_inbox_node *node)
{
    struct operation *operation = mr_container_of(node, struct operation, node);
    mr_loop_operation_end(operation->loop);
    operation->is_back = true;
}

static void *post_operation(void *context)
{
    struct operation *operation = context;
    mr_loop_operation_post(operation->loop, &operation->node);
    return NULL;
}

static void an_operation_elsewhere_is_no_rest_and_is_waited_for_by_destroy(void **state)
{
    struct mr_loop *loop = open_loop();
    struct operation operation = {.node.deliver = on_operation_back, .loop = loop};

    (void)state;
    mr_loop_adopt(loop);
    mr_loop_turn(loop);
    assert_true(mr_loop_is_at_rest(loop));
    mr_loop_operation_begin(loop);
    assert_false(mr_loop_is_at_rest(loop));
    mr_loop_release(loop);
    assert_int_equal(pthread_create(&operation.thread, NULL, post_operation, &operation), 0);
    mr_loop_destroy(&loop);
    assert_true(operation.is_back);
    pthread_join(operation.thread, NULL);
}

static void a_loop_that_is_turned_has_no_lag_probe(void **state)
{
    struct mr_loop *loop = open_loop();

    (void)state;
    mr_loop_adopt(loop);
    mr_loop_turn(loop);
    mr_loop_request_begin(loop);
    struct pollfd ready = {.fd = mr_loop_fd(loop), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 10 * MR_LAG_INTERVAL_NS / MR_NS_PER_MS), 0); /* nothing ticks */
    mr_loop_request_end(loop);
    mr_loop_release(loop);
    mr_loop_destroy(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_before_run_ends_the_run_at_once),
        cmocka_unit_test(post_from_the_loop_is_delivered_in_a_later_turn),
        cmocka_unit_test(post_from_another_thread_wakes_a_sleeping_loop),
        cmocka_unit_test(stop_from_another_thread_ends_the_run),
        cmocka_unit_test(a_flood_of_completions_does_not_starve_other_handles),
        cmocka_unit_test(the_longest_callback_leaves_its_label_and_busy_time),
        cmocka_unit_test(a_wait_that_is_interrupted_is_no_busy_time),
        cmocka_unit_test(post_wakes_a_thread_that_waits_for_its_loop_elsewhere),
        cmocka_unit_test(a_loop_that_posts_to_itself_is_not_woken_and_does_not_sleep),
        cmocka_unit_test(timers_of_a_loop_that_is_turned_bound_the_wait),
        cmocka_unit_test(a_loop_is_at_rest_when_nothing_is_to_come_back),
        cmocka_unit_test(an_operation_elsewhere_is_no_rest_and_is_waited_for_by_destroy),
        cmocka_unit_test(a_loop_that_is_turned_has_no_lag_probe),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
