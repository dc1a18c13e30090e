/* Bodies that wait for a handler that decides later. */
#include "connection_rig.h"

/* ---- a handler that decides later ---- */

#define LATER "POST /later HTTP/1.1\r\n" HOST

static void body_waits_until_the_handler_takes_it(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Content-Length: 10\r\n\r\n123");
    feed(f, "4567");
    assert_int_equal(f->body_len, 0);
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_NOTHING);
    take_now(f);
    assert_int_equal(f->body_len, 7);
    assert_int_equal(f->ended, 0);
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_BODY);
    feed(f, "890");
    assert_memory_equal(f->body, "1234567890", 10);
    assert_int_equal(f->ended, 1);
    assert_int_equal(times(f->said, "taken"), 1);
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_REQUEST);
}

static void requests_behind_a_body_that_waits_wait_too(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Content-Length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\n" HOST "\r\n");
    feed(f, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(f->said_len, 0);
    take_now(f);
    assert_memory_equal(f->body, "abc", 3);
    assert_int_equal(f->body_len, 3);
    const char *taken = strstr(f->said, "taken"), *hello = strstr(f->said, "hello"),
               *missing = strstr(f->said, " 404 ");
    assert_true(taken != NULL && hello > taken && missing > hello);
}

static void chunked_body_waits_too(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nd");
    feed(f, "e\r\n0\r\n\r\n");
    take_now(f);
    assert_int_equal(f->body_len, 5);
    assert_memory_equal(f->body, "abcde", 5);
    assert_int_equal(f->ended, 1);
}

static void body_of_no_bytes_ends_when_it_is_taken(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Content-Length: 0\r\n\r\n");
    assert_int_equal(f->ended, 0);
    take_now(f);
    assert_int_equal(f->ended, 1);
    feed(f, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    take_now(f);
    assert_int_equal(f->ended, 2);
    assert_int_equal(times(f->said, "taken"), 2);
}

static void of_a_body_that_waits_one_heads_room_is_read(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Content-Length: 90000\r\n\r\n");
    size_t total = 0;
    static char bytes[90000];
    memset(bytes, 'b', sizeof(bytes));
    while (mr_connection_wants_read(f->connection)) {
        size_t len;
        assert_null(mr_connection_space(f->connection, &len));
        assert_in_range(len, 1, 16384);
        mr_connection_input(f->connection, bytes, len);
        total += len;
    }
    assert_int_equal(total, 16384);
    take_now(f);
    assert_int_equal(f->body_len, total);
    assert_true(mr_connection_wants_read(f->connection));
    mr_connection_input(f->connection, bytes, sizeof(bytes) - total);
    flush(f);
    assert_int_equal(f->body_len, sizeof(bytes));
    assert_memory_equal(f->body, bytes, sizeof(bytes));
    assert_int_equal(times(f->said, "taken"), 1);
}

/* A receiver offers its own memory: what is read behind its body would lie in it. */
static void bytes_that_waited_are_fed_before_a_receiver_is_asked_for_its_space(void **state)
{
    struct fixture *f = *state;
    size_t len;
    feed(f, LATER "Content-Length: 10\r\n\r\n1234567");
    mr_request_take_body(f->held, &receiver_with_space, f->held);
    assert_null(mr_connection_space(f->connection, &len));
    flush(f);
    assert_int_equal(f->body_len, 7);
    assert_ptr_equal(mr_connection_space(f->connection, &len), f->body + 7);
    assert_int_equal(len, 3);
    mr_request_release(f->held);
    feed(f, "890");
    assert_int_equal(f->ended, 1);
}

static void continue_is_sent_when_the_handler_has_decided(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_int_equal(f->said_len, 0);
    take_now(f);
    assert_string_equal(f->said, "HTTP/1.1 100 Continue\r\n\r\n");
    feed(f, "ok");
    assert_int_equal(times(f->said, "taken"), 1);
}

static void continue_is_not_sent_to_a_client_that_did_not_wait_for_it(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    feed(f, "o");
    take_now(f);
    assert_int_equal(f->said_len, 0);
    feed(f, "k");
    assert_int_equal(times(f->said, "taken"), 1);
    assert_null(strstr(f->said, "100 Continue"));
}

static void body_that_waited_is_dropped_when_the_handler_responds(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Content-Length: 5\r\n\r\n123");
    answer(f->held, "no");
    mr_request_release(f->held);
    flush(f);
    assert_string_equal(f->said + f->said_len - 2, "no");
    feed(f, "45GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(times(f->said, "hello"), 1);
    assert_int_equal(f->body_len, 0);
    feed(f, LATER "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    answer(f->held, "no");
    mr_request_release(f->held);
    flush(f);
    assert_int_equal(times(f->said, "Connection: close"), 1);
    assert_null(strstr(f->said, "100 Continue"));
}

static void client_is_not_blamed_for_the_time_that_the_handler_took(void **state)
{
    struct fixture *f = *state;
    f->http.limits.body_timeout_ns = MR_NS_PER_MS;
    f->http.limits.min_rate = 1 << 30; /* bytes/s: no body could keep it while it waits */
    feed(f, LATER "Content-Length: 10\r\n\r\n12345");
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_NOTHING);
    pass_time(f);
    take_now(f);
    assert_int_equal(f->aborted, 0);
    assert_int_equal(f->body_len, 5);
    pass_time(f); /* but for the time it takes itself it is */
    feed(f, "6");
    assert_int_equal(f->aborted, 1);
    assert_int_equal(times(f->said, "HTTP/1.1 408 "), 1);
}

static void client_that_leaves_while_its_body_waits_is_gone(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Content-Length: 10\r\n\r\n123");
    mr_connection_reset(f->connection);
    assert_int_equal(f->disconnects, 1);
    assert_true(mr_request_is_gone(f->held));
    mr_request_release(f->held);
    assert_int_equal(f->aborted + f->ended, 0);
}

/* An end of file is the end of the body: the handler hears of it where it takes the body. */
static void end_of_file_while_the_body_waits_shows_when_it_is_taken(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Content-Length: 10\r\n\r\n");
    mr_request_release(f->held);
    mr_connection_eof(f->connection);
    flush(f);
    assert_int_equal(f->said_len + f->disconnects, 0);
    mr_request_take_body(f->held, &receiver, f->held);
    flush(f);
    assert_int_equal(f->aborted, 1);
    assert_int_equal(f->ended, 0);
    assert_int_equal(strncmp(f->said, "HTTP/1.1 400 ", 13), 0);
    assert_true(mr_connection_is_finished(f->connection));
}

static void whole_body_that_waits_outlives_the_end_of_file(void **state)
{
    struct fixture *f = *state;
    feed(f, LATER "Content-Length: 3\r\n\r\nabc");
    mr_request_release(f->held);
    mr_connection_eof(f->connection);
    flush(f);
    mr_request_take_body(f->held, &receiver, f->held);
    flush(f);
    assert_int_equal(f->ended, 1);
    assert_int_equal(times(f->said, "taken"), 1);
    assert_true(mr_connection_is_finished(f->connection));
}

static void body_of_a_get_waits_and_is_dropped_with_the_answer(void **state)
{
    struct fixture *f = *state;
    feed(f, "HEAD /later HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(f->said_len, 0);
    answer(f->held, "head");
    mr_request_release(f->held);
    flush(f);
    assert_int_equal(times(f->said, "HTTP/1.1 200 OK"), 2);
    assert_int_equal(times(f->said, "hello"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(body_waits_until_the_handler_takes_it),
        TEST(requests_behind_a_body_that_waits_wait_too),
        TEST(chunked_body_waits_too),
        TEST(body_of_no_bytes_ends_when_it_is_taken),
        TEST(of_a_body_that_waits_one_heads_room_is_read),
        TEST(bytes_that_waited_are_fed_before_a_receiver_is_asked_for_its_space),
        TEST(continue_is_sent_when_the_handler_has_decided),
        TEST(continue_is_not_sent_to_a_client_that_did_not_wait_for_it),
        TEST(body_that_waited_is_dropped_when_the_handler_responds),
        TEST(client_is_not_blamed_for_the_time_that_the_handler_took),
        TEST(client_that_leaves_while_its_body_waits_is_gone),
        TEST(end_of_file_while_the_body_waits_shows_when_it_is_taken),
        TEST(whole_body_that_waits_outlives_the_end_of_file),
        TEST(body_of_a_get_waits_and_is_dropped_with_the_answer),
    };
    mr_log_set_level(MR_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
