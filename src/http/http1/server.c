/* DESIGN. A socket couples a libuv handle with a connection. Every event of the handle is given to the connection, then
 * settle() carries out what the connection wants: write, read or not, shut down, close, and which timeout runs. There
 * is no other place where a socket changes.
 *
 * Fairness: MR_TURN_BYTES are shared out among the sockets that were busy in the last turn; each reads and writes at
 * most its share per turn of the loop, and has at most a few dozen pipelined requests served. What is left waits for
 * the next turn behind everybody else. So a turn's copying stays below a millisecond with one upload and with a
 * hundred.
 *
 * Departures: the end of a connection cancels jobs, frees what its stages hold, sends a problem document and closes a
 * descriptor, and thousands of clients can leave at once. So a socket departs in its turn of a queue as soon as
 * MR_DEPARTURES_PER_TURN have departed in a turn of the loop: that its client has left is not heard before, or its
 * handle is not closed before. `hurry` (an idle handle) is active while some wait. A drain sends all sockets through
 * the same queue. */
#include "http/http1/server.h"
#include "base/assert.h"
#include "base/log.h"
#include "http/http1/connection.h"
#include "loop/timer.h"
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    WRITE_RUNS = 16,
    WRITE_QUEUED = 64 * 1024, /* bytes left to libuv when the kernel is full: each run of them is a sign of progress */
};

union stream_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct listener_handle {
    union stream_handle uv;
    struct mr_server *server;
    struct listener_handle *next;
};

struct mr_server {
    struct mr_http *http; /* borrowed */
    struct mr_loop *loop; /* borrowed */
    struct listener_handle *listeners;
    struct socket *sockets;     /* all open ones */
    unsigned socket_count;      /* also those being closed */
    uint64_t turn;              /* of the loop, counted */
    unsigned busy, busy_before; /* sockets that had something to read or write in this turn, and in the last */
    uv_prepare_t turn_handle;
    struct socket *waiting, *last_waiting; /* to depart, in order */
    unsigned departed;                     /* in this turn */
    uint64_t departing_since;              /* when the first of them began */
    uv_idle_t hurry;                       /* active while some wait: the next poll does not sleep */
    struct mr_timer_list timers[MR_WAIT_COUNT];
    void (*on_quiet)(void *context);
    void *quiet_context;
    char read_buffer[MR_READ_BUFFER];
};

struct socket {
    union stream_handle uv;
    struct mr_server *server;
    struct mr_connection *connection;
    struct socket *prev, *next;
    struct mr_timer timer;
    enum mr_wait wait;  /* for which the timer runs */
    uint64_t progress;  /* of that wait, when the timer was set */
    uint64_t busy_turn; /* the last turn in which it read or wrote, and how much then */
    size_t read_bytes, written_bytes;
    struct mr_inbox_node turn_node;
    bool reading, writing, shut, closing, closed, turn_posted;
    int ended;              /* what libuv said of the peer's end, not heard by the connection yet; 0: nothing */
    struct socket *behind;  /* in the queue of those that depart */
    bool waits;             /* in that queue */
    uint64_t departed_turn; /* the turn in which it was let depart */
    size_t queued;          /* bytes of the write that libuv holds */
    size_t unacknowledged;  /* bytes that the peer had not taken when that was asked last */
    uv_write_t write;
    uv_shutdown_t shutdown;
};

static void settle(struct socket *socket);

/* ---- departures ---- */

static void on_hurry(uv_idle_t *handle);

static void wait_to_depart(struct socket *socket)
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
static bool let_depart(struct mr_server *server, struct socket *socket)
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

/* False: it waits, and is seen to in a later turn. */
static bool departs_now(struct socket *socket)
{
    struct mr_server *server = socket->server;
    if (socket->departed_turn == server->turn)
        return true;
    if (!socket->waits && server->waiting == NULL && let_depart(server, socket))
        return true;
    wait_to_depart(socket);
    return false;
}

/* ---- the end of a socket ---- */

static void free_if_done(struct socket *socket)
{
    if (socket->turn_posted || socket->waits || !socket->closed)
        return;
    socket->server->socket_count--;
    free(socket);
}

