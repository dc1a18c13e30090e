/* The connection machine: requests, bodies and responses. */
#include "connection_rig.h"

static void request_is_answered_and_connection_kept(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(strncmp(f->said, "HTTP/1.1 200 OK\r\nDate: ", 23), 0);
    assert_non_null(strstr(f->said, "\r\nContent-Length: 5\r\n"));
    assert_string_equal(f->said + f->said_len - 9, "\r\n\r\nhello");
    assert_null(strstr(f->said, "Connection:"));
    assert_false(mr_connection_is_finished(f->connection));
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_REQUEST);
}

static void head_may_arrive_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    const char *text = "GET /hello HTTP/1.1\r\n" HOST "\r\n";
    for (const char *at = text; *at != '\0'; at++) {
        assert_int_equal(f->said_len, 0);
        mr_connection_input(f->connection, at, 1);
        flush(f);
    }
    assert_int_equal(times(f->said, "200 OK"), 1);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /take HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\n" HOST
            "\r\nGET /nothing HTTP/1.1\r\n" HOST "\r\n");
    const char *taken = strstr(f->said, "taken"), *hello = strstr(f->said, "hello"),
               *missing = strstr(f->said, " 404 ");
    assert_true(taken != NULL && hello > taken && missing > hello);
    assert_memory_equal(f->body, "abc", 3);
    assert_int_equal(f->body_len, 3);
}

static void flood_of_pipelined_requests_is_answered_in_turns(void **state)
{
    struct fixture *f = *state;
    static const char get[] = "GET /hello HTTP/1.1\r\n" HOST "\r\n";
    char text[100 * (sizeof(get) - 1)];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = get[i % (sizeof(get) - 1)];
    mr_connection_input(f->connection, text, sizeof(text));
    assert_true(mr_connection_wants_turn(f->connection));
    flush(f);
    assert_int_equal(times(f->said, "hello"), 100);
}

static void chunked_body_reaches_the_handler(void **state)
{
    struct fixture *f = *state;
    feed(f,
         "POST /take HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n"
         "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(f->body_len, 5);
    assert_memory_equal(f->body, "abcde", 5);
    assert_int_equal(times(f->said, "200 OK"), 2);
}

static void short_chunked_body_that_is_not_wanted_keeps_the_connection(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /nothing HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(times(f->said, "HTTP/1.1 404 "), 1); /* before the body is known to be short */
    feed(f, "3;a=b\r\nabc\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(times(f->said, "Connection: close"), 0);
    assert_int_equal(times(f->said, "hello"), 1);
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_REQUEST);
}

static void long_chunked_body_that_is_not_wanted_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /nothing HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n10001\r\n");
    feed_bytes(f, 0x10000);
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_BODY);
    feed_bytes(f, 1);
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_REFUSED); /* what still comes is dropped */
    assert_int_equal(times(f->said, "HTTP/1.1"), 1);
}

static void chunked_body_over_the_limit_is_refused(void **state)
{
    struct fixture *f = *state;
    f->http.limits.body_max = 4;
    feed(f, "POST /take HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n");
    assert_int_equal(f->aborted, 1);
    assert_non_null(strstr(f->said, "HTTP/1.1 413 "));
    assert_non_null(strstr(f->said, "\"name\":\"max-body\",\"value\":4"));
    assert_true(mr_connection_wants_shutdown(f->connection));
}

static void announced_body_over_the_limit_is_refused_before_it_is_sent(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /take HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n");
    assert_int_equal(strncmp(f->said, "HTTP/1.1 413 ", 13), 0);
    assert_null(f->held);
}

static void continue_is_sent_when_the_body_is_taken(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /take HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_string_equal(f->said, "HTTP/1.1 100 Continue\r\n\r\n");
    feed(f, "ok");
    assert_non_null(strstr(f->said, "taken"));
    assert_false(mr_connection_is_finished(f->connection));
}

