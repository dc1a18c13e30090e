/* connection_rig.h -- the connection machine (http/http1/connection.h), driven by arrays instead of sockets, and
 * handlers that behave in each way. What a test has no use for is not compiled for it. */
#ifndef TESTS_CONNECTION_RIG_H
#define TESTS_CONNECTION_RIG_H

#include "base/log.h"
#include "dies.h"
#include "http/http1/internal.h"
#include "http/request.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- handlers ---- */

struct fixture {
    struct mr_loop *loop;
    struct mr_http http;
    struct mr_http_counters *counters;
    struct mr_connection *connection;
    unsigned changed;
    char said[1 << 20]; /* what the connection has sent */
    size_t said_len;
    /* What the handlers saw. */
    struct mr_request *held;
    unsigned disconnects, ended, aborted, resumed, cancelled, pushed, released;
    char body[1 << 17];
    size_t body_len;
    bool pause, answer_at_end;
    struct mr_stream *stream;
};

static inline void flush(struct fixture *f);

static inline struct fixture *fixture_of(const struct mr_request *request)
{
    return request->http->app;
}

static inline void answer(struct mr_request *request, const char *text)
{
    mr_respond(request, 200, "text/plain", NULL, text, strlen(text), NULL, NULL);
}

static inline void start_hello(struct mr_request *request)
{
    answer(request, "hello");
}

static inline void start_job(struct mr_request *request)
{
    struct fixture *f = fixture_of(request);
    f->held = request;
    mr_request_hold(request);
}

static inline void gone_job(struct mr_request *request)
{
    fixture_of(request)->disconnects++;
}

static inline enum mr_flow take_push(void *context, const void *bytes, size_t len)
{
    struct fixture *f = fixture_of(context);
    assert_true(f->body_len + len <= sizeof(f->body));
    memmove(f->body + f->body_len, bytes, len);
    f->body_len += len;
    return f->pause ? MR_FLOW_PAUSE : MR_FLOW_MORE;
}

static inline void take_end(void *context)
{
    struct fixture *f = fixture_of(context);
    f->ended++;
    if (f->answer_at_end)
        answer(context, "taken");
}

static inline void take_abort(void *context, const struct mr_fault *why)
{
    (void)why;
    fixture_of(context)->aborted++;
}

static const struct mr_stream_receiver receiver = {.push = take_push, .end = take_end, .abort = take_abort};

static inline void *take_space(void *context, size_t *len)
{
    struct fixture *f = fixture_of(context);
    *len = sizeof(f->body) - f->body_len;
    return f->body + f->body_len;
}

static const struct mr_stream_receiver receiver_with_space = {
    .push = take_push, .end = take_end, .abort = take_abort, .get_buffer = take_space};

static inline void start_take(struct mr_request *request)
{
    fixture_of(request)->held = request;
    mr_request_take_body(request, &receiver, request);
}

/* It does not know yet whether it wants the body: a file is being looked up, say. */
static inline void start_later(struct mr_request *request)
{
    struct fixture *f = fixture_of(request);
    f->held = request;
    mr_request_hold(request);
}

/* Turns later it does. */
static inline void take_now(struct fixture *f)
{
    flush(f);
    flush(f);
    mr_request_take_body(f->held, &receiver, f->held);
    mr_request_release(f->held);
    flush(f);
}

static inline void stream_resume(void *context)
{
    fixture_of(context)->resumed++;
}

static inline void stream_cancel(void *context, const struct mr_fault *why)
{
    (void)why;
    fixture_of(context)->cancelled++;
}

static const struct mr_stream_sender sender = {.resume = stream_resume, .cancel = stream_cancel};

static inline void start_stream(struct mr_request *request)
{
    struct fixture *f = fixture_of(request);
    f->held = request;
    f->stream = mr_respond_stream(request, 200, "text/plain", NULL, UINT64_MAX, &sender, request);
}

/* A field whose value the client chose, as the name of a file would be. */
static inline void start_fields(struct mr_request *request)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_set(&fields, "X-Value", request->query.pairs[0].value);
    mr_fields_vary(&fields, "Accept");
    mr_fields_set_text(&fields, "Cache-Control", "private");
    mr_respond(request, 200, "text/plain", &fields, "fields", 6, NULL, NULL);
}

static inline void start_forger(struct mr_request *request)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_set_text(&fields, "content-length", "0");
    mr_respond(request, 200, "text/plain", &fields, "forged", 6, NULL, NULL);
}

