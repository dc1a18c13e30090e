/* DESIGN. All input goes through one cursor, connection->input: the transport's bytes, or `pending` when something was
 * left from before. advance() is the only driver: it reads a head, feeds a body, ends a request, begins the next, until
 * nothing moves; what is left of the input is kept in `pending`. Handlers and jobs never drive: they leave output and
 * state behind and call mr_connection_moved().
 *
 * A request is over for the connection when its body was read (or given up), its answer is complete, and no more of
 * the answer waits to be sent than MR_OUT_HIGH, about what the kernel would take: so a flood of pipelined requests from
 * a client that does not read its answers is held, and one whose answers are small is written in batches. */
#include "base/assert.h"
#include "http/http1/head_scan.h"
#include "http/http1/internal.h"
#include <stdlib.h>
#include <string.h>

enum {
    REQUESTS_PER_CALL = 32, /* pipelined requests answered per call, so that a flood does not hold the loop */
    DRAIN_MAX = 64 * 1024,  /* bytes of an unwanted body that are read to keep the connection */
    LINGER_SPARE =
        64 * 1024,     /* bytes dropped beyond those that were announced: the end of the input shows behind them */
    REFUSED_MAX = 256, /* connections over the limit that are told so; more are just closed */
};
/* A client that sends all before it reads would lose the last response to a reset if the connection was closed while it
 * sends. What it sends is dropped for so long, as long as it does not fall silent for so long. */
#define LINGER_NS      (30 * MR_NS_PER_S)
#define LINGER_IDLE_NS (5 * MR_NS_PER_S)
/* An average is judged only after this long (or --body-timeout, if that is less). */
#define RATE_GRACE_NS (5 * MR_NS_PER_S)

static int on_body(llhttp_t *parser, const char *at, size_t len);
static int on_headers_complete(llhttp_t *parser);
static int on_message_complete(llhttp_t *parser);

static const llhttp_settings_t parser_settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

int mr_connection_create(struct mr_connection **out, struct mr_http *http, struct mr_loop *loop,
                         void (*changed)(void *transport), void *transport)
{
    struct mr_connection *connection = calloc(1, sizeof(*connection));
    *out = connection;
    if (connection == NULL)
        return MR_EMEMORY;
    connection->http = http;
    connection->loop = loop;
    connection->changed = changed;
    connection->transport = transport;
    mr_buf_init(&connection->out, MR_OUT_LOW, MR_OUT_HIGH);
    return MR_OK;
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
    free(self->pending);
    free(self);
}

/* ---- input ---- */

static void keep_input(struct mr_connection *self)
{
    if (self->input.len == 0) {
        free(self->pending);
        self->pending = NULL;
        self->pending_len = self->pending_size = 0;
        return;
    }
    if (self->input.at >= self->pending && self->input.at < self->pending + self->pending_len) {
        memmove(self->pending, self->input.at, self->input.len);
    } else {
        MR_ASSERT(self->pending_len == 0);
        char *grown = realloc(self->pending, self->input.len);
        MR_ASSERT(grown != NULL);
        self->pending = grown;
        self->pending_size = self->input.len;
        memcpy(self->pending, self->input.at, self->input.len);
    }
    self->pending_len = self->input.len;
}

static void add_pending(struct mr_connection *self, const void *bytes, size_t len)
{
    if (self->pending_size - self->pending_len < len) {
        size_t size = MR_MAX(self->pending_len + len, 2 * self->pending_size);
        char *grown = realloc(self->pending, size);
        MR_ASSERT(grown != NULL);
        self->pending = grown;
        self->pending_size = size;
    }
    memcpy(self->pending + self->pending_len, bytes, len);
    self->pending_len += len;
}

static bool has_said_all(const struct mr_connection *self)
{
    return self->closing && self->request == NULL && self->out.len == 0;
}

/* Bytes that the client may still send: of a body whose length it announced the rest, else what a body may have. */
static uint64_t announced(const struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    uint64_t max = self->http->limits.body_max;
    if (request != NULL && request->request_half == MR_REQUEST_DONE)
        return 0;
    if (request != NULL && request->head.has_length)
        return request->head.content_length - MR_MIN(request->body_bytes, request->head.content_length);
    return max == 0 ? UINT64_MAX - LINGER_SPARE : max;
}

