/* DESIGN. What is in the page cache is read on the loop, into the server's buffer, and written at once: what the kernel
 * does not take is read again. When nothing is cached, or the kernel is full, a read by libuv's pool fills a buffer
 * that libuv then writes when it can. The read has a descriptor and memory of its own, so that a connection may end
 * before it does. */
#define _GNU_SOURCE 1 /* preadv2 */
#include "base/macros.h"
#include "http/http1/transport.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct mr_file_read {
    uv_fs_t read;
    uv_write_t write;
    struct mr_server *server;
    struct mr_socket *socket; /* NULL: it is closing */
    int fd;                   /* owned, -1 once it was read */
    char bytes[MR_STREAM_PUSH_MAX];
};

ssize_t mr_send_file_now(struct mr_socket *socket, const struct mr_buf_file *file, size_t max)
{
    char *buffer = socket->server->read_buffer;
    struct iovec run = {buffer, MR_MIN(MR_MIN(file->len, max), sizeof(socket->server->read_buffer))};
    ssize_t got = preadv2(file->fd, &run, 1, (off_t)file->offset, RWF_NOWAIT);
    if (got <= 0)
        return -1;
    uv_buf_t buf = uv_buf_init(buffer, (unsigned)got);
    int written = uv_try_write(&socket->uv.stream, &buf, 1);
    if (written < 0 && written != UV_EAGAIN)
        mr_connection_reset(socket->connection);
    return written > 0 ? written : 0;
}

static void end_read(struct mr_file_read *read)
{
    if (read->fd >= 0)
        close(read->fd);
    if (read->socket != NULL)
        read->socket->file_read = NULL;
    read->server->socket_count--;
    free(read);
}

static void on_file_written(uv_write_t *write, int status)
{
    struct mr_file_read *read = mr_container_of(write, struct mr_file_read, write);
    struct mr_socket *socket = read->socket;
    end_read(read);
    if (socket != NULL)
        mr_socket_written(socket, status);
}

static void write_bytes(struct mr_file_read *read, size_t len)
{
    struct mr_socket *socket = read->socket;
    uv_buf_t buf = uv_buf_init(read->bytes, (unsigned)len);
    socket->queued = len;
    int err = uv_write(&read->write, &socket->uv.stream, &buf, 1, on_file_written);
    if (err == 0) {
        socket->unacknowledged = mr_socket_unacknowledged(socket);
        return;
    }
    end_read(read);
    mr_socket_written(socket, err);
}

static void on_file_read(uv_fs_t *fs)
{
    struct mr_file_read *read = mr_container_of(fs, struct mr_file_read, read);
    struct mr_socket *socket = read->socket;
    struct mr_loop *loop = read->server->loop;
    uint64_t started = mr_loop_enter(loop);
    ssize_t got = fs->result;
    uv_fs_req_cleanup(fs);
    if (socket == NULL) {
        end_read(read);
    } else if (got > 0) {
        write_bytes(read, (size_t)got);
    } else {
        end_read(read); /* the file has become shorter, or the disk fails */
        mr_connection_cut(socket->connection, "file");
        mr_socket_written(socket, 0);
    }
    mr_loop_leave(loop, "file-read", started);
}

void mr_send_file_later(struct mr_socket *socket, const struct mr_buf_file *file)
{
    struct mr_file_read *read = malloc(sizeof(*read));
    int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
    if (read == NULL || fd < 0) {
        if (fd >= 0)
            close(fd);
        free(read);
        mr_connection_cut(socket->connection, "file");
        return;
    }
    read->server = socket->server;
    read->socket = socket;
    read->fd = fd;
    uv_buf_t buf = uv_buf_init(read->bytes, (unsigned)MR_MIN(file->len, sizeof(read->bytes)));
    socket->file_read = read;
    socket->writing = true;
    socket->queued = socket->unacknowledged = 0;
    read->server->socket_count++;
    uv_fs_read(mr_loop_uv(read->server->loop), &read->read, fd, &buf, 1, (int64_t)file->offset, on_file_read);
}

void mr_send_file_forget(struct mr_socket *socket)
{
    if (socket->file_read != NULL)
        socket->file_read->socket = NULL;
    socket->file_read = NULL;
}
