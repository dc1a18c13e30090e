#include "http/request.h"
#include "base/assert.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/number.h"
#include "http/http.h"
#include "http/problem.h"
#include "http/protocol.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* 16 hexadecimal digits: a count that starts at random and steps by an odd constant, so that ids of one process never
 * repeat and those of two rarely meet. One sequence a thread: no sharing between loops. */
static void make_id(char out[MR_REQUEST_ID_MAX + 1])
{
    static _Thread_local uint64_t last;
    if (last == 0 && getrandom(&last, sizeof(last), 0) != (ssize_t)sizeof(last))
        last = mr_clock_now();
    last += 0x9e3779b97f4a7c15u;
    mr_number_write_hex(out, last, MR_REQUEST_ID_LEN);
    out[MR_REQUEST_ID_LEN] = '\0';
}

struct mr_request *mr_request_create(struct mr_protocol *protocol, struct mr_http *http, struct mr_loop *loop,
                                     struct mr_slice bytes, uint64_t began_at)
{
    MR_ON_LOOP(loop);
    struct mr_request *request = calloc(1, sizeof(*request));
    MR_ASSERT(request != NULL);
    request->magic = MR_REQUEST_MAGIC;
    request->protocol = protocol;
    request->loop = loop;
    request->http = http;
    request->bytes = (struct mr_slice){mr_arena_copy(&request->arena, bytes), bytes.len};
    request->response_length = UINT64_MAX;
    mr_fields_init(&request->trailers, &request->arena);
    request->body_began_at = mr_loop_now(request->loop);
    request->began_at = began_at != 0 ? began_at : request->body_began_at;
    request->client.peer = protocol->peer;
    make_id(request->id);
    mr_loop_request_begin(request->loop);
    mr_counter_add(&mr_http_counters_of(request->http, mr_loop_index(request->loop))->requests_in_flight, 1);
    return request;
}

/* version "00": 2 hex, 32 hex not all zero, 16 hex not all zero, 2 hex, joined by '-' (W3C Trace Context, section 3.2).
 */
enum { TRACE_ID_AT = 3, TRACE_ID_LEN = 32 };
static bool is_traceparent(struct mr_slice text)
{
    static const char shape[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    if (text.len != MR_TRACEPARENT_LEN)
        return false;
    bool trace_id = false, parent_id = false;
    for (size_t i = 0; i < text.len; i++) {
        bool hex = mr_number_hex_value(text.at[i]) >= 0 && (text.at[i] < 'A' || text.at[i] > 'F');
        if (shape[i] == 'x' ? !hex : text.at[i] != shape[i])
            return false;
        trace_id |= i >= TRACE_ID_AT && i < TRACE_ID_AT + TRACE_ID_LEN && text.at[i] != '0';
        parent_id |= i >= 36 && i < 52 && text.at[i] != '0';
    }
    return trace_id && parent_id;
}

/* What logs, fields and exemplars can hold without quotes, whatever reads them. */
static bool is_good_id(struct mr_slice id)
{
    static const char beside[] = "-_.:+/=@";
    for (size_t i = 0; i < id.len; i++) {
        char c = id.at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !mr_number_is_digit(c) && memchr(beside, c, sizeof(beside) - 1) == NULL)
            return false;
    }
    return id.len > 0 && id.len <= MR_REQUEST_ID_MAX;
}

static void take_id(struct mr_request *request)
{
    struct mr_slice id = mr_head_find(&request->head, "x-request-id");
    if (!is_good_id(id) || mr_head_is_repeated(&request->head, "x-request-id"))
        return;
    memset(request->id, 0, sizeof(request->id));
    memcpy(request->id, id.at, id.len);
    mr_request_note(request); /* the callback that runs was noted under another id */
}

void mr_request_identify(struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    request->client = mr_forwarded_client(&request->head, &request->protocol->peer, &request->http->trust);
    if (request->client.is_behind_trusted)
        take_id(request);
    struct mr_slice trace = mr_head_find(&request->head, "traceparent");
    if (is_traceparent(trace))
        memcpy(request->traceparent, trace.at, trace.len);
}

