/* Clients that send no more, or have left. */
#include "connection_rig.h"

static void answer_of_a_job_is_sent_when_it_comes(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /job HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(f->said_len, 0);
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_NOTHING);
    assert_true(mr_connection_wants_read(f->connection));
    mr_request_release(f->held);
    answer(f->held, "job");
    assert_true(f->changed > 0);
    flush(f);
    assert_non_null(strstr(f->said, "\r\n\r\njob"));
}

static void abandoned_request_is_freed_by_its_release(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /job HTTP/1.1\r\n" HOST "\r\n");
    struct mr_request *request = f->held;
    mr_connection_reset(f->connection);
    assert_int_equal(f->disconnects, 1);
    assert_true(mr_connection_is_finished(f->connection));
    assert_true(mr_request_is_gone(request));
    assert_int_equal(mr_loop_requests(f->loop), 1);
    answer(request, "nobody hears this");
    mr_request_release(request);
    assert_int_equal(mr_loop_requests(f->loop), 0);
}

/* It has closed its sending side, and may well read on (RFC 9112, section 9.6). */
static void end_of_file_with_a_job_is_answered(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /job HTTP/1.1\r\n" HOST "\r\n");
    mr_connection_eof(f->connection);
    flush(f);
    assert_int_equal(f->disconnects, 0);
    assert_false(mr_connection_wants_read(f->connection));
    assert_false(mr_connection_is_finished(f->connection));
    answer(f->held, "done");
    mr_request_release(f->held);
    flush(f);
    assert_int_equal(times(f->said, "done"), 1);
    assert_true(mr_connection_is_finished(f->connection));
}

static void reset_behind_the_end_of_file_counts_as_gone(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /job HTTP/1.1\r\n" HOST "\r\n");
    mr_connection_eof(f->connection);
    mr_connection_reset(f->connection);
    assert_int_equal(f->disconnects, 1);
    assert_true(mr_connection_is_finished(f->connection));
    mr_request_release(f->held);
}

/* Of thousands of connections most are idle. */
static void idle_connection_keeps_nothing_of_its_exchange(void **state)
{
    struct fixture *f = *state;
    assert_in_range(sizeof(*f->connection), 1, 256);
    assert_null(f->connection->exchange);
    feed(f, "GET /job HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(f->connection->exchange);
    answer(f->held, "done");
    mr_request_release(f->held);
    mr_connection_turn(f->connection);
    assert_non_null(f->connection->exchange); /* its rate is judged while the rest is sent */
    flush(f);
    assert_null(f->connection->exchange);
    assert_null(f->connection->pending);
    assert_null(f->connection->out.head);
}

/* As many timeouts as come in `count` tenths of a second. */
static void pass_half_closed(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_HALF_CLOSED);
        mr_connection_timeout(f->connection);
        flush(f);
    }
}

/* A peer that has left altogether resets when it is sent a byte; one that reads gets the first bytes of its response.
 */
static void peer_that_sends_no_more_is_asked_whether_it_is_there(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /job HTTP/1.1\r\n" HOST "\r\n");
    mr_connection_eof(f->connection);
    flush(f);
    assert_int_equal(f->said_len, 0);
    pass_half_closed(f, 1);
    assert_string_equal(f->said, "H");
    pass_half_closed(f, 2); /* less and less often */
    assert_string_equal(f->said, "HT");
    pass_half_closed(f, 1);
    assert_string_equal(f->said, "HTT");
    pass_half_closed(f, 100000); /* there is no more to say before the status is known */
    assert_string_equal(f->said, "HTTP/1.1 ");
    answer(f->held, "done");
    mr_request_release(f->held);
    flush(f);
    assert_int_equal(strncmp(f->said, "HTTP/1.1 200 OK\r\nDate: ", 23), 0);
    assert_string_equal(f->said + f->said_len - 8, "\r\n\r\ndone");
    assert_true(mr_connection_is_finished(f->connection));
}

