#include "base/assert.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/magic.h"
#include "http/http.h"
#include "http/policy.h"
#include "http/problem.h"
#include "http/protocol.h"
#include "http/status.h"
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

static void put_field(struct mr_request *request, const char *name, const char *value)
{
    request->protocol->calls->put_field(request, name, mr_slice_of(value));
}

static void put_cors(struct mr_request *request, struct mr_fields *fields)
{
    struct mr_slice origin = mr_policy_cors_origin(request);
    if (origin.at == NULL)
        return;
    request->protocol->calls->put_field(request, "Access-Control-Allow-Origin", origin);
    put_field(request, "Access-Control-Expose-Headers",
              "Location, ETag, Content-Location, Content-Range, Repr-Digest, Link, Server-Timing, X-Request-Id, "
              "Retry-After");
    if (request->is_any_site)
        put_field(request, "Cross-Origin-Resource-Policy", "cross-origin");
    else
        mr_fields_vary(fields, "Origin");
}

bool mr_response_has_body(const struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    return request->head.method != MR_METHOD_HEAD && mr_status_has_body(request->status);
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
    struct mr_fields none;
    if (fields == NULL) {
        mr_fields_init(&none, &request->arena);
        fields = &none;
    }
    check_fields(fields);
    const char *cache_control = cache_control_of(request);
    if (cache_control != NULL && mr_fields_find(fields, "Cache-Control").at == NULL)
        put_field(request, "Cache-Control", cache_control);
    put_cors(request, fields);
    for (const struct mr_field *field = fields->first; field != NULL; field = field->next)
        request->protocol->calls->put_field(request, field->name, field->value);
}

static void put_head(struct mr_request *request, const char *content_type, struct mr_fields *fields)
{
    const struct mr_protocol_calls *calls = request->protocol->calls;
    MR_ASSERT(request->status >= 200 && mr_status_index(request->status) != MR_STATUS_NONE);
    calls->begin_head(request);
    put_field(request, "Date", http_date());
    if (content_type != NULL)
        put_field(request, "Content-Type", content_type);
    put_field(request, "X-Content-Type-Options", "nosniff");
    put_field(request, "X-Request-Id", request->id);
    put_fields(request, fields);
    calls->end_head(request);
    if (!request->body_taken)
        request->body_began_at = mr_loop_now(request->loop);
    mr_response_move(request, MR_RESPONSE_HEAD);
}

/* A response to a client that has gone, or a second one after the request failed, goes nowhere. */
static bool can_respond(const struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    return request->protocol != NULL && request->response_half == MR_RESPONSE_NONE;
}

/* ---- whole responses ---- */

static void put_body(struct mr_request *request, const void *body, size_t len, void (*release)(void *context),
                     void *context)
{
    if (len > 0 && mr_response_has_body(request)) {
        request->response_bytes = len;
        request->protocol->calls->put_body(request, body, len, release, context);
    } else if (release != NULL) {
        release(context);
    }
}

/* Its last byte was given to the protocol. */
static void end_response(struct mr_request *request)
{
    mr_response_move(request, MR_RESPONSE_DONE);
    request->protocol->calls->end_response(request);
    request->protocol->calls->moved(request);
}

void mr_respond(struct mr_request *request, int status, const char *content_type, struct mr_fields *fields,
                const void *body, size_t len, void (*release)(void *context), void *context)
{
    MR_ON_LOOP(request->loop);
    if (!can_respond(request)) {
        if (release != NULL)
            release(context);
        return;
    }
    request->status = status;
    request->response_length = len;
    put_head(request, content_type, fields);
    put_body(request, body, len, release, context);
    end_response(request);
}

/* Of what is wrong with the request the status says enough. */
static void count_refusal(const struct mr_request *request, enum mr_error error)
{
    struct mr_http_counters *counters = mr_http_counters_of(request->http, mr_loop_index(request->loop));
    if (mr_error_kind(error) != MR_ERROR_OF_INPUT)
        mr_counter_add(&counters->refusals[-error], 1);
}