static void on_closed(uv_handle_t *handle)
{
    struct socket *socket = handle->data;
    socket->closed = true;
    free_if_done(socket); /* else its turn node is in the loop's inbox and comes back, or it waits in our queue */
}

/* The last step: of libuv's write it is only the callback that is still to come. */
static void release(struct socket *socket)
{
    bool reset = mr_connection_is_aborted(socket->connection) && socket->uv.handle.type == UV_TCP && !socket->shut;
    mr_connection_leave(socket->connection);
    if (!reset || uv_tcp_close_reset(&socket->uv.tcp, on_closed) != 0)
        uv_close(&socket->uv.handle, on_closed);
    mr_connection_destroy(&socket->connection);
}

static void close_socket(struct socket *socket)
{
    struct mr_server *server = socket->server;
    if (socket->closing)
        return;
    socket->closing = true;
    mr_timer_clear(&socket->timer);
    if (socket->prev != NULL)
        socket->prev->next = socket->next;
    else
        server->sockets = socket->next;
    if (socket->next != NULL)
        socket->next->prev = socket->prev;
    if (!mr_connection_is_finished(socket->connection))
        mr_connection_reset(socket->connection); /* cancel now what runs for it */
    uv_read_stop(&socket->uv.stream);
    /* A reset has freed the bytes that libuv still writes. */
    if (socket->writing || departs_now(socket))
        release(socket);
}

