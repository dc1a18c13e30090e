/* internal.h -- what the files of http1/ share. No file outside of it includes this header.
 *
 *   connection.c   the driver, and what the transport calls
 *   admission.c    the number of connections
 *   exchange.c     one request and its response: begun, ended, refused, failed
 *   body.c         the body of a request
 *   response.c     the calls of the protocol that requests make
 *   pacing.c       timeouts and rates
 *   input.c        what arrives */
#ifndef MR_HTTP1_INTERNAL_H
#define MR_HTTP1_INTERNAL_H

#include "base/clock.h"
#include "base/counter.h"
#include "http/http1/chunked.h"
#include "http/http1/connection.h"
#include "http/protocol.h"
#include <llhttp.h>

#define MR_OUT_LOW  (16 * MR_KIB) /* bytes waiting to be sent: resume the producer below, pause it above */
#define MR_OUT_HIGH (64 * MR_KIB)

/* What --min-rate judges: bytes that have passed in the last minute, about. Zeroed memory begins. */
struct mr_pace {
    struct mr_pace_mark {
        uint64_t ns, bytes; /* of all so far */
    } from, next;           /* judged is what came since `from`; `next` takes its place */
};

/* What only a request and its response need: there while they are served, and until all of the response is sent. */
struct mr_exchange {
    llhttp_t parser;
    struct mr_chunked chunked;
    uint64_t send_began_at;       /* since when `out` is not empty; 0: it is */
    uint64_t send_ns, send_bytes; /* of the response: time and bytes of sending, for min_rate */
    struct mr_pace received;      /* of the body */
    struct mr_pace sent, taken;   /* of the response: given to the kernel; and acknowledged by the peer */
    uint16_t asked;               /* how often a peer that sends no more was looked at */
    uint8_t begun;                /* bytes of the status line that it was sent on that occasion */
    bool close_after;             /* the connection is closed after the response */
    bool sends_chunks;            /* it is framed so */
};

#define MR_CONNECTION_MAGIC 0x636f6e6eu /* "conn" */

struct mr_connection {
    uint32_t magic;
    struct mr_protocol protocol;
    struct mr_http *http; /* borrowed */
    struct mr_loop *loop; /* borrowed */
    void (*changed)(void *transport);
    void *transport;              /* borrowed: it owns the connection */
    _Atomic uint32_t *counted_in; /* of all loops: those admitted, or those refused; NULL: not, or not any more */
    struct mr_request *request;   /* owned: being read or served; NULL between requests */
    struct mr_exchange *exchange; /* owned: the last one; NULL when it is over and sent */
    struct mr_buf out;            /* bytes to send */
    struct mr_slice input;        /* while entered: the bytes being consumed, ours (pending) or the transport's */
    char *pending;                /* owned: received and not consumed yet; NULL when there are none */
    size_t pending_len, pending_size;
    size_t searched;        /* of an incomplete head: how far its end was looked for */
    uint64_t head_began_at; /* of the head being received; 0: none */
    uint64_t progress;
    uint64_t linger_left;  /* bytes still read and dropped after the last response */
    uint64_t linger_until; /* and how long, once it was sent; 0: it was not */
    unsigned served;
    bool entered; /* inside a call of the transport: it looks at the wants itself afterwards */
    bool more;    /* complete requests may be waiting in `pending`: go on in a later turn */
    bool eof;     /* the peer sends no more */
    bool closing; /* no further request is read */
    bool hurried; /* drained before its first request was served */
    bool linger;  /* unread input is likely: half-close and wait, so that the peer can read the response */
    bool aborted; /* cut: nothing more is sent, the socket is closed hard */
    bool finished;
};

/* ---- input.c ---- */

/* The cursor begins: over what waits in `pending`, if any, and then over `bytes`. */
void mr_input_open(struct mr_connection *connection, const void *bytes, size_t len);
/* It ends: what was not consumed is kept for a later call. */
void mr_input_keep(struct mr_connection *connection);
/* Bytes that were received and not consumed. */
size_t mr_input_unconsumed(const struct mr_connection *connection);
/* No further request is read from this connection, and what still arrives is dropped. Before the request is done with
 * its body, so that what is left of that can be told. */
