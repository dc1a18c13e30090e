/* chunk.h -- one chunk of a stream on its way through a stage (media/stage.h): a piece, its job, and what came of it.
 * And what all chunks of one stream have in common: the stage, the workers, the account of their memory, the first
 * fault.
 *
 * A chunk that the full queue refuses, that waited past its deadline, or that the budget has no room for now, is
 * CHUNK_WAITING: its owner submits it again when chunks->retry_due says that there may be room. What goes wrong is
 * noted once, in chunks->fault, and nothing is submitted from then on; the owner looks at chunks->is_failed after each
 * call.
 *
 * Everything here is called on the loop. */
#ifndef MR_PIPE_CHUNK_H
#define MR_PIPE_CHUNK_H

#include "base/budget.h"
#include "loop/timer.h"
#include "media/stage.h"
#include "workers/offload.h"

/* Memory that fills with bytes. It is allocated at once, which touches nothing, and charged to the budget as it fills.
 */
struct mr_room {
    unsigned char *bytes; /* owned; NULL: none */
    size_t size, charged;
};

/* Bytes of a result on their way out. While a job writes them all of the room is charged, else what was ever touched.
 */
struct mr_result {
    struct mr_room room;
    size_t touched, len, passed;
};

struct mr_chunk {
    struct mr_job job;
    struct mr_chunks *chunks;
    int (*call)(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault);
    struct mr_stage_piece piece; /* submit sets its output */
    struct mr_result *result;    /* where that goes */
    size_t out_size;             /* bytes that it needs */
    bool wants_memory;           /* CHUNK_WAITING: for that, and not for a place in the queue */
    enum { CHUNK_IDLE, CHUNK_WAITING, CHUNK_RUNNING, CHUNK_BACK, CHUNK_JOINED } state;
    int err; /* valid in CHUNK_BACK, as the fault is */
    struct mr_fault fault;
};

struct mr_chunks {
    /* Set by the owner before init. */
    struct mr_loop *loop; /* borrowed, as all here */
    struct mr_offload *offload;
    struct mr_budget *budget;
    struct mr_histogram *run_time;
    _Atomic uint64_t *failed, *refused;
    uint64_t patience_ns;
    const struct mr_stage_ops *ops;
    void *stage;
    /* A chunk came back, as CHUNK_BACK or CHUNK_WAITING; NULL: the time to try those again that wait. The chunks may be
     * gone in it. */
    void (*wake)(struct mr_chunks *chunks, struct mr_chunk *back);
    void (*hold)(void *context); /* or NULL: a job went to the workers, and none was there. See mr_chunks_are_back */
    void *context;               /* of hold */

    /* Read-only. */
    struct mr_stage_sizes sizes;
    unsigned jobs;             /* with the offload */
    bool retry_due;            /* something came back: there may be room. The owner's to clear */
    bool is_failed;            /* with `fault` */
    struct mr_fault fault;     /* the first */
    uint64_t runs;             /* jobs that came back done: from the first on others may wait for memory */
    uint64_t work_ns, wait_ns; /* of all of these: that they ran, that they waited for a worker */

    /* Private. */
    uint64_t charged;       /* bytes taken from the budget, for rooms */
    uint64_t work_charged;  /* the same, for what work() itself uses */
    uint64_t waiting_since; /* when the budget had no room for a chunk; 0: it had */
    bool is_held;           /* hold() was called, and they are not back yet */
    struct mr_timer retry;  /* for chunks that wait while none of ours is in flight */
};

void mr_chunks_init(struct mr_chunks *chunks);
/* No job is out, and all memory was given back: drops the timer, and what work() kept. */
void mr_chunks_clear(struct mr_chunks *chunks);
/* Nothing is wanted any more: no retry. Jobs that are out are cancelled by their owners. */
void mr_chunks_stop(struct mr_chunks *chunks);

/* An empty room of that size. False: malloc failed, and so did the chunks. */
bool mr_room_open(struct mr_chunks *chunks, struct mr_room *room, size_t size);
/* Charge its first `len` bytes, before they are touched. is_pressed: nothing of the stream is under way, so that it
 * cannot go on without: it may use what the budget keeps for such streams. False: the budget has no room for them now.
 */
bool mr_room_charge(struct mr_chunks *chunks, struct mr_room *room, size_t len, bool is_pressed);
/* Free it, if there is one, and give back what it was charged. */
void mr_room_close(struct mr_chunks *chunks, struct mr_room *room);
/* The room goes to another owner, which gives back to the budget what it was charged; or it comes back from there. */
void mr_room_leave(struct mr_chunks *chunks, const struct mr_room *room);
void mr_room_return(struct mr_chunks *chunks, const struct mr_room *room);
void mr_result_close(struct mr_chunks *chunks, struct mr_result *result);

/* There was no room in the budget for `wanted` bytes, and nothing of the stream is under way that would bring some:
 * wake() is called to try again, or the chunks fail when it was tried for patience_ns, or when nothing was passed on
 * yet. */
void mr_chunks_wait_for_memory(struct mr_chunks *chunks, size_t wanted);
/* Memory that is kept for later use is better given back. */
bool mr_chunks_are_tight(const struct mr_chunks *chunks);

/* Note the fault, unless there is one already. */
void mr_chunks_fail(struct mr_chunks *chunks, const struct mr_fault *why);
/* Fill *fault for want of `wanted` bytes in the budget, with the time to try again, and return MR_EBUDGET. */
int mr_chunks_refuse_for_memory(struct mr_chunks *chunks, size_t wanted, struct mr_fault *fault);
void mr_chunks_fail_for_memory(struct mr_chunks *chunks, size_t wanted);

/* Hand the chunk to the workers. It is CHUNK_RUNNING then, or CHUNK_WAITING, or chunks->is_failed. */
void mr_chunk_submit(struct mr_chunks *chunks, struct mr_chunk *chunk, enum mr_lane lane);
/* If it is out. It still comes back. */
void mr_chunk_cancel(struct mr_chunk *chunk);
/* At the end of wake(): hold() was called before, and no job is out any more. The owner reports this as its last step,
 * as the chunks may be gone in it. */
bool mr_chunks_are_back(struct mr_chunks *chunks);

#endif