/* A request that lies in the kernel: it came in time, and closing now would reset it. */
static bool has_unread(const struct socket *socket)
{
    uv_os_fd_t fd;
    char octet;
    return uv_fileno(&socket->uv.handle, &fd) == 0 && recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The connection hears of its peer's end, or that the server drains. */
static void tell_end(struct socket *socket)
{
    int ended = socket->ended;
    socket->ended = 0;
    if (ended == UV_EOF)
        mr_connection_eof(socket->connection);
    else if (ended != 0)
        mr_connection_reset(socket->connection);
    else if (!has_unread(socket)) /* else its answer will close it: http->draining */
        mr_connection_drain(socket->connection);
    settle(socket);
}

static void end_peer(struct socket *socket, int status)
{
    socket->ended = status;
    if (departs_now(socket))
        tell_end(socket);
}

static void on_hurry(uv_idle_t *handle)
{
    struct mr_server *server = mr_container_of(handle, struct mr_server, hurry);
    uint64_t started = mr_loop_enter(server->loop);
    struct socket *socket;
    while ((socket = server->waiting) != NULL && let_depart(server, socket)) {
        server->waiting = socket->behind;
        socket->waits = false;
        if (!socket->closing)
            tell_end(socket);
        else if (socket->connection != NULL)
            release(socket);
        else
            free_if_done(socket);
    }
    if (server->waiting == NULL)
        uv_idle_stop(&server->hurry);
    mr_loop_leave(server->loop, "departures", started);
}

/* ---- timeouts ---- */

static void settle_timer(struct socket *socket)
{
    enum mr_wait wait = mr_connection_wait(socket->connection);
    uint64_t progress = mr_connection_progress(socket->connection);
    if (wait == socket->wait && progress == socket->progress)
        return;
    socket->wait = wait;
    socket->progress = progress;
    if (wait == MR_WAIT_NOTHING)
        mr_timer_clear(&socket->timer);
    else
        mr_timer_set(&socket->server->timers[wait], &socket->timer);
}

/* Bytes that the peer has not taken: those that libuv holds, and those in the kernel. */
static size_t count_unacknowledged(const struct socket *socket)
{
    uv_os_fd_t fd;
    int in_kernel = 0;
    if (uv_fileno(&socket->uv.handle, &fd) != 0 || ioctl(fd, SIOCOUTQ, &in_kernel) != 0)
        in_kernel = 0;
    return uv_stream_get_write_queue_size(&socket->uv.stream) + (size_t)in_kernel;
}

/* Has the peer taken bytes since it was asked last, and enough of them? A write itself shows that only when all of it
 * has left, and the kernel asks for more only when a third of its buffer is free: of a slow reader minutes later. */
static bool is_taking(struct socket *socket)
{
    if (!socket->writing)
        return false;
    size_t before = socket->unacknowledged, now = count_unacknowledged(socket);
    socket->unacknowledged = now;
    return now < before && !mr_connection_is_read_too_slowly(socket->connection, socket->queued, now);
}

static void on_expire(struct mr_timer *timer)
{
    struct socket *socket = mr_container_of(timer, struct socket, timer);
    if (is_taking(socket)) {
        mr_timer_set(&socket->server->timers[socket->wait], timer);
        return;
    }
    mr_connection_timeout(socket->connection);
    socket->progress = UINT64_MAX; /* the timer is not set any more, whatever the connection says */
    settle(socket);
}

/* ---- fairness ---- */

/* What the socket may still read (or write) in this turn, of which it has had `had` bytes unless the turn is new. */
static size_t share_left(struct socket *socket, size_t had)
{
    struct mr_server *server = socket->server;
    if (socket->busy_turn != server->turn) {
        socket->busy_turn = server->turn;
        socket->read_bytes = socket->written_bytes = had = 0;
        server->busy++;
    }
    size_t share = MR_TURN_BYTES / MR_MAX(server->busy_before, 1u);
    share = MR_MAX(MR_MIN(share, (size_t)MR_SHARE_MAX), (size_t)MR_SHARE_MIN);
    return share > had ? share - had : 0;
}

/* ---- writing ---- */

static void on_written(uv_write_t *write, int status)
{
    struct socket *socket = write->data;
    socket->writing = false;
    if (socket->closing)
        return;
    struct mr_loop *loop = socket->server->loop;
    uint64_t started = mr_loop_enter(loop);
    if (status < 0) {
        end_peer(socket, status);
    } else {
        mr_connection_wrote(socket->connection, socket->queued);
        settle(socket);
    }
    mr_loop_leave(loop, "connection-write", started);
}

/* Shorten the runs to `max` bytes in all. Returns how many runs are left, the bytes in *total. */
static unsigned limit_runs(struct iovec *runs, int count, size_t max, size_t *total)
{
    *total = 0;
    for (int i = 0; i < count; i++) {
        runs[i].iov_len = MR_MIN(runs[i].iov_len, max - *total);
        *total += runs[i].iov_len;
        if (*total == max)
            return (unsigned)i + 1;
    }
    return (unsigned)count;
}

static void queue_write(struct socket *socket, struct iovec *runs, int count)
{
    size_t total;
    unsigned limited = limit_runs(runs, count, WRITE_QUEUED, &total);
    socket->write.data = socket;
    socket->queued = total;
    if (uv_write(&socket->write, &socket->uv.stream, (uv_buf_t *)runs, limited, on_written) != 0) {
        mr_connection_reset(socket->connection);
        return;
    }
    socket->writing = true;
    socket->unacknowledged = count_unacknowledged(socket);
}

/* uv_buf_t is laid out as struct iovec on POSIX (libuv's documentation of uv_buf_t). */
_Static_assert(sizeof(uv_buf_t) == sizeof(struct iovec), "uv_buf_t is not an iovec");

static void settle_writing(struct socket *socket)
{
    struct iovec runs[WRITE_RUNS];
    size_t left = share_left(socket, socket->written_bytes);
    while (!socket->writing && !mr_connection_is_finished(socket->connection)) {
        size_t total;
        int count = mr_connection_output(socket->connection, runs, WRITE_RUNS);
        if (count == 0)
            return;
        if (left == 0) {
            queue_write(socket, runs, count);
            return;
        }
        unsigned limited = limit_runs(runs, count, left, &total);
        int written = uv_try_write(&socket->uv.stream, (uv_buf_t *)runs, limited);
        if (written < 0 && written != UV_EAGAIN) {
            mr_connection_reset(socket->connection);
        } else if (written <= 0 || (size_t)written < total) {
            left = 0; /* the kernel is full */
        } else {
            left -= (size_t)written;
        }
        if (written > 0) {
            socket->written_bytes += (size_t)written;
            mr_connection_wrote(socket->connection, (size_t)written);
        }
    }
}

/* ---- reading ---- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct socket *socket = handle->data;
    struct mr_server *server = socket->server;
    /* A buffer of no bytes makes libuv end this read; epoll is level-triggered and reports the rest in the next turn.
     */
    size_t allowed = share_left(socket, socket->read_bytes);
    size_t wanted = 0;
    char *space = NULL;
    if (allowed > 0 && mr_connection_wants_read(socket->connection))
        space = mr_connection_space(socket->connection, &wanted);
    if (space == NULL) {
        space = server->read_buffer;
        wanted = MR_MIN(wanted, sizeof(server->read_buffer));
    }
    *out = uv_buf_init(space, (unsigned)MR_MIN(wanted, allowed));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct socket *socket = stream->data;
    if (count == 0 || count == UV_ENOBUFS)
        return;
    struct mr_loop *loop = socket->server->loop;
    uint64_t started = mr_loop_enter(loop);
    if (count > 0) {
        socket->read_bytes += (size_t)count;
        mr_connection_input(socket->connection, buf->base, (size_t)count);
        settle(socket);
    } else {
        socket->reading = false; /* libuv has stopped by itself */
        uv_read_stop(stream);
        end_peer(socket, (int)count);
    }
    mr_loop_leave(loop, "connection-read", started);
}

