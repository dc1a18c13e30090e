/* DESIGN. Bytes that lie in a file go to the socket by sendfile(2), on a thread that may wait for the disk: whether the
 * kernel has them in its cache cannot be known for sure, and the loop is not to find out. The loop hears of it, as of a
 * write, when the socket takes no more or SPAN_MAX are sent. When the socket takes no more, the thread has read a few
 * of the next bytes, which libuv then writes, since libuv waits for a socket only with something to write; then it is
 * the thread's turn again. A file that cannot be read fails there, too, and the connection is cut.
 *
 * A socket that is closed meanwhile stays open until the thread is back, and so do the file (mr_buf_share_file) and the
 * thread's memory. */
#include "base/macros.h"
#include "http/http1/transport.h"
#include "http/problem.h"
#include "io/file.h"
#include <errno.h>
#include <stdlib.h>

#define SPAN_MAX (512 * MR_KIB) /* of a trip: some hundred microseconds */
#define REST_MAX (16 * MR_KIB)  /* read for libuv to write */

struct mr_sending {
    struct mr_file_request request;
    struct mr_socket *socket;
    struct mr_buf_segment *file; /* shared, while it is under way */
    struct mr_file_span span;
    int fd;            /* the socket's */
    size_t sent, rest; /* rest: bytes in `bytes` that follow */
    char bytes[REST_MAX];
};

static int work_send(struct mr_file_request *request)
{
    struct mr_sending *sending = mr_container_of(request, struct mr_sending, request);
    const struct mr_file_span *span = &sending->span;
    size_t len = (size_t)MR_MIN(span->len, (uint64_t)SPAN_MAX);
    sending->sent = mr_disk_send_file(sending->fd, span->fd, span->offset, len);
    size_t next = MR_MIN(len - sending->sent, (size_t)REST_MAX);
    return mr_disk_read(span->fd, sending->bytes, next, span->offset + sending->sent, &sending->rest,
                        &request->failure);
}

/* Why the file could not be read; 0: it could. */
static int read_error(const struct mr_sending *sending)
{
    if (sending->request.err != MR_OK)
        return sending->request.failure.error_number;
    bool is_over = sending->rest == 0 && sending->sent < MR_MIN(sending->span.len, (uint64_t)SPAN_MAX);
    return is_over ? ENODATA : 0;
}

static void note_sent(struct mr_sending *sending, int error_number)
{
    struct mr_socket *socket = sending->socket;
    struct mr_connection *connection = socket->connection;
    if (sending->sent > 0)
        mr_connection_wrote(connection, sending->sent);
    if (mr_connection_is_finished(connection))
        return;
    if (error_number != 0) {
        mr_connection_cut(connection, mr_problem_type(MR_EIO));
    } else if (sending->rest > 0) {
        struct iovec run = {.iov_base = sending->bytes, .iov_len = sending->rest};
        mr_socket_write(socket, &run, 1);
    }
}

static void on_sent(struct mr_file_request *request)
{
    struct mr_sending *sending = mr_container_of(request, struct mr_sending, request);
    struct mr_socket *socket = sending->socket;
    int error_number = read_error(sending);
    mr_buf_return_file(sending->file, error_number);
    sending->file = NULL;
    socket->writing = false;
    if (socket->closing) {
        mr_socket_closed_meanwhile(socket);
        return;
    }
    note_sent(sending, error_number);
    mr_socket_settle(socket);
}

bool mr_sending_is_under_way(const struct mr_sending *sending)
{
    return sending != NULL && !mr_file_is_idle(&sending->request);
}

static struct mr_sending *sending_of(struct mr_socket *socket)
{
    if (socket->sending != NULL)
        return socket->sending;
    struct mr_sending *sending = socket->sending = malloc(sizeof(*sending));
    MR_ASSERT(sending != NULL);
    sending->socket = socket;
    mr_file_init(&sending->request, socket->server->loop, MR_LABEL_CONNECTION_WRITE, on_sent);
    return sending;
}

void mr_sending_begin(struct mr_socket *socket)
{
    struct mr_file_span span;
    struct mr_buf_segment *file = mr_connection_output_file(socket->connection, &span);
    if (file == NULL) {
        free(socket->sending); /* an idle connection has none */
        socket->sending = NULL;
        return;
    }
    struct mr_sending *sending = sending_of(socket);
    sending->file = file;
    sending->span = span;
    uv_fileno(&socket->uv.handle, &sending->fd);
    socket->writing = true;
    mr_file_send(&sending->request, work_send);
}
