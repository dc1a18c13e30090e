#include "loop/timer.h"

#include "base/macros.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct alarm {
    struct mr_timer timer;
    uint64_t set_at, rang_at;
    int rings;
};

static struct mr_loop *loop;
static struct mr_timer_list shorter, longer, ending;
static struct mr_timer end;
static struct alarm alarms[300];
static int rang_in_order[8], rang_count;

static void ring(struct mr_timer *timer)
{
    struct alarm *alarm = mr_container_of(timer, struct alarm, timer);

    assert_false(mr_timer_is_set(timer));
    alarm->rang_at = mr_clock_now();
    alarm->rings++;
    rang_in_order[rang_count++ % 8] = (int)(alarm - alarms);
}

static void stop(struct mr_timer *timer)
{
    (void)timer;
    mr_loop_stop(loop);
}

static void set(struct mr_timer_list *list, int number)
{
    alarms[number].set_at = mr_clock_now();
    mr_timer_set(list, &alarms[number].timer);
}

static void run_for(uint64_t ms)
{
    mr_timer_list_open(&ending, loop, ms * MR_NS_PER_MS, stop);
    mr_timer_set(&ending, &end);
    mr_loop_run(loop);
    mr_timer_list_close(&ending);
}

static int open_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(alarms); i++)
        alarms[i] = (struct alarm){0};
    rang_count = 0;
    if (mr_loop_create(&loop, 0) != 0)
        return -1;
    mr_timer_list_open(&shorter, loop, 5 * MR_NS_PER_MS, ring);
    mr_timer_list_open(&longer, loop, 12 * MR_NS_PER_MS, ring);
    return 0;
}

static int close_lists(void **state)
{
    (void)state;
    mr_timer_list_close(&longer);
    mr_timer_list_close(&shorter);
    mr_loop_destroy(&loop);
    return 0;
}

static void timers_ring_once_in_order_and_never_early(void **state)
{
    (void)state;
    set(&longer, 0);
    set(&shorter, 1);
    set(&shorter, 2);
    run_for(30);
    assert_int_equal(rang_count, 3);
    assert_int_equal(rang_in_order[0], 1);
    assert_int_equal(rang_in_order[1], 2);
    assert_int_equal(rang_in_order[2], 0);
    assert_true(alarms[0].rang_at - alarms[0].set_at >= 12 * MR_NS_PER_MS);
    assert_true(alarms[1].rang_at - alarms[1].set_at >= 5 * MR_NS_PER_MS);
    assert_true(alarms[2].rang_at - alarms[2].set_at >= 5 * MR_NS_PER_MS);
}

static void a_cleared_timer_does_not_ring(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        set(&shorter, i);
    mr_timer_clear(&alarms[1].timer);
    mr_timer_clear(&alarms[1].timer); /* no effect when not set */
    run_for(20);
    assert_int_equal(alarms[0].rings + alarms[2].rings, 2);
    assert_int_equal(alarms[1].rings, 0);
}

static void a_timer_moves_between_lists(void **state)
{
    (void)state;
    set(&shorter, 0);
    set(&longer, 0);
    set(&shorter, 1);
    run_for(30);
    assert_int_equal(rang_count, 2);
    assert_int_equal(rang_in_order[0], 1);
    assert_true(alarms[0].rang_at - alarms[0].set_at >= 12 * MR_NS_PER_MS);
}

static void a_list_of_duration_zero_never_expires(void **state)
{
    struct mr_timer_list never;

    (void)state;
    mr_timer_list_open(&never, loop, 0, ring);
    set(&never, 0);
    run_for(10);
    assert_int_equal(alarms[0].rings, 0);
    assert_true(mr_timer_is_set(&alarms[0].timer));
    mr_timer_clear(&alarms[0].timer);
    mr_timer_list_close(&never);
}

static void set_again_and_clear_the_next(struct mr_timer *timer)
{
    struct alarm *alarm = mr_container_of(timer, struct alarm, timer);

    if (++alarm->rings < 3)
        mr_timer_set(&shorter, timer);
    mr_timer_clear(&alarms[1].timer);
}

static void an_expired_timer_may_be_set_again_and_clear_others(void **state)
{
    (void)state;
    shorter.on_expire = set_again_and_clear_the_next;
    set(&shorter, 0);
    set(&shorter, 1);
    run_for(40);
    assert_int_equal(alarms[0].rings, 3);
    assert_int_equal(alarms[1].rings, 0);
}

static void many_expiries_at_once_are_spread_over_turns(void **state)
{
    (void)state;
    for (int i = 0; i < (int)MR_ARRAY_SIZE(alarms); i++)
        set(&shorter, i);
    uint64_t before = atomic_load(&mr_loop_stats(loop)->iterations);
    run_for(30);
    assert_int_equal(rang_count, MR_ARRAY_SIZE(alarms));
    assert_true(atomic_load(&mr_loop_stats(loop)->iterations) - before >= MR_ARRAY_SIZE(alarms) / 64);
}

static uint64_t slow_rings_at[8];

static void ring_slowly(struct mr_timer *timer)
{
    slow_rings_at[rang_count % 8] = atomic_load(&mr_loop_stats(loop)->iterations);
    ring(timer);
    for (uint64_t until = mr_clock_now() + 2 * MR_NS_PER_MS; mr_clock_now() < until;)
        ;
}

static void expiries_that_take_long_are_spread_over_turns_too(void **state)
{
    (void)state;
    shorter.on_expire = ring_slowly;
    for (int i = 0; i < 4; i++)
        set(&shorter, i);
    run_for(60);
    for (int i = 1; i < 4; i++)
        assert_true(slow_rings_at[i] > slow_rings_at[i - 1]); /* one a turn */
    assert_int_equal(rang_count, 4);
}

static void timers_that_move_in_time_wake_the_loop_at_most_once(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++)
        set(&shorter, round % 4);
    for (int i = 0; i < 4; i++)
        mr_timer_clear(&alarms[i].timer);
    run_for(30);
    assert_int_equal(rang_count, 0);
    assert_true(atomic_load(&mr_loop_stats(loop)->iterations) <= 8);
}

static void ring_another_way(struct mr_timer *timer)
{
    ring(timer);
}

static void who_asks_for_the_same_length_and_callback_shares_a_list(void **state)
{
    (void)state;
    unsigned before = mr_timer_list_count(loop);
    struct mr_timer_list *shared = mr_timer_list_share(loop, 5 * MR_NS_PER_MS, ring);
    assert_ptr_equal(mr_timer_list_share(loop, 5 * MR_NS_PER_MS, ring), shared);
    assert_ptr_not_equal(mr_timer_list_share(loop, 6 * MR_NS_PER_MS, ring), shared);
    assert_ptr_not_equal(mr_timer_list_share(loop, 5 * MR_NS_PER_MS, ring_another_way), shared);
    assert_int_equal(mr_timer_list_count(loop), before + 3);
    set(shared, 0);
    run_for(20);
    assert_int_equal(alarms[0].rings, 1); /* the loop closes these lists itself */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_lists, close_lists)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_ring_once_in_order_and_never_early),
        TEST(a_cleared_timer_does_not_ring),
        TEST(a_timer_moves_between_lists),
        TEST(a_list_of_duration_zero_never_expires),
        TEST(an_expired_timer_may_be_set_again_and_clear_others),
        TEST(many_expiries_at_once_are_spread_over_turns),
        TEST(who_asks_for_the_same_length_and_callback_shares_a_list),
        TEST(expiries_that_take_long_are_spread_over_turns_too),
        TEST(timers_that_move_in_time_wake_the_loop_at_most_once),
    };
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
