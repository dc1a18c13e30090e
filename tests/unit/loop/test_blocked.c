#include "loop/blocked.h"

#include "base/counter.h"
#include "base/macros.h"
#include "loop/loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS MR_NS_PER_MS

static const struct mr_loop_note alice = {.id = "alice", .bytes = 10}, bob = {.id = "bob", .bytes = 20};

static void stall(uint64_t ns)
{
    for (uint64_t until = mr_clock_now() + ns; mr_clock_now() < until;)
        ;
}

/* ---- the part that is told the time ---- */

static void the_longest_callback_of_an_iteration_is_kept_with_whom_it_worked_for(void **state)
{
    (void)state;
    struct mr_blocked blocked = {0};
    mr_blocked_enter(&blocked, 100);
    mr_blocked_note(&blocked, &alice);
    mr_blocked_leave(&blocked, MR_LABEL_JOB, 50, 150);
    mr_blocked_enter(&blocked, 150);
    mr_blocked_note(&blocked, &bob);
    mr_blocked_leave(&blocked, MR_LABEL_ACCEPT, 20, 170);
    assert_int_equal(blocked.label, MR_LABEL_JOB);
    assert_int_equal(blocked.longest_ns, 50);
    assert_string_equal(blocked.whose.id, "alice");
    assert_int_equal(blocked.whose.bytes, 10);
}

static void a_note_does_not_outlive_its_callback(void **state)
{
    (void)state;
    struct mr_blocked blocked = {0};
    mr_blocked_enter(&blocked, 100);
    mr_blocked_note(&blocked, &alice);
    mr_blocked_leave(&blocked, MR_LABEL_JOB, 1, 101);
    mr_blocked_enter(&blocked, 101);
    mr_blocked_leave(&blocked, MR_LABEL_ACCEPT, 99, 200);
    assert_string_equal(blocked.whose.id, "");
}

static void the_next_iteration_begins_with_none(void **state)
{
    (void)state;
    struct mr_blocked blocked = {0};
    mr_blocked_enter(&blocked, 100);
    mr_blocked_leave(&blocked, MR_LABEL_JOB, 50, 150);
    mr_blocked_reset(&blocked);
    assert_false(mr_blocked_has_worked(&blocked));
    mr_blocked_enter(&blocked, 200);
    mr_blocked_leave(&blocked, MR_LABEL_ACCEPT, 1, 201);
    assert_int_equal(blocked.label, MR_LABEL_ACCEPT);
}

/* Begin and end of each callback, and the end of the iteration. */
static uint64_t busy_of(const uint64_t times[][2], size_t count, uint64_t end)
{
    struct mr_blocked blocked = {0};
    for (size_t i = 0; i < count; i++) {
        mr_blocked_enter(&blocked, times[i][0]);
        mr_blocked_leave(&blocked, MR_LABEL_CONNECTION_READ, times[i][1] - times[i][0], times[i][1]);
    }
    return mr_blocked_finish(&blocked, end);
}

static void an_iteration_is_busy_for_its_callbacks_and_what_libuv_does_between_them(void **state)
{
    static const uint64_t one[][2] = {{7 * MS, 9 * MS}}, two[][2] = {{7 * MS, 9 * MS}, {10 * MS, 14 * MS}};
    (void)state;
    assert_int_equal(busy_of(one, 1, 9 * MS), 2 * MS);
    assert_int_equal(busy_of(one, 1, 9 * MS + 3), 2 * MS + 3);
    assert_int_equal(busy_of(two, 2, 14 * MS), 7 * MS); /* a gap of the longest that counts */
}

static void time_that_no_callback_explains_is_not_the_loop_s(void **state)
{
    static const uint64_t two[][2] = {{7 * MS, 9 * MS}, {10 * MS + 1, 14 * MS}};
    (void)state;
    assert_int_equal(busy_of(two, 2, 14 * MS), 6 * MS - 1); /* stopped between two callbacks */
    assert_int_equal(busy_of(two, 1, 5000 * MS), 2 * MS);   /* and behind the last */
}

static void an_iteration_without_a_callback_has_not_worked(void **state)
{
    (void)state;
    struct mr_blocked blocked = {0};
    assert_false(mr_blocked_has_worked(&blocked));
    mr_blocked_enter(&blocked, 100);
    mr_blocked_leave(&blocked, MR_LABEL_CONNECTION_READ, 0, 100);
    assert_true(mr_blocked_has_worked(&blocked));
    mr_blocked_reset(&blocked);
    assert_false(mr_blocked_has_worked(&blocked));
    assert_int_equal(mr_blocked_finish(&blocked, 5000 * MS), 0);
}

static void bytes_of_one_id_are_those_last_noted(void **state)
{
    (void)state;
    struct mr_blocked blocked = {0};
    struct mr_loop_note more = {.id = "alice", .bytes = 11};
    mr_blocked_enter(&blocked, 100);
    mr_blocked_note(&blocked, &alice);
    mr_blocked_note(&blocked, &more);
    mr_blocked_leave(&blocked, MR_LABEL_CONNECTION_READ, 5, 105);
    assert_int_equal(blocked.whose.bytes, 11);
}