static void settle_reading(struct socket *socket)
{
    bool wants = socket->ended == 0 && mr_connection_wants_read(socket->connection);
    if (wants == socket->reading)
        return;
    socket->reading = wants;
    if (!wants)
        uv_read_stop(&socket->uv.stream);
    else if (uv_read_start(&socket->uv.stream, on_allocate, on_read) != 0)
        mr_connection_reset(socket->connection);
}

/* ---- all of it ---- */

static void on_turn(struct mr_inbox_node *node)
{
    struct socket *socket = mr_container_of(node, struct socket, turn_node);
    socket->turn_posted = false;
    if (socket->closing) {
        free_if_done(socket);
        return;
    }
    mr_connection_turn(socket->connection);
    settle(socket);
}

static void post_turn(struct socket *socket)
{
    if (socket->turn_posted || socket->closing)
        return;
    socket->turn_posted = true;
    socket->turn_node.deliver = on_turn;
    mr_loop_post(socket->server->loop, &socket->turn_node);
}

static void on_shut_down(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status; /* a peer that has gone shows on the reading side, or the linger timeout runs out */
}

static void settle_shutdown(struct socket *socket)
{
    if (socket->shut || !mr_connection_wants_shutdown(socket->connection))
        return;
    socket->shut = true;
    if (uv_shutdown(&socket->shutdown, &socket->uv.stream, on_shut_down) != 0)
        mr_connection_reset(socket->connection);
}

static void settle(struct socket *socket)
{
    if (socket->closing)
        return;
    settle_writing(socket);
    settle_reading(socket);
    settle_shutdown(socket);
    if (mr_connection_is_finished(socket->connection)) {
        close_socket(socket);
        return;
    }
    if (mr_connection_wants_turn(socket->connection))
        post_turn(socket);
    settle_timer(socket);
}

static void on_changed(void *context)
{
    post_turn(context);
}

/* ---- accepting ---- */

static int open_stream(union stream_handle *uv, struct mr_loop *loop, bool is_unix)
{
    if (is_unix)
        return uv_pipe_init(mr_loop_uv(loop), &uv->pipe, 0);
    return uv_tcp_init(mr_loop_uv(loop), &uv->tcp);
}

static void on_refused_closed(uv_handle_t *handle)
{
    struct socket *socket = handle->data;
    socket->server->socket_count--;
    free(socket);
}

/* A socket for the connection that `listener` reports, or NULL: it was closed again. */
static struct socket *accept_socket(struct listener_handle *listener)
{
    struct mr_server *server = listener->server;
    struct socket *socket = calloc(1, sizeof(*socket));
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
        mr_connection_create(&socket->connection, server->http, server->loop, on_changed, socket) != MR_OK) {
        uv_close(&socket->uv.handle, on_refused_closed);
        return NULL;
    }
    if (!is_unix)
        uv_tcp_nodelay(&socket->uv.tcp, 1);
    return socket;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener_handle *listener = stream->data;
    struct mr_server *server = listener->server;
    if (status < 0) {
        mr_log(MR_LOG_WARN, "accept: %s", uv_strerror(status));
        return;
    }
    uint64_t started = mr_loop_enter(server->loop);
    struct socket *socket = accept_socket(listener);
    if (socket != NULL) {
        socket->next = server->sockets;
        if (server->sockets != NULL)
            server->sockets->prev = socket;
        server->sockets = socket;
        socket->wait = MR_WAIT_NOTHING;
        if (mr_connection_admit(socket->connection))
            settle(socket);
        else
            close_socket(socket);
    }
    mr_loop_leave(server->loop, "accept", started);
}