/* No further request is read from this connection, and what still arrives is dropped. Before the request is done with
 * its body, so that what is left of that can be told. */
static void stop_reading(struct mr_connection *self)
{
    self->closing = true;
    self->linger = true;
    self->linger_left = announced(self) + LINGER_SPARE;
    self->input = (struct mr_slice){NULL, 0};
}

/* ---- the request half ---- */

static bool body_is_wanted(const struct mr_request *request)
{
    return request->body_taken && mr_stream_is_open(&request->body);
}

/* The handler has neither taken the body nor responded: until it does, the body is not looked at. */
static bool body_waits(const struct mr_request *request)
{
    return request->body.state == MR_STREAM_IDLE && request->response_half == MR_RESPONSE_NONE;
}

/* Do the next bytes of the input belong to a body that is fed to its receiver, or dropped, now? */
static bool is_reading_body(const struct mr_request *request)
{
    return request->request_half == MR_REQUEST_BODY && request->body.state != MR_STREAM_PAUSED && !body_waits(request);
}

/* Bytes that were received and not consumed. */
static size_t unconsumed(const struct mr_connection *self)
{
    return self->entered ? self->input.len : self->pending_len;
}

bool mr_connection_can_drain(const struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    if (request->request_half != MR_REQUEST_BODY)
        return true;
    if ((request->head.expect_continue || request->head.expect_other) && !request->body_taken)
        return false; /* the client may send the body or not: there is no telling what follows */
    return request->head.has_length && request->head.content_length - request->body_bytes <= DRAIN_MAX;
}

/* The request cannot be read to its end: answer it with `fault` if it has no answer yet, then close. */
static void fail_request(struct mr_connection *self, const struct mr_fault *fault)
{
    struct mr_request *request = self->request;
    stop_reading(self);
    mr_request_move(request, MR_REQUEST_DONE);
    request->response_close = true;
    request->outcome = mr_error_type(fault->error);
    if (mr_stream_is_open(&request->body))
        mr_stream_abort(&request->body, fault);
    if (request->response_half == MR_RESPONSE_NONE)
        mr_respond_problem(request, fault);
    else if (request->response_half != MR_RESPONSE_DONE)
        mr_connection_abort(self);
}

static int on_headers_complete(llhttp_t *parser)
{
    /* Upgrade is not spoken here: without this, llhttp would take what follows for another protocol. */
    parser->upgrade = 0;
    return 0;
}

static bool is_too_slow(const struct mr_http_limits *limits, uint64_t bytes, uint64_t ns)
{
    uint64_t grace = RATE_GRACE_NS;
    if (limits->body_timeout_ns != 0)
        grace = MR_MIN(grace, limits->body_timeout_ns);
    return limits->min_rate != 0 && ns > grace && bytes < limits->min_rate * (ns / MR_NS_PER_MS) / 1000;
}

static struct mr_http_counters *counters(struct mr_connection *self)
{
    return mr_http_counters_of(self->http, mr_loop_index(self->loop));
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct mr_connection *self = parser->data;
    struct mr_request *request = self->request;
    request->body_bytes += len;
    mr_request_note(request);
    self->progress++;
    if (body_is_wanted(request) && mr_stream_push(&request->body, at, len) == MR_FLOW_PAUSE &&
        request->body_paused_at == 0)
        request->body_paused_at = mr_loop_now(self->loop);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct mr_connection *self = parser->data;
    mr_request_move(self->request, MR_REQUEST_DONE);
    self->request->body_done_at = mr_loop_now(self->loop);
    return HPE_PAUSED; /* what follows is the next request, which has a scan of its own before it */
}

/* Give `bytes` to llhttp. Returns how many belong to the request, or -1: it does not like them. */
static ssize_t parse(struct mr_connection *self, struct mr_slice bytes)
{
    llhttp_errno_t err = llhttp_execute(&self->parser, bytes.at, bytes.len);
    if (err == HPE_OK)
        return (ssize_t)bytes.len;
    if (err != HPE_PAUSED)
        return -1;
    return llhttp_get_error_pos(&self->parser) - bytes.at;
}

