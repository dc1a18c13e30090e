/* Figures of a lab: which latencies belong to the load, and how rounds are put together. */
#include "bench/lab/lab_result.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000000ull

static void latencies_are_told_apart_by_when_the_heavy_load_ran(void **state)
{
    (void)state;
    struct mr_lab_result *result = mr_lab_result_create();
    result->round_ns = 1000 * MS;
    result->heavy_from_ns = 250 * MS; /* inside a slot: that one counts for neither */
    result->heavy_until_ns = 800 * MS;
    struct mr_lab_round *round = &mr_lab_result_add(result, "none", 2)->rounds[0];
    struct mr_timeline *timeline = &round->streams[MR_LAB_LIGHT].timeline;
    mr_timeline_init(timeline, result->round_ns, 100 * MS);
    round->is_measured = true;
    for (unsigned slot = 0; slot < 10; slot++)
        mr_timeline_record(timeline, slot * 100 * MS, (slot + 1) * MS);

    struct mr_histogram_view loaded = {0}, rest = {0};
    mr_lab_model_read(result, &result->models[0], MR_LAB_LIGHT, true, &loaded);
    mr_lab_model_read(result, &result->models[0], MR_LAB_LIGHT, false, &rest);
    assert_int_equal(loaded.count, 5); /* slots 3 to 7 */
    assert_int_equal(loaded.max, 8 * MS);
    assert_int_equal(rest.count, 2); /* 0 and 1; what comes after the load may still feel it */
    assert_int_equal(rest.max, 2 * MS);
    mr_lab_result_destroy(&result);
}

static void rounds_that_were_not_measured_do_not_count(void **state)
{
    (void)state;
    struct mr_lab_result *result = mr_lab_result_create();
    result->round_ns = result->heavy_until_ns = 100 * MS;
    struct mr_lab_round *round = &mr_lab_result_add(result, "none", 1)->rounds[0];
    mr_timeline_init(&round->streams[MR_LAB_LIGHT].timeline, result->round_ns, 100 * MS);
    mr_timeline_record(&round->streams[MR_LAB_LIGHT].timeline, 0, MS);

    struct mr_histogram_view view = {0};
    mr_lab_model_read(result, &result->models[0], MR_LAB_LIGHT, true, &view);
    assert_int_equal(view.count, 0);
    mr_lab_result_destroy(&result);
}

static void throughput_is_what_was_answered_while_the_heavy_load_ran(void **state)
{
    (void)state;
    struct mr_lab_result *result = mr_lab_result_create();
    result->heavy_from_ns = 1000 * MS;
    result->heavy_until_ns = 5000 * MS;
    struct mr_lab_round *round = &mr_lab_result_add(result, "workers", 1)->rounds[0];
    round->streams[MR_LAB_GZIP].answered = 100;
    assert_true(mr_lab_round_throughput(result, round, MR_LAB_GZIP) == 25);
    mr_lab_result_destroy(&result);
}

static void spread_is_the_median_of_what_is_known(void **state)
{
    (void)state;
    const double odd[] = {3, NAN, 1, 2}, even[] = {4, 1, 2, 8}, none[] = {NAN};
    struct mr_lab_spread spread = mr_lab_spread(odd, 4);
    assert_true(spread.median == 2 && spread.lowest == 1 && spread.highest == 3 && spread.count == 3);
    assert_true(mr_lab_spread(even, 4).median == 3);
    assert_true(isnan(mr_lab_spread(none, 1).median));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latencies_are_told_apart_by_when_the_heavy_load_ran),
        cmocka_unit_test(rounds_that_were_not_measured_do_not_count),
        cmocka_unit_test(throughput_is_what_was_answered_while_the_heavy_load_ran),
        cmocka_unit_test(spread_is_the_median_of_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
