/* DESIGN. The end of a connection cancels jobs, frees what its stages hold, sends a problem document and closes a
 * descriptor, and thousands of clients can leave at once. So a socket departs in its turn of a queue as soon as
 * MR_DEPARTURES_PER_TURN have departed in a turn of the loop: that its client has left is not heard before, or its
 * handle is not closed before. `hurry` (an idle handle) is active while some wait. A drain sends all sockets through
 * the same queue. */
#include "base/macros.h"
#include "http/http1/transport.h"

static void on_hurry(uv_idle_t *handle);

void mr_departures_wait(struct mr_socket *socket)
{
    struct mr_server *server = socket->server;
    if (socket->waits)
        return;
    socket->waits = true;
    socket->behind = NULL;
    *(server->waiting != NULL ? &server->last_waiting->behind : &server->waiting) = socket;
    server->last_waiting = socket;
    uv_idle_start(&server->hurry, on_hurry);
}

/* One more in this turn? The first always, so that all get there. */
static bool let_depart(struct mr_server *server, struct mr_socket *socket)
{
    uint64_t now = mr_clock_now();
    if (server->departed == 0)
        server->departing_since = now;
    else if (server->departed == MR_DEPARTURES_PER_TURN || now - server->departing_since > MR_DEPARTURES_NS)
        return false;
    server->departed++;
    socket->departed_turn = server->turn;
    return true;
}

bool mr_departures_let(struct mr_socket *socket)
{
    struct mr_server *server = socket->server;
    if (socket->departed_turn == server->turn)
        return true;
    if (!socket->waits && server->waiting == NULL && let_depart(server, socket))
        return true;
    mr_departures_wait(socket);
    return false;
}

static void on_hurry(uv_idle_t *handle)
{
    struct mr_server *server = mr_container_of(handle, struct mr_server, hurry);
    uint64_t started = mr_loop_enter(server->loop);
    struct mr_socket *socket;
    while ((socket = server->waiting) != NULL && let_depart(server, socket)) {
        server->waiting = socket->behind;
        socket->waits = false;
        server->depart(socket);
    }
    if (server->waiting == NULL)
        uv_idle_stop(&server->hurry);
    mr_loop_leave(server->loop, MR_LABEL_DEPARTURES, started);
}

void mr_departures_open(struct mr_server *server, void (*depart)(struct mr_socket *socket))
{
    server->depart = depart;
    server->turn = 1; /* 0 is a socket's that never departed */
    uv_idle_init(mr_loop_uv(server->loop), &server->hurry);
}
