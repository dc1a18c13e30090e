/* The body of a request: llhttp frames it, the receiver takes it or it is dropped, its bounds are checked. */
#include "http/http1/internal.h"

#include "base/magic.h"
#define DRAIN_MAX (64 * MR_KIB) /* bytes of an unwanted body that are read to keep the connection */

static int on_body(llhttp_t *parser, const char *at, size_t len);
static int on_headers_complete(llhttp_t *parser);
static int on_message_complete(llhttp_t *parser);

static const llhttp_settings_t parser_settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

bool mr_body_is_wanted(const struct mr_request *request)
{
    return request->body_taken && mr_stream_is_open(&request->body);
}

bool mr_body_waits(const struct mr_request *request)
{
    return request->body.state == MR_STREAM_IDLE && request->response_half == MR_RESPONSE_NONE;
}

bool mr_body_is_read(const struct mr_request *request)
{
    return request->request_half == MR_REQUEST_BODY && request->body.state != MR_STREAM_PAUSED &&
           !mr_body_waits(request);
}

bool mr_body_can_drain(const struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    if (request->request_half != MR_REQUEST_BODY)
        return true;
    if ((request->head.expect_continue || request->head.expect_other) && !request->body_taken)
        return false; /* the client may send the body or not: there is no telling what follows */
    if (request->head.has_length)
        return request->head.content_length - request->body_bytes <= DRAIN_MAX;
    return request->body_bytes <= DRAIN_MAX; /* it may be short, until it turns out that it is not */
}

static int on_headers_complete(llhttp_t *parser)
{
    /* Upgrade is not spoken here: without this, llhttp would take what follows for another protocol. */
    parser->upgrade = 0;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct mr_connection *self = mr_from_context(parser->data, struct mr_connection, MR_CONNECTION_MAGIC);
    struct mr_request *request = self->request;
    request->body_bytes += len;
    mr_request_note(request);
    self->progress++;
    if (mr_body_is_wanted(request) && mr_stream_push(&request->body, at, len) == MR_FLOW_PAUSE &&
        request->body_paused_at == 0)
        request->body_paused_at = mr_loop_now(self->loop);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct mr_connection *self = mr_from_context(parser->data, struct mr_connection, MR_CONNECTION_MAGIC);
    mr_request_move(self->request, MR_REQUEST_DONE);
    self->request->body_done_at = mr_loop_now(self->loop);
    return HPE_PAUSED; /* what follows is the next request, which has a scan of its own before it */
}

/* Give `bytes` to llhttp. Returns how many belong to the request, or -1: it does not like them. */
static ssize_t parse(struct mr_connection *self, struct mr_slice bytes)
{
    llhttp_errno_t err = llhttp_execute(&self->exchange->parser, bytes.at, bytes.len);
    if (err == HPE_OK)
        return (ssize_t)bytes.len;
    if (err != HPE_PAUSED)
        return -1;
    return llhttp_get_error_pos(&self->exchange->parser) - bytes.at;
}

static int check_bounds(struct mr_connection *self, struct mr_fault *fault)
{
    const struct mr_http_limits *limits = &self->http->limits;
    const struct mr_request *request = self->request;
    uint64_t max = mr_request_body_max(request);
    if (max != 0 && request->body_bytes > max)
        return mr_fault_limit(fault, MR_EBODY, "max-body", max, request->body_bytes);
    /* While the handler holds the body back, the client is not to blame for its rate: body_began_at is when the handler
     * took it (or responded). */
    uint64_t elapsed = mr_loop_now(self->loop) - request->body_began_at - request->body_paused_ns;
    if (request->request_half == MR_REQUEST_DONE ||
        !mr_pace_is_too_slow(&self->exchange->received, limits, request->body_bytes, elapsed))
        return MR_OK;
    mr_counter_add(&mr_connection_counters(self)->timeouts, 1);
    return mr_fault_limit(fault, MR_ETIMEOUT, "min-rate", limits->min_rate,
                          mr_pace_rate(&self->exchange->received, request->body_bytes, elapsed));
}

static void consume(struct mr_connection *self, size_t len)
{
    self->input.at += len;
    self->input.len -= len;
}

/* One portion of the input. Of what lies in `pending`, not more than one read: that is the room which a receiver that
 * pauses keeps free (stream.h, rule 3). */
static int feed_portion(struct mr_connection *self, struct mr_fault *fault)
{
    struct mr_request *request = self->request;
    struct mr_slice bytes = self->input;
    if (self->pending_len > 0)
        bytes.len = MR_MIN(bytes.len, MR_STREAM_PUSH_MAX);
    if (request->head.chunked) {
        int err = mr_chunked_guard(&self->exchange->chunked, bytes.at, bytes.len, fault);
        if (err != MR_OK)
            return err;
        bytes.len = self->exchange->chunked.used;
        if (self->exchange->chunked.skipped) {
            consume(self, bytes.len);
            return MR_OK;
        }
    }
    ssize_t consumed = parse(self, bytes);
    if (consumed < 0)
        return mr_fault_set(fault, MR_EREQUEST, "The framing of the body is malformed.");
    int err = check_bounds(self, fault);
    if (err != MR_OK || self->aborted) /* a handler cut the connection while it took the bytes */
        return err;
    consume(self, (size_t)consumed);
    if (request->request_half == MR_REQUEST_DONE && mr_body_is_wanted(request))
        mr_stream_end(&request->body);
    return MR_OK;
}

int mr_body_feed(struct mr_connection *self, struct mr_fault *fault)
{
    int err = MR_OK;
    while (err == MR_OK && self->input.len > 0 && !self->aborted && mr_body_is_read(self->request))
        err = feed_portion(self, fault);
    return err;
}

bool mr_body_begin(struct mr_connection *self, struct mr_slice bytes)
{
    const struct mr_head *head = &self->request->head;
    llhttp_init(&self->exchange->parser, HTTP_REQUEST, &parser_settings);
    self->exchange->parser.data = self;
    mr_chunked_init(&self->exchange->chunked);
    mr_request_move(self->request, MR_REQUEST_BODY);
    if (parse(self, bytes) != (ssize_t)bytes.len)
        return false;
    bool has_body = head->chunked || head->content_length > 0;
    return has_body == (self->request->request_half == MR_REQUEST_BODY) &&
           (head->chunked || self->exchange->parser.content_length == head->content_length);
}