int mr_server_listen(struct mr_server *server, int fd, bool is_unix)
{
    struct listener_handle *listener = calloc(1, sizeof(*listener));
    if (listener == NULL)
        return MR_EMEMORY;
    if (open_stream(&listener->uv, server->loop, is_unix) != 0) {
        free(listener);
        return MR_EIO;
    }
    listener->server = server;
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
    for (const struct listener_handle *listener = server->listeners; listener != NULL; listener = listener->next) {
        struct pollfd ready = {.events = POLLIN};
        if (uv_fileno(&listener->uv.handle, &ready.fd) == 0 && poll(&ready, 1, 0) > 0)
            return true;
    }
    return false;
}

void mr_server_stop_accepting(struct mr_server *server)
{
    MR_ON_LOOP(server->loop);
    struct listener_handle *listener = server->listeners;
    server->listeners = NULL;
    while (listener != NULL) {
        struct listener_handle *next = listener->next;
        uv_close(&listener->uv.handle, on_listener_closed);
        listener = next;
    }
}

/* ---- the server ---- */

static void on_prepare(uv_prepare_t *handle)
{
    struct mr_server *server = handle->data;
    server->turn++;
    server->departed = 0;
    server->busy_before = server->busy;
    server->busy = 0;
    if (server->on_quiet == NULL || server->socket_count > 0 || mr_loop_requests(server->loop) > 0)
        return;
    void (*on_quiet)(void *context) = server->on_quiet;
    server->on_quiet = NULL;
    on_quiet(server->quiet_context);
}

int mr_server_create(struct mr_server **out, struct mr_http *http, struct mr_loop *loop)
{
    struct mr_server *server = calloc(1, sizeof(*server));
    *out = server;
    if (server == NULL)
        return MR_EMEMORY;
    server->http = http;
    server->loop = loop;
    for (enum mr_wait wait = MR_WAIT_NOTHING; wait < MR_WAIT_COUNT; wait++)
        mr_timer_list_open(&server->timers[wait], loop, mr_wait_limit_ns(&http->limits, wait), on_expire);
    server->turn = 1; /* 0 is a socket's that never departed */
    uv_idle_init(mr_loop_uv(loop), &server->hurry);
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
    mr_server_cut(self);
    /* The loop has ended: let the close callbacks run. */
    while (self->socket_count > 0)
        uv_run(mr_loop_uv(self->loop), UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&self->turn_handle, NULL);
    uv_close((uv_handle_t *)&self->hurry, NULL);
    uv_run(mr_loop_uv(self->loop), UV_RUN_NOWAIT);
    for (enum mr_wait wait = MR_WAIT_NOTHING; wait < MR_WAIT_COUNT; wait++)
        mr_timer_list_close(&self->timers[wait]);
    free(self);
}

void mr_server_drain(struct mr_server *server)
{
    MR_ON_LOOP(server->loop);
    for (struct socket *socket = server->sockets; socket != NULL; socket = socket->next)
        wait_to_depart(socket);
}

bool mr_server_cut(struct mr_server *server)
{
    MR_ON_LOOP(server->loop);
    bool any = false;
    while (server->sockets != NULL) {
        struct socket *socket = server->sockets;
        tell_end(socket); /* a client that is idle, or gone, is not cut */
        if (socket->closing)
            continue;
        any |= !mr_connection_wants_shutdown(socket->connection);
        close_socket(socket);
    }
    return any;
}

void mr_server_on_quiet(struct mr_server *server, void (*on_quiet)(void *context), void *context)
{
    MR_ON_LOOP(server->loop);
    server->on_quiet = on_quiet;
    server->quiet_context = context;
}