static void each_response_is_whole_however_much_of_it_was_sent_early(void **state)
{
    struct fixture *f = *state;
    const char *job = "GET /job HTTP/1.1\r\n" HOST "\r\n";
    for (int i = 0; i < 10; i++)
        feed(f, job);
    mr_connection_eof(f->connection);
    for (int i = 0; i < 10; i++) {
        struct mr_request *request = f->held;
        size_t before = f->said_len;
        pass_half_closed(f, i == 0 ? 0 : 1 << (i - 1));
        assert_int_equal(f->said_len - before, i);
        mr_request_release(request);
        answer(request, "done");
        flush(f);
        assert_int_equal(strncmp(f->said + before, "HTTP/1.1 200 OK\r\nDate: ", 23), 0);
    }
    assert_int_equal(times(f->said, "HTTP/1.1 200 OK"), 10);
    assert_true(mr_connection_is_finished(f->connection));
}

static void what_was_sent_early_begins_a_refusal_too(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    mr_request_release(f->held);
    mr_connection_eof(f->connection);
    pass_half_closed(f, 1);
    mr_request_take_body(f->held, &receiver, f->held); /* which will not come: it is told to no one to send it */
    flush(f);
    assert_int_equal(strncmp(f->said, "HTTP/1.1 400 ", 13), 0);
    assert_int_equal(times(f->said, "HTTP/1.1"), 1);
    assert_true(mr_connection_is_finished(f->connection));
}

static void response_that_has_begun_is_not_touched_by_the_question(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /stream HTTP/1.0\r\n" HOST "\r\n");
    mr_connection_eof(f->connection);
    size_t before = f->said_len;
    pass_half_closed(f, 10);
    assert_int_equal(f->said_len, before);
    mr_stream_end(f->stream);
    flush(f);
    assert_true(mr_connection_is_finished(f->connection));
}

static void streamed_answer_goes_on_behind_the_end_of_file(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_connection_eof(f->connection);
    mr_stream_push(f->stream, "abc", 3);
    flush(f);
    mr_stream_end(f->stream);
    flush(f);
    assert_string_equal(f->said + f->said_len - 13, "3\r\nabc\r\n0\r\n\r\n");
    assert_int_equal(f->disconnects + f->cancelled, 0);
    assert_true(mr_connection_is_finished(f->connection));
}

static void end_of_file_without_a_job_is_answered(void **state)
{
    struct fixture *f = *state;
    mr_connection_input(f->connection, "GET /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n", 80);
    mr_connection_eof(f->connection);
    flush(f);
    assert_int_equal(times(f->said, "hello"), 2);
    assert_true(mr_connection_is_finished(f->connection));
}

static void end_of_file_in_mid_body_is_an_error(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /take HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n123");
    mr_connection_eof(f->connection);
    flush(f);
    assert_int_equal(f->aborted, 1);
    assert_int_equal(f->ended, 0);
    assert_int_equal(strncmp(f->said, "HTTP/1.1 400 ", 13), 0);
    assert_true(mr_connection_is_finished(f->connection));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer_of_a_job_is_sent_when_it_comes),
        TEST(abandoned_request_is_freed_by_its_release),
        TEST(end_of_file_with_a_job_is_answered),
        TEST(reset_behind_the_end_of_file_counts_as_gone),
        TEST(idle_connection_keeps_nothing_of_its_exchange),
        TEST(peer_that_sends_no_more_is_asked_whether_it_is_there),
        TEST(each_response_is_whole_however_much_of_it_was_sent_early),
        TEST(what_was_sent_early_begins_a_refusal_too),
        TEST(response_that_has_begun_is_not_touched_by_the_question),
        TEST(streamed_answer_goes_on_behind_the_end_of_file),
        TEST(end_of_file_without_a_job_is_answered),
        TEST(end_of_file_in_mid_body_is_an_error),
    };
    mr_log_set_level(MR_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
