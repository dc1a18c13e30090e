/* transform.h -- one stage (media/stage.h) at work on one stream: cuts what comes in into pieces, has the workers do
 * them, several at once where the stage allows it, and passes the results on in the order of the input.
 *
 *      in (stream.h)  --->  pieces  --->  jobs on the workers  --->  results in order  --->  out (stream.h)
 *
 * A window of pieces is in flight. When it is full the sender of `in` is paused; when the receiver of `out` pauses, the
 * window fills. So a stream of any length holds a constant amount of memory, which is taken from the budget before it
 * is touched. Pieces go to the bulk lane: a client that waits for an image does not wait for a long stream. Where the
 * budget has no room for the first piece the stream is refused; later pieces wait for it, at most for patience_ns.
 *
 * Ends, each told at most once: the input ended and everything was passed on: `out` ends. The stage fails, memory is
 * refused, the server shuts down: `in` is cancelled and `out` aborted, with the fault. `in` was aborted or `out`
 * cancelled: passed on. Jobs in flight are cancelled then, and their results are dropped.
 *
 * Everything here is called on the loop. */
#ifndef MR_PIPE_TRANSFORM_H
#define MR_PIPE_TRANSFORM_H

#include "base/budget.h"
#include "base/stream.h"
#include "media/stage.h"
#include "workers/offload.h"

#define MR_TRANSFORM_UNKNOWN UINT64_MAX /* the length of the input was not announced */

struct mr_transform;

struct mr_transform_config {
    struct mr_loop *loop; /* borrowed, as all here; outlives the transform and its jobs */
    struct mr_offload *offload;
    struct mr_budget *budget;
    struct mr_histogram *run_time; /* or NULL: where `loop` records how long jobs ran (ns) */
    _Atomic uint64_t *failed;      /* or NULL: counts jobs that found that it cannot be done */
    _Atomic uint64_t *refused;     /* or NULL: counts streams that were refused for want of memory */
    uint64_t patience_ns;          /* longest wait of a piece for memory; 0: no bound */
    unsigned window;               /* pieces in flight at most; 2 or more */
    size_t window_memory;          /* bytes of pieces and results in flight at most, but for 4 of them; 0: no bound */
    struct mr_stream *in;
    uint64_t length;                /* of the input, or MR_TRANSFORM_UNKNOWN */
    const struct mr_stage_ops *ops; /* static */
    void *stage;                    /* taken over, also when create fails: destroyed with the transform */
    void (*hold)(void *context);    /* or NULL: the first job went to the workers */
    void (*release)(void *context); /* or NULL: none is there any more. The transform may be gone in it */
    void *context;
};

/* MR_OK, or with the fault filled: MR_EBUDGET (with the time to try again), MR_EMEMORY. */
int mr_transform_create(struct mr_transform **out, const struct mr_transform_config *config, struct mr_fault *fault);
/* At any time, also from inside its callbacks; clears *transform. Frees it now or when its jobs came back. Neither
 * stream hears of it: they must be closed, or not attached. */
void mr_transform_destroy(struct mr_transform **transform);

/* Become the receiver of `in`. */
void mr_transform_attach(struct mr_transform *transform);
/* Where the result comes out: the caller attaches its receiver, before or after attach(). */
struct mr_stream *mr_transform_out(struct mr_transform *transform);

/* Bytes that come out in all, when that is known already (a short input, done in one piece), else
 * MR_TRANSFORM_UNKNOWN. Worth asking at the first push from `out`. */
uint64_t mr_transform_out_length(const struct mr_transform *transform);

/* Of all its jobs so far: ns that they ran, and that they waited for a worker. */
uint64_t mr_transform_work_ns(const struct mr_transform *transform);
uint64_t mr_transform_wait_ns(const struct mr_transform *transform);

#endif
