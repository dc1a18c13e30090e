#include "io/sink.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void wait_until_writable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    poll(&wait, 1, -1);
}

/* 0, or an errno. */
static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written >= 0) {
            bytes += written;
            len -= (size_t)written;
        } else if (errno == EAGAIN) {
            wait_until_writable(fd);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static void fail(struct mr_sink *sink, int write_errno)
{
    struct mr_fault fault;
    if (write_errno == EPIPE)
        mr_fault_set(&fault, MR_EGONE, NULL);
    else
        mr_fault_set(&fault, MR_EIO, "standard output: %s", strerror(write_errno));
    mr_stream_cancel(sink->stream, &fault);
    sink->events->failed(sink->context, &fault);
}

static enum mr_flow on_push(void *context, const void *bytes, size_t len)
{
    struct mr_sink *sink = context;
    int write_errno = write_all(sink->fd, bytes, len);
    if (write_errno != 0) {
        fail(sink, write_errno);
        return MR_FLOW_PAUSE;
    }
    sink->bytes += len;
    return MR_FLOW_MORE;
}

static void on_end(void *context)
{
    struct mr_sink *sink = context;
    if (close(sink->fd) != 0 && errno != EINTR)
        fail(sink, errno);
    else
        sink->events->done(sink->context);
}

static void on_abort(void *context, const struct mr_fault *why)
{
    struct mr_sink *sink = context;
    sink->events->failed(sink->context, why);
}

static const struct mr_stream_receiver receiver = {.push = on_push, .end = on_end, .abort = on_abort};

void mr_sink_attach(struct mr_sink *sink, int fd, struct mr_stream *stream, const struct mr_sink_events *events,
                    void *context)
{
    *sink = (struct mr_sink){.fd = fd, .events = events, .context = context, .stream = stream};
    mr_stream_attach_receiver(stream, &receiver, sink);
}
