/* stream.h -- bytes on their way from a sender to a receiver: the one joint between HTTP bodies, stages, the command
 * line and the store.
 *
 * Down the stream go push (some bytes), end (that was all, in good order) and abort (there will be no more, and what
 * came is not whole). Up the stream go resume (after a pause, give more) and cancel (the receiver wants no more).
 *
 *      sender --push, end, abort--> receiver
 *      sender <--resume, cancel---- receiver
 *
 * Rules, asserted:
 *  1. One thread: everything happens on the loop (or thread) that owns both sides.
 *  2. push takes all bytes it is given, by copy or by use; the bytes are the sender's again when it returns. With
 *     push_ref they are the receiver's to read until it calls release(owner), once and on this thread: perhaps before
 *     push_ref returns, perhaps long after the stream has closed. The sender does not push from inside release. A
 *     receiver that has no push_ref is given a push, so a sender need not ask. push_file is a push_ref to a receiver
 *     that has it (mr_stream_takes_file); the span may be of any length, as it takes no memory.
 *  3. The receiver answers a push with MR_FLOW_MORE or MR_FLOW_PAUSE. After PAUSE the sender stops until resume, but
 *     may first push the rest of what it had already read, at most MR_STREAM_PUSH_MAX: the receiver's bound allows it.
 *     A pause lasts until the receiver calls resume: until then pushes are answered PAUSE, whatever the receiver says.
 *     A resume from inside push ends an earlier pause without calling the sender; what that push answers, the newer
 *     word, then counts. So the sender is never called from inside its own push, except by cancel.
 *  4. end, abort and cancel are final: after one of them neither side hears of the other again. Each side hears of at
 *     most one of them, and never of its own.
 *  5. Any of the functions may be called from inside any callback of the same stream; a callback may free its side's
 *     context only after a final event. Not so: a push or an end from inside push. The struct itself lives until
 *     the outermost call on it has returned.
 */
#ifndef MR_BASE_STREAM_H
#define MR_BASE_STREAM_H

#include "base/error.h"
#include "base/file_span.h"
#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>

/* One read's worth: bytes that are pushed at a time at most, and so what may still come after a pause. */
#define MR_STREAM_PUSH_MAX (64 * MR_KIB)

enum mr_flow { MR_FLOW_MORE, MR_FLOW_PAUSE };

struct mr_stream_receiver {
    enum mr_flow (*push)(void *context, const void *bytes, size_t len); /* len > 0 */
    void (*end)(void *context);
    void (*abort)(void *context, const struct mr_fault *why); /* why: valid during the call */
    /* Optional (NULL): where the sender may put the next bytes itself, to save a copy: at least *len bytes are wanted,
     * *len becomes what there is. NULL: no place; push bytes from anywhere. A push of bytes that start at the place
     * last given copies nothing. The place holds until the sender returns to the loop; one that fills it later, as
     * source.h does, must know that its receiver keeps it until then: transforms and collectors do. */
    void *(*get_buffer)(void *context, size_t *len);
    /* Optional (NULL: push and release): a push of bytes that need not be copied, see rule 2. */
    enum mr_flow (*push_ref)(void *context, const void *bytes, size_t len, void (*release)(void *owner), void *owner);
    /* Optional (NULL: it takes none): a push of bytes that lie in a file. */
    enum mr_flow (*push_file)(void *context, struct mr_file_span span, mr_file_span_release *release, void *owner);
};

struct mr_stream_sender {
    void (*resume)(void *context);
    void (*cancel)(void *context, const struct mr_fault *why);
};

enum mr_stream_state { MR_STREAM_IDLE, MR_STREAM_FLOWING, MR_STREAM_PAUSED, MR_STREAM_CLOSED };

struct mr_stream {
    const struct mr_stream_receiver *receiver; /* private, as all below; set by the open functions */
    const struct mr_stream_sender *sender;
    void *receiver_context; /* borrowed */
    void *sender_context;   /* borrowed */
    enum mr_stream_state state;
    bool pushing; /* inside the receiver's push */
};

/* A joint with no sides yet. Zeroed memory is the same. */
void mr_stream_init(struct mr_stream *stream);
/* Each side attaches itself once; bytes flow once both have. A sender may attach long before the receiver: it is
 * resumed from inside attach_receiver, and before that may abort but neither push nor end. Who attaches to a stream
 * that is closed already hears nothing: ask mr_stream_is_closed(). */
void mr_stream_attach_sender(struct mr_stream *stream, const struct mr_stream_sender *sender, void *context);
void mr_stream_attach_receiver(struct mr_stream *stream, const struct mr_stream_receiver *receiver, void *context);

/* The sender's side. After PAUSE or once the stream is closed, pushing nothing is right; pushing into a closed stream
 * is dropped and answered with PAUSE. */
enum mr_flow mr_stream_push(struct mr_stream *stream, const void *bytes, size_t len);
/* The same, and the bytes stay as they are until release(owner) is called, which it is in any case. */
enum mr_flow mr_stream_push_ref(struct mr_stream *stream, const void *bytes, size_t len, void (*release)(void *owner),
                                void *owner);
/* The same with bytes that lie in a file, to a receiver that takes them so. */
enum mr_flow mr_stream_push_file(struct mr_stream *stream, struct mr_file_span span, mr_file_span_release *release,
                                 void *owner);
void mr_stream_end(struct mr_stream *stream);
void mr_stream_abort(struct mr_stream *stream, const struct mr_fault *why);
void *mr_stream_space(struct mr_stream *stream, size_t *len);

/* The receiver's side. */
void mr_stream_resume(struct mr_stream *stream); /* ignored unless paused */
void mr_stream_cancel(struct mr_stream *stream, const struct mr_fault *why);

static inline bool mr_stream_is_closed(const struct mr_stream *stream)
{
    return stream->state == MR_STREAM_CLOSED;
}

/* Is there a receiver that may keep bytes (push_ref), rather than copy them? */
static inline bool mr_stream_takes_ref(const struct mr_stream *stream)
{
    return stream->receiver != NULL && stream->receiver->push_ref != NULL;
}

/* Is there a receiver that takes bytes as a part of a file? */
static inline bool mr_stream_takes_file(const struct mr_stream *stream)
{
    return stream->receiver != NULL && stream->receiver->push_file != NULL;
}

/* Both sides are there and no final event was. */
static inline bool mr_stream_is_open(const struct mr_stream *stream)
{
    return stream->state == MR_STREAM_FLOWING || stream->state == MR_STREAM_PAUSED;
}

#endif