/* A batch of completions is one callback for many. */
static void of_several_in_one_callback_the_one_is_named_that_took_longest(void **state)
{
    static const struct {
        uint64_t first_ns, second_ns;
    } cases[] = {{20 * MS, 0}, {0, 20 * MS}};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_blocked blocked = {0};
        uint64_t began = mr_clock_now();
        mr_blocked_enter(&blocked, began);
        mr_blocked_note(&blocked, &alice);
        stall(cases[i].first_ns);
        uint64_t between = mr_clock_now();
        mr_blocked_note(&blocked, &bob);
        stall(cases[i].second_ns);
        uint64_t ended = mr_clock_now();
        mr_blocked_leave(&blocked, MR_LABEL_COMPLETIONS, ended - began, ended);
        /* On a busy machine the other one may have taken longer. */
        assert_string_equal(blocked.whose.id, between - began > ended - between ? "alice" : "bob");
    }
}

static void one_a_second_is_logged_and_the_next_tells_of_the_others(void **state)
{
    (void)state;
    struct mr_blocked blocked = {0};
    uint64_t held_back = 99, now = 5 * MR_NS_PER_S;
    assert_true(mr_blocked_may_log(&blocked, now, &held_back));
    assert_int_equal(held_back, 0);
    assert_false(mr_blocked_may_log(&blocked, now + 1, &held_back));
    assert_false(mr_blocked_may_log(&blocked, now + MR_BLOCKED_LOG_NS - 1, &held_back));
    assert_true(mr_blocked_may_log(&blocked, now + MR_BLOCKED_LOG_NS, &held_back));
    assert_int_equal(held_back, 2);
    assert_true(mr_blocked_may_log(&blocked, now + 2 * MR_BLOCKED_LOG_NS, &held_back));
    assert_int_equal(held_back, 0);
}

/* ---- in a loop ---- */

static struct mr_loop *loop;
static const enum mr_label *labels; /* one iteration each, stalled for stall_ns */
static uint64_t stall_ns;
static size_t labels_left;

static void stop_the_loop(struct mr_inbox_node *node);
static struct mr_inbox_node next_turn = {.deliver = stop_the_loop};

static void on_timer(uv_timer_t *timer)
{
    uint64_t started = mr_loop_enter(loop);
    mr_loop_note(loop, &alice);
    stall(stall_ns);
    mr_loop_leave(loop, *labels++, started);
    if (--labels_left > 0) {
        uv_timer_start(timer, on_timer, 1, 0);
        return;
    }
    mr_loop_post(loop, &next_turn);
    uv_close((uv_handle_t *)timer, NULL);
}

static void stop_the_loop(struct mr_inbox_node *node)
{
    (void)node;
    mr_loop_stop(loop); /* a turn later, when the last iteration was counted */
}

static void run_with(uint64_t warn_ns, const enum mr_label *of, size_t count)
{
    uv_timer_t timer;
    labels = of;
    labels_left = count;
    assert_int_equal(mr_loop_create(&loop, 0), 0);
    mr_loop_set_warn(loop, warn_ns);
    uv_timer_init(mr_loop_uv(loop), &timer);
    uv_timer_start(&timer, on_timer, 1, 0);
    mr_loop_run(loop);
}

static const struct mr_loop_blocked *counted(enum mr_label label)
{
    return &mr_loop_stats(loop)->blocked[label];
}

static void long_iterations_are_counted_by_the_label_of_their_longest_callback(void **state)
{
    static const enum mr_label of[] = {MR_LABEL_JOB, MR_LABEL_CONNECTION_READ, MR_LABEL_JOB};
    (void)state;
    stall_ns = 3 * MS;
    run_with(2 * MS, of, MR_ARRAY_SIZE(of));
    assert_int_equal(mr_counter_read(&counted(MR_LABEL_JOB)->count), 2);
    assert_int_equal(mr_counter_read(&counted(MR_LABEL_CONNECTION_READ)->count), 1);
    assert_true(mr_counter_read(&counted(MR_LABEL_JOB)->ns) >= 6 * MS);
    mr_loop_destroy(&loop);
}

static void a_bound_of_0_counts_none(void **state)
{
    static const enum mr_label of[] = {MR_LABEL_JOB};
    (void)state;
    stall_ns = 3 * MS;
    run_with(0, of, 1);
    assert_int_equal(mr_counter_read(&counted(MR_LABEL_JOB)->count), 0);
    mr_loop_destroy(&loop);
}

static void a_number_that_is_no_label_has_a_text_too(void **state)
{
    (void)state;
    assert_string_equal(mr_label_text(MR_LABEL_JOB), "job");
    assert_string_equal(mr_label_text(MR_LABEL_COUNT), "unknown");
    assert_string_equal(mr_label_text(UINT32_MAX), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_callback_of_an_iteration_is_kept_with_whom_it_worked_for),
        cmocka_unit_test(a_note_does_not_outlive_its_callback),
        cmocka_unit_test(the_next_iteration_begins_with_none),
        cmocka_unit_test(an_iteration_is_busy_for_its_callbacks_and_what_libuv_does_between_them),
        cmocka_unit_test(time_that_no_callback_explains_is_not_the_loop_s),
        cmocka_unit_test(an_iteration_without_a_callback_has_not_worked),
        cmocka_unit_test(bytes_of_one_id_are_those_last_noted),
        cmocka_unit_test(of_several_in_one_callback_the_one_is_named_that_took_longest),
        cmocka_unit_test(one_a_second_is_logged_and_the_next_tells_of_the_others),
        cmocka_unit_test(long_iterations_are_counted_by_the_label_of_their_longest_callback),
        cmocka_unit_test(a_bound_of_0_counts_none),
        cmocka_unit_test(a_number_that_is_no_label_has_a_text_too),
    };
    return cmocka_run_group_tests_name("blocked", tests, NULL, NULL);
}
