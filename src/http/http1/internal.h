/* internal.h -- what connection.c, request.c, response.c and policy.c share. Nobody outside src/http includes it. */
#ifndef MR_HTTP1_INTERNAL_H
#define MR_HTTP1_INTERNAL_H

#include "base/clock.h"
#include "base/counter.h"
#include "http/http1/chunked.h"
#include "http/http1/connection.h"
#include "http/request.h"
#include <llhttp.h>

#define MR_OUT_LOW  (16 * MR_KIB) /* bytes waiting to be sent: resume the producer below, pause it above */
#define MR_OUT_HIGH (64 * MR_KIB)

struct mr_connection {
    struct mr_http *http; /* borrowed */
    struct mr_loop *loop; /* borrowed */
    void (*changed)(void *transport);
    void *transport;              /* borrowed: it owns the connection */
    _Atomic uint32_t *counted_in; /* of all loops: those admitted, or those refused; NULL: not, or not any more */
    struct mr_request *request;   /* owned: being read or answered; NULL between requests */
    struct mr_buf out;            /* bytes to send */
    struct mr_slice input;        /* while entered: the bytes being consumed, ours (pending) or the transport's */
    char *pending;                /* owned: received and not consumed yet; NULL when there are none */
    size_t pending_len, pending_size;
    size_t searched; /* of an incomplete head: how far its end was looked for */
    llhttp_t parser;
    struct mr_chunked chunked;
    uint64_t head_began_at;       /* of the head being received; 0: none */
    uint64_t send_began_at;       /* since when `out` is not empty; 0: it is */
    uint64_t send_ns, send_bytes; /* of the current answer: time and bytes of sending, for min_rate */
    uint64_t progress;
    uint64_t linger_left;  /* bytes still read and dropped after the last response */
    uint64_t linger_until; /* and how long, once it was sent; 0: it was not */
    unsigned served;
    bool entered; /* inside a call of the transport: it looks at the wants itself afterwards */
    bool more;    /* complete requests may be waiting in `pending`: go on in a later turn */
    bool eof;     /* the peer sends no more */
    bool closing; /* no further request is read */
    bool linger;  /* unread input is likely: half-close and wait, so that the peer can read the answer */
    bool aborted; /* cut: nothing more is sent, the socket is closed hard */
    bool finished;
};

/* request.c */

/* A request for the head in `bytes` (copied). Never NULL. Counted as in flight until it is freed. */
struct mr_request *mr_request_create(struct mr_connection *connection, struct mr_slice bytes);
/* Give the request its identity, once its head has been scanned: trace context. */
void mr_request_identify(struct mr_request *request);
/* The loop's callback that runs works for this request from here on: see mr_loop_note(). */
void mr_request_note(const struct mr_request *request);
/* Move a half: forward only. */
void mr_request_move(struct mr_request *request, enum mr_request_half next);
void mr_response_move(struct mr_request *request, enum mr_response_half next);
/* The connection is done with the request: it is logged, and freed now or when its last hold is released. */
void mr_request_detach(struct mr_request *request);
/* The client left, or the connection was cut: tell the handler and detach. why: for the log and the streams. */
void mr_request_abandon(struct mr_request *request, const struct mr_fault *why);

/* policy.c */

/* May this request be served here at all? Host and Origin (DNS rebinding, cross-site requests), expectations, content
 * codings. route: where it goes, or NULL. MR_OK or the fault. */
int mr_policy_check(const struct mr_request *request, const struct mr_route *route, struct mr_fault *fault);
/* The Origin to name in CORS fields: of an allowed foreign page; or .at NULL. */
struct mr_slice mr_policy_cors_origin(const struct mr_request *request);
/* Answer an OPTIONS request: Allow, and the CORS fields of a preflight. allowed: bits of methods. */
void mr_policy_respond_options(struct mr_request *request, unsigned allowed);

/* connection.c */

/* Something of the request moved (an answer was begun or ended, a body was resumed): carry on, when the transport's
 * call returns, or in a later turn of the loop. */
void mr_connection_moved(struct mr_connection *connection);
/* Cut: the peer must not take what it got for a whole answer. */
void mr_connection_abort(struct mr_connection *connection);
/* Will the request's body be read to its end at small cost, so that the connection can be kept? */
bool mr_connection_can_drain(const struct mr_connection *connection);
/* Tell a client that waits for it to send its body. */
void mr_connection_send_continue(struct mr_connection *connection);

#endif
