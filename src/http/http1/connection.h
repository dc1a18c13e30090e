/* connection.h -- one HTTP/1.1 connection as a machine: bytes in, bytes out, no I/O of its own.
 *
 * A transport (server.c with libuv, a test with arrays, a blocking thread) feeds it and carries out what it wants:
 *
 *      input, eof, reset  --->  connection  ---> output, wants_read, wants_shutdown, is_finished
 *      wrote, timeout     --->              ---> wait (which timeout runs), changed() when a job or handler moved it
 *
 * Requests of a connection are served one at a time, in order. While one is being served, reading goes on into at
 * most one head's room, so that a reset is noticed and a pipelined request is at hand; beyond that, bytes wait in the
 * kernel. The same holds for a body while its handler has neither taken it nor responded. That wait is the handler's:
 * no timeout runs, and --min-rate does not count it; the body's clocks begin when it is taken. After a framing error,
 * and after any response that closes when the client did not ask for it and so may have sent more: the response,
 * Connection: close, half-close, a little draining, close (RFC 9112, section 9.6).
 *
 * All calls on the loop's thread (the blocking thread, in the lab, is its own loop). */
#ifndef MR_HTTP1_CONNECTION_H
#define MR_HTTP1_CONNECTION_H

#include "base/buf.h"
#include "base/stream.h"
#include "http/http.h"
#include "loop/loop.h"
#include "net/peer.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct mr_connection;

/* What the connection waits for, and so which timeout runs. */
enum mr_wait {
    MR_WAIT_NOTHING,     /* a job or a handler: no timeout but the job's own */
    MR_WAIT_HALF_CLOSED, /* the same, and the peer sends no more: when this is over, it is looked at and asked */
    MR_WAIT_REQUEST,     /* between requests: idle */
    MR_WAIT_FIRST,       /* the first request of a new connection, while the server drains */
    MR_WAIT_HEAD,        /* the rest of a head */
    MR_WAIT_BODY,        /* the next bytes of a body */
    MR_WAIT_WRITE,       /* the peer to take what was sent */
    MR_WAIT_REFUSED,     /* the rest of a body that was refused */
    MR_WAIT_LINGER,      /* the peer to close after we did */
    MR_WAIT_COUNT,
};
/* How long it may last without progress, ns; 0: as long as it takes. */
uint64_t mr_wait_limit_ns(const struct mr_http_limits *limits, enum mr_wait wait);

/* changed: something happened outside of the transport's calls (a job's result): call mr_connection_turn() in a later
 * turn of the loop, not from inside changed(). */
int mr_connection_create(struct mr_connection **out, struct mr_http *http, struct mr_loop *loop,
                         void (*changed)(void *transport), void *transport);
/* The peer at the other end, and whether the listener is one that other machines can reach: before any input. Without
 * it the peer is unknown and the listener is not public. */
void mr_connection_set_peer(struct mr_connection *connection, const struct mr_peer *peer, bool is_public);
/* The transport sends parts of files (mr_connection_output_file), so that responses hold some: before any input. */
void mr_connection_take_files(struct mr_connection *connection);
/* The transport is gone or going. Requests whose jobs still run live on, abandoned, until those come back. */
void mr_connection_destroy(struct mr_connection **connection);

/* Count a new connection among those of all loops, before anything else. One beyond --max-connections sends a 503
 * and closes; false: so many are being told so that this one is only to be closed. */
bool mr_connection_admit(struct mr_connection *connection);
/* The transport is about to close the socket: after admit, once. */
void mr_connection_leave(struct mr_connection *connection);

/* How many bytes may be read next (*len, at least 1 while wants_read) and where, to save a copy; NULL: anywhere. */
void *mr_connection_space(struct mr_connection *connection, size_t *len);
/* At most MR_STREAM_PUSH_MAX, unless it was read to where mr_connection_space() said. */
void mr_connection_input(struct mr_connection *connection, const void *bytes, size_t len);
/* The peer will send no more. It may well read on, and gets all of its responses (RFC 9112, section 9.6). Or it has
 * left altogether, which looks the same until something is sent to it: then it resets. So that this shows before the
 * response is made, the connection sends the first bytes of the response early, see MR_WAIT_HALF_CLOSED. */
void mr_connection_eof(struct mr_connection *connection);
/* The peer is gone (reset, write error). */
void mr_connection_reset(struct mr_connection *connection);
/* What is to be sent cannot be had, or is not taken: nothing more is sent. outcome: for the log, static text. */
void mr_connection_cut(struct mr_connection *connection, const char *outcome);
/* The timeout of the current wait ran out. Before MR_WAIT_HALF_CLOSED is told so, the transport looks whether the peer
 * has reset, and calls mr_connection_reset() instead. */
void mr_connection_timeout(struct mr_connection *connection);
/* The server is draining: an idle connection is finished now, a busy one after its response. One that is new has a
 * second for its first request, which is on its way: its client has no reason yet to expect that the connection ends.
 */
void mr_connection_drain(struct mr_connection *connection);
/* The drain is over: an idle connection is finished now, also a new one. */
void mr_connection_end_idle(struct mr_connection *connection);

/* The bytes to send next, in up to max runs; 0: nothing, or they lie in a file. They stay valid until wrote(). */
int mr_connection_output(struct mr_connection *connection, struct iovec *runs, int max);
/* Those that lie in a file, shared as by mr_buf_share_file(); NULL: it is nothing, or the bytes are in memory. */
struct mr_buf_segment *mr_connection_output_file(struct mr_connection *connection, struct mr_file_span *span);
void mr_connection_wrote(struct mr_connection *connection, size_t len);
/* Does the peer take its response below the minimal rate? queued: bytes of output that are being written;
 * unacknowledged: those of all output that it has not taken. */
bool mr_connection_is_read_too_slowly(struct mr_connection *connection, size_t queued, size_t unacknowledged);

bool mr_connection_wants_read(const struct mr_connection *connection);
/* All is sent and no more will come: close the sending side (once), then read on until is_finished. */
bool mr_connection_wants_shutdown(const struct mr_connection *connection);
/* Nothing is left to do: close the socket. */
bool mr_connection_is_finished(const struct mr_connection *connection);
/* The response was cut: close so that the peer notices (reset), never as if it had ended well. */
bool mr_connection_is_aborted(const struct mr_connection *connection);
/* More requests are at hand than one call serves: call mr_connection_turn() in a later turn of the loop. */
bool mr_connection_wants_turn(const struct mr_connection *connection);
void mr_connection_turn(struct mr_connection *connection);
enum mr_wait mr_connection_wait(const struct mr_connection *connection);
/* Counts up with each progress of the current wait: the transport restarts the timeout when it changed. */
uint64_t mr_connection_progress(const struct mr_connection *connection);

#endif