/* Of the server, or of the route where that is less; 0: none. */
static uint64_t body_max(const struct mr_request *request)
{
    uint64_t of_server = request->http->limits.body_max;
    uint64_t of_route = request->match.route != NULL ? request->match.route->body_max : 0;
    if (of_server == 0 || of_route == 0)
        return MR_MAX(of_server, of_route);
    return MR_MIN(of_server, of_route);
}

static int check_body_bounds(struct mr_connection *self, struct mr_fault *fault)
{
    const struct mr_http_limits *limits = &self->http->limits;
    const struct mr_request *request = self->request;
    uint64_t max = body_max(request);
    if (max != 0 && request->body_bytes > max)
        return mr_fault_limit(fault, MR_EBODY, "max-body", max, request->body_bytes);
    /* While the handler holds the body back, the client is not to blame for its rate: body_began_at is when the handler
     * took it (or responded). */
    uint64_t elapsed = mr_loop_now(self->loop) - request->body_began_at - request->body_paused_ns;
    if (request->request_half == MR_REQUEST_DONE || !is_too_slow(limits, request->body_bytes, elapsed))
        return MR_OK;
    mr_counter_add(&counters(self)->timeouts, 1);
    return mr_fault_limit(fault, MR_ETIMEOUT, "min-rate", limits->min_rate,
                          request->body_bytes * 1000 / (elapsed / MR_NS_PER_MS));
}

/* One portion of the input. Of what lies in `pending`, not more than one read: that is the room which a receiver that
 * pauses keeps free (stream.h, rule 3). */
static void feed_portion(struct mr_connection *self)
{
    struct mr_fault fault = {0};
    struct mr_request *request = self->request;
    struct mr_slice bytes = self->input;
    if (self->pending_len > 0)
        bytes.len = MR_MIN(bytes.len, (size_t)MR_READ_BUFFER);
    if (request->head.chunked && mr_chunked_guard(&self->chunked, bytes.at, bytes.len, &fault) != MR_OK) {
        fail_request(self, &fault);
        return;
    }
    ssize_t consumed = parse(self, bytes);
    if (consumed < 0)
        mr_fault_set(&fault, MR_EREQUEST, "The framing of the body is malformed.");
    if (consumed < 0 || check_body_bounds(self, &fault) != MR_OK) {
        fail_request(self, &fault);
        return;
    }
    if (self->aborted)
        return; /* a handler cut the connection while it took the bytes */
    self->input.at += consumed;
    self->input.len -= (size_t)consumed;
    if (request->request_half == MR_REQUEST_DONE && body_is_wanted(request))
        mr_stream_end(&request->body);
}

static void feed_body(struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    while (self->input.len > 0 && !self->aborted && is_reading_body(request))
        feed_portion(self);
}

/* An answer is complete and the rest of the body is neither wanted nor small. */
static void give_up_body(struct mr_connection *self)
{
    struct mr_request *request = self->request;
    stop_reading(self);
    mr_request_move(request, MR_REQUEST_DONE);
    request->response_close = true;
}

static void refuse(struct mr_connection *self, const struct mr_fault *fault)
{
    self->request->outcome = mr_error_type(fault->error);
    mr_respond_problem(self->request, fault);
}

/* The head is framed soundly: may it be served, and by whom? */
static int route_request(struct mr_connection *self, unsigned *allowed, struct mr_fault *fault)
{
    struct mr_request *request = self->request;
    const struct mr_head *head = &request->head;
    struct mr_route_match match; /* not the request's before it may come here: it is counted by its route */
    int matched = mr_router_match(self->http->routes, head->method, head->path, &match, allowed);
    int err = mr_policy_check(request, match.route, fault);
    if (err != MR_OK)
        return err;
    request->match = match;
    if (matched != MR_OK)
        return head->method == MR_METHOD_OPTIONS ? MR_OK : mr_fault_set(fault, matched, "%s", "");
    uint64_t max = body_max(request);
    if (head->has_length && max != 0 && head->content_length > max)
        return mr_fault_limit(fault, MR_EBODY, "max-body", max, head->content_length);
    return mr_query_parse(&request->query, head->query, &request->arena, fault);
}

