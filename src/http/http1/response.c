/* Responses on their way into the output: heads, framing, and whether the connection is kept. These are the calls of
 * the protocol that requests make. */
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include "http/http1/internal.h"
#include "http/status.h"

#define REFERENCE_MIN (2 * MR_KIB) /* fewer bytes are copied: that costs less than a run of their own */

static struct mr_connection *connection_of(const struct mr_request *request)
{
    return mr_container_of(request->protocol, struct mr_connection, protocol);
}

/* Not now: its caller stands in the middle of the request, which the driver may end. */
static void moved(struct mr_connection *self)
{
    if (!self->entered)
        self->changed(self->transport);
}

static void on_moved(struct mr_request *request)
{
    moved(connection_of(request));
}

void mr_connection_abort(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    self->aborted = true;
    moved(self);
}

static void on_abort(struct mr_request *request)
{
    mr_connection_abort(connection_of(request));
}

static void want_body(struct mr_request *request)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct mr_connection *self = connection_of(request);
    /* Else the body is on its way already (RFC 9110, section 10.1.1), or will never come. */
    if (request->head.expect_continue && mr_input_unconsumed(self) == 0 && !self->eof)
        mr_buf_append_ref(&self->out, text, sizeof(text) - 1, NULL, NULL);
}

/* ---- the head ---- */

static void put(struct mr_buf *out, struct mr_slice text)
{
    mr_buf_append(out, text.at, text.len);
}

static void put_number(struct mr_buf *out, const char *name, uint64_t value)
{
    char digits[MR_NUMBER_SIZE]; /* printf would be the dearest part of a small response */
    mr_number_write(digits, value);
    mr_field_write(out, name, mr_slice_of(digits));
}

/* Every status line begins so. */
static const char version[] = "HTTP/1.1 ";

/* At longer and longer intervals: a proxy that only passes bytes on learns by the first byte that its client has left,
 * and then tells us by the next. */
void mr_response_ask_peer(struct mr_connection *self)
{
    struct mr_exchange *exchange = self->exchange;
    if (self->request->response_half != MR_RESPONSE_NONE || exchange->asked == UINT16_MAX)
        return;
    exchange->asked++;
    bool is_due = (exchange->asked & (exchange->asked - 1)) == 0;
    if (is_due && exchange->begun < sizeof(version) - 1)
        mr_buf_append_ref(&self->out, version + exchange->begun++, 1, NULL, NULL);
}

static void begin_head(struct mr_request *request)
{
    struct mr_connection *self = connection_of(request);
    struct mr_slice line = mr_status_line(mr_status_index(request->status));
    size_t begun = self->exchange->begun;
    put(&self->out, (struct mr_slice){line.at + begun, line.len - begun});
}

static void http1_put_field(struct mr_request *request, const char *name, struct mr_slice value)
{
    mr_field_write(&connection_of(request)->out, name, value);
}

static void put_framing(struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    if (!mr_status_has_body(request->status)) {
        if (request->status == 205)
            put_number(&self->out, "Content-Length", 0); /* its end would not be known without (RFC 9110, 15.3.6) */
        return;
    }
    if (request->response_length != UINT64_MAX) {
        put_number(&self->out, "Content-Length", request->response_length);
        return;
    }
    if (request->head.method == MR_METHOD_HEAD)
        return; /* there is nothing to frame, and the length that GET would tell is not known */
    if (request->head.minor == 0) {
        self->exchange->close_after = true; /* its end is the connection's */
        return;
    }
    self->exchange->sends_chunks = true;
    mr_field_write(&self->out, "Transfer-Encoding", MR_SLICE("chunked"));
}

/* Must the connection be closed after this response? Decided when its head is made, since the client is told there. */
static bool must_close(const struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    const struct mr_http *http = self->http;
    uint32_t max = http->limits.requests_per_connection_max;
    if (self->exchange->close_after || self->closing || !request->head.keep_alive ||
        atomic_load_explicit(&http->draining, memory_order_relaxed))
        return true;
    if (max != 0 && self->served + 1 >= max)
        return true;
    return !mr_body_is_wanted(request) && !mr_body_can_drain(self);
}

static void end_head(struct mr_request *request)
{
    struct mr_connection *self = connection_of(request);
    put_framing(self);
    self->exchange->close_after = must_close(self);
    if (self->exchange->close_after)
        mr_field_write(&self->out, "Connection", MR_SLICE("close"));
    else if (request->head.minor == 0)
        mr_field_write(&self->out, "Connection", MR_SLICE("keep-alive"));
    put(&self->out, MR_SLICE("\r\n"));
}

/* ---- the body ---- */

/* "1f40" CR LF */
static void put_chunk_size(struct mr_buf *out, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char line[2 * sizeof(len) + 2];
    char *at = line + sizeof(line);
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = digits[len % 16];
        len /= 16;
    } while (len > 0);
    mr_buf_append(out, at, (size_t)(line + sizeof(line) - at));
}

static void begin_chunk(struct mr_connection *self, size_t len)
{
    if (self->exchange->sends_chunks)
        put_chunk_size(&self->out, len);
}

static enum mr_flow end_chunk(struct mr_connection *self)
{
    if (self->exchange->sends_chunks)
        put(&self->out, MR_SLICE("\r\n"));
    return mr_buf_is_high(&self->out) ? MR_FLOW_PAUSE : MR_FLOW_MORE;
}

static enum mr_flow http1_put_body(struct mr_request *request, const void *bytes, size_t len,
                                   void (*release)(void *context), void *context)
{
    struct mr_connection *self = connection_of(request);
    begin_chunk(self, len);
    if (release != NULL && len >= REFERENCE_MIN)
        mr_buf_append_ref(&self->out, bytes, len, release, context);
    else
        mr_buf_append(&self->out, bytes, len);
    if (release != NULL && len < REFERENCE_MIN)
        release(context);
    return end_chunk(self);
}

static enum mr_flow http1_put_file(struct mr_request *request, struct mr_file_span span, mr_file_span_release *release,
                                   void *owner)
{
    struct mr_connection *self = connection_of(request);
    begin_chunk(self, (size_t)span.len);
    mr_buf_append_file(&self->out, span, release, owner);
    return end_chunk(self);
}

static void http1_end_response(struct mr_request *request)
{
    struct mr_connection *self = connection_of(request);
    if (!self->exchange->sends_chunks || !mr_response_has_body(request))
        return;
    put(&self->out, MR_SLICE("0\r\n"));
    mr_fields_write(&request->trailers, &self->out);
    put(&self->out, MR_SLICE("\r\n"));
}

const struct mr_protocol_calls mr_http1_calls = {
    .moved = on_moved,
    .want_body = want_body,
    .begin_head = begin_head,
    .put_field = http1_put_field,
    .end_head = end_head,
    .put_body = http1_put_body,
    .put_file = http1_put_file,
    .end_response = http1_end_response,
    .abort = on_abort,
};
