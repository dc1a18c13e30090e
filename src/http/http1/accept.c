/* DESIGN. The listeners are watched, not given to libuv's own accepting: that takes all there are in one turn of the
 * loop (version 1.44), closes without a word all that come when no descriptor is left, and stops for good when one is
 * not taken from it. Here it is MR_ACCEPTS_PER_TURN at most, what waits shows again in the next turn, and what cannot
 * be served is closed and counted: with `spare`, a descriptor that is given up for that moment, also when there is
 * none. */
#define _GNU_SOURCE 1 /* accept4 */
#include "base/counter.h"
#include "base/log.h"
#include "base/magic.h"
#include "http/http1/transport.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_RETRY_NS    (100 * MR_NS_PER_MS)
#define ACCEPT_COMPLAIN_NS MR_NS_PER_S /* between two log lines */

struct mr_listening {
    uv_poll_t poll;
    int fd; /* owned */
    bool is_unix;
    bool is_public;        /* other machines can reach it */
    struct mr_timer retry; /* set: it is not watched */
    struct mr_server *server;
    struct mr_listening *next;
};

static void accept_on_ready(uv_poll_t *poll, int status, int events);

static int open_stream(struct mr_socket *socket, bool is_unix, int fd)
{
    uv_loop_t *loop = mr_loop_uv(socket->server->loop);
    if (is_unix) {
        uv_pipe_init(loop, &socket->uv.pipe, 0);
        return uv_pipe_open(&socket->uv.pipe, fd);
    }
    uv_tcp_init(loop, &socket->uv.tcp);
    int err = uv_tcp_open(&socket->uv.tcp, fd);
    if (err == 0)
        uv_tcp_nodelay(&socket->uv.tcp, 1);
    return err;
}

static void on_refused_closed(uv_handle_t *handle)
{
    struct mr_socket *socket = mr_from_context(handle->data, struct mr_socket, MR_SOCKET_MAGIC);
    socket->server->socket_count--;
    free(socket);
}

/* A socket for the connection, which is closed if there is none. */
static struct mr_socket *accept_socket(struct mr_listening *listening, int fd)
{
    struct mr_server *server = listening->server;
    struct mr_socket *socket = calloc(1, sizeof(*socket));
    if (socket == NULL) {
        close(fd);
        return NULL;
    }
    socket->magic = MR_SOCKET_MAGIC;
    socket->server = server;
    server->socket_count++;
    int err = open_stream(socket, listening->is_unix, fd);
    socket->uv.handle.data = socket;
    if (err != 0)
        close(fd); /* else it is the handle's */
    if (err != 0 ||
        mr_connection_create(&socket->connection, server->http, server->loop, mr_socket_changed, socket) != MR_OK) {
        uv_close(&socket->uv.handle, on_refused_closed);
        return NULL;
    }
    return socket;
}

static void introduce(struct mr_socket *socket, bool is_public)
{
    uv_os_fd_t fd = -1;
    uv_fileno(&socket->uv.handle, &fd);
    struct mr_peer peer = mr_peer_of_socket(fd);
    mr_connection_set_peer(socket->connection, &peer, is_public);
    mr_connection_take_files(socket->connection);
}

static void accept_serve(struct mr_server *server, struct mr_socket *socket)
{
    socket->next = server->sockets;
    if (server->sockets != NULL)
        server->sockets->prev = socket;
    server->sockets = socket;
    socket->wait = MR_WAIT_NOTHING;
    if (mr_connection_admit(socket->connection))
        mr_socket_settle(socket);
    else
        mr_socket_close(socket);
}

/* ---- what goes wrong ---- */

static void accept_drop(struct mr_server *server, const char *why)
{
    uint64_t now = mr_loop_now(server->loop);
    struct mr_http_counters *counters = mr_http_counters_of(server->http, mr_loop_index(server->loop));
    mr_counter_add(&counters->connections_dropped, 1);
    if (server->complained_at != 0 && now - server->complained_at < ACCEPT_COMPLAIN_NS)
        return;
    server->complained_at = now;
    mr_log(MR_LOG_WARN, "accept: %s: connections are closed at once", why);
}