void mr_request_note(const struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    struct mr_loop_note note = {.id = "", .bytes = request->body_bytes};
    _Static_assert(sizeof(request->id) <= sizeof(note.id), "an id fits a note");
    memcpy(note.id, request->id, sizeof(request->id));
    mr_loop_note(request->loop, &note);
}

void mr_request_move(struct mr_request *request, enum mr_request_half next)
{
    MR_ON_LOOP(request->loop);
    MR_ASSERT(next >= request->request_half);
    request->request_half = next;
}

void mr_response_move(struct mr_request *request, enum mr_response_half next)
{
    MR_ON_LOOP(request->loop);
    MR_ASSERT(next >= request->response_half);
    request->response_half = next;
}

#define TO(state) (1u << (state))
static const unsigned legal_work[] = {
    [MR_WORK_ADMITTING] = TO(MR_WORK_SUBMITTED),
    [MR_WORK_SUBMITTED] = TO(MR_WORK_SUBMITTED) | TO(MR_WORK_ADMITTING) | TO(MR_WORK_ABANDONED),
    [MR_WORK_ABANDONED] = 0, /* the last release frees the request */
};

static void set_work(struct mr_request *request, enum mr_work next)
{
    MR_ON_LOOP(request->loop);
    MR_ASSERT(legal_work[request->work] & TO(next));
    request->work = next;
}

static size_t route_index(const struct mr_request *request)
{
    if (request->match.route == NULL)
        return request->http->route_count;
    return (size_t)(request->match.route - request->http->routes);
}

static void offer_slowest(struct mr_exemplar *slowest, const struct mr_request *request, uint64_t duration)
{
    struct mr_exemplar_value value = {.value = duration, .wall = mr_clock_wall()};
    _Static_assert(sizeof(request->id) <= sizeof(value.request_id), "an id fits");
    memcpy(value.request_id, request->id, sizeof(request->id));
    if (request->traceparent[0] != '\0')
        memcpy(value.trace_id, request->traceparent + TRACE_ID_AT, TRACE_ID_LEN);
    mr_exemplar_offer(slowest, &value);
}

static void count(const struct mr_request *request, uint64_t duration)
{
    struct mr_http_counters *counters = mr_http_counters_of(request->http, mr_loop_index(request->loop));
    struct mr_http_route_counter *counter = &counters->routes[route_index(request)];
    mr_counter_add(&counter->by_status[mr_status_index(request->status)], 1);
    mr_histogram_record(&counter->duration, duration);
    offer_slowest(&counter->slowest, request, duration);
}

/* The access log: one line a request, when the connection is done with it. */
static void log_access(struct mr_request *request, uint64_t duration)
{
    struct mr_log_line line;
    char client[MR_PEER_SIZE];
    if (!mr_log_enabled(MR_LOG_INFO))
        return;
    mr_log_begin(&line, MR_LOG_INFO, "request");
    mr_log_text(&line, "id", request->id);
    mr_peer_write(&request->client.peer, client);
    mr_log_text(&line, "client", client);
    mr_log_text(&line, "key", request->key_name);
    mr_log_slice(&line, "method", request->head.method_text);
    mr_log_slice(&line, "target", mr_query_redact(request->head.target, &request->arena));
    mr_log_text(&line, "route", request->match.route != NULL ? request->match.route->pattern : NULL);
    mr_log_int(&line, "status", request->status);
    mr_log_int(&line, "bytes_in", (int64_t)request->body_bytes);
    mr_log_int(&line, "bytes_out", (int64_t)request->response_bytes);
    mr_log_seconds(&line, "duration", duration);
    if (request->traceparent[0] != '\0')
        mr_log_text(&line, "traceparent", request->traceparent);
    mr_log_text(&line, "outcome", request->outcome);
    mr_log_end(&line);
}

static void free_request(struct mr_request *request)
{
    MR_ASSERT(request->holds == 0);
    MR_ASSERT(request->protocol == NULL);
    mr_counter_subtract(&mr_http_counters_of(request->http, mr_loop_index(request->loop))->requests_in_flight, 1);
    mr_loop_request_end(request->loop);
    mr_arena_reset(&request->arena);
    free(request);
}

