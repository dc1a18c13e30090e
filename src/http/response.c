#include "base/assert.h"
#include "base/log.h"
#include "base/number.h"
#include "http/http1/internal.h"
#include "http/policy.h"
#include "http/problem.h"
#include "http/status.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The Date field's value, made once a second. */
static const char *http_date(void)
{
    static _Thread_local char text[30];
    static _Thread_local time_t made_at = -1;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != made_at) {
        mr_clock_http_date(text, now.tv_sec);
        made_at = now.tv_sec;
    }
    return text;
}

/* ---- the head ---- */

static void put_slice(struct mr_buf *out, struct mr_slice text)
{
    mr_buf_append(out, text.at, text.len);
}

static void put(struct mr_buf *out, const char *text)
{
    put_slice(out, mr_slice_of(text));
}

static void put_field(struct mr_buf *out, const char *name, const char *value)
{
    mr_field_write(out, name, mr_slice_of(value));
}

static void put_number(struct mr_buf *out, const char *name, uint64_t value)
{
    char digits[MR_NUMBER_SIZE]; /* printf would be the dearest part of a small response */
    mr_number_write(digits, value);
    put_field(out, name, digits);
}

static void put_cors(const struct mr_request *request, struct mr_buf *out, struct mr_fields *fields)
{
    struct mr_slice origin = mr_policy_cors_origin(request);
    if (origin.at == NULL)
        return;
    mr_field_write(out, "Access-Control-Allow-Origin", origin);
    put_field(out, "Access-Control-Expose-Headers", "Server-Timing, X-Request-Id, Retry-After");
    mr_fields_vary(fields, "Origin");
}

/* Must the connection be closed after this answer? Decided when its head is made, since the client is told there. */
static bool must_close(const struct mr_request *request)
{
    const struct mr_connection *connection = request->connection;
    const struct mr_http *http = request->http;
    uint32_t max = http->limits.requests_per_connection_max;
    if (request->response_close || connection->closing || !request->head.keep_alive ||
        atomic_load_explicit(&http->draining, memory_order_relaxed))
        return true;
    if (max != 0 && connection->served + 1 >= max)
        return true;
    bool reading = request->body_taken && mr_stream_is_open(&request->body);
    return !reading && !mr_body_can_drain(connection);
}

static void put_connection(struct mr_request *request, struct mr_buf *out)
{
    request->response_close = must_close(request);
    if (request->response_close)
        put_field(out, "Connection", "close");
    else if (request->head.minor == 0)
        put_field(out, "Connection", "keep-alive");
}

static bool may_have_body(const struct mr_request *request)
{
    return request->head.method != MR_METHOD_HEAD && mr_status_has_body(request->status);
}

static void put_framing(struct mr_request *request, struct mr_buf *out)
{
    if (!mr_status_has_body(request->status)) {
        if (request->status == 205)
            put_number(out, "Content-Length", 0); /* its end would not be known without (RFC 9110, section 15.3.6) */
        return;
    }
    if (request->response_length != UINT64_MAX) {
        put_number(out, "Content-Length", request->response_length);
        return;
    }
    if (request->head.minor == 0) {
        request->response_close = true; /* its end is the connection's */
        return;
    }
    request->response_chunked = true;
    put_field(out, "Transfer-Encoding", "chunked");
}

/* No handler says what is decided here. */
static void check_fields(const struct mr_fields *fields)
{
    static const char *const ours[] = {
        "Date",         "Content-Type", "Content-Length",         "Transfer-Encoding",
        "X-Request-Id", "Connection",   "X-Content-Type-Options",
    };
    for (size_t i = 0; fields->first != NULL && i < MR_ARRAY_SIZE(ours); i++)
        MR_ASSERT(mr_fields_find(fields, ours[i]).at == NULL);
}

/* What the route says of its responses is not said of refusals. */
static const char *cache_control_of(const struct mr_request *request)
{
    enum mr_method method = request->head.method;
    if (request->match.route != NULL && request->status < 400)
        return request->match.route->cache_control;
    return method == MR_METHOD_GET || method == MR_METHOD_HEAD ? NULL : "no-store";
}

static void put_fields(struct mr_request *request, struct mr_fields *fields)
{
    struct mr_buf *out = &request->connection->out;
    struct mr_fields none;
    if (fields == NULL) {
        mr_fields_init(&none, &request->arena);
        fields = &none;
    }
    check_fields(fields);
    const char *cache_control = cache_control_of(request);
    if (cache_control != NULL && mr_fields_find(fields, "Cache-Control").at == NULL)
        put_field(out, "Cache-Control", cache_control);
    put_cors(request, out, fields);
    mr_fields_write(fields, out);
}