static void start_request(struct mr_connection *self)
{
    struct mr_request *request = self->request;
    struct mr_fault fault = {0};
    unsigned allowed = 0;
    if (route_request(self, &allowed, &fault) != MR_OK) {
        request->allowed = allowed;
        refuse(self, &fault);
        return;
    }
    if (request->match.route == NULL)
        mr_policy_respond_options(request, allowed);
    else
        request->match.route->start(request);
}

/* Does llhttp, which frames the body, read the head as our scan does? A disagreement would be a hole. */
static bool parser_agrees(struct mr_connection *self, struct mr_slice bytes)
{
    const struct mr_head *head = &self->request->head;
    llhttp_init(&self->parser, HTTP_REQUEST, &parser_settings);
    self->parser.data = self;
    mr_chunked_init(&self->chunked);
    mr_request_move(self->request, MR_REQUEST_BODY);
    if (parse(self, bytes) != (ssize_t)bytes.len)
        return false;
    bool has_body = head->chunked || head->content_length > 0;
    return has_body == (self->request->request_half == MR_REQUEST_BODY) &&
           (head->chunked || self->parser.content_length == head->content_length);
}

/* Answer what is not (yet) a request, or cannot become one, with `fault`; then close. */
static void refuse_head(struct mr_connection *self, const struct mr_fault *fault)
{
    if (self->request == NULL)
        self->request = mr_request_create(self, (struct mr_slice){"", 0});
    fail_request(self, fault);
}

static void begin_request(struct mr_connection *self, size_t head_len)
{
    struct mr_fault fault = {0};
    struct mr_slice bytes = {self->input.at, head_len};
    struct mr_request *request = mr_request_create(self, bytes);
    self->request = request;
    mr_request_note(request);
    self->head_began_at = 0;
    self->searched = 0;
    self->progress++;
    self->send_ns = self->send_bytes = 0;
    self->input = (struct mr_slice){bytes.at + head_len, self->input.len - head_len};

    int err = mr_head_scan(&request->head, request->bytes.at, head_len, &fault);
    if (err == MR_OK && request->head.method == MR_METHOD_OTHER)
        err = mr_fault_set(&fault, MR_EHTTPMETHOD, "%s", "");
    if (err == MR_OK && !parser_agrees(self, bytes))
        err = mr_fault_set(&fault, MR_EREQUEST, "The head is ambiguous.");
    if (err != MR_OK) {
        fail_request(self, &fault);
        return;
    }
    mr_request_identify(request);
    if (request->request_half == MR_REQUEST_DONE)
        request->body_done_at = request->body_began_at;
    start_request(self);
}

/* Begin the next request if its head is complete. False: nothing to do with what is there. */
static bool try_begin_request(struct mr_connection *self)
{
    struct mr_fault fault = {0};
    size_t max = self->http->limits.head_max;
    if (self->input.len == 0) {
        self->closing |= self->eof;
        return false;
    }
    if (self->head_began_at == 0)
        self->head_began_at = mr_loop_now(self->loop);
    size_t head_len = mr_head_length(self->input.at, self->input.len, &self->searched);
    if (head_len != 0 && head_len <= max) {
        begin_request(self, head_len);
        return true;
    }
    if (mr_head_check_prefix(self->input.at, self->input.len, &fault) == MR_OK) {
        if (head_len != 0 || self->input.len >= max)
            mr_fault_limit(&fault, MR_EHEAD, "max-head", max, MR_MAX(head_len, self->input.len));
        else if (self->eof)
            mr_fault_set(&fault, MR_EGONE, "The client closed its side in the middle of a head.");
        else
            return false;
    }
    refuse_head(self, &fault);
    return true;
}

/* ---- the driver ---- */

static bool is_over(struct mr_connection *self)
{
    struct mr_request *request = self->request;
    if (request->response_half != MR_RESPONSE_DONE || mr_buf_is_high(&self->out))
        return false;
    if (request->request_half != MR_REQUEST_DONE && !body_is_wanted(request) && !mr_connection_can_drain(self))
        give_up_body(self);
    return request->request_half == MR_REQUEST_DONE;
}

