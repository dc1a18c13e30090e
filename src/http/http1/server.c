#include "base/magic.h"
#include "http/http1/transport.h"
#include <stdlib.h>

static void on_prepare(uv_prepare_t *handle)
{
    struct mr_server *server = mr_from_context(handle->data, struct mr_server, MR_SERVER_MAGIC);
    server->turn++;
    server->departed = server->accepted = 0;
    server->busy_before = server->busy;
    server->busy = 0;
    server->written = 0;
    if (server->on_quiet == NULL || server->socket_count > 0 || mr_loop_requests(server->loop) > 0)
        return;
    void (*on_quiet)(void *context) = server->on_quiet;
    server->on_quiet = NULL;
    on_quiet(server->quiet_context);
}

int mr_server_create(struct mr_server **out, struct mr_http *http, struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    struct mr_server *server = calloc(1, sizeof(*server));
    *out = server;
    if (server == NULL)
        return MR_EMEMORY;
    server->magic = MR_SERVER_MAGIC;
    server->http = http;
    server->loop = loop;
    for (enum mr_wait wait = MR_WAIT_NOTHING; wait < MR_WAIT_COUNT; wait++)
        mr_timer_list_open(&server->timers[wait], loop, mr_wait_limit_ns(&http->limits, wait), mr_socket_expire);
    mr_accept_open(server);
    mr_departures_open(server, mr_socket_depart);
    uv_prepare_init(mr_loop_uv(loop), &server->turn_handle);
    server->turn_handle.data = server;
    uv_prepare_start(&server->turn_handle, on_prepare);
    uv_unref((uv_handle_t *)&server->turn_handle);
    return MR_OK;
}

void mr_server_destroy(struct mr_server **server)
{
    struct mr_server *self = *server;
    *server = NULL;
    if (self == NULL)
        return;
    self->on_quiet = NULL;
    mr_server_stop_accepting(self);
    mr_server_abort(self);
    /* The loop has ended: let the close callbacks run. */
    while (self->socket_count > 0)
        uv_run(mr_loop_uv(self->loop), UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&self->turn_handle, NULL);
    uv_close((uv_handle_t *)&self->hurry, NULL);
    uv_run(mr_loop_uv(self->loop), UV_RUN_NOWAIT);
    for (enum mr_wait wait = MR_WAIT_NOTHING; wait < MR_WAIT_COUNT; wait++)
        mr_timer_list_close(&self->timers[wait]);
    mr_accept_close(self);
    free(self);
}

void mr_server_drain(struct mr_server *server)
{
    MR_ON_LOOP(server->loop);
    for (struct mr_socket *socket = server->sockets; socket != NULL; socket = socket->next)
        mr_departures_wait(socket);
}

bool mr_server_abort(struct mr_server *server)
{
    MR_ON_LOOP(server->loop);
    bool any = false;
    while (server->sockets != NULL) {
        struct mr_socket *socket = server->sockets;
        mr_socket_tell_end(socket, true); /* a client that is idle, or gone, is not cut */
        if (socket->closing)
            continue;
        any |= !mr_connection_wants_shutdown(socket->connection);
        mr_socket_close(socket);
    }
    return any;
}

void mr_server_on_quiet(struct mr_server *server, void (*on_quiet)(void *context), void *context)
{
    MR_ON_LOOP(server->loop);
    server->on_quiet = on_quiet;
    server->quiet_context = context;
}
