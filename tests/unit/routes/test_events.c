#include "routes/events.h"

#include "routes/offered.h"
#include "stats/live.h"

static struct offered *offered;
static struct mr_events *events;
static struct mr_events_group *each_second, *each_tenth; /* the listeners of those intervals */
static struct client *clients[MR_EVENTS_LISTENERS_MAX + 1];
static size_t client_count;

static int set_up(void **state)
{
    (void)state;
    offered = make_offered();
    events = mr_app_loop_state(&offered->app, &mr_events_resource, offered->loop);
    each_second = &events->groups[MR_EVENTS_GROUPS - 1];
    each_tenth = &events->groups[0];
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (client_count > 0)
        free_client(clients[--client_count]);
    assert_int_equal(mr_counter_read(&events->numbers->listeners), 0);
    for (size_t i = 0; i < MR_EVENTS_GROUPS; i++)
        assert_false(mr_timer_is_set(&events->groups[i].tick));
    free_offered(offered);
    return 0;
}

static struct client *listen_to(const char *method, const char *query)
{
    char target[64];
    snprintf(target, sizeof(target), MR_EVENTS_PATTERN "%s", query);
    return clients[client_count++] = ask_for(offered, method, target);
}

static struct client *listen_with(const char *method)
{
    return listen_to(method, "");
}

static void tick_of(struct mr_events_group *group)
{
    mr_timer_clear(&group->tick); /* as when it expires */
    group->ticks.on_expire(&group->tick);
}