static void end_request(struct mr_connection *self)
{
    struct mr_request *request = self->request;
    self->served++;
    self->progress++;
    if (atomic_load_explicit(&self->http->draining, memory_order_relaxed) && self->input.len == 0)
        request->response_close = true; /* also where the head went out before the drain, and could not say so */
    if (request->response_close && !self->closing) {
        self->closing = true;
        if (self->input.len > 0 || request->head.keep_alive) /* it may have sent more, which is not answered */
            stop_reading(self);
    }
    self->request = NULL;
    mr_request_detach(request);
}

/* The peer has closed its side and the body is not whole: it will never be. */
static void check_body_eof(struct mr_connection *self)
{
    struct mr_fault gone = {0};
    if (!self->eof || self->input.len > 0 || self->request->request_half != MR_REQUEST_BODY ||
        body_waits(self->request))
        return;
    mr_fault_set(&gone, MR_EGONE, "The client closed its side in the middle of the body.");
    fail_request(self, &gone);
}

static void advance(struct mr_connection *self)
{
    int served = 0;
    self->more = false;
    while (!self->aborted) {
        if (self->request == NULL) {
            self->more = served == REQUESTS_PER_CALL && self->input.len > 0;
            if (self->more || self->closing || mr_buf_is_high(&self->out) || !try_begin_request(self))
                return;
            continue;
        }
        if (self->request->request_half == MR_REQUEST_BODY) {
            feed_body(self);
            if (self->aborted)
                return;
            check_body_eof(self);
        }
        if (self->aborted || !is_over(self))
            return;
        end_request(self);
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
    if (self->pending_len > 0) {
        if (len > 0)
            add_pending(self, bytes, len);
        self->input = (struct mr_slice){self->pending, self->pending_len};
    } else {
        self->input = (struct mr_slice){bytes, len};
    }
    advance(self);
    if (self->aborted)
        mr_connection_reset(self);
    keep_input(self);
    self->input = (struct mr_slice){NULL, 0};
    self->entered = false;
}

/* Not now: who moved it stands in the middle of the request, which the driver may end. */
void mr_connection_moved(struct mr_connection *self)
{
    if (!self->entered)
        self->changed(self->transport);
}

void mr_connection_abort(struct mr_connection *self)
{
    self->aborted = true;
    mr_connection_moved(self);
}

void mr_connection_send_continue(struct mr_connection *self)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (unconsumed(self) == 0) /* else the body is on its way already (RFC 9110, section 10.1.1) */
        mr_buf_append_ref(&self->out, text, sizeof(text) - 1, NULL, NULL);
}

/* ---- what the transport calls ---- */

void *mr_connection_space(struct mr_connection *self, size_t *len)
{
    struct mr_request *request = self->request;
    *len = SIZE_MAX;
    if (self->closing) {
        *len = (size_t)MR_MIN(self->linger_left, (uint64_t)SIZE_MAX);
        return NULL;
    }
    if (request == NULL || !is_reading_body(request)) {
        if (request != NULL || self->pending_len > 0)
            *len = self->http->limits.head_max - self->pending_len;
        return NULL;
    }
    if (!request->head.has_length || !body_is_wanted(request) || self->pending_len > 0)
        return NULL;
    /* Never past this body's end: what follows is not the receiver's. */
    uint64_t left = request->head.content_length - request->body_bytes;
    size_t size = 1;
    void *space = mr_stream_space(&request->body, &size);
    if (space != NULL)
        *len = (size_t)MR_MIN(left, (uint64_t)size);
    return space;
}

static void drop_input(struct mr_connection *self, size_t len)
{
    uint64_t now = mr_loop_now(self->loop);
    self->linger_left -= MR_MIN((uint64_t)len, self->linger_left);
    self->progress++;
    if (!has_said_all(self))
        return;
    if (self->linger_until == 0)
        self->linger_until = now + LINGER_NS;
    else if (now >= self->linger_until)
        self->finished = true;
}

