#include "stats/live.h"

#include "stats/counted.h"

/* Is there this piece in the object? */
static void has(const char *json, const char *piece)
{
    if (strstr(json, piece) == NULL)
        fail_msg("%s is not in\n%s", piece, json);
}

struct pair {
    struct mr_live before, now;
};

/* Two readings, a second apart. */
static struct pair *read_pair(const struct counted *counted, void (*meanwhile)(const struct counted *counted))
{
    struct pair *pair = malloc(sizeof(*pair));
    mr_live_read(&pair->before, &counted->source, COUNTED_ENDLESS);
    meanwhile(counted);
    mr_live_read(&pair->now, &counted->source, COUNTED_ENDLESS);
    pair->before.snapshot.at = pair->now.snapshot.at - MR_NS_PER_S;
    return pair;
}

static void count_requests(const struct counted *counted)
{
    struct mr_http_route_counter *first = &counted->counters[0]->routes[0];
    struct mr_http_route_counter *last = unmatched_of(counted, 1);
    mr_counter_add(&first->by_status[MR_STATUS_200], 3);
    mr_counter_add(&first->by_status[MR_STATUS_NONE], 1);
    mr_counter_add(&last->by_status[MR_STATUS_404], 2);
    mr_histogram_record(&first->duration, 20 * MR_NS_PER_MS);
    mr_histogram_record(&loop_of(counted, 1)->loop.busy, 500 * MR_NS_PER_MS);
}

static void counters_come_with_their_rate_and_histograms_of_the_last_second(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    count_requests(counted); /* before the first reading: in the totals only */
    struct pair *pair = read_pair(counted, count_requests);
    size_t len;
    char *json = mr_live_json(&pair->now, &pair->before, &len);
    assert_int_equal(strlen(json), len);
    assert_null(strchr(json, '\n'));
    has(json, "\"interval\":1.000,\"loop_busy_share\":0.250000");
    has(json, "\"2xx\":{\"total\":6,\"rate\":3.000}");
    has(json, "\"4xx\":{\"total\":4,\"rate\":2.000}");
    has(json, "\"0\":{\"total\":2,\"rate\":1.000}");
    has(json, "\"millrace_request_seconds\":{\"count\":1,\"sum\":0.020000,\"p50\":0.02");
    free(json);
    free(pair);
    free_counted(counted);
}

static void refuse_two(const struct counted *counted)
{
    mr_counter_add(&counted->counters[0]->refusals[-MR_EBUSY], 1);
    mr_counter_add(&counted->counters[1]->refusals[-MR_EBUSY], 1);
}

static void refusals_are_known_by_the_name_of_their_problem(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    refuse_two(counted);
    struct pair *pair = read_pair(counted, refuse_two);
    size_t len;
    char *json = mr_live_json(&pair->now, &pair->before, &len);
    has(json, "\"millrace_refusals_total\":{\"queue-full\":{\"total\":4,\"rate\":2.000},\"backlog\":{\"total\":0,");
    has(json, "\"disk-failed\":{\"total\":0,\"rate\":0.000}}");
    assert_null(strstr(json, "\"malformed-request\""));
    free(json);
    free(pair);
    free_counted(counted);
}

static void block(const struct counted *counted, unsigned loop, unsigned place, const char *label)
{
    struct mr_loop_blocked *blocked = &loop_of(counted, loop)->loop.blocked[place];
    atomic_store(&blocked->label, label);
    mr_counter_add(&blocked->count, 1);
    mr_counter_add(&blocked->ns, 20 * MR_NS_PER_MS);
}

/* The first loop meets a label that only the second knew so far: the order of the labels changes. */
static void block_both(const struct counted *counted)
{
    block(counted, 0, 0, "accept");
    block(counted, 1, 0, "job");
}

static void labels_are_compared_by_name_and_not_by_place(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    block(counted, 1, 0, "job");
    struct pair *pair = read_pair(counted, block_both);
    size_t len;
    char *json = mr_live_json(&pair->now, &pair->before, &len);
    has(json, "\"millrace_loop_blocked_total\":{\"accept\":{\"total\":1,\"rate\":1.000},"
              "\"job\":{\"total\":2,\"rate\":1.000}}");
    has(json, "\"job\":{\"total\":0.040000,\"rate\":0.020000}");
    free(json);
    free(pair);
    free_counted(counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_come_with_their_rate_and_histograms_of_the_last_second),
        cmocka_unit_test(refusals_are_known_by_the_name_of_their_problem),
        cmocka_unit_test(labels_are_compared_by_name_and_not_by_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
