/* The explanation in words: right ratios, ties called ties, and no win hidden that is somebody else's. */
#include "base/clock.h"
#include "bench/lab/lab_words.h"
#include "bench/lab_fixture.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS MR_NS_PER_MS

static struct mr_lab_result *result;
static struct mr_lab_words *words;

static int prepare(void **state)
{
    (void)state;
    result = lab_fixture_empty();
    words = calloc(1, sizeof(*words));
    return 0;
}

static int clean(void **state)
{
    (void)state;
    free(words);
    mr_lab_result_destroy(&result);
    return 0;
}

/* A model whose every light request takes that long, and that does so much of each heavy kind. */
static struct mr_lab_model *add(const char *name, uint64_t latency_us, unsigned heavy)
{
    struct mr_lab_model *model = mr_lab_result_add(result, name, 1);
    struct mr_lab_round *round = &model->rounds[0];
    round->is_measured = true;
    for (unsigned stream = MR_LAB_LIGHT; stream <= MR_LAB_FRESH; stream++) {
        mr_timeline_init(&round->streams[stream].timeline, result->round_ns, 100 * MS);
        for (unsigned i = 0; i < 1000; i++)
            mr_timeline_record(&round->streams[stream].timeline, 500 * MS, latency_us * 1000);
    }
    for (unsigned stream = MR_LAB_IMAGE; stream < MR_LAB_STREAM_COUNT; stream++)
        round->streams[stream].answered = heavy;
    return model;
}

static void find_words(void)
{
    struct mr_lab_figures *figures = mr_lab_figures_create(result);
    mr_lab_words_find(words, figures);
    mr_lab_figures_destroy(&figures);
}

static void assert_said(const char *topic, const char *text)
{
    for (unsigned i = 0; i < words->count; i++)
        if (strcmp(words->sentences[i].topic, topic) == 0 && strcmp(words->sentences[i].text, text) == 0)
            return;
    for (unsigned i = 0; i < words->count; i++)
        print_error("%s: %s\n", words->sentences[i].topic, words->sentences[i].text);
    fail_msg("nobody said: %s", text);
}

static void assert_unsaid(const char *part)
{
    for (unsigned i = 0; i < words->count; i++)
        if (strstr(words->sentences[i].text, part) != NULL)
            fail_msg("%s", words->sentences[i].text);
}

static void finding_compares_workers_with_none(void **state)
{
    (void)state;
    add("none", 340000, 100);
    add("workers", 1200, 190);
    find_words();
    assert_string_equal(words->sentences[0].topic, "finding");
    assert_said("finding", "With offload (workers) the loop answered 99 % of light requests within 1.20 ms while the "
                           "machine was busy; without (none), within 340 ms: 283 times longer.");
    assert_true(fabs(words->sentences[0].ratio - 340 / 1.2) < 1e-6);
    assert_said("light", "Half of the light requests under load were answered within 1.20 ms with workers, within 340 "
                         "ms with none: 283 times longer.");
    assert_said("fresh", "Where connections were opened as needed, half of the requests under load were answered "
                         "within 1.20 ms with workers, within 340 ms with none: 283 times longer.");
    assert_said("fresh",
                "Of these, 99 % were answered within 1.20 ms with workers, within 340 ms with none: 283 times longer.");
    assert_said("heavy", "Of all heavy work together, workers did 1.90 times as much as none.");
}

static void inline_is_what_workers_are_compared_with(void **state)
{
    (void)state;
    add("inline", 440000, 80);
    add("none", 17000, 100);
    add("workers", 4000, 200);
    find_words();
    assert_said("finding", "With offload (workers) the loop answered 99 % of light requests within 4.00 ms while the "
                           "machine was busy; without (inline), within 440 ms: 110 times longer.");
    assert_said("fresh", "Of these, 99 % were answered within 4.00 ms with workers, within 440 ms with inline: 110 "
                         "times longer.");
    assert_said("heavy", "Of all heavy work together, workers did 2.50 times as much as inline.");
    assert_said("heavy", "Of all heavy work together, workers did 2.00 times as much as none.");
    assert_said("cost", "The model inline computes in its handlers, as ordinary ones do, and looks at no socket until "
                        "all jobs that are ready have run: 99 % of light requests within 440 ms, and 40 % of the most "
                        "heavy work.");
    assert_said("cost", "The model none yields: it looks at its sockets between two jobs, which an ordinary handler "
                        "that computes does not: 99 % of light requests within 17.0 ms, and 50 % of the most heavy "
                        "work.");
}

static void ties_are_called_ties(void **state)
{
    (void)state;
    add("none", 1250, 100);
    add("libuv", 1190, 105);
    add("workers", 1200, 104);
    find_words();
    assert_said("finding", "With offload (workers) the loop answered 99 % of light requests within 1.20 ms while the "
                           "machine was busy; without (none), within 1.25 ms: a tie.");
    assert_said("heavy", "Of all heavy work together, workers did 0.990 times as much as libuv: a tie.");
    assert_said("light",
                "The model libuv has the shortest p99 of light requests under load, in a tie with none, workers.");
    assert_said("heavy", "The model libuv does the most heavy work, in a tie with none, workers.");
    assert_unsaid("longer");
    assert_unsaid("shorter than");
}

