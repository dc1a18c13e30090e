#include "routes/events.h"

#include "routes/offered.h"

static struct offered *offered;
static struct mr_events *events;
static struct client *clients[MR_EVENTS_LISTENERS_MAX + 1];
static size_t client_count;

static int set_up(void **state)
{
    (void)state;
    offered = make_offered();
    events = mr_app_loop_state(&offered->app, &mr_events_resource, offered->loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (client_count > 0)
        free_client(clients[--client_count]);
    assert_int_equal(mr_counter_read(&events->numbers->listeners), 0);
    assert_false(mr_timer_is_set(&events->tick));
    free_offered(offered);
    return 0;
}

static struct client *listen_with(const char *method)
{
    return clients[client_count++] = ask_for(offered, method, MR_EVENTS_PATTERN);
}

static void tick(void)
{
    mr_timer_clear(&events->tick); /* as when it expires */
    events->ticks.on_expire(&events->tick);
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
    assert_false(mr_timer_is_set(&events->tick));
    struct client *one = listen_with("GET"), *other = listen_with("GET");
    assert_true(mr_timer_is_set(&events->tick));
    mr_connection_reset(one->connection);
    assert_int_equal(mr_counter_read(&events->numbers->listeners), 1);
    assert_true(mr_timer_is_set(&events->tick));
    mr_connection_reset(other->connection);
    assert_false(mr_timer_is_set(&events->tick));
    assert_null(events->now);
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
        TEST(listeners_are_bounded),
        TEST(a_reader_that_does_not_read_misses_figures_and_is_sent_them_again_later),
        TEST(only_a_reader_that_does_not_read_is_timed_out),
        TEST(draining_ends_the_streams_and_refuses_others),
        TEST(draining_cuts_a_reader_that_does_not_read),
        TEST(head_is_answered_without_listening),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
