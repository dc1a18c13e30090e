/* DESIGN. A socket couples a libuv handle with a connection. Every event of the handle is given to the connection, then
 * mr_socket_settle() carries out what the connection wants: write, read or not, shut down, close, and which timeout
 * runs. There is no other place where a socket changes.
 *
 * Fairness: what may be read in a turn, and what may be written, is shared out among the sockets that were busy in the
 * last one (server.h); each reads and writes at most its share, and has at most a few dozen pipelined requests served.
 * What is left waits for the next turn behind everybody else. So a turn's copying stays below a millisecond with one
 * upload and with a hundred; and a response of some hundred kilobytes takes one turn and one system call, where pieces
 * of it would cost more than their copying. */
#include "base/macros.h"
#include "base/magic.h"
#include "http/http1/transport.h"
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    WRITE_RUNS = 16,
    WRITE_QUEUED = 64 * 1024, /* bytes left to libuv when the kernel is full: each run of them is a sign of progress */
};

/* ---- the end of a socket ---- */

static void free_if_done(struct mr_socket *socket)
{
    if (socket->turn_posted || socket->waits || !socket->closed)
        return;
    socket->server->socket_count--;
    free(socket->sending);
    free(socket);
}

static void on_closed(uv_handle_t *handle)
{
    struct mr_socket *socket = mr_from_context(handle->data, struct mr_socket, MR_SOCKET_MAGIC);
    socket->closed = true;
    free_if_done(socket); /* else its turn node is in the loop's inbox and comes back, or it waits in our queue */
}

/* The last step: of libuv's write it is only the callback that is still to come. */
static void release(struct mr_socket *socket)
{
    bool reset = mr_connection_is_aborted(socket->connection) && socket->uv.handle.type == UV_TCP && !socket->shut;
    mr_connection_leave(socket->connection);
    if (!reset || uv_tcp_close_reset(&socket->uv.tcp, on_closed) != 0)
        uv_close(&socket->uv.handle, on_closed);
    mr_connection_destroy(&socket->connection);
}

void mr_socket_close(struct mr_socket *socket)
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
    if (mr_sending_is_under_way(socket->sending))
        return; /* mr_socket_closed_meanwhile() goes on */
    /* A reset has freed the bytes that libuv still writes. */
    if (socket->writing || mr_departures_let(socket))
        release(socket);
}

void mr_socket_closed_meanwhile(struct mr_socket *socket)
{
    if (mr_departures_let(socket))
        release(socket);
}