static void small_unwanted_body_is_drained_and_the_connection_kept(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    assert_non_null(strstr(f->said, "404"));
    feed(f, "12345GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(f->said, "hello"));
}

static void large_unwanted_body_closes_the_connection_after_the_answer(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 90000\r\n\r\n1234");
    assert_non_null(strstr(f->said, "Connection: close"));
    assert_true(mr_connection_wants_shutdown(f->connection));
    assert_true(mr_connection_wants_read(f->connection));
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_REFUSED);
    mr_connection_timeout(f->connection);
    assert_true(mr_connection_is_finished(f->connection));
}

/* A client that sends all before it reads has the response only when nothing of it is met by a reset. */
static void all_that_was_announced_is_dropped_after_a_refusal(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 5000000\r\n\r\n1234");
    assert_non_null(strstr(f->said, "404"));
    feed_bytes(f, 4999996);
    assert_true(mr_connection_wants_read(f->connection)); /* for the end of the input, which shows that it has read */
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_LINGER);
    mr_connection_eof(f->connection);
    assert_true(mr_connection_is_finished(f->connection));
}

static void more_than_was_announced_is_not_read_after_a_refusal(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 500000\r\n\r\n1234");
    feed_bytes(f, 499996 + 100000);
    assert_false(mr_connection_wants_read(f->connection));
}

static void each_byte_that_is_dropped_keeps_the_silence_from_ending_it(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 5000000\r\n\r\n1");
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_REFUSED);
    uint64_t before = mr_connection_progress(f->connection);
    feed_bytes(f, 1);
    assert_true(mr_connection_progress(f->connection) > before);
    f->connection->linger_until = 1; /* but its time is bounded */
    feed_bytes(f, 1);
    assert_true(mr_connection_is_finished(f->connection));
}

static void malformed_head_is_answered_and_the_connection_closed(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /hello HTTP/1.1\r\nHost : x\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(strncmp(f->said, "HTTP/1.1 400 ", 13), 0);
    assert_int_equal(times(f->said, "HTTP/1.1"), 1);
    mr_connection_eof(f->connection);
    assert_true(mr_connection_is_finished(f->connection));
}

static void head_that_outgrows_its_room_is_refused(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /hello HTTP/1.1\r\n" HOST);
    char line[1025];
    snprintf(line, sizeof(line), "X: %01019d\r\n", 0);
    for (int i = 0; i < 16; i++)
        mr_connection_input(f->connection, line, strlen(line));
    flush(f);
    assert_int_equal(strncmp(f->said, "HTTP/1.1 431 ", 13), 0);
    assert_non_null(strstr(f->said, "max-head"));
}

static void paused_body_stops_reading_until_resumed(void **state)
{
    struct fixture *f = *state;
    f->pause = true;
    feed(f, "POST /take HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n123");
    assert_false(mr_connection_wants_read(f->connection));
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_NOTHING);
    f->pause = false;
    mr_stream_resume(&f->held->body);
    assert_true(mr_connection_wants_read(f->connection));
    feed(f, "4567890");
    assert_int_equal(f->body_len, 10);
    assert_non_null(strstr(f->said, "taken"));
}

static void body_that_waited_is_fed_in_portions_that_fit_a_pause(void **state)
{
    struct fixture *f = *state;
    enum { LEN = 100000 };
    static const char head[] = "POST /take HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n";
    static char body[LEN];
    f->http.limits.head_max = 2 * LEN;
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_connection_input(f->connection, head, sizeof(head) - 1);
    mr_connection_input(f->connection, body, LEN / 2);
    mr_connection_input(f->connection, body + LEN / 2, LEN / 2);
    mr_connection_eof(f->connection);
    f->pause = true;
    mr_stream_end(f->stream);
    flush(f);
    assert_int_equal(f->body_len, MR_STREAM_PUSH_MAX);
    assert_int_equal(f->aborted, 0); /* the client has closed its side, but all of the body is here */
    f->pause = false;
    mr_stream_resume(&f->held->body);
    flush(f);
    assert_int_equal(f->body_len, LEN);
    assert_int_equal(times(f->said, "taken"), 1);
}

/* ---- fields of a response ---- */