void mr_input_stop(struct mr_connection *connection);
/* A client that sends all before it reads would lose the last response to a reset if the connection was closed while it
 * sends. What it sends is dropped for so long. It may be silent for all of that time (a busy machine's Node.js is, for
 * 15 seconds, while it copies a file that it has announced). */
#define MR_LINGER_NS (30 * MR_NS_PER_S)
/* Does the client still have to send some of the body that was refused? */
bool mr_input_is_owed(const struct mr_connection *connection);
/* Bytes arrived that are dropped. */
void mr_input_drop(struct mr_connection *connection, size_t len);

/* ---- body.c ---- */

/* Does llhttp, which frames the body, read the head as our scan does? A disagreement would be a hole. */
bool mr_body_begin(struct mr_connection *connection, struct mr_slice head);
/* Feed the input to the body, as far as it may go now. MR_OK, or *fault is filled. */
int mr_body_feed(struct mr_connection *connection, struct mr_fault *fault);
bool mr_body_is_wanted(const struct mr_request *request);
/* The handler has neither taken the body nor responded: until it does, the body is not looked at. */
bool mr_body_waits(const struct mr_request *request);
/* Do the next bytes of the input belong to a body that is fed to its receiver, or dropped, now? */
bool mr_body_is_read(const struct mr_request *request);
/* Will the request's body be read to its end at small cost, so that the connection can be kept? */
bool mr_body_can_drain(const struct mr_connection *connection);

/* ---- exchange.c ---- */

/* Begin the next request if its head is complete. False: nothing to do with what is there. */
bool mr_exchange_begin(struct mr_connection *connection);
void mr_exchange_feed(struct mr_connection *connection);
bool mr_exchange_is_over(struct mr_connection *connection);
void mr_exchange_end(struct mr_connection *connection);
/* An idle connection has none, so that thousands of them are small. No effect while it is needed. */
void mr_exchange_drop(struct mr_connection *connection);
/* The request cannot be read to its end: respond with `fault` if it has no response yet, then close. */
void mr_exchange_fail(struct mr_connection *connection, const struct mr_fault *fault);
/* Respond with `fault` to what is not (yet) a request, or cannot become one; then close. */
void mr_exchange_refuse(struct mr_connection *connection, const struct mr_fault *fault);

/* ---- pacing.c ---- */

/* `bytes` have passed in `ns`, the time in which they could. Do they pass too slowly? To be asked again and again. */
bool mr_pace_is_too_slow(struct mr_pace *pace, const struct mr_http_limits *limits, uint64_t bytes, uint64_t ns);
/* Bytes per second, as it judges them. */
uint64_t mr_pace_rate(const struct mr_pace *pace, uint64_t bytes, uint64_t ns);
/* Count the time that bytes waited for the peer. Does it take them too slowly? */
bool mr_pacing_wrote(struct mr_connection *connection, size_t len);

/* ---- response.c ---- */

extern const struct mr_protocol_calls mr_http1_calls;
/* Is the peer, which sends no more, still there? Now and then it is sent one byte of the response that will come. */
void mr_response_ask_peer(struct mr_connection *connection);
/* Cut: the peer must not take what it got for a whole response. */
void mr_connection_abort(struct mr_connection *connection);

/* ---- connection.c ---- */

/* Respond with `fault` without reading a request, or any more of it, and close. */
void mr_connection_refuse(struct mr_connection *connection, const struct mr_fault *fault);

static inline struct mr_http_counters *mr_connection_counters(struct mr_connection *connection)
{
    return mr_http_counters_of(connection->http, mr_loop_index(connection->loop));
}

/* All responses are sent, and no further request is read. */
static inline bool mr_connection_has_said_all(const struct mr_connection *connection)
{
    return connection->closing && connection->request == NULL && connection->out.len == 0;
}

#endif
