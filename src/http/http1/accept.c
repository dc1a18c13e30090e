/* Listeners, and the connections that they report. */
#include "base/log.h"
#include "http/http1/transport.h"
#include <poll.h>
#include <stdlib.h>

static int open_stream(union stream_handle *uv, struct mr_loop *loop, bool is_unix)
{
    if (is_unix)
        return uv_pipe_init(mr_loop_uv(loop), &uv->pipe, 0);
    return uv_tcp_init(mr_loop_uv(loop), &uv->tcp);
}

static void on_refused_closed(uv_handle_t *handle)
{
    struct mr_socket *socket = handle->data;
    socket->server->socket_count--;
    free(socket);
}

/* A socket for the connection that `listener` reports, or NULL: it was closed again. */
static struct mr_socket *accept_socket(struct mr_listening *listener)
{
    struct mr_server *server = listener->server;
    struct mr_socket *socket = calloc(1, sizeof(*socket));
    if (socket == NULL)
        return NULL;
    socket->server = server;
    bool is_unix = listener->uv.handle.type == UV_NAMED_PIPE;
    if (open_stream(&socket->uv, server->loop, is_unix) != 0) {
        free(socket);
        return NULL;
    }
    server->socket_count++;
    socket->uv.handle.data = socket;
    if (uv_accept(&listener->uv.stream, &socket->uv.stream) != 0 ||
        mr_connection_create(&socket->connection, server->http, server->loop, mr_socket_changed, socket) != MR_OK) {
        uv_close(&socket->uv.handle, on_refused_closed);
        return NULL;
    }
    if (!is_unix)
        uv_tcp_nodelay(&socket->uv.tcp, 1);
    return socket;
}

static void set_peer(struct mr_socket *socket, bool is_public)
{
    uv_os_fd_t fd = -1;
    uv_fileno(&socket->uv.handle, &fd);
    struct mr_peer peer = mr_peer_of_socket(fd);
    mr_connection_set_peer(socket->connection, &peer, is_public);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct mr_listening *listener = stream->data;
    struct mr_server *server = listener->server;
    if (status < 0) {
        mr_log(MR_LOG_WARN, "accept: %s", uv_strerror(status));
        return;
    }
    uint64_t started = mr_loop_enter(server->loop);
    struct mr_socket *socket = accept_socket(listener);
    if (socket != NULL) {
        socket->next = server->sockets;
        if (server->sockets != NULL)
            server->sockets->prev = socket;
        server->sockets = socket;
        socket->wait = MR_WAIT_NOTHING;
        set_peer(socket, listener->is_public);
        if (mr_connection_admit(socket->connection))
            mr_socket_settle(socket);
        else
            mr_socket_close(socket);
    }
    mr_loop_leave(server->loop, "accept", started);
}

int mr_server_listen(struct mr_server *server, int fd, bool is_unix)
{
    struct mr_listening *listener = calloc(1, sizeof(*listener));
    if (listener == NULL)
        return MR_EMEMORY;
    if (open_stream(&listener->uv, server->loop, is_unix) != 0) {
        free(listener);
        return MR_EIO;
    }
    listener->server = server;
    listener->is_public = mr_peer_is_public_socket(fd);
    listener->uv.handle.data = listener;
    listener->next = server->listeners;
    server->listeners = listener;
    int err = is_unix ? uv_pipe_open(&listener->uv.pipe, fd) : uv_tcp_open(&listener->uv.tcp, fd);
    if (err == 0)
        err = uv_listen(&listener->uv.stream, 4096, on_connection);
    return err == 0 ? MR_OK : MR_EIO;
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

bool mr_server_has_unaccepted(const struct mr_server *server)
{
    for (const struct mr_listening *listener = server->listeners; listener != NULL; listener = listener->next) {
        struct pollfd ready = {.events = POLLIN};
        if (uv_fileno(&listener->uv.handle, &ready.fd) == 0 && poll(&ready, 1, 0) > 0)
            return true;
    }
    return false;
}

void mr_server_stop_accepting(struct mr_server *server)
{
    MR_ON_LOOP(server->loop);
    struct mr_listening *listener = server->listeners;
    server->listeners = NULL;
    while (listener != NULL) {
        struct mr_listening *next = listener->next;
        uv_close(&listener->uv.handle, on_listener_closed);
        listener = next;
    }
}
