/* server.h -- the sockets: listeners, accepted connections, their reading, writing and timeouts, on one loop.
 *
 * Feeds connection.h from libuv handles and carries out what it wants. What one connection may read and write per turn
 * of the loop is bounded, to less when many are busy, so that uploads and downloads never hold the loop. So is how many
 * connections end in a turn, with all that their end brings along. One server per loop; all share one struct mr_http.
 * The loop's thread only, but for what says otherwise. */
#ifndef MR_HTTP1_SERVER_H
#define MR_HTTP1_SERVER_H

#include "base/clock.h"
#include "http/http.h"
#include "loop/loop.h"
#include <stddef.h>

/* Bytes in one turn of all connections together, about; of them those of one connection when few are busy; and when
 * very many are. What is read is looked at, hashed and handed on; what is written was made by others, and is only
 * copied. */
#define MR_TURN_READ       (512u << 10)
#define MR_SHARE_READ_MAX  (256u << 10)
#define MR_TURN_WRITE      (4096u << 10)
#define MR_SHARE_WRITE_MAX (1024u << 10)
#define MR_SHARE_MIN       (16u << 10)

/* Connections that are accepted in one turn. The others wait in the kernel. */
#define MR_ACCEPTS_PER_TURN 16

/* Connections that end in one turn: whose client is heard to have left, or that are closed. The others wait for later
 * turns, in order. Fewer when they take longer than MR_DEPARTURES_NS together. */
#define MR_DEPARTURES_PER_TURN 64
#define MR_DEPARTURES_NS       (500 * MR_NS_PER_US)

struct mr_server;

/* Before the loop runs. */
int mr_server_create(struct mr_server **out, struct mr_http *http, struct mr_loop *loop);
/* After the loop ended: closes what is still open. */
void mr_server_destroy(struct mr_server **server);

/* Accept on a bound, listening descriptor (listener.h), which the server owns from now on. A connection for which there
 * is no descriptor or no memory is closed at once and counted (connections_dropped). */
int mr_server_listen(struct mr_server *server, int fd, bool is_unix);

/* Are there connections that were not accepted yet? */
bool mr_server_has_unaccepted(const struct mr_server *server);
/* Stop accepting: closes the listeners, and with them what was not accepted. */
void mr_server_stop_accepting(struct mr_server *server);
/* Draining: idle connections are closed within the next turns, others after their response (http->draining is set by
 * the caller). */
void mr_server_drain(struct mr_server *server);
/* Stop everything now, and close it within the next turns. Was any response not complete? */
bool mr_server_abort(struct mr_server *server);
/* on_quiet(context) is called, once, in a later turn, when no connection is open and no request is alive any more. The
 * caller makes sure that a turn comes (mr_loop_post, a timer). */
void mr_server_on_quiet(struct mr_server *server, void (*on_quiet)(void *context), void *context);

#endif
