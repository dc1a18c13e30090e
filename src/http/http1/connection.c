/* DESIGN. All input goes through one cursor, connection->input: the transport's bytes, or `pending` when something was
 * left from before. advance() is the only driver: it reads a head, feeds a body, ends a request, begins the next, until
 * nothing moves; what is left of the input is kept in `pending`. Handlers and jobs never drive: they leave output and
 * state behind, and the protocol's calls (response.c) note that something moved.
 *
 * A request is over for the connection when its body was read (or given up), its response is complete, and no more of
 * the response waits to be sent than MR_OUT_HIGH, about what the kernel would take: so a flood of pipelined requests
 * from a client that does not read its responses is held, and one whose responses are small is written in batches. */
#include "base/assert.h"
#include "base/macros.h"
#include "http/http1/internal.h"
#include <stdlib.h>

#define REQUESTS_PER_CALL 32 /* pipelined requests served per call, so that a flood does not hold the loop */

int mr_connection_create(struct mr_connection **out, struct mr_http *http, struct mr_loop *loop,
                         void (*changed)(void *transport), void *transport)
{
    MR_ON_LOOP(loop);
    struct mr_connection *connection = calloc(1, sizeof(*connection));
    *out = connection;
    if (connection == NULL)
        return MR_EMEMORY;
    connection->magic = MR_CONNECTION_MAGIC;
    connection->protocol.calls = &mr_http1_calls;
    connection->http = http;
    connection->loop = loop;
    connection->changed = changed;
    connection->transport = transport;
    mr_buf_init(&connection->out, MR_OUT_LOW, MR_OUT_HIGH);
    return MR_OK;
}

void mr_connection_set_peer(struct mr_connection *connection, const struct mr_peer *peer, bool is_public)
{
    MR_ON_LOOP(connection->loop);
    connection->protocol.peer = *peer;
    connection->protocol.is_public = is_public;
}

void mr_connection_take_files(struct mr_connection *connection)
{
    MR_ON_LOOP(connection->loop);
    connection->protocol.takes_files = true;
}

void mr_connection_destroy(struct mr_connection **connection)
{
    struct mr_connection *self = *connection;
    *connection = NULL;
    MR_ASSERT(self->counted_in == NULL);
    if (!self->finished)
        mr_connection_reset(self);
    MR_ASSERT(self->request == NULL);
    mr_buf_reset(&self->out);
    mr_exchange_drop(self);
    free(self->pending);
    free(self);
}

/* ---- the driver ---- */

static void advance(struct mr_connection *self)
{
    int served = 0;
    self->more = false;
    while (!self->aborted) {
        if (self->request == NULL) {
            self->more = served == REQUESTS_PER_CALL && self->input.len > 0;
            if (self->more || self->closing || mr_buf_is_high(&self->out) || !mr_exchange_begin(self))
                return;
            continue;
        }
        if (self->request->request_half == MR_REQUEST_BODY)
            mr_exchange_feed(self);
        if (self->aborted || !mr_exchange_is_over(self))
            return;
        mr_exchange_end(self);
        served++;
    }
}

/* Run the driver over `bytes` (may be none). */
static void run(struct mr_connection *self, const void *bytes, size_t len)
{
    MR_ASSERT(!self->entered);
    MR_ON_LOOP(self->loop);
    self->entered = true;
    if (self->request != NULL)
        mr_request_note(self->request);
    mr_input_open(self, bytes, len);
    advance(self);
    if (self->aborted)
        mr_connection_reset(self);
    mr_input_keep(self);
    self->input = (struct mr_slice){NULL, 0};
    self->entered = false;
    mr_exchange_drop(self);
}

/* ---- what the transport calls ---- */

void mr_connection_input(struct mr_connection *self, const void *bytes, size_t len)
{
    MR_ON_LOOP(self->loop);
    mr_counter_add(&mr_connection_counters(self)->request_bytes, len);
    if (self->closing)
        mr_input_drop(self, len);
    else
        run(self, bytes, len);
}

void mr_connection_eof(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    self->eof = true;
    run(self, NULL, 0);
}

void mr_connection_refuse(struct mr_connection *self, const struct mr_fault *fault)
{
    MR_ON_LOOP(self->loop);
    self->entered = true;
    mr_exchange_refuse(self, fault);
    self->entered = false;
    run(self, NULL, 0);
}

