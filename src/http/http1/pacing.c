/* How long is waited, and for what; at which rate bytes have to come and go. */
#include "http/http1/internal.h"

/* A rate is judged only after this long (or --body-timeout, if that is less), and over so long at most: the start of
 * what is judged follows in two steps, each half of it. */
#define RATE_GRACE_NS  (5 * MR_NS_PER_S)
#define RATE_WINDOW_NS (60 * MR_NS_PER_S)
#define LINGER_IDLE_NS (5 * MR_NS_PER_S) /* nothing came for so long, and nothing has to come */
#define FIRST_NS       MR_NS_PER_S       /* as long as a busy client may take between connecting and its request */
#define HALF_CLOSED_NS (100 * MR_NS_PER_MS)

uint64_t mr_pace_rate(const struct mr_pace *pace, uint64_t bytes, uint64_t ns)
{
    uint64_t gone = bytes > pace->from.bytes ? bytes - pace->from.bytes : 0;
    return gone * 1000 / MR_MAX((ns - pace->from.ns) / MR_NS_PER_MS, 1u);
}

bool mr_pace_is_too_slow(struct mr_pace *pace, const struct mr_http_limits *limits, uint64_t bytes, uint64_t ns)
{
    uint64_t grace = RATE_GRACE_NS;
    ns = MR_MAX(ns, pace->next.ns);
    if (limits->body_timeout_ns != 0)
        grace = MR_MIN(grace, limits->body_timeout_ns);
    if (limits->min_rate != 0 && ns - pace->from.ns > grace && mr_pace_rate(pace, bytes, ns) < limits->min_rate)
        return true;
    if (ns - pace->next.ns >= RATE_WINDOW_NS / 2) {
        pace->from = pace->next;
        pace->next = (struct mr_pace_mark){ns, bytes};
    }
    return false;
}

bool mr_pacing_wrote(struct mr_connection *self, size_t len)
{
    struct mr_exchange *exchange = self->exchange;
    uint64_t now = mr_loop_now(self->loop);
    exchange->send_bytes += len;
    exchange->send_ns += now - exchange->send_began_at;
    exchange->send_began_at = self->out.len > 0 ? now : 0;
    return mr_pace_is_too_slow(&exchange->sent, &self->http->limits, exchange->send_bytes, exchange->send_ns);
}

bool mr_connection_is_read_too_slowly(struct mr_connection *self, size_t queued, size_t unacknowledged)
{
    MR_ON_LOOP(self->loop);
    struct mr_exchange *exchange = self->exchange;
    uint64_t given = exchange->send_bytes + queued, taken = given > unacknowledged ? given - unacknowledged : 0;
    uint64_t waiting_ns = exchange->send_began_at != 0 ? mr_loop_now(self->loop) - exchange->send_began_at : 0;
    return mr_pace_is_too_slow(&exchange->taken, &self->http->limits, taken, exchange->send_ns + waiting_ns);
}

enum mr_wait mr_connection_wait(const struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    const struct mr_request *request = self->request;
    bool sending = self->out.len > 0;
    if (request != NULL && mr_body_is_read(request))
        return sending && mr_buf_is_high(&self->out) ? MR_WAIT_WRITE : MR_WAIT_BODY;
    if (sending)
        return MR_WAIT_WRITE;
    if (request != NULL)
        return self->eof ? MR_WAIT_HALF_CLOSED : MR_WAIT_NOTHING;
    if (self->closing)
        return mr_input_is_owed(self) ? MR_WAIT_REFUSED : MR_WAIT_LINGER;
    if (self->pending_len > 0)
        return MR_WAIT_HEAD;
    return self->hurried ? MR_WAIT_FIRST : MR_WAIT_REQUEST;
}

uint64_t mr_wait_limit_ns(const struct mr_http_limits *limits, enum mr_wait wait)
{
    switch (wait) {
    case MR_WAIT_REQUEST:
        return limits->idle_timeout_ns;
    case MR_WAIT_FIRST:
        return FIRST_NS;
    case MR_WAIT_HEAD:
        return limits->head_timeout_ns;
    case MR_WAIT_BODY:
    case MR_WAIT_WRITE:
        return limits->body_timeout_ns;
    case MR_WAIT_REFUSED:
        return MR_LINGER_NS;
    case MR_WAIT_LINGER:
        return LINGER_IDLE_NS;
    case MR_WAIT_HALF_CLOSED:
        return HALF_CLOSED_NS;
    case MR_WAIT_NOTHING:
    case MR_WAIT_COUNT:
        break;
    }
    return 0;
}