void mr_respond_problem_fields(struct mr_request *request, const struct mr_fault *fault, struct mr_fields *fields)
{
    MR_ON_LOOP(request->loop);
    if (!can_respond(request))
        return;
    int status = mr_problem_status(fault->error);
    if (status == 503)
        mr_fields_retry_after(fields, fault->retry_after_s);
    if (fault->error == MR_EUNAUTHORIZED)
        mr_fields_set_text(fields, "WWW-Authenticate", "Bearer");
    if (fault->error == MR_EMETHOD)
        mr_fields_allow(fields, request->allowed);
    if (request->outcome == NULL)
        request->outcome = mr_problem_type(fault->error);
    count_refusal(request, fault->error);
    struct mr_slice body = mr_problem_json(fault, &request->arena);
    mr_respond(request, status, "application/problem+json", fields, body.at, body.len, NULL, NULL);
}

void mr_respond_problem(struct mr_request *request, const struct mr_fault *fault)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_respond_problem_fields(request, fault, &fields);
}

void mr_respond_method(struct mr_request *request, unsigned allowed)
{
    struct mr_fault fault;
    request->allowed = allowed;
    mr_fault_set(&fault, MR_EMETHOD, NULL);
    mr_respond_problem(request, &fault);
}

/* ---- streamed responses, as their receiver ---- */

static void count_body(struct mr_request *request, uint64_t len)
{
    mr_response_move(request, MR_RESPONSE_BODY);
    request->response_bytes += len;
    MR_ASSERT(request->response_bytes <= request->response_length);
}

static enum mr_flow take_ref(void *context, const void *bytes, size_t len, void (*release)(void *owner), void *owner)
{
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    if (!mr_response_has_body(request)) {
        if (release != NULL)
            release(owner);
        return MR_FLOW_MORE;
    }
    count_body(request, len);
    enum mr_flow flow = request->protocol->calls->put_body(request, bytes, len, release, owner);
    request->protocol->calls->moved(request);
    return flow;
}

static enum mr_flow take_file_span(void *context, struct mr_file_span span, mr_file_span_release *release, void *owner)
{
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    MR_ASSERT(mr_response_has_body(request));
    count_body(request, span.len);
    enum mr_flow flow = request->protocol->calls->put_file(request, span, release, owner);
    request->protocol->calls->moved(request);
    return flow;
}

static enum mr_flow take_bytes(void *context, const void *bytes, size_t len)
{
    return take_ref(context, bytes, len, NULL, NULL);
}

static void take_end(void *context)
{
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    MR_ASSERT(request->response_length == UINT64_MAX || !mr_response_has_body(request) ||
              request->response_bytes == request->response_length);
    end_response(request);
}

static void take_abort(void *context, const struct mr_fault *why)
{
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    request->outcome = mr_problem_type(why->error);
    request->protocol->calls->abort(request);
}

static const struct mr_stream_receiver response_receiver = {
    .push = take_bytes, .end = take_end, .abort = take_abort, .push_ref = take_ref};
static const struct mr_stream_receiver file_response_receiver = {
    .push = take_bytes, .end = take_end, .abort = take_abort, .push_ref = take_ref, .push_file = take_file_span};

struct mr_stream *mr_respond_stream(struct mr_request *request, int status, const char *content_type,
                                    struct mr_fields *fields, uint64_t length, const struct mr_stream_sender *sender,
                                    void *context)
{
    MR_ON_LOOP(request->loop);
    MR_ASSERT(can_respond(request));
    request->status = status;
    request->response_length = length;
    put_head(request, content_type, fields);
    bool takes_files = request->protocol->takes_files && mr_response_has_body(request);
    mr_stream_attach_receiver(&request->response, takes_files ? &file_response_receiver : &response_receiver, request);
    if (sender != NULL)
        mr_stream_attach_sender(&request->response, sender, context);
    request->protocol->calls->moved(request);
    return &request->response;
}

void mr_respond_trailer(struct mr_request *request, const char *name, struct mr_slice value)
{
    MR_ON_LOOP(request->loop);
    if (request->response_length == UINT64_MAX && request->head.te_trailers)
        mr_fields_set(&request->trailers, name, value);
}