void mr_connection_reset(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    struct mr_request *request = self->request;
    struct mr_fault gone = {0};
    mr_fault_set(&gone, MR_EGONE, "%s", "");
    self->request = NULL;
    self->finished = self->closing = true;
    self->input = (struct mr_slice){NULL, 0};
    self->pending_len = 0;
    if (request != NULL) { /* which says how much of its response was sent */
        request->response_bytes -= MR_MIN(request->response_bytes, (uint64_t)self->out.len);
        mr_request_abandon(request, &gone);
    }
    mr_buf_reset(&self->out);
}

void mr_connection_cut(struct mr_connection *self, const char *outcome)
{
    MR_ON_LOOP(self->loop);
    if (self->request != NULL)
        self->request->outcome = outcome;
    self->aborted = true;
    mr_connection_reset(self);
}

static void answer_timeout(struct mr_connection *self, const char *limit_name, uint64_t limit_ns)
{
    struct mr_fault fault = {0};
    mr_fault_limit(&fault, MR_ETIMEOUT, limit_name, limit_ns / MR_NS_PER_MS, limit_ns / MR_NS_PER_MS);
    mr_connection_refuse(self, &fault);
}

void mr_connection_timeout(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    const struct mr_http_limits *limits = &self->http->limits;
    enum mr_wait wait = mr_connection_wait(self);
    if (wait == MR_WAIT_REQUEST || wait == MR_WAIT_FIRST || wait == MR_WAIT_REFUSED || wait == MR_WAIT_LINGER) {
        self->finished = true;
        return;
    }
    if (wait == MR_WAIT_HALF_CLOSED) {
        mr_response_ask_peer(self);
        return;
    }
    MR_ASSERT(wait != MR_WAIT_NOTHING);
    mr_counter_add(&mr_connection_counters(self)->timeouts, 1);
    if (wait == MR_WAIT_HEAD)
        answer_timeout(self, "head-timeout", limits->head_timeout_ns);
    else if (wait == MR_WAIT_BODY)
        answer_timeout(self, "body-timeout", limits->body_timeout_ns);
    else
        mr_connection_cut(self, "body-timeout"); /* it would not take a problem document either */
}

void mr_connection_drain(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    if (self->served == 0)
        self->hurried = true;
    else
        mr_connection_end_idle(self);
}

void mr_connection_end_idle(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    if (self->request == NULL && self->pending_len == 0)
        self->closing = true;
}

static void begin_sending(struct mr_connection *self)
{
    if (self->out.len > 0 && self->exchange->send_began_at == 0)
        self->exchange->send_began_at = mr_loop_now(self->loop);
}

int mr_connection_output(struct mr_connection *self, struct iovec *runs, int max)
{
    MR_ON_LOOP(self->loop);
    begin_sending(self);
    return mr_buf_peek(&self->out, runs, max);
}

struct mr_buf_segment *mr_connection_output_file(struct mr_connection *self, struct mr_file_span *span)
{
    MR_ON_LOOP(self->loop);
    begin_sending(self);
    return mr_buf_share_file(&self->out, span);
}

void mr_connection_wrote(struct mr_connection *self, size_t len)
{
    MR_ON_LOOP(self->loop);
    if (self->finished)
        return;
    if (self->request != NULL)
        mr_request_note(self->request);
    mr_buf_consume(&self->out, len);
    self->progress++;
    mr_counter_add(&mr_connection_counters(self)->response_bytes, len);
    if (mr_pacing_wrote(self, len)) {
        mr_counter_add(&mr_connection_counters(self)->timeouts, 1);
        mr_connection_cut(self, "min-rate");
        return;
    }
    struct mr_request *request = self->request;
    if (request != NULL && mr_buf_is_low(&self->out)) {
        self->entered = true;
        mr_stream_resume(&request->response);
        self->entered = false;
    }
    run(self, NULL, 0);
}

/* ---- what the transport is told ---- */

bool mr_connection_wants_shutdown(const struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    return mr_connection_has_said_all(self) && self->linger && !self->finished;
}

bool mr_connection_is_finished(const struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    return self->finished || (mr_connection_has_said_all(self) && (!self->linger || self->eof));
}

bool mr_connection_is_aborted(const struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    return self->aborted;
}

bool mr_connection_wants_turn(const struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    return self->more && !self->finished;
}

void mr_connection_turn(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    if (!self->finished)
        run(self, NULL, 0);
}

uint64_t mr_connection_progress(const struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    return self->progress;
}
