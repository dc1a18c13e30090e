#include "base/histogram.h"
#include "base/macros.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_histogram histogram;
static struct mr_histogram_view view;

static int empty_both(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    memset(&view, 0, sizeof(view));
    return 0;
}

static void empty_view_answers_zero(void **state)
{
    (void)state;
    mr_histogram_read(&histogram, &view);
    assert_int_equal(mr_histogram_percentile(&view, 50), 0);
    assert_int_equal(mr_histogram_samples_above(&view, 99), 0);
    assert_int_equal(mr_histogram_count_at_or_below(&view, UINT64_MAX), 0);
}

static void one_value_is_every_percentile(void **state)
{
    (void)state;
    mr_histogram_record(&histogram, 123456);
    mr_histogram_read(&histogram, &view);
    assert_int_equal(mr_histogram_percentile(&view, 0), 123456);
    assert_int_equal(mr_histogram_percentile(&view, 50), 123456);
    assert_int_equal(mr_histogram_percentile(&view, 100), 123456);
    assert_int_equal(view.max, 123456);
    assert_int_equal(view.sum, 123456);
    assert_int_equal(view.count, 1);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 64; value++)
        mr_histogram_record(&histogram, value);
    mr_histogram_read(&histogram, &view);
    for (uint64_t value = 0; value < 64; value++)
        assert_int_equal(mr_histogram_count_at_or_below(&view, value), value + 1);
    assert_int_equal(mr_histogram_percentile(&view, 25), 15);
}

static void rank_of_a_percentile_is_not_off_by_one(void **state)
{
    (void)state;
    for (int i = 0; i < 999; i++)
        mr_histogram_record(&histogram, 1);
    mr_histogram_record(&histogram, 20);
    mr_histogram_read(&histogram, &view);
    assert_int_equal(mr_histogram_percentile(&view, 99.9), 1);
    assert_int_equal(mr_histogram_percentile(&view, 99.91), 20);
    assert_int_equal(mr_histogram_samples_above(&view, 99.9), 1);
    assert_int_equal(mr_histogram_samples_above(&view, 99), 10);
    assert_int_equal(mr_histogram_samples_above(&view, 100), 0);
}

static void huge_values_share_the_last_cell(void **state)
{
    (void)state;
    mr_histogram_record(&histogram, 1);
    mr_histogram_record(&histogram, (uint64_t)1 << 42);
    mr_histogram_record(&histogram, UINT64_MAX);
    mr_histogram_read(&histogram, &view);
    assert_int_equal(view.cells[MR_HISTOGRAM_CELLS - 1], 2);
    assert_true(mr_histogram_percentile(&view, 100) == UINT64_MAX);
    assert_int_equal(mr_histogram_count_at_or_below(&view, (uint64_t)1 << 41), 1);
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* A value of random magnitude: as many small ones as large ones. */
static uint64_t random_value(void)
{
    uint64_t bits = (uint64_t)rand() << 31 ^ (uint64_t)rand();
    return bits >> (20 + rand() % 42);
}

static void percentiles_agree_with_a_sorted_array(void **state)
{
    (void)state;
    enum { ROUNDS = 60, MOST = 5000 };
    static uint64_t values[MOST];
    static const double percents[] = {0, 0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99, 100};
    srand(11);
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = 1 + (size_t)rand() % MOST;
        empty_both(NULL);
        for (size_t i = 0; i < count; i++) {
            values[i] = random_value();
            mr_histogram_record(&histogram, values[i]);
        }
        qsort(values, count, sizeof(values[0]), compare);
        mr_histogram_read(&histogram, &view);
        for (size_t i = 0; i < MR_ARRAY_SIZE(percents); i++) {
            uint64_t above = mr_histogram_samples_above(&view, percents[i]);
            uint64_t exact = values[count - above - 1];
            uint64_t got = mr_histogram_percentile(&view, percents[i]);
            assert_true(got >= exact);
            assert_true(got - exact <= exact / 32);
            assert_true(mr_histogram_count_at_or_below(&view, exact) >= count - above);
            double share = (double)(count - above) * 100 / (double)count; /* the smallest rank that reaches percent */
            assert_true(share > percents[i] - 1e-6 && share - 100.0 / (double)count < percents[i] + 1e-6);
        }
    }
}

static void cells_are_in_order_and_without_gaps(void **state)
{
    (void)state;
    uint64_t last_count = 0;
    for (unsigned bit = 0; bit < MR_HISTOGRAM_MAX_BITS; bit++) {
        for (uint64_t value = ((uint64_t)1 << bit) - 1; value <= ((uint64_t)1 << bit) + 1; value++) {
            mr_histogram_record(&histogram, value);
            memset(&view, 0, sizeof(view));
            mr_histogram_read(&histogram, &view);
            uint64_t count = mr_histogram_count_at_or_below(&view, UINT64_MAX);
            assert_int_equal(count, last_count + 1);
            last_count = count;
        }
    }
}

