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

static void block(const struct counted *counted, unsigned loop, enum mr_label label)
{
    struct mr_loop_blocked *blocked = &loop_of(counted, loop)->loop.blocked[label];
    mr_counter_add(&blocked->count, 1);
    mr_counter_add(&blocked->ns, 20 * MR_NS_PER_MS);
}

/* The first loop is blocked by what has blocked none so far. */
static void block_both(const struct counted *counted)
{
    block(counted, 0, MR_LABEL_ACCEPT);
    block(counted, 1, MR_LABEL_JOB);
}

static void labels_that_blocked_a_loop_are_told_with_their_rates(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    block(counted, 1, MR_LABEL_JOB);
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

static void set_last(const struct counted *counted, unsigned loop, enum mr_label label, const char *id, uint64_t wall)
{
    struct mr_exemplar_value last = {.value = 30 * MR_NS_PER_MS, .wall = wall};
    strcpy(last.request_id, id);
    mr_exemplar_set(&loop_of(counted, loop)->loop.blocked[label].last, &last);
}

static void what_blocked_a_loop_last_is_told(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    block(counted, 0, MR_LABEL_JOB);
    block(counted, 1, MR_LABEL_ACCEPT);
    block(counted, 1, MR_LABEL_JOB);
    struct pair *pair = read_pair(counted, block_both);
    size_t len;
    char *json = mr_live_json(&pair->now, &pair->before, &len);
    has(json, "\"blocked_last\":null,");
    free(json);
    set_last(counted, 0, MR_LABEL_JOB, "first", 1000 * MR_NS_PER_MS);
    set_last(counted, 1, MR_LABEL_JOB, "", 3500 * MR_NS_PER_MS);
    set_last(counted, 1, MR_LABEL_ACCEPT, "second", 2000 * MR_NS_PER_MS);
    mr_live_read(&pair->now, &counted->source, COUNTED_ENDLESS);
    json = mr_live_json(&pair->now, &pair->before, &len);
    has(json, "\"blocked_last\":{\"label\":\"job\",\"seconds\":0.030000,\"request\":null,\"time\":3.500},");
    free(json);
    free(pair);
    free_counted(counted);
}

static void queue_and_jobs_are_told_by_age(void **state)
{
    (void)state;
    struct counted *counted = make_counted(2);
    struct mr_live *live = malloc(sizeof(*live));
    struct mr_offload_stats *offload = &loop_of(counted, 1)->offload;
    uint64_t now = mr_clock_now();
    mr_counter_add(&offload->submitted[MR_LANE_HEAVY].jobs, 2);
    mr_counter_add(&offload->submitted[MR_LANE_HEAVY].work_ns, 7 * MR_NS_PER_S);
    mr_counter_add(&offload->submitted[MR_LANE_HEAVY].at[0], now - 5 * MR_NS_PER_S);
    atomic_store(&mr_segment_runner(counted->segment, 1)->running_since, now - 9 * MR_NS_PER_S);
    mr_live_read(live, &counted->source, COUNTED_ENDLESS);
    const struct mr_snapshot_lane *heavy = &live->snapshot.queue[MR_LANE_HEAVY];
    assert_int_equal(heavy->jobs, 2);
    assert_int_equal(heavy->work_ns, 7 * MR_NS_PER_S);
    assert_true(heavy->oldest_ns >= 5 * MR_NS_PER_S);
    assert_int_equal(live->snapshot.workers_busy, 1);
    assert_true(live->snapshot.longest_running_ns >= 9 * MR_NS_PER_S);
    size_t len;
    char *json = mr_live_json(live, live, &len);
    has(json, "\"millrace_queue_work_seconds\":{\"interactive\":0.000000,\"bulk\":0.000000,\"heavy\":7.000000}");
    free(json);
    free(live);
    free_counted(counted);
}

static void restart_one(const struct counted *counted)
{
    mr_segment_count_restart(counted->segment);
}

static void bounds_and_restarts_of_all_processes_are_told(void **state)
{
    (void)state;
    struct counted *counted = make_counted(1);
    counted->http.limits.connections_max = 40;
    struct pair *pair = read_pair(counted, restart_one);
    size_t len;
    char *json = mr_live_json(&pair->now, &pair->before, &len);
    has(json, "\"millrace_process_restarts_total\":{\"total\":1,\"rate\":1.000}");
    has(json, "\"millrace_connections_max\":40,");
    has(json, "\"process_start_time_seconds\":");
    has(json, "\"saturated\":null,\"blocked_last\":null,");
    assert_null(strstr(json, "millrace_store_")); /* no files are kept */
    free(json);
    free(pair);
    free_counted(counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_come_with_their_rate_and_histograms_of_the_last_second),
        cmocka_unit_test(refusals_are_known_by_the_name_of_their_problem),
        cmocka_unit_test(what_blocked_a_loop_last_is_told),
        cmocka_unit_test(queue_and_jobs_are_told_by_age),
        cmocka_unit_test(bounds_and_restarts_of_all_processes_are_told),
        cmocka_unit_test(labels_that_blocked_a_loop_are_told_with_their_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
