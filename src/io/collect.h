/* collect.h -- a request's body as one run of bytes: for stages that need the whole of it.
 *
 * A collector is the receiver of a stream (stream.h). It holds the body in memory up to a bound, and above it in an
 * unlinked temporary file ($TMPDIR, or /tmp), written on a file thread while the sender is told to pause. What it holds
 * in memory is taken from the budget as it comes; the budget being full in mid-body is a failure. A body of
 * known length has one allocation of just that size, and is read into it without a copy.
 *
 *      FILLING ----> COMPLETE              it fitted into memory
 *      FILLING ----> FLUSHING ----> COMPLETE   the rest is being written
 *      any     ----> OVER                  failed, aborted or destroyed
 *
 *                             the loop   any one thread, after complete()
 *   create, destroy, length      yes            -
 *   map, discard                 yes           yes        may block on the file: on a worker
 */
#ifndef MR_IO_COLLECT_H
#define MR_IO_COLLECT_H

#include "base/budget.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/stream.h"
#include "loop/loop.h"
#include <stdint.h>

#define MR_COLLECT_FIRST   64         /* bytes that are shown to first() */
#define MR_COLLECT_UNKNOWN UINT64_MAX /* the length was not announced */

struct mr_collect;

/* What the owner is told, on the loop. complete, failed and aborted are the last word: the collector may be destroyed
 * inside them, and first() must not destroy it. */
struct mr_collect_events {
    /* The first MR_COLLECT_FIRST bytes are there, or the whole body if it is shorter (it may be empty). MR_OK to go on;
     * an error with its fault ends the collecting with failed(). */
    int (*first)(void *context, struct mr_slice bytes, struct mr_fault *fault);
    void (*complete)(void *context);
    /* first() refused, a budget is full, the file cannot be written. The stream was cancelled. */
    void (*failed)(void *context, const struct mr_fault *why);
    /* The sender aborted. No response is needed: the client is gone, or has one. */
    void (*aborted)(void *context, const struct mr_fault *why);
};

struct mr_collect_config {
    struct mr_loop *loop;     /* borrowed, as all here: outlives the collector */
    struct mr_stream *stream; /* to which the caller attaches it, right after create */
    struct mr_budget *budget;
    struct mr_budget *disk; /* of temporary files; NULL: none */
    uint64_t memory_max;    /* bytes: larger bodies go to a file */
    uint64_t length;        /* announced, or MR_COLLECT_UNKNOWN */
    const struct mr_collect_events *events;
    void *context;
};

/* MR_OK, or with the fault filled: MR_EBUDGET (no room for a body of that length now), MR_EMEMORY. */
int mr_collect_create(struct mr_collect **out, const struct mr_collect_config *config, struct mr_fault *fault);
/* At any time. Everything is given back, now or when a write in flight has come back; clears *collect. The stream is
 * left as it is. */
void mr_collect_destroy(struct mr_collect **collect);

extern const struct mr_stream_receiver mr_collect_receiver; /* its context: the struct mr_collect */

/* Bytes collected so far. */
uint64_t mr_collect_length(const struct mr_collect *collect);
/* Is the body in memory, so that map() is cheap? */
bool mr_collect_in_memory(const struct mr_collect *collect);

/* The body, valid until discard or destroy. MR_OK or MR_EIO. */
int mr_collect_map(struct mr_collect *collect, struct mr_slice *out);
/* The bytes are not needed any more: memory, file and budget are given back. */
void mr_collect_discard(struct mr_collect *collect);

#endif
