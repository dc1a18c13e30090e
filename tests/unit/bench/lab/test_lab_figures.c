/* Figures of the report: when a percentile has a name, how rounds are put together, and what counts as a tie. */
#include "bench/lab/lab_figures.h"
#include "bench/lab_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS MR_NS_PER_MS

static struct mr_lab_result *result;
static struct mr_lab_figures *figures;

static int prepare(void **state)
{
    (void)state;
    result = lab_fixture_empty();
    return 0;
}

static int clean(void **state)
{
    (void)state;
    mr_lab_figures_destroy(&figures);
    mr_lab_result_destroy(&result);
    return 0;
}

/* So many light requests under load in that round, each as slow as the one before and 1 us. */
static void fill(struct mr_lab_round *round, unsigned count, uint64_t from)
{
    struct mr_timeline *timeline = &round->streams[MR_LAB_LIGHT].timeline;
    round->is_measured = true;
    mr_timeline_init(timeline, result->round_ns, 100 * MS);
    for (unsigned i = 0; i < count; i++)
        mr_timeline_record(timeline, 500 * MS, from + i * 1000);
}

static const struct mr_lab_figure *figure(enum mr_lab_figure_id id)
{
    if (figures == NULL)
        figures = mr_lab_figures_create(result);
    return &figures->of[0][id];
}

static void percentile_with_ten_samples_above_is_named(void **state)
{
    (void)state;
    fill(&mr_lab_result_add(result, "none", 1)->rounds[0], 1000, MS);
    assert_true(!isnan(figure(MR_LAB_LIGHT_P99)->value));
    assert_int_equal(figure(MR_LAB_LIGHT_P99)->count, 1);
}

static void percentile_with_nine_samples_above_is_not_named(void **state)
{
    (void)state;
    fill(&mr_lab_result_add(result, "none", 1)->rounds[0], 999, MS);
    assert_true(isnan(figure(MR_LAB_LIGHT_P99)->value));
    assert_true(!isnan(figure(MR_LAB_LIGHT_P90)->value));
}

static void what_no_round_can_tell_all_rounds_together_may(void **state)
{
    (void)state;
    struct mr_lab_model *model = mr_lab_result_add(result, "none", 2);
    fill(&model->rounds[0], 600, MS);
    fill(&model->rounds[1], 600, MS);
    assert_true(!isnan(figure(MR_LAB_LIGHT_P99)->value));
    assert_int_equal(figure(MR_LAB_LIGHT_P99)->count, 0);
    assert_true(isnan(figure(MR_LAB_LIGHT_P99)->lowest));
    assert_true(isnan(figure(MR_LAB_LIGHT_P999)->value));
}

static void figure_is_the_median_of_the_rounds_and_maximum_that_of_all(void **state)
{
    (void)state;
    struct mr_lab_model *model = mr_lab_result_add(result, "none", 4);
    fill(&model->rounds[0], 100, 10 * MS);
    fill(&model->rounds[1], 100, 1000 * MS); /* one bad round moves no median */
    fill(&model->rounds[2], 100, 11 * MS);   /* the last one failed */
    const struct mr_lab_figure *p50 = figure(MR_LAB_LIGHT_P50), *max = figure(MR_LAB_LIGHT_MAX);
    assert_int_equal(p50->count, 3);
    assert_true(p50->value > 0.0105 && p50->value < 0.0125);
    assert_true(p50->highest > 0.9);
    assert_true(isnan(p50->rounds[3]));
    assert_true(max->value == max->highest && max->value > 1);
}

static void heavy_work_is_measured_by_the_best(void **state)
{
    (void)state;
    for (unsigned m = 0; m < 2; m++) {
        struct mr_lab_round *round = &mr_lab_result_add(result, m == 0 ? "none" : "workers", 1)->rounds[0];
        fill(round, 1, MS);
        round->streams[MR_LAB_IMAGE].answered = 100ull << (m * 3);
        round->streams[MR_LAB_GZIP].answered = round->streams[MR_LAB_ENCRYPT].answered = 100;
    }
    assert_true(fabs(figure(MR_LAB_HEAVY)->value - 0.5) < 1e-9); /* 8 times as many images: the cube root of it */
    assert_true(fabs(figures->of[1][MR_LAB_HEAVY].value - 1) < 1e-9);
}

static void what_a_model_does_not_have_is_unknown(void **state)
{
    (void)state;
    struct mr_lab_model *peer = mr_lab_result_add(result, "peer", 1);
    peer->is_peer = true;
    peer->skips_heavy[MR_LAB_GZIP] = true;
    fill(&peer->rounds[0], 1000, MS);
    assert_true(isnan(figure(MR_LAB_LAG_P50)->value));
    assert_true(isnan(figure(MR_LAB_RSS)->value));
    assert_true(isnan(figure(MR_LAB_THREADS)->value));
    assert_true(isnan(figure(MR_LAB_GZIP_RATE)->value));
    assert_true(isnan(figure(MR_LAB_HEAVY)->value));
    assert_false(mr_lab_model_is_comparable(peer));
    assert_int_equal(mr_lab_model_find(result, "peer"), -1);
}

static void ten_percent_or_overlapping_rounds_tie(void **state)
{
    (void)state;
    struct mr_lab_figure a = {.value = 1, .lowest = 0.9, .highest = 1.2, .count = 5};
    struct mr_lab_figure b = {.value = 1.4, .lowest = 1.3, .highest = 1.5, .count = 5};
    assert_false(mr_lab_figure_ties(&a, &b));
    b.lowest = 1.19;
    assert_true(mr_lab_figure_ties(&a, &b) && mr_lab_figure_ties(&b, &a));
    b = (struct mr_lab_figure){.value = 1.1, .lowest = 1.1, .highest = 1.1, .count = 1};
    assert_true(mr_lab_figure_ties(&a, &b));
    b.value = 1.11;
    assert_false(mr_lab_figure_ties(&a, &b)); /* a single round has no range */
}

#define test(name) cmocka_unit_test_setup_teardown(name, prepare, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(percentile_with_ten_samples_above_is_named),
        test(percentile_with_nine_samples_above_is_not_named),
        test(what_no_round_can_tell_all_rounds_together_may),
        test(figure_is_the_median_of_the_rounds_and_maximum_that_of_all),
        test(heavy_work_is_measured_by_the_best),
        test(what_a_model_does_not_have_is_unknown),
        test(ten_percent_or_overlapping_rounds_tie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