/* No descriptor is left: take the next connection with the spare one, and close it. False: there was none to take. */
static bool drop_with_spare(struct mr_listening *listening, int err)
{
    struct mr_server *server = listening->server;
    if (server->spare < 0)
        return false;
    close(server->spare);
    int fd = accept4(listening->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        accept_drop(server, strerror(err));
    return fd >= 0;
}

static void accept_on_retry(struct mr_timer *timer)
{
    struct mr_listening *listening = mr_container_of(timer, struct mr_listening, retry);
    if (listening->server->spare < 0)
        listening->server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uv_poll_start(&listening->poll, UV_READABLE, accept_on_ready);
}

/* It would be reported again at once, and fail again. */
static void pause_listening(struct mr_listening *listening, const char *why)
{
    mr_log(MR_LOG_WARN, "accept: %s", why);
    uv_poll_stop(&listening->poll);
    mr_timer_set(mr_timer_list_share(listening->server->loop, ACCEPT_RETRY_NS, accept_on_retry), &listening->retry);
}

/* Nothing was accepted. True: look for the next one. */
static bool survive(struct mr_listening *listening, int err)
{
    switch (err) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED: /* these, and errors of the network, are of a connection that has gone already (accept(2)) */
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    case EMFILE:
    case ENFILE:
        if (drop_with_spare(listening, err))
            return true;
        break;
    }
    pause_listening(listening, strerror(err));
    return false;
}

/* ---- listeners ---- */

/* False: there are no more now. */
static bool accept_one(struct mr_listening *listening)
{
    int fd = accept4(listening->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return survive(listening, errno);
    struct mr_socket *socket = accept_socket(listening, fd);
    if (socket == NULL) {
        accept_drop(listening->server, "no memory");
        return true;
    }
    introduce(socket, listening->is_public);
    accept_serve(listening->server, socket);
    return true;
}

static void accept_on_ready(uv_poll_t *poll, int status, int events)
{
    struct mr_listening *listening = mr_container_of(poll, struct mr_listening, poll);
    struct mr_server *server = listening->server;
    (void)events;
    uint64_t started = mr_loop_enter(server->loop);
    if (status < 0)
        pause_listening(listening, uv_strerror(status));
    while (status == 0 && server->accepted < MR_ACCEPTS_PER_TURN && accept_one(listening))
        server->accepted++;
    mr_loop_leave(server->loop, MR_LABEL_ACCEPT, started);
}

int mr_server_listen(struct mr_server *server, int fd, bool is_unix)
{
    MR_ON_LOOP(server->loop);
    struct mr_listening *listening = calloc(1, sizeof(*listening));
    if (listening == NULL)
        return MR_EMEMORY;
    if (listen(fd, 4096) != 0 || uv_poll_init(mr_loop_uv(server->loop), &listening->poll, fd) != 0) {
        free(listening);
        return MR_EIO;
    }
    listening->fd = fd;
    listening->is_unix = is_unix;
    listening->is_public = mr_peer_is_public_socket(fd);
    listening->server = server;
    listening->next = server->listeners;
    server->listeners = listening;
    return uv_poll_start(&listening->poll, UV_READABLE, accept_on_ready) == 0 ? MR_OK : MR_EIO;
}

bool mr_server_has_unaccepted(const struct mr_server *server)
{
    MR_ON_LOOP(server->loop);
    for (const struct mr_listening *listening = server->listeners; listening != NULL; listening = listening->next) {
        struct pollfd ready = {.fd = listening->fd, .events = POLLIN};
        if (poll(&ready, 1, 0) > 0)
            return true;
    }
    return false;
}

static void on_listening_closed(uv_handle_t *handle)
{
    free(mr_container_of((uv_poll_t *)handle, struct mr_listening, poll));
}

void mr_server_stop_accepting(struct mr_server *server)
{
    MR_ON_LOOP(server->loop);
    struct mr_listening *listening = server->listeners;
    server->listeners = NULL;
    while (listening != NULL) {
        struct mr_listening *next = listening->next;
        mr_timer_clear(&listening->retry);
        uv_close((uv_handle_t *)&listening->poll, on_listening_closed);
        close(listening->fd);
        listening = next;
    }
}

static void on_first_closed(uv_handle_t *handle)
{
    free(handle);
}

void mr_accept_open(struct mr_server *server)
{
    server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    /* With its first socket libuv opens a spare descriptor of its own. That is not to look like one that was left open.
     */
    uv_tcp_t *first = malloc(sizeof(*first));
    if (first != NULL && uv_tcp_init(mr_loop_uv(server->loop), first) == 0)
        uv_close((uv_handle_t *)first, on_first_closed);
    else
        free(first);
}

void mr_accept_close(struct mr_server *server)
{
    if (server->spare >= 0)
        close(server->spare);
}
