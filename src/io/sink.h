/* sink.h -- a descriptor as the receiver of a stream (base/stream.h). What is pushed is written before push returns:
 * the loop waits for the reader, as nothing else waits for the loop of a command, while the workers go on with the
 * pieces that they have. Blocking descriptors or not. The loop's thread only. */
#ifndef MR_IO_SINK_H
#define MR_IO_SINK_H

#include "base/stream.h"

struct mr_sink_events { /* exactly one is called, and nothing after it */
    void (*done)(void *context);
    /* The stream was aborted, writing failed (MR_EIO) or its reader is gone (MR_EGONE). */
    void (*failed)(void *context, const struct mr_fault *why);
};

struct mr_sink {
    uint32_t magic;
    int fd;
    const struct mr_sink_events *events; /* borrowed */
    void *context;
    struct mr_stream *stream;
    uint64_t bytes; /* read-only: written so far */
};

/* Become the receiver of `stream`, which is borrowed. fd: taken over; it is closed before done(), as some file systems
 * say only then that there was no room. */
void mr_sink_attach(struct mr_sink *sink, int fd, struct mr_stream *stream, const struct mr_sink_events *events,
                    void *context);

#endif