void mr_connection_input(struct mr_connection *self, const void *bytes, size_t len)
{
    mr_counter_add(&counters(self)->request_bytes, len);
    if (self->closing)
        drop_input(self, len);
    else
        run(self, bytes, len);
}

void mr_connection_eof(struct mr_connection *self)
{
    self->eof = true;
    if (self->request != NULL && self->request->work == MR_WORK_SUBMITTED) {
        mr_connection_reset(self); /* a job runs for somebody who has hung up */
        return;
    }
    run(self, NULL, 0);
}

/* Answer `fault` without reading a request, or any more of it, and close. */
static void answer_unasked(struct mr_connection *self, const struct mr_fault *fault)
{
    self->entered = true;
    refuse_head(self, fault);
    self->entered = false;
    run(self, NULL, 0);
}

bool mr_connection_admit(struct mr_connection *self)
{
    struct mr_http *http = self->http;
    uint32_t max = http->limits.connections_max;
    uint32_t open = atomic_fetch_add_explicit(&http->connection_count, 1, memory_order_relaxed) + 1;
    mr_counter_add(&counters(self)->connections, 1);
    mr_counter_add(open <= max ? &counters(self)->connections_accepted : &counters(self)->connections_refused, 1);
    self->counted_in = open <= max ? &http->connection_count : &http->refused_count;
    if (open <= max)
        return true;
    /* It must not take the place of one that could be admitted. */
    atomic_fetch_sub_explicit(&http->connection_count, 1, memory_order_relaxed);
    uint32_t refused = atomic_fetch_add_explicit(&http->refused_count, 1, memory_order_relaxed) + 1;
    struct mr_fault fault = {0};
    mr_fault_limit(&fault, MR_ECONNECTIONS, "max-connections", max, open);
    answer_unasked(self, &fault);
    return refused <= REFUSED_MAX;
}

void mr_connection_leave(struct mr_connection *self)
{
    MR_ASSERT(self->counted_in != NULL);
    atomic_fetch_sub_explicit(self->counted_in, 1, memory_order_relaxed);
    mr_counter_subtract(&counters(self)->connections, 1);
    self->counted_in = NULL;
}

void mr_connection_reset(struct mr_connection *self)
{
    struct mr_request *request = self->request;
    struct mr_fault gone = {0};
    mr_fault_set(&gone, MR_EGONE, "%s", "");
    self->request = NULL;
    self->finished = self->closing = true;
    self->input = (struct mr_slice){NULL, 0};
    self->pending_len = 0;
    if (request != NULL)
        mr_request_abandon(request, &gone);
    mr_buf_reset(&self->out);
}

/* The peer does not take its answer: it would not take a problem document either. */
static void cut_slow_reader(struct mr_connection *self, const char *limit_name)
{
    if (self->request != NULL)
        self->request->outcome = limit_name;
    self->aborted = true;
    mr_connection_reset(self);
}

static void answer_timeout(struct mr_connection *self, const char *limit_name, uint64_t limit_ns)
{
    struct mr_fault fault = {0};
    mr_fault_limit(&fault, MR_ETIMEOUT, limit_name, limit_ns / MR_NS_PER_MS, limit_ns / MR_NS_PER_MS);
    answer_unasked(self, &fault);
}

void mr_connection_timeout(struct mr_connection *self)
{
    const struct mr_http_limits *limits = &self->http->limits;
    enum mr_wait wait = mr_connection_wait(self);
    if (wait == MR_WAIT_REQUEST || wait == MR_WAIT_LINGER) {
        self->finished = true;
        return;
    }
    MR_ASSERT(wait != MR_WAIT_NOTHING);
    mr_counter_add(&counters(self)->timeouts, 1);
    if (wait == MR_WAIT_HEAD)
        answer_timeout(self, "head-timeout", limits->head_timeout_ns);
    else if (wait == MR_WAIT_BODY)
        answer_timeout(self, "body-timeout", limits->body_timeout_ns);
    else
        cut_slow_reader(self, "body-timeout");
}

void mr_connection_drain(struct mr_connection *self)
{
    if (self->request == NULL && self->pending_len == 0)
        self->closing = true;
}