static void each_value_lies_between_the_edges_of_its_cell(void **state)
{
    (void)state;
    assert_int_equal(mr_histogram_cell_lowest(0), 0);
    assert_true(mr_histogram_cell_highest(MR_HISTOGRAM_CELLS - 1) == UINT64_MAX);
    for (unsigned cell = 0; cell < MR_HISTOGRAM_CELLS; cell++) {
        empty_both(NULL);
        mr_histogram_record(&histogram, mr_histogram_cell_lowest(cell));
        mr_histogram_record(&histogram, mr_histogram_cell_highest(cell));
        mr_histogram_read(&histogram, &view);
        assert_int_equal(view.cells[cell], 2);
    }
}

static void missed_ticks_are_recorded_too(void **state)
{
    (void)state;
    mr_histogram_record_missed(&histogram, 35, 10);
    mr_histogram_read(&histogram, &view);
    assert_int_equal(view.count, 4); /* 35 25 15 5 */
    assert_int_equal(view.sum, 80);
    mr_histogram_record_missed(&histogram, 20, 10); /* 20 10, and not 0 */
    mr_histogram_record_missed(&histogram, 7, 10);
    mr_histogram_record_missed(&histogram, 9, 0);
    memset(&view, 0, sizeof(view));
    mr_histogram_read(&histogram, &view);
    assert_int_equal(view.count, 8);
    assert_int_equal(view.sum, 80 + 30 + 7 + 9);
}

static void missed_ticks_are_bounded(void **state)
{
    (void)state;
    mr_histogram_record_missed(&histogram, UINT64_MAX, 1);
    mr_histogram_read(&histogram, &view);
    assert_int_equal(view.count, 10001);
}

static void views_add_up(void **state)
{
    (void)state;
    static struct mr_histogram other;
    static struct mr_histogram_view first, second;
    mr_histogram_record(&histogram, 5);
    mr_histogram_record(&other, 7000);
    mr_histogram_read(&histogram, &view);
    mr_histogram_read(&other, &view);
    mr_histogram_read(&histogram, &first);
    mr_histogram_read(&other, &second);
    mr_histogram_add(&first, &second);
    assert_memory_equal(&first, &view, sizeof(view));
    assert_int_equal(view.count, 2);
    assert_int_equal(view.sum, 7005);
    assert_int_equal(view.max, 7000);
    assert_int_equal(mr_histogram_percentile(&view, 50), 5);
}

enum { RECORDED = 200000 };

static void *record_many(void *context)
{
    (void)context;
    for (uint64_t i = 1; i <= RECORDED; i++)
        mr_histogram_record(&histogram, i);
    return NULL;
}

static void reader_sees_counts_grow_while_one_thread_writes(void **state)
{
    (void)state;
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, record_many, NULL), 0);
    uint64_t last = 0;
    while (last < RECORDED) {
        memset(&view, 0, sizeof(view));
        mr_histogram_read(&histogram, &view);
        assert_true(view.count >= last);
        assert_true(view.count <= RECORDED);
        last = view.count;
    }
    pthread_join(writer, NULL);
    memset(&view, 0, sizeof(view));
    mr_histogram_read(&histogram, &view);
    assert_int_equal(view.sum, (uint64_t)RECORDED * (RECORDED + 1) / 2);
    assert_int_equal(view.max, RECORDED);
}

static void what_was_recorded_between_two_readings_is_told_apart(void **state)
{
    static struct mr_histogram recorded;
    static struct mr_histogram_view earlier, later, latest;
    (void)state;
    mr_histogram_record(&recorded, 1000000);
    mr_histogram_record(&recorded, 5);
    mr_histogram_read(&recorded, &earlier);
    mr_histogram_record(&recorded, 7);
    mr_histogram_record(&recorded, 300);
    mr_histogram_read(&recorded, &later);
    latest = later;
    mr_histogram_since(&later, &earlier);
    assert_int_equal(later.count, 2);
    assert_int_equal(later.sum, 307);
    assert_int_equal(mr_histogram_percentile(&later, 50), 7);
    assert_in_range(later.max, 300, 300 + 300 / 32);
    mr_histogram_since(&latest, &latest);
    assert_int_equal(latest.count, 0);
    assert_int_equal(latest.max, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty_view_answers_zero, empty_both),
        cmocka_unit_test_setup(one_value_is_every_percentile, empty_both),
        cmocka_unit_test_setup(small_values_are_exact, empty_both),
        cmocka_unit_test_setup(rank_of_a_percentile_is_not_off_by_one, empty_both),
        cmocka_unit_test_setup(huge_values_share_the_last_cell, empty_both),
        cmocka_unit_test_setup(percentiles_agree_with_a_sorted_array, empty_both),
        cmocka_unit_test_setup(cells_are_in_order_and_without_gaps, empty_both),
        cmocka_unit_test_setup(each_value_lies_between_the_edges_of_its_cell, empty_both),
        cmocka_unit_test_setup(missed_ticks_are_recorded_too, empty_both),
        cmocka_unit_test_setup(missed_ticks_are_bounded, empty_both),
        cmocka_unit_test_setup(views_add_up, empty_both),
        cmocka_unit_test(what_was_recorded_between_two_readings_is_told_apart),
        cmocka_unit_test_setup(reader_sees_counts_grow_while_one_thread_writes, empty_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
