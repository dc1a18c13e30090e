#include "io/sink.h"
#include "base/magic.h"
#include "io/disk.h"
#include <errno.h>

#define SINK_MAGIC 0x73696e6bu /* "sink" */

static void sink_fail(struct mr_sink *sink, const struct mr_disk_failure *failure)
{
    struct mr_fault fault;
    if (failure->error_number == EPIPE)
        mr_fault_set(&fault, MR_EGONE, NULL);
    else
        mr_disk_fault(&fault, failure, "standard output");
    mr_stream_cancel(sink->stream, &fault);
    sink->events->failed(sink->context, &fault);
}

static enum mr_flow sink_on_push(void *context, const void *bytes, size_t len)
{
    struct mr_sink *sink = mr_from_context(context, struct mr_sink, SINK_MAGIC);
    struct mr_disk_failure failure;
    if (mr_disk_send(sink->fd, bytes, len, &failure) != MR_OK) {
        sink_fail(sink, &failure);
        return MR_FLOW_PAUSE;
    }
    sink->bytes += len;
    return MR_FLOW_MORE;
}

static void sink_on_end(void *context)
{
    struct mr_sink *sink = mr_from_context(context, struct mr_sink, SINK_MAGIC);
    struct mr_disk_failure failure;
    if (mr_disk_close(&sink->fd, &failure) != MR_OK)
        sink_fail(sink, &failure);
    else
        sink->events->done(sink->context);
}

static void sink_on_abort(void *context, const struct mr_fault *why)
{
    struct mr_sink *sink = mr_from_context(context, struct mr_sink, SINK_MAGIC);
    sink->events->failed(sink->context, why);
}

static const struct mr_stream_receiver receiver = {.push = sink_on_push, .end = sink_on_end, .abort = sink_on_abort};

void mr_sink_attach(struct mr_sink *sink, int fd, struct mr_stream *stream, const struct mr_sink_events *events,
                    void *context)
{
    *sink = (struct mr_sink){.magic = SINK_MAGIC, .fd = fd, .events = events, .context = context, .stream = stream};
    mr_stream_attach_receiver(stream, &receiver, sink);
}