int mr_connection_output(struct mr_connection *self, struct iovec *runs, int max)
{
    int count = mr_buf_peek(&self->out, runs, max);
    if (count > 0 && self->send_began_at == 0)
        self->send_began_at = mr_loop_now(self->loop);
    return count;
}

/* Count the time that bytes waited for the peer, and cut one that takes them too slowly. */
static bool reads_too_slowly(struct mr_connection *self, size_t len)
{
    uint64_t now = mr_loop_now(self->loop);
    self->send_bytes += len;
    self->send_ns += now - self->send_began_at;
    self->send_began_at = self->out.len > 0 ? now : 0;
    return is_too_slow(&self->http->limits, self->send_bytes, self->send_ns);
}

bool mr_connection_is_read_too_slowly(const struct mr_connection *self, size_t queued, size_t unacknowledged)
{
    uint64_t given = self->send_bytes + queued, taken = given > unacknowledged ? given - unacknowledged : 0;
    uint64_t waiting_ns = self->send_began_at != 0 ? mr_loop_now(self->loop) - self->send_began_at : 0;
    return is_too_slow(&self->http->limits, taken, self->send_ns + waiting_ns);
}

void mr_connection_wrote(struct mr_connection *self, size_t len)
{
    if (self->finished)
        return;
    mr_buf_consume(&self->out, len);
    self->progress++;
    mr_counter_add(&counters(self)->response_bytes, len);
    if (reads_too_slowly(self, len)) {
        mr_counter_add(&counters(self)->timeouts, 1);
        cut_slow_reader(self, "min-rate");
        return;
    }
    struct mr_request *request = self->request;
    if (request != NULL && mr_buf_is_low(&self->out)) {
        self->entered = true;
        mr_request_note(request);
        mr_stream_resume(&request->response);
        self->entered = false;
    }
    run(self, NULL, 0);
}

/* ---- what the transport is told ---- */

bool mr_connection_wants_read(const struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    if (self->eof || self->finished)
        return false;
    if (self->closing)
        return self->linger && self->linger_left > 0;
    if (request != NULL && request->request_half == MR_REQUEST_BODY && !body_waits(request))
        return request->body.state != MR_STREAM_PAUSED;
    return self->pending_len < self->http->limits.head_max;
}

bool mr_connection_wants_shutdown(const struct mr_connection *self)
{
    return has_said_all(self) && self->linger && !self->finished;
}

bool mr_connection_is_finished(const struct mr_connection *self)
{
    return self->finished || (has_said_all(self) && (!self->linger || self->eof));
}

bool mr_connection_is_aborted(const struct mr_connection *self)
{
    return self->aborted;
}

bool mr_connection_wants_turn(const struct mr_connection *self)
{
    return self->more && !self->finished;
}

void mr_connection_turn(struct mr_connection *self)
{
    if (!self->finished)
        run(self, NULL, 0);
}

enum mr_wait mr_connection_wait(const struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    bool sending = self->out.len > 0;
    if (request != NULL && is_reading_body(request))
        return sending && mr_buf_is_high(&self->out) ? MR_WAIT_WRITE : MR_WAIT_BODY;
    if (sending)
        return MR_WAIT_WRITE;
    if (request != NULL)
        return MR_WAIT_NOTHING;
    if (self->closing)
        return MR_WAIT_LINGER;
    return self->pending_len > 0 ? MR_WAIT_HEAD : MR_WAIT_REQUEST;
}

uint64_t mr_wait_limit_ns(const struct mr_http_limits *limits, enum mr_wait wait)
{
    switch (wait) {
    case MR_WAIT_REQUEST:
        return limits->idle_timeout_ns;
    case MR_WAIT_HEAD:
        return limits->head_timeout_ns;
    case MR_WAIT_BODY:
    case MR_WAIT_WRITE:
        return limits->body_timeout_ns;
    case MR_WAIT_LINGER:
        return LINGER_IDLE_NS;
    case MR_WAIT_NOTHING:
    case MR_WAIT_COUNT:
        break;
    }
    return 0;
}

uint64_t mr_connection_progress(const struct mr_connection *self)
{
    return self->progress;
}
