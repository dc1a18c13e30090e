#include "base/clock.h"
#include "bench/load/timeline.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct mr_timeline timeline;

static int free_timeline(void **state)
{
    (void)state;
    mr_timeline_free(&timeline);
    return 0;
}

static struct mr_histogram_view slot(unsigned i)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(&timeline.slots[i].latency, &view);
    return view;
}

static void request_is_counted_in_the_slot_it_was_meant_for(void **state)
{
    (void)state;
    mr_timeline_init(&timeline, 300 * MR_NS_PER_MS, 100 * MR_NS_PER_MS);
    assert_int_equal(timeline.count, 3);
    mr_timeline_record(&timeline, 0, 5);
    mr_timeline_record(&timeline, 100 * MR_NS_PER_MS - 1, 7);
    mr_timeline_record(&timeline, 100 * MR_NS_PER_MS, 1000 * MR_NS_PER_MS); /* its answer came three slots later */
    mr_timeline_record_error(&timeline, 299 * MR_NS_PER_MS);
    assert_int_equal(slot(0).count, 2);
    assert_int_equal(slot(0).max, 7);
    assert_int_equal(slot(1).count, 1);
    assert_int_equal(slot(1).max, 1000 * MR_NS_PER_MS);
    assert_int_equal(slot(2).count, 0);
    assert_int_equal(timeline.slots[2].errors, 1);
    assert_int_equal(timeline.slots[0].errors, 0);
}

static void last_slot_may_reach_over_the_end(void **state)
{
    (void)state;
    mr_timeline_init(&timeline, 250 * MR_NS_PER_MS, 100 * MR_NS_PER_MS);
    assert_int_equal(timeline.count, 3);
    mr_timeline_record(&timeline, 250 * MR_NS_PER_MS - 1, 1);
    assert_int_equal(slot(2).count, 1);
}

static void long_run_gets_wider_slots_and_no_more_of_them(void **state)
{
    (void)state;
    uint64_t hour = 3600 * MR_NS_PER_S;
    mr_timeline_init(&timeline, hour, 100 * MR_NS_PER_MS);
    assert_int_equal(timeline.count, MR_TIMELINE_SLOTS_MAX);
    assert_int_equal(timeline.slot_ns, 3 * MR_NS_PER_S);
    mr_timeline_record(&timeline, hour - 1, 1);
    assert_int_equal(slot(MR_TIMELINE_SLOTS_MAX - 1).count, 1);
}

static void without_slots_nothing_is_kept(void **state)
{
    (void)state;
    mr_timeline_init(&timeline, MR_NS_PER_S, 0);
    mr_timeline_record(&timeline, 1, 1);
    mr_timeline_record_error(&timeline, 1);
    assert_int_equal(timeline.count, 0);
    assert_null(timeline.slots);
}

#define test(name) cmocka_unit_test_teardown(name, free_timeline)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(request_is_counted_in_the_slot_it_was_meant_for),
        test(last_slot_may_reach_over_the_end),
        test(long_run_gets_wider_slots_and_no_more_of_them),
        test(without_slots_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
