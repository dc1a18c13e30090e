#include "base/stream.h"
#include "base/assert.h"

void mr_stream_init(struct mr_stream *stream)
{
    *stream = (struct mr_stream){0};
}

static void open_when_whole(struct mr_stream *stream)
{
    if (stream->state == MR_STREAM_IDLE && stream->sender != NULL && stream->receiver != NULL)
        stream->state = MR_STREAM_FLOWING;
}

void mr_stream_attach_sender(struct mr_stream *stream, const struct mr_stream_sender *sender, void *context)
{
    MR_ASSERT(stream->sender == NULL);
    MR_ASSERT(sender->resume != NULL && sender->cancel != NULL);
    stream->sender = sender;
    stream->sender_context = context;
    open_when_whole(stream);
}

void mr_stream_attach_receiver(struct mr_stream *stream, const struct mr_stream_receiver *receiver, void *context)
{
    MR_ASSERT(stream->receiver == NULL);
    MR_ASSERT(receiver->push != NULL && receiver->end != NULL && receiver->abort != NULL);
    stream->receiver = receiver;
    stream->receiver_context = context;
    open_when_whole(stream);
    if (stream->state == MR_STREAM_FLOWING)
        stream->sender->resume(stream->sender_context);
}

static void begin_push(struct mr_stream *stream, size_t len)
{
    MR_ASSERT(len > 0);
    MR_ASSERT(stream->state != MR_STREAM_IDLE); /* there is nobody to take the bytes */
    MR_ASSERT(!stream->pushing);                /* the inner bytes would overtake the outer ones */
    stream->pushing = stream->state != MR_STREAM_CLOSED;
}

static enum mr_flow end_push(struct mr_stream *stream, enum mr_flow flow)
{
    stream->pushing = false;
    if (flow == MR_FLOW_PAUSE && stream->state == MR_STREAM_FLOWING)
        stream->state = MR_STREAM_PAUSED;
    return stream->state == MR_STREAM_FLOWING ? MR_FLOW_MORE : MR_FLOW_PAUSE;
}

enum mr_flow mr_stream_push(struct mr_stream *stream, const void *bytes, size_t len)
{
    begin_push(stream, len);
    if (!stream->pushing)
        return MR_FLOW_PAUSE;
    return end_push(stream, stream->receiver->push(stream->receiver_context, bytes, len));
}

enum mr_flow mr_stream_push_ref(struct mr_stream *stream, const void *bytes, size_t len, void (*release)(void *owner),
                                void *owner)
{
    begin_push(stream, len);
    if (stream->pushing && stream->receiver->push_ref != NULL)
        return end_push(stream, stream->receiver->push_ref(stream->receiver_context, bytes, len, release, owner));
    enum mr_flow flow = MR_FLOW_PAUSE;
    if (stream->pushing)
        flow = end_push(stream, stream->receiver->push(stream->receiver_context, bytes, len));
    release(owner);
    return flow;
}

enum mr_flow mr_stream_push_file(struct mr_stream *stream, struct mr_file_span span, mr_file_span_release *release,
                                 void *owner)
{
    MR_ASSERT(mr_stream_takes_file(stream));
    begin_push(stream, (size_t)span.len);
    if (stream->pushing)
        return end_push(stream, stream->receiver->push_file(stream->receiver_context, span, release, owner));
    release(owner, 0);
    return MR_FLOW_PAUSE;
}

void mr_stream_end(struct mr_stream *stream)
{
    MR_ASSERT(stream->state != MR_STREAM_IDLE);
    MR_ASSERT(!stream->pushing);
    if (!mr_stream_is_open(stream))
        return;
    stream->state = MR_STREAM_CLOSED;
    stream->receiver->end(stream->receiver_context);
}

void mr_stream_abort(struct mr_stream *stream, const struct mr_fault *why)
{
    MR_ASSERT(why != NULL && why->error < 0);
    if (stream->state == MR_STREAM_CLOSED)
        return;
    stream->state = MR_STREAM_CLOSED;
    if (stream->receiver != NULL)
        stream->receiver->abort(stream->receiver_context, why);
}

void *mr_stream_space(struct mr_stream *stream, size_t *len)
{
    if (!mr_stream_is_open(stream) || stream->receiver->get_buffer == NULL)
        return NULL;
    size_t wanted = *len;
    void *place = stream->receiver->get_buffer(stream->receiver_context, len);
    MR_ASSERT(place == NULL || *len >= wanted);
    return place;
}

void mr_stream_resume(struct mr_stream *stream)
{
    if (stream->state != MR_STREAM_PAUSED)
        return;
    stream->state = MR_STREAM_FLOWING;
    /* From inside a push the sender is told by what that push returns: a call now would find it in the middle of it. */
    if (!stream->pushing)
        stream->sender->resume(stream->sender_context);
}

void mr_stream_cancel(struct mr_stream *stream, const struct mr_fault *why)
{
    MR_ASSERT(why != NULL && why->error < 0);
    if (stream->state == MR_STREAM_CLOSED)
        return;
    stream->state = MR_STREAM_CLOSED;
    if (stream->sender != NULL)
        stream->sender->cancel(stream->sender_context, why);
}