void mr_request_detach(struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    uint64_t duration = mr_clock_now() - request->began_at; /* the cached time would show 0 */
    count(request, duration);
    log_access(request, duration);
    request->protocol = NULL;
    if (request->holds == 0)
        free_request(request);
    else if (request->work != MR_WORK_ABANDONED)
        set_work(request, MR_WORK_ABANDONED);
}

void mr_request_abandon(struct mr_request *request, const struct mr_fault *why)
{
    MR_ON_LOOP(request->loop);
    request->protocol = NULL; /* nothing that a handler does from here on reaches the protocol */
    request->holds++;         /* it stays while its handlers are told */
    if (request->work == MR_WORK_SUBMITTED)
        set_work(request, MR_WORK_ABANDONED);
    if (request->outcome == NULL)
        request->outcome = mr_problem_type(why->error);
    bool is_complete = request->response_half == MR_RESPONSE_DONE;
    /* The response first: a handler that is told of the body's end may pass it on to the response, which goes nowhere
     * now. */
    if (mr_stream_is_open(&request->response))
        mr_stream_cancel(&request->response, why);
    if (mr_stream_is_open(&request->body))
        mr_stream_abort(&request->body, why);
    if (!is_complete && request->match.route != NULL && request->match.route->on_disconnect != NULL)
        request->match.route->on_disconnect(request);
    request->holds--;
    mr_request_detach(request);
}

struct mr_slice mr_request_param(struct mr_request *request, const char *name)
{
    MR_ON_LOOP(request->loop);
    struct mr_slice value = {NULL, 0};
    for (unsigned i = 0; i < request->match.param_count; i++) {
        if (mr_slice_is(request->match.params[i].name, name) &&
            mr_path_decode(&value, request->match.params[i].value, &request->arena))
            return value;
    }
    return (struct mr_slice){NULL, 0};
}

uint64_t mr_request_body_max(const struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    return mr_http_body_max(&request->http->limits, request->match.route);
}

/* ---- the body, as its sender ---- */

static void resume_body(void *context)
{
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    if (request->body_paused_at != 0)
        request->body_paused_ns += mr_loop_now(request->loop) - request->body_paused_at;
    request->body_paused_at = 0;
    if (request->protocol != NULL)
        request->protocol->calls->moved(request);
}

static void cancel_body(void *context, const struct mr_fault *why)
{
    (void)why; /* the handler responds; the connection drains or closes when it does */
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    if (request->protocol != NULL)
        request->protocol->calls->moved(request);
}

static const struct mr_stream_sender body_sender = {.resume = resume_body, .cancel = cancel_body};

void mr_request_take_body(struct mr_request *request, const struct mr_stream_receiver *receiver, void *context)
{
    MR_ON_LOOP(request->loop);
    MR_ASSERT(!request->body_taken);
    MR_ASSERT(request->protocol != NULL);
    MR_ASSERT(request->response_half == MR_RESPONSE_NONE); /* else bytes may have been dropped already */
    request->body_taken = true;
    request->body_began_at = mr_loop_now(request->loop);
    mr_stream_attach_sender(&request->body, &body_sender, request);
    if (receiver != NULL)
        mr_stream_attach_receiver(&request->body, receiver, context);
    MR_ASSERT(request->body.state != MR_STREAM_IDLE); /* there is a receiver */
    request->protocol->calls->moved(request);
    if (request->request_half == MR_REQUEST_DONE)
        mr_stream_end(&request->body);
    else if (request->head.expect_continue)
        request->protocol->calls->want_body(request);
}

void mr_request_hold(struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    set_work(request, MR_WORK_SUBMITTED);
    request->holds++;
}

void mr_request_release(struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    MR_ASSERT(request->holds > 0);
    if (--request->holds > 0)
        return;
    if (request->protocol == NULL)
        free_request(request);
    else
        set_work(request, MR_WORK_ADMITTING);
}

bool mr_request_is_gone(const struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    return request->protocol == NULL;
}