static void tick(void)
{
    tick_of(each_second);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void each_tick_is_an_event(void **state)
{
    (void)state;
    struct client *client = listen_with("GET");
    const char *head = take(client);
    assert_non_null(strstr(head, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(head, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(head, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(head, "retry: 2000\n\n"));
    for (int i = 0; i < 2; i++) {
        tick();
        const char *event = take(client);
        assert_non_null(strstr(event, "\r\nid: "));
        assert_non_null(strstr(event, "\ndata: {\"time\":"));
        assert_non_null(strstr(event, "\"millrace_events_listeners\":1,"));
        assert_true(ends_with(event, "}\n\n\r\n"));
    }
}

static void the_timer_runs_only_while_somebody_listens(void **state)
{
    (void)state;
    unsigned lists = mr_timer_list_count(offered->loop);
    assert_false(mr_timer_is_set(&each_second->tick));
    struct client *one = listen_with("GET"), *other = listen_with("GET");
    assert_true(mr_timer_is_set(&each_second->tick));
    mr_connection_reset(one->connection);
    assert_int_equal(mr_counter_read(&events->numbers->listeners), 1);
    assert_true(mr_timer_is_set(&each_second->tick));
    mr_connection_reset(other->connection);
    assert_false(mr_timer_is_set(&each_second->tick));
    assert_null(each_second->now);
    assert_int_equal(mr_timer_list_count(offered->loop), lists);
}

static void each_interval_has_events_of_its_own(void **state)
{
    (void)state;
    struct client *slow = listen_with("GET"), *fast = listen_to("GET", "?interval=0.1");
    take(slow);
    take(fast);
    assert_int_equal(each_tenth->ticks.duration_ns, MR_NS_PER_S / 10);
    assert_int_equal(each_second->ticks.duration_ns, MR_NS_PER_S);
    tick_of(each_tenth);
    assert_non_null(strstr(take(fast), "\"millrace_events_listeners\":2,"));
    assert_string_equal(take(slow), "");
    tick_of(each_second);
    assert_string_equal(take(fast), "");
    assert_non_null(strstr(take(slow), "\ndata: {\"time\":"));
    mr_connection_reset(fast->connection);
    assert_null(each_tenth->first);
    assert_false(mr_timer_is_set(&each_tenth->tick));
    assert_true(mr_timer_is_set(&each_second->tick));
}

static void the_figures_of_an_event_are_those_since_the_one_before(void **state)
{
    (void)state;
    struct client *client = listen_to("GET", "?interval=0.3");
    take(client);
    for (int i = 0; i < 3; i++) {
        mr_counter_add(&mr_segment_loop(offered->segment, 0)->http.request_bytes, 1000);
        tick_of(&events->groups[2]);
        const struct mr_live *now = events->groups[2].before; /* it was read for the event, and is the next one's */
        const struct mr_live *before = events->groups[2].now;
        assert_int_equal(now->snapshot.request_bytes - before->snapshot.request_bytes, 1000);
        assert_non_null(strstr(take(client), "\ndata: {\"time\":"));
    }
}

static void an_interval_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {
        "?interval=0.05", "?interval=1.1", "?interval=", "?interval=fast", "?interval=1&interval=1", "?every=1"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(wrong); i++) {
        assert_non_null(strstr(take(listen_to("GET", wrong[i])), "HTTP/1.1 400 "));
        assert_non_null(strstr(take(listen_to("HEAD", wrong[i])), "HTTP/1.1 400 "));
    }
}

static void listeners_are_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_EVENTS_LISTENERS_MAX; i++)
        assert_non_null(strstr(take(listen_with("GET")), "200 OK"));
    struct client *last = listen_with("GET");
    const char *answer = take(last);
    assert_non_null(strstr(answer, "HTTP/1.1 503 "));
    assert_non_null(strstr(answer, "Retry-After: "));
    assert_non_null(strstr(answer, "urn:millrace:problem:too-many-listeners"));
    mr_connection_reset(clients[0]->connection); /* its place is free again */
    client_count--;
    free_client(last);
    assert_non_null(strstr(take(listen_with("GET")), "200 OK"));
}

static void a_reader_that_does_not_read_misses_figures_and_is_sent_them_again_later(void **state)
{
    (void)state;
    struct client *slow = listen_with("GET"), *good = listen_with("GET");
    take(slow);
    for (int i = 0; i < 200; i++) {
        tick();
        assert_non_null(strstr(take(good), "\ndata: "));
    }
    uint64_t dropped = mr_counter_read(&events->numbers->dropped);
    assert_in_range(dropped, 100, 199);
    take(slow);
    assert_in_range(slow->said_len, 10000, 100000); /* not 200 events of some kilobytes */
    tick();
    assert_non_null(strstr(take(slow), "\ndata: "));
    assert_int_equal(mr_counter_read(&events->numbers->dropped), dropped);
}

static void only_a_reader_that_does_not_read_is_timed_out(void **state)
{
    (void)state;
    struct client *client = listen_with("GET");
    take(client);
    tick();
    take(client);
    assert_int_equal(mr_connection_wait(client->connection), MR_WAIT_NOTHING);
    tick();
    assert_int_equal(mr_connection_wait(client->connection), MR_WAIT_WRITE); /* --body-timeout runs */
    mr_connection_timeout(client->connection);
    assert_true(mr_connection_is_aborted(client->connection));
    assert_int_equal(mr_counter_read(&events->numbers->listeners), 0);
}

static void draining_ends_the_streams_and_refuses_others(void **state)
{
    (void)state;
    struct client *client = listen_with("GET");
    take(client);
    atomic_store(&offered->http.draining, true);
    mr_app_drain(&offered->app, offered->loop);
    assert_true(ends_with(take(client), "0\r\n\r\n"));
    assert_true(mr_connection_wants_shutdown(client->connection));
    assert_non_null(strstr(take(listen_with("GET")), "urn:millrace:problem:shutting-down"));
}

static void draining_cuts_a_reader_that_does_not_read(void **state)
{
    (void)state;
    struct client *slow = listen_with("GET");
    while (mr_counter_read(&events->numbers->dropped) == 0)
        tick();
    mr_app_drain(&offered->app, offered->loop);
    take(slow);
    assert_true(mr_connection_is_aborted(slow->connection));
    assert_true(mr_connection_is_finished(slow->connection));
}

static void head_is_answered_without_listening(void **state)
{
    (void)state;
    struct client *client = listen_with("HEAD");
    const char *head = take(client);
    assert_non_null(strstr(head, "Content-Type: text/event-stream\r\n"));
    assert_true(ends_with(head, "\r\n\r\n"));
    assert_int_equal(mr_counter_read(&events->numbers->listeners), 0);
    assert_int_equal(mr_connection_wait(client->connection), MR_WAIT_REQUEST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_tick_is_an_event),
        TEST(the_timer_runs_only_while_somebody_listens),
        TEST(each_interval_has_events_of_its_own),
        TEST(the_figures_of_an_event_are_those_since_the_one_before),
        TEST(an_interval_that_is_none_is_refused),
        TEST(listeners_are_bounded),
        TEST(a_reader_that_does_not_read_misses_figures_and_is_sent_them_again_later),
        TEST(only_a_reader_that_does_not_read_is_timed_out),
        TEST(draining_ends_the_streams_and_refuses_others),
        TEST(draining_cuts_a_reader_that_does_not_read),
        TEST(head_is_answered_without_listening),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