static void put_head(struct mr_request *request, const char *content_type, struct mr_fields *fields)
{
    struct mr_buf *out = &request->connection->out;
    MR_ASSERT(request->status >= 200 && mr_status_index(request->status) != MR_STATUS_NONE);
    put_slice(out, mr_status_line(mr_status_index(request->status)));
    put_field(out, "Date", http_date());
    if (content_type != NULL)
        put_field(out, "Content-Type", content_type);
    put_framing(request, out);
    put_connection(request, out);
    put_field(out, "X-Content-Type-Options", "nosniff");
    put_field(out, "X-Request-Id", request->id);
    put_fields(request, fields);
    put(out, "\r\n");
    if (!request->body_taken)
        request->body_began_at = mr_loop_now(request->loop);
    mr_response_move(request, MR_RESPONSE_HEAD);
}

/* An answer to somebody who has gone, or a second one after the request failed, goes nowhere. */
static bool can_answer(const struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    return request->connection != NULL && request->response_half == MR_RESPONSE_NONE;
}

/* ---- whole answers ---- */

static void put_body(struct mr_request *request, const void *body, size_t len, void (*release)(void *context),
                     void *context)
{
    struct mr_buf *out = &request->connection->out;
    if (len > 0 && may_have_body(request)) {
        request->response_bytes = len;
        if (release != NULL)
            mr_buf_append_ref(out, body, len, release, context);
        else
            mr_buf_append(out, body, len);
    } else if (release != NULL) {
        release(context);
    }
}

void mr_respond(struct mr_request *request, int status, const char *content_type, struct mr_fields *fields,
                const void *body, size_t len, void (*release)(void *context), void *context)
{
    if (!can_answer(request)) {
        if (release != NULL)
            release(context);
        return;
    }
    request->status = status;
    request->response_length = len;
    put_head(request, content_type, fields);
    put_body(request, body, len, release, context);
    mr_response_move(request, MR_RESPONSE_DONE);
    mr_connection_moved(request->connection);
}

void mr_respond_problem(struct mr_request *request, const struct mr_fault *fault)
{
    struct mr_fields fields;
    if (!can_answer(request))
        return;
    int status = mr_problem_status(fault->error);
    mr_fields_init(&fields, &request->arena);
    if (status == 503)
        mr_fields_retry_after(&fields, fault->retry_after_s);
    if (fault->error == MR_EMETHOD)
        mr_fields_allow(&fields, request->allowed);
    if (request->outcome == NULL)
        request->outcome = mr_problem_type(fault->error);
    struct mr_slice body = mr_problem_json(fault, &request->arena);
    mr_respond(request, status, "application/problem+json", &fields, body.at, body.len, NULL, NULL);
}

/* ---- streamed answers, as their receiver ---- */

static enum mr_flow take_bytes(void *context, const void *bytes, size_t len)
{
    struct mr_request *request = context;
    struct mr_buf *out = &request->connection->out;
    if (!may_have_body(request))
        return MR_FLOW_MORE;
    char size_line[20];
    if (request->response_chunked) {
        snprintf(size_line, sizeof(size_line), "%zx\r\n", len);
        put(out, size_line);
    }
    mr_buf_append(out, bytes, len);
    if (request->response_chunked)
        put(out, "\r\n");
    mr_response_move(request, MR_RESPONSE_BODY);
    request->response_bytes += len;
    MR_ASSERT(request->response_bytes <= request->response_length);
    mr_connection_moved(request->connection);
    return mr_buf_is_high(out) ? MR_FLOW_PAUSE : MR_FLOW_MORE;
}

static void take_end(void *context)
{
    struct mr_request *request = context;
    struct mr_buf *out = &request->connection->out;
    if (request->response_chunked && may_have_body(request)) {
        put(out, "0\r\n");
        mr_fields_write(&request->trailers, out);
        put(out, "\r\n");
    }
    MR_ASSERT(request->response_length == UINT64_MAX || !may_have_body(request) ||
              request->response_bytes == request->response_length);
    mr_response_move(request, MR_RESPONSE_DONE);
    mr_connection_moved(request->connection);
}

static void take_abort(void *context, const struct mr_fault *why)
{
    struct mr_request *request = context;
    request->outcome = mr_problem_type(why->error);
    mr_connection_abort(request->connection);
}

static const struct mr_stream_receiver response_receiver = {.push = take_bytes, .end = take_end, .abort = take_abort};

struct mr_stream *mr_respond_stream(struct mr_request *request, int status, const char *content_type,
                                    struct mr_fields *fields, uint64_t length, const struct mr_stream_sender *sender,
                                    void *context)
{
    MR_ASSERT(can_answer(request));
    request->status = status;
    request->response_length = length;
    put_head(request, content_type, fields);
    mr_stream_attach_receiver(&request->response, &response_receiver, request);
    mr_stream_attach_sender(&request->response, sender, context);
    mr_connection_moved(request->connection);
    return &request->response;
}

void mr_respond_trailer(struct mr_request *request, const char *name, struct mr_slice value)
{
    if (request->response_chunked && request->head.te_trailers)
        mr_fields_set(&request->trailers, name, value);
}