static void a_model_that_beats_workers_is_named(void **state)
{
    (void)state;
    add("none", 900, 100);
    add("threads", 600, 150);
    add("workers", 1200, 100);
    find_words();
    assert_said("finding", "With offload (workers) the loop answered 99 % of light requests within 1.20 ms while the "
                           "machine was busy; without (none), within 0.900 ms: 1.33 times shorter.");
    assert_said(
        "light",
        "Not workers but threads has the shortest p99 of light requests under load: 0.600 ms, and workers 1.20 ms, a "
        "factor of 2.00.");
    assert_said("heavy",
                "Not workers but threads does the most heavy work: 100 %, and workers 67 %, a factor of 1.50.");
}

static void without_workers_the_best_is_the_finding(void **state)
{
    (void)state;
    add("none", 900, 100);
    add("threads", 600, 150);
    find_words();
    assert_said("finding", "threads answered 99 % of light requests within 0.600 ms while the machine was busy.");
    assert_unsaid("workers");
}

static void percentiles_that_nobody_knows_are_not_named(void **state)
{
    (void)state;
    struct mr_lab_model *model = mr_lab_result_add(result, "workers", 1);
    model->rounds[0].is_measured = true;
    add("none", 900, 100)->rounds[0].is_measured = false;
    find_words();
    assert_said("finding", "Too few requests were answered under load to compare anything.");
    assert_unsaid("nan");
    assert_unsaid("-");
}

static void a_model_that_met_less_load_wins_nothing(void **state)
{
    (void)state;
    struct mr_lab_model *peer = add("idle", 10, 500);
    peer->is_peer = peer->skips_heavy[MR_LAB_IMAGE] = peer->skips_heavy[MR_LAB_GZIP] = true;
    add("workers", 1200, 100);
    find_words();
    assert_said("light", "The model workers has the shortest p99 of light requests under load; no other ties with it.");
    assert_said("note",
                "idle was not asked for image, gzip: it met less load than the others, and is left out of every "
                "comparison.");
}

static void doubtful_rounds_are_named(void **state)
{
    (void)state;
    struct mr_lab_model *model = mr_lab_result_add(result, "none", 2);
    snprintf(model->rounds[1].failure, sizeof(model->rounds[1].failure), "gzip: 3 requests failed");
    snprintf(add("workers", 1200, 100)->rounds[0].invalid, 160, "light: the generator sent too late");
    result->load_average = 3.5;
    find_words();
    assert_said("note", "Round 1 of none failed and does not count: it was not run.");
    assert_said("note", "Round 2 of none failed and does not count: gzip: 3 requests failed.");
    assert_said("note",
                "Round 1 of workers is invalid, though the figures hold it: light: the generator sent too late.");
    assert_said("note",
                "Other programs were at work as the lab began (load average 3.50): all figures are worse and less "
                "certain.");
}

static void what_is_wrong_with_each_round_of_a_model_is_said_once(void **state)
{
    (void)state;
    struct mr_lab_model *model = mr_lab_result_add(result, "threads", 2);
    for (unsigned i = 0; i < 2; i++) {
        model->rounds[i].is_measured = true;
        snprintf(model->rounds[i].invalid, sizeof(model->rounds[i].invalid), "light: the generator sent too late");
    }
    find_words();
    assert_said("note", "Each round of threads is invalid, though the figures hold it: light: the generator sent too "
                        "late.");
    assert_unsaid("Round 1");

    snprintf(model->rounds[1].invalid, sizeof(model->rounds[1].invalid), "light: something else");
    find_words();
    assert_said("note",
                "Round 1 of threads is invalid, though the figures hold it: light: the generator sent too late.");
    assert_said("note", "Round 2 of threads is invalid, though the figures hold it: light: something else.");
}

static void a_rate_of_few_answers_is_called_rough(void **state)
{
    (void)state;
    add("none", 900, 10);
    add("workers", 1200, 9);
    find_words();
    assert_said("note", "In a round, workers answered only 9 of gzip: that rate is a rough one.");
    assert_unsaid("none answered only");
}

static void notes_beyond_the_bound_are_counted_out(void **state)
{
    (void)state;
    for (unsigned m = 0; m < 4; m++)
        mr_lab_result_add(result, "none", MR_LAB_ROUNDS_MAX);
    find_words();
    assert_int_equal(words->count, MR_LAB_SENTENCES_MAX);
    assert_string_equal(words->sentences[words->count - 1].text,
                        "There were more failed or invalid rounds: report.json names them all.");
}

#define test(name) cmocka_unit_test_setup_teardown(name, prepare, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(finding_compares_workers_with_none),
        test(inline_is_what_workers_are_compared_with),
        test(ties_are_called_ties),
        test(a_model_that_beats_workers_is_named),
        test(without_workers_the_best_is_the_finding),
        test(percentiles_that_nobody_knows_are_not_named),
        test(a_model_that_met_less_load_wins_nothing),
        test(doubtful_rounds_are_named),
        test(what_is_wrong_with_each_round_of_a_model_is_said_once),
        test(a_rate_of_few_answers_is_called_rough),
        test(notes_beyond_the_bound_are_counted_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