static void value_of_a_field_does_not_split_the_response(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /fields?v=a%0d%0aEvil:%20x%0d%0a%0d%0aHTTP/1.1 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(times(f->said, "\r\nX-Value: a  Evil: x    HTTP/1.1\r\n"), 1);
    assert_int_equal(times(f->said, "\r\n\r\n"), 1);
}

static void vary_and_cache_control_occur_once(void **state)
{
    struct fixture *f = *state;
    static char origin[] = "https://example.org";
    static char *const origins[] = {origin};
    f->http.allow_origins = origins;
    f->http.allow_origin_count = 1;
    feed(f, "POST /fields?v=1 HTTP/1.1\r\n" HOST "Origin: https://example.org\r\n\r\n");
    assert_int_equal(times(f->said, "Vary: Accept, Origin\r\n"), 1);
    assert_int_equal(times(f->said, "Vary:"), 1);
    assert_int_equal(times(f->said, "Access-Control-Allow-Origin: https://example.org\r\n"), 1);
    assert_int_equal(times(f->said, "Cache-Control: private\r\n"), 1);
    assert_int_equal(times(f->said, "Cache-Control:"), 1);
    feed(f, "POST /take HTTP/1.1\r\n" HOST "Origin: https://example.org\r\n\r\n");
    assert_int_equal(times(f->said, "Vary: Origin\r\n"), 1);
    assert_int_equal(times(f->said, "Cache-Control: no-store\r\n"), 1);
}

static void handler_that_frames_the_response_itself_is_a_programming_error(void **state)
{
    struct fixture *f = *state;
    assert_dies(feed(f, "GET /forger HTTP/1.1\r\n" HOST "\r\n"));
}

static void status_of_any_handler_is_written(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /status?v=302 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(strncmp(f->said, "HTTP/1.1 302 Found\r\n", 20), 0);
    assert_int_equal(times(f->said, "\r\n\r\nstatus"), 1);
    feed(f, "GET /status?v=507 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(times(f->said, "HTTP/1.1 507 Insufficient Storage\r\n"), 1);
    assert_dies(feed(f, "GET /status?v=299 HTTP/1.1\r\n" HOST "\r\n"));
    assert_dies(feed(f, "GET /status?v=100 HTTP/1.1\r\n" HOST "\r\n"));
}

/* What follows on the connection would be read as their body, or their body as what follows. */
static void check_no_body(struct fixture *f, const char *path, int status, unsigned lengths)
{
    char request[80];
    memset(f->said, 0, f->said_len);
    f->said_len = 0;
    snprintf(request, sizeof(request), "GET /%s?v=%d HTTP/1.1\r\n" HOST "\r\n", path, status);
    feed(f, request);
    assert_string_equal(f->said + f->said_len - 4, "\r\n\r\n");
    assert_int_equal(times(f->said, "\r\n\r\n"), 1);
    assert_int_equal(times(f->said, "Content-Length: 0\r\n"), lengths);
    assert_int_equal(times(f->said, "Content-Length:"), lengths);
    assert_null(strstr(f->said, "Transfer-Encoding:"));
    assert_null(strstr(f->said, "Connection:"));
}

static void some_statuses_have_no_body(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"status", "stream-of-status"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(paths); i++) {
        check_no_body(f, paths[i], 204, 0);
        check_no_body(f, paths[i], 205, 1);
        check_no_body(f, paths[i], 304, 0);
    }
}

/* ---- what a route's row says ---- */

static void body_of_a_route_may_be_smaller_than_the_servers(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /small HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n12345");
    assert_int_equal(times(f->said, "taken"), 1);
    feed(f, "POST /small HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 6\r\n\r\n");
    assert_int_equal(times(f->said, "HTTP/1.1 413 "), 1);
    assert_int_equal(times(f->said, "\"name\":\"max-body\",\"value\":5"), 1);
}

static void chunked_body_of_a_route_is_bounded_too(void **state)
{
    struct fixture *f = *state;
    f->http.limits.body_max = 0;
    feed(f, "POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n");
    assert_int_equal(f->aborted, 1);
    assert_int_equal(times(f->said, "HTTP/1.1 413 "), 1);
}