static inline void start_status(struct mr_request *request)
{
    int status = atoi(request->query.pairs[0].value.at);
    mr_respond(request, status, "text/plain", NULL, "status", 6, NULL, NULL);
}

static inline void start_stream_of_status(struct mr_request *request)
{
    struct fixture *f = fixture_of(request);
    f->stream =
        mr_respond_stream(request, atoi(request->query.pairs[0].value.at), NULL, NULL, UINT64_MAX, &sender, request);
    mr_stream_push(f->stream, "status", 6);
    mr_stream_end(f->stream);
}

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET, .pattern = "/status", .start = start_status},
    {.method = MR_METHOD_GET, .pattern = "/stream-of-status", .start = start_stream_of_status},
    {.method = MR_METHOD_GET, .pattern = "/fields", .start = start_fields},
    {.method = MR_METHOD_POST, .pattern = "/fields", .start = start_fields},
    {.method = MR_METHOD_GET, .pattern = "/forger", .start = start_forger},
    {.method = MR_METHOD_GET, .pattern = "/hello", .start = start_hello},
    {.method = MR_METHOD_GET, .pattern = "/job", .start = start_job, .on_disconnect = gone_job},
    {.method = MR_METHOD_POST,
     .pattern = "/take",
     .start = start_take,
     .on_disconnect = gone_job,
     .cache_control = "no-store"},
    {.method = MR_METHOD_POST, .pattern = "/later", .start = start_later, .on_disconnect = gone_job},
    {.method = MR_METHOD_GET, .pattern = "/later", .start = start_later, .on_disconnect = gone_job},
    {.method = MR_METHOD_GET, .pattern = "/stream", .start = start_stream, .on_disconnect = gone_job},
    {.method = MR_METHOD_POST,
     .pattern = "/small",
     .body_max = 5,
     .cache_control = "private",
     .site = MR_SITE_ANY,
     .start = start_take},
    {.pattern = NULL},
};

/* ---- the transport ---- */

static inline void on_changed(void *transport)
{
    ((struct fixture *)transport)->changed++;
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_int_equal(mr_loop_create(&f->loop, 0), 0);
    f->counters = calloc(1, sizeof(*f->counters));
    mr_http_init(&f->http, &f->counters, 1);
    mr_http_register(&f->http, routes);
    f->http.limits = (struct mr_http_limits){.body_max = 100000, .head_max = 16384, .connections_max = 10};
    f->http.app = f;
    f->answer_at_end = true;
    assert_int_equal(mr_connection_create(&f->connection, &f->http, f->loop, on_changed, f), 0);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->connection != NULL)
        mr_connection_destroy(&f->connection);
    assert_int_equal(mr_loop_requests(f->loop), 0);
    free(f->counters);
    mr_loop_destroy(&f->loop);
    free(f);
    return 0;
}

/* Take what the connection has to say, as a socket would. */
static inline void flush(struct fixture *f)
{
    struct iovec runs[4];
    int count;
    mr_connection_turn(f->connection);
    while ((count = mr_connection_output(f->connection, runs, 4)) > 0) {
        size_t total = 0;
        for (int i = 0; i < count; i++) {
            assert_true(f->said_len + runs[i].iov_len < sizeof(f->said));
            memcpy(f->said + f->said_len, runs[i].iov_base, runs[i].iov_len);
            f->said_len += runs[i].iov_len;
            total += runs[i].iov_len;
        }
        mr_connection_wrote(f->connection, total);
    }
    f->said[f->said_len] = '\0';
    if (mr_connection_wants_turn(f->connection))
        flush(f);
}

/* More than any grace of --min-rate that a test sets. */
static inline void pass_time(struct fixture *f)
{
    uint64_t until = mr_clock_now() + 2 * MR_NS_PER_MS;
    while (mr_clock_now() < until || mr_loop_now(f->loop) < until)
        uv_update_time(mr_loop_uv(f->loop));
}

static inline void feed(struct fixture *f, const char *text)
{
    mr_connection_input(f->connection, text, strlen(text));
    flush(f);
}

static inline void feed_bytes(struct fixture *f, size_t len)
{
    static const char zeros[10000];
    for (; len > 0; len -= MR_MIN(len, sizeof(zeros)))
        mr_connection_input(f->connection, zeros, MR_MIN(len, sizeof(zeros)));
}

static inline unsigned times(const char *text, const char *part)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

#define HOST "Host: localhost\r\n"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