/* A request that lies in the kernel: it came in time, and closing now would reset it. */
static bool has_unread(const struct mr_socket *socket)
{
    uv_os_fd_t fd;
    char octet;
    return uv_fileno(&socket->uv.handle, &fd) == 0 && recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Does the peer read no more either? A Unix socket says so, and TCP once the peer was sent something and has reset. */
static bool is_hung_up(const struct mr_socket *socket)
{
    uv_os_fd_t fd;
    if (uv_fileno(&socket->uv.handle, &fd) != 0)
        return true;
    struct pollfd ready = {.fd = fd};
    return poll(&ready, 1, 0) > 0 && (ready.revents & (POLLHUP | POLLERR)) != 0;
}

void mr_socket_tell_end(struct mr_socket *socket, bool is_over)
{
    int ended = socket->ended;
    socket->ended = 0;
    if (ended == UV_EOF && !is_hung_up(socket))
        mr_connection_eof(socket->connection);
    else if (ended != 0)
        mr_connection_reset(socket->connection);
    else if (has_unread(socket))
        ; /* its response will close it: http->draining */
    else if (is_over)
        mr_connection_end_idle(socket->connection);
    else
        mr_connection_drain(socket->connection);
    mr_socket_settle(socket);
}

void mr_socket_depart(struct mr_socket *socket)
{
    if (!socket->closing)
        mr_socket_tell_end(socket, false);
    else if (mr_sending_is_under_way(socket->sending))
        ; /* it is let depart when the thread is back */
    else if (socket->connection != NULL)
        release(socket);
    else
        free_if_done(socket);
}

static void end_peer(struct mr_socket *socket, int status)
{
    socket->ended = status;
    if (mr_departures_let(socket))
        mr_socket_tell_end(socket, false);
}

/* ---- timeouts ---- */

static void settle_timer(struct mr_socket *socket)
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

size_t mr_socket_unacknowledged(const struct mr_socket *socket)
{
    uv_os_fd_t fd;
    int in_kernel = 0;
    if (uv_fileno(&socket->uv.handle, &fd) != 0 || ioctl(fd, SIOCOUTQ, &in_kernel) != 0)
        in_kernel = 0;
    return uv_stream_get_write_queue_size(&socket->uv.stream) + (size_t)in_kernel;
}

/* Has the peer taken bytes since it was asked last, and enough of them? A write itself shows that only when all of it
 * has left, and the kernel asks for more only when a third of its buffer is free: of a slow reader minutes later. */
static bool is_taking(struct mr_socket *socket)
{
    if (!socket->writing)
        return false;
    if (mr_sending_is_under_way(socket->sending))
        return true; /* what is waited for is the disk */
    size_t before = socket->unacknowledged, now = mr_socket_unacknowledged(socket);
    socket->unacknowledged = now;
    return now < before && !mr_connection_is_read_too_slowly(socket->connection, socket->queued, now);
}

/* It may have ended in this very turn, by a job that came back: then the connection is to be looked at first. */
static bool is_still_waiting(const struct mr_socket *socket)
{
    return mr_connection_wait(socket->connection) == socket->wait &&
           mr_connection_progress(socket->connection) == socket->progress;
}

void mr_socket_expire(struct mr_timer *timer)
{
    struct mr_socket *socket = mr_container_of(timer, struct mr_socket, timer);
    if (is_taking(socket)) {
        mr_timer_set(&socket->server->timers[socket->wait], timer);
        return;
    }
    bool is_over = is_still_waiting(socket);
    socket->progress = UINT64_MAX; /* the timer is not set any more, whatever the connection says */
    if (is_over && socket->wait == MR_WAIT_HALF_CLOSED && is_hung_up(socket)) {
        end_peer(socket, UV_ECONNRESET);
        return;
    }
    if (is_over)
        mr_connection_timeout(socket->connection);
    mr_socket_settle(socket);
}

/* ---- fairness ---- */

/* The socket reads or writes in this turn. */
static void mark_busy(struct mr_socket *socket)
{
    struct mr_server *server = socket->server;
    if (socket->busy_turn == server->turn)
        return;
    socket->busy_turn = server->turn;
    socket->read_bytes = socket->written_bytes = 0;
    server->busy++;
}

/* Of `turn` bytes, `had` of which it has had. */
static size_t share_left(const struct mr_socket *socket, size_t turn, size_t max, size_t had)
{
    size_t share = turn / MR_MAX(socket->server->busy_before, socket->server->busy);
    share = MR_MAX(MR_MIN(share, max), (size_t)MR_SHARE_MIN);
    return share > had ? share - had : 0;
}

static size_t read_share_left(struct mr_socket *socket)
{
    mark_busy(socket);
    return share_left(socket, MR_TURN_READ, MR_SHARE_READ_MAX, socket->read_bytes);
}

/* When many that were idle are responded to in one turn, the first have most of it, and the others the least share. */
static size_t write_share_left(struct mr_socket *socket)
{
    mark_busy(socket);
    size_t share = share_left(socket, MR_TURN_WRITE, MR_SHARE_WRITE_MAX, socket->written_bytes);
    size_t least = MR_SHARE_MIN - MR_MIN(socket->written_bytes, (size_t)MR_SHARE_MIN);
    size_t of_turn = MR_TURN_WRITE - MR_MIN(socket->server->written, (size_t)MR_TURN_WRITE);
    return MR_MIN(share, MR_MAX(of_turn, least));
}

/* ---- writing ---- */

static void post_turn(struct mr_socket *socket);

void mr_socket_written(struct mr_socket *socket, int status)
{
    socket->writing = false;
    if (socket->closing)
        return;
    struct mr_loop *loop = socket->server->loop;
    uint64_t started = mr_loop_enter(loop);
    if (status < 0) {
        end_peer(socket, status);
    } else {
        mr_connection_wrote(socket->connection, socket->queued);
        mr_socket_settle(socket);
    }
    mr_loop_leave(loop, MR_LABEL_CONNECTION_WRITE, started);
}

static void on_written(uv_write_t *write, int status)
{
    mr_socket_written(write->data, status);
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

void mr_socket_write(struct mr_socket *socket, struct iovec *runs, int count)
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
    socket->unacknowledged = mr_socket_unacknowledged(socket);
}

/* uv_buf_t is laid out as struct iovec on POSIX (libuv's documentation of uv_buf_t). */
_Static_assert(sizeof(uv_buf_t) == sizeof(struct iovec), "uv_buf_t is not an iovec");

static void settle_writing(struct mr_socket *socket)
{
    struct iovec runs[WRITE_RUNS];
    size_t left = write_share_left(socket);
    bool is_full = false; /* the kernel: libuv goes on when it takes more */
    while (!socket->writing && !mr_connection_is_finished(socket->connection)) {
        size_t total;
        int count = mr_connection_output(socket->connection, runs, WRITE_RUNS);
        if (count == 0) {
            mr_sending_begin(socket);
            return;
        }
        if (is_full) {
            mr_socket_write(socket, runs, count);
            return;
        }
        if (left == 0) {
            post_turn(socket);
            return;
        }
        unsigned limited = limit_runs(runs, count, left, &total);
        int written = uv_try_write(&socket->uv.stream, (uv_buf_t *)runs, limited);
        if (written < 0 && written != UV_EAGAIN) {
            mr_connection_reset(socket->connection);
        } else if (written <= 0 || (size_t)written < total) {
            is_full = true;
        } else {
            left -= (size_t)written;
        }
        if (written > 0) {
            socket->written_bytes += (size_t)written;
            socket->server->written += (size_t)written;
            mr_connection_wrote(socket->connection, (size_t)written);
        }
    }
}

/* ---- reading ---- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct mr_socket *socket = mr_from_context(handle->data, struct mr_socket, MR_SOCKET_MAGIC);
    struct mr_server *server = socket->server;
    /* A buffer of no bytes makes libuv end this read; epoll is level-triggered and reports the rest in the next turn.
     */
    size_t allowed = read_share_left(socket);
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
    struct mr_socket *socket = mr_from_context(stream->data, struct mr_socket, MR_SOCKET_MAGIC);
    if (count == 0 || count == UV_ENOBUFS)
        return;
    struct mr_loop *loop = socket->server->loop;
    uint64_t started = mr_loop_enter(loop);
    if (count > 0) {
        socket->read_bytes += (size_t)count;
        mr_connection_input(socket->connection, buf->base, (size_t)count);
        mr_socket_settle(socket);
    } else {
        socket->reading = false; /* libuv has stopped by itself */
        uv_read_stop(stream);
        end_peer(socket, (int)count);
    }
    mr_loop_leave(loop, MR_LABEL_CONNECTION_READ, started);
}

static void settle_reading(struct mr_socket *socket)
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
    struct mr_socket *socket = mr_container_of(node, struct mr_socket, turn_node);
    socket->turn_posted = false;
    if (socket->closing) {
        free_if_done(socket);
        return;
    }
    mr_connection_turn(socket->connection);
    mr_socket_settle(socket);
}

static void post_turn(struct mr_socket *socket)
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

static void settle_shutdown(struct mr_socket *socket)
{
    if (socket->shut || !mr_connection_wants_shutdown(socket->connection))
        return;
    socket->shut = true;
    if (uv_shutdown(&socket->shutdown, &socket->uv.stream, on_shut_down) != 0)
        mr_connection_reset(socket->connection);
}

void mr_socket_settle(struct mr_socket *socket)
{
    if (socket->closing)
        return;
    settle_writing(socket);
    settle_reading(socket);
    settle_shutdown(socket);
    if (mr_connection_is_finished(socket->connection)) {
        mr_socket_close(socket);
        return;
    }
    if (mr_connection_wants_turn(socket->connection))
        post_turn(socket);
    settle_timer(socket);
}

void mr_socket_changed(void *context)
{
    post_turn(mr_from_context(context, struct mr_socket, MR_SOCKET_MAGIC));
}