static void caches_are_told_what_the_route_says_but_in_refusals(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /small HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    assert_int_equal(times(f->said, "Cache-Control: private\r\n"), 1);
    feed(f, "GET /hello HTTP/1.1\r\n" HOST "\r\nGET /nothing HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(times(f->said, "Cache-Control:"), 1);
    feed(f, "POST /small HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\n123456");
    assert_int_equal(times(f->said, "Cache-Control: no-store\r\n"), 1);
    assert_int_equal(times(f->said, "Cache-Control:"), 2);
}

static uint64_t counted_by(const struct fixture *f, const char *pattern, enum mr_status_index status)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < f->http.route_count; i++) {
        if (strcmp(f->http.routes[i].pattern, pattern) == 0)
            count += f->counters->routes[i].by_status[status];
    }
    return count;
}

static void pages_of_any_site_may_use_a_route_that_says_so(void **state)
{
    struct fixture *f = *state;
    feed(f, "POST /small HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n");
    assert_int_equal(times(f->said, "200 OK"), 1);
    feed(f, "POST /small HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n");
    assert_int_equal(times(f->said, "403 Forbidden"), 1);
    feed(f, "POST /take HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(times(f->said, "403 Forbidden"), 2);
    /* What is refused so is counted with the route that it asked for. */
    assert_int_equal(counted_by(f, "/small", MR_STATUS_403), 1);
    assert_int_equal(counted_by(f, "/take", MR_STATUS_403), 1);
    feed(f, "GET /nothing HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_int_equal(f->counters->routes[f->http.route_count].by_status[MR_STATUS_403], 1);
}

static void slow_reader_pauses_the_answer_and_resumes_it(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    char block[8192];
    memset(block, 'x', sizeof(block));
    unsigned pushed = 0;
    while (mr_stream_push(f->stream, block, sizeof(block)) == MR_FLOW_MORE)
        pushed++;
    assert_in_range(pushed, 4, 16);
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_WRITE);
    flush(f);
    assert_int_equal(f->resumed, 1);
    mr_stream_end(f->stream);
    flush(f);
    assert_string_equal(f->said + f->said_len - 7, "\r\n0\r\n\r\n");
    assert_false(mr_connection_is_finished(f->connection));
}

static void count_release(void *context)
{
    ((struct fixture *)context)->released++;
}

static void bytes_given_by_reference_leave_from_where_they_lie(void **state)
{
    struct fixture *f = *state;
    static const char block[8192];
    struct iovec runs[8];
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_stream_push_ref(f->stream, block, sizeof(block), count_release, f);
    assert_int_equal(mr_connection_output(f->connection, runs, 8), 3); /* size, bytes, line end */
    assert_ptr_equal(runs[1].iov_base, block);
    assert_int_equal(runs[1].iov_len, sizeof(block));
    mr_connection_wrote(f->connection, runs[0].iov_len + sizeof(block) - 1);
    assert_int_equal(f->released, 0); /* its last byte was not sent yet */
    mr_connection_wrote(f->connection, 1);
    assert_int_equal(f->released, 1);
    mr_stream_end(f->stream);
    flush(f);
    assert_string_equal(f->said + f->said_len - 7, "\r\n0\r\n\r\n");
}

static void few_bytes_given_by_reference_are_copied(void **state)
{
    struct fixture *f = *state;
    struct iovec runs[8];
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_stream_push_ref(f->stream, "few", 3, count_release, f);
    assert_int_equal(f->released, 1);
    assert_int_equal(mr_connection_output(f->connection, runs, 8), 1);
}

static void note_span_release(void *context, int error_number)
{
    assert_int_equal(error_number, 0);
    count_release(context);
}

/* On a transport that sends them; and it counts as so many bytes of the response. */
static void part_of_a_file_leaves_behind_what_came_before_it(void **state)
{
    struct fixture *f = *state;
    struct iovec runs[8];
    struct mr_file_span span = {.fd = 7, .offset = 100, .len = 1000000};
    mr_connection_take_files(f->connection);
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    assert_true(mr_stream_takes_file(f->stream));
    assert_int_equal(mr_stream_push_file(f->stream, span, note_span_release, f), MR_FLOW_PAUSE);
    assert_int_equal(mr_connection_output(f->connection, runs, 8), 1); /* its size */
    assert_null(mr_connection_output_file(f->connection, &span));
    mr_connection_wrote(f->connection, runs[0].iov_len);
    assert_int_equal(mr_connection_output(f->connection, runs, 8), 0);
    mr_buf_return_file(mr_connection_output_file(f->connection, &span), 0);
    assert_int_equal(span.len, 1000000);
    mr_connection_wrote(f->connection, 999999);
    assert_int_equal(f->released, 0);
    mr_connection_wrote(f->connection, 1);
    assert_int_equal(f->released, 1);
    mr_stream_end(f->stream);
    flush(f);
    assert_string_equal(f->said + f->said_len - 7, "\r\n0\r\n\r\n");
}

static void transport_that_sends_no_files_is_given_none(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    assert_false(mr_stream_takes_file(f->stream));
    mr_stream_end(f->stream);
    flush(f);
}

static void part_of_a_file_is_released_when_the_client_leaves(void **state)
{
    struct fixture *f = *state;
    struct mr_file_span span = {.fd = 7, .offset = 100, .len = 1000000};
    mr_connection_take_files(f->connection);
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_stream_push_file(f->stream, span, note_span_release, f);
    struct iovec run;
    mr_connection_output(f->connection, &run, 1);
    mr_connection_wrote(f->connection, run.iov_len);
    struct mr_buf_segment *file = mr_connection_output_file(f->connection, &span);
    mr_connection_reset(f->connection);
    assert_int_equal(f->released, 0); /* a thread still sends of it */
    mr_buf_return_file(file, 0);
    assert_int_equal(f->released, 1);
}

static void references_are_released_when_the_client_leaves(void **state)
{
    struct fixture *f = *state;
    static const char block[8192];
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    while (mr_stream_push_ref(f->stream, block, sizeof(block), count_release, f) == MR_FLOW_MORE)
        f->pushed++;
    assert_in_range(f->pushed, 4, 16); /* they count against the mark as copies do */
    mr_connection_reset(f->connection);
    assert_int_equal(f->released, f->pushed + 1);
}

static void head_response_releases_its_references(void **state)
{
    struct fixture *f = *state;
    static const char block[8192];
    feed(f, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_stream_push_ref(f->stream, block, sizeof(block), count_release, f);
    assert_int_equal(f->released, 1);
    mr_stream_end(f->stream);
    flush(f);
    assert_string_equal(f->said + f->said_len - 4, "\r\n\r\n");
}

static void aborted_answer_never_ends_cleanly(void **state)
{
    struct fixture *f = *state;
    struct mr_fault fault = {.error = MR_EIO};
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_stream_push(f->stream, "abc", 3);
    mr_stream_abort(f->stream, &fault);
    flush(f);
    assert_true(mr_connection_is_finished(f->connection));
    assert_true(mr_connection_is_aborted(f->connection));
    assert_null(strstr(f->said, "\r\n0\r\n"));
}

static void reset_cancels_a_streamed_answer(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_connection_reset(f->connection);
    assert_int_equal(f->cancelled, 1);
    assert_int_equal(f->disconnects, 1);
}

static void head_request_gets_the_head_only(void **state)
{
    struct fixture *f = *state;
    feed(f, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(f->said, "Content-Length: 5"));
    assert_string_equal(f->said + f->said_len - 4, "\r\n\r\n");
}

static void old_client_is_answered_and_closed(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /hello HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(f->said, "Connection: close"));
    assert_true(mr_connection_is_finished(f->connection));
}

static void reading_stops_after_one_heads_room_while_a_job_runs(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /job HTTP/1.1\r\n" HOST "\r\n");
    size_t total = 0;
    while (mr_connection_wants_read(f->connection)) {
        static const char bytes[16384];
        size_t len;
        assert_null(mr_connection_space(f->connection, &len));
        assert_in_range(len, 1, sizeof(bytes));
        mr_connection_input(f->connection, bytes, len);
        total += len;
    }
    assert_int_equal(total, 16384);
    mr_connection_reset(f->connection);
    mr_request_release(f->held);
}

static void slow_head_is_timed_out(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /hel");
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_HEAD);
    mr_connection_timeout(f->connection);
    flush(f);
    assert_int_equal(strncmp(f->said, "HTTP/1.1 408 ", 13), 0);
    assert_true(mr_connection_wants_shutdown(f->connection));
}

static void foreign_hosts_and_origins_are_refused(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_int_equal(times(f->said, "403 Forbidden"), 1);
    feed(f, "GET /hello HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n");
    assert_int_equal(times(f->said, "403 Forbidden"), 2);
    feed(f, "GET /hello HTTP/1.1\r\n" HOST "Origin: http://localhost\r\n\r\n");
    assert_int_equal(times(f->said, "200 OK"), 1);
}

static void draining_closes_idle_connections_and_announces_it_to_others(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /job HTTP/1.1\r\n" HOST "\r\n");
    atomic_store(&f->http.draining, true);
    mr_connection_drain(f->connection);
    assert_false(mr_connection_is_finished(f->connection));
    mr_request_release(f->held);
    answer(f->held, "last");
    flush(f);
    assert_non_null(strstr(f->said, "Connection: close"));
    assert_true(mr_connection_wants_shutdown(f->connection));
    mr_connection_eof(f->connection);
    assert_true(mr_connection_is_finished(f->connection));
}

static void a_new_connection_has_a_second_for_its_first_request_when_the_server_drains(void **state)
{
    struct fixture *f = *state;
    atomic_store(&f->http.draining, true);
    mr_connection_drain(f->connection);
    assert_false(mr_connection_is_finished(f->connection));
    assert_int_equal(mr_connection_wait(f->connection), MR_WAIT_FIRST);
    assert_int_equal(mr_wait_limit_ns(&f->http.limits, MR_WAIT_FIRST), MR_NS_PER_S);
    feed(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(times(f->said, "200 OK"), 1);
    assert_non_null(strstr(f->said, "Connection: close"));
}

static void a_new_connection_without_a_request_ends_behind_that_second_or_with_the_drain(void **state)
{
    struct fixture *f = *state;
    mr_connection_drain(f->connection);
    mr_connection_timeout(f->connection);
    assert_true(mr_connection_is_finished(f->connection));
    assert_int_equal(f->said_len, 0);
    struct mr_connection *other;
    assert_int_equal(mr_connection_create(&other, &f->http, f->loop, on_changed, f), 0);
    mr_connection_drain(other);
    mr_connection_end_idle(other);
    assert_true(mr_connection_is_finished(other));
    mr_connection_destroy(&other);
}

static void a_used_connection_that_is_idle_ends_at_once_when_the_server_drains(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    flush(f);
    mr_connection_drain(f->connection);
    assert_true(mr_connection_is_finished(f->connection));
}

static void stream_begun_before_the_drain_closes_its_connection_at_its_end(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    mr_stream_push(f->stream, "xyz", 3);
    flush(f);
    assert_null(strstr(f->said, "Connection: close"));
    atomic_store(&f->http.draining, true);
    mr_connection_drain(f->connection);
    mr_stream_end(f->stream);
    mr_connection_turn(f->connection);
    flush(f);
    assert_true(mr_connection_wants_shutdown(f->connection));
    mr_connection_eof(f->connection);
    assert_true(mr_connection_is_finished(f->connection));
}

static void a_connection_over_the_limit_is_told_so_and_takes_no_place(void **state)
{
    struct fixture *f = *state;
    struct mr_connection *first = NULL;
    f->http.limits.connections_max = 1;
    assert_int_equal(mr_connection_create(&first, &f->http, f->loop, on_changed, f), 0);
    assert_true(mr_connection_admit(first));
    assert_true(mr_connection_admit(f->connection)); /* to be told */
    flush(f);
    assert_int_equal(strncmp(f->said, "HTTP/1.1 503 ", 13), 0);
    assert_true(mr_connection_wants_shutdown(f->connection));
    assert_int_equal(f->http.connection_count, 1);
    assert_int_equal(mr_http_counters_of(&f->http, 0)->connections, 2);
    mr_connection_leave(f->connection);
    mr_connection_destroy(&f->connection);
    mr_connection_leave(first);
    mr_connection_destroy(&first);
    assert_int_equal(mr_connection_create(&f->connection, &f->http, f->loop, on_changed, f), 0);
    assert_true(mr_connection_admit(f->connection));
    assert_int_equal(mr_http_counters_of(&f->http, 0)->connections_accepted, 2);
    assert_int_equal(mr_http_counters_of(&f->http, 0)->connections_refused, 1);
    mr_connection_leave(f->connection);
    assert_int_equal(mr_http_counters_of(&f->http, 0)->connections, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_is_answered_and_connection_kept),
        TEST(head_may_arrive_byte_by_byte),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(flood_of_pipelined_requests_is_answered_in_turns),
        TEST(chunked_body_reaches_the_handler),
        TEST(short_chunked_body_that_is_not_wanted_keeps_the_connection),
        TEST(long_chunked_body_that_is_not_wanted_ends_the_connection),
        TEST(chunked_body_over_the_limit_is_refused),
        TEST(announced_body_over_the_limit_is_refused_before_it_is_sent),
        TEST(continue_is_sent_when_the_body_is_taken),
        TEST(small_unwanted_body_is_drained_and_the_connection_kept),
        TEST(large_unwanted_body_closes_the_connection_after_the_answer),
        TEST(all_that_was_announced_is_dropped_after_a_refusal),
        TEST(more_than_was_announced_is_not_read_after_a_refusal),
        TEST(each_byte_that_is_dropped_keeps_the_silence_from_ending_it),
        TEST(malformed_head_is_answered_and_the_connection_closed),
        TEST(head_that_outgrows_its_room_is_refused),
        TEST(paused_body_stops_reading_until_resumed),
        TEST(body_that_waited_is_fed_in_portions_that_fit_a_pause),
        TEST(value_of_a_field_does_not_split_the_response),
        TEST(vary_and_cache_control_occur_once),
        TEST(handler_that_frames_the_response_itself_is_a_programming_error),
        TEST(status_of_any_handler_is_written),
        TEST(some_statuses_have_no_body),
        TEST(body_of_a_route_may_be_smaller_than_the_servers),
        TEST(chunked_body_of_a_route_is_bounded_too),
        TEST(caches_are_told_what_the_route_says_but_in_refusals),
        TEST(pages_of_any_site_may_use_a_route_that_says_so),
        TEST(slow_reader_pauses_the_answer_and_resumes_it),
        TEST(bytes_given_by_reference_leave_from_where_they_lie),
        TEST(few_bytes_given_by_reference_are_copied),
        TEST(references_are_released_when_the_client_leaves),
        TEST(part_of_a_file_leaves_behind_what_came_before_it),
        TEST(transport_that_sends_no_files_is_given_none),
        TEST(part_of_a_file_is_released_when_the_client_leaves),
        TEST(head_response_releases_its_references),
        TEST(aborted_answer_never_ends_cleanly),
        TEST(reset_cancels_a_streamed_answer),
        TEST(head_request_gets_the_head_only),
        TEST(old_client_is_answered_and_closed),
        TEST(reading_stops_after_one_heads_room_while_a_job_runs),
        TEST(slow_head_is_timed_out),
        TEST(foreign_hosts_and_origins_are_refused),
        TEST(draining_closes_idle_connections_and_announces_it_to_others),
        TEST(a_new_connection_has_a_second_for_its_first_request_when_the_server_drains),
        TEST(a_new_connection_without_a_request_ends_behind_that_second_or_with_the_drain),
        TEST(a_used_connection_that_is_idle_ends_at_once_when_the_server_drains),
        TEST(stream_begun_before_the_drain_closes_its_connection_at_its_end),
        TEST(a_connection_over_the_limit_is_told_so_and_takes_no_place),
    };
    mr_log_set_level(MR_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
