/* transform_internal.h -- what the files of the transform share; nobody else includes it.
 *
 *   transform.c   the streams on both sides, the order of the output, the end
 *   window.c       pieces side by side: a PARALLEL stage that is open
 *   serial.c        one job at a time: opening a stage, a SEQUENTIAL one, a short input in one piece */
#ifndef MR_PIPE_TRANSFORM_INTERNAL_H
#define MR_PIPE_TRANSFORM_INTERNAL_H

#include "base/buf.h"
#include "base/macros.h"
#include "loop/timer.h"
#include "pipe/transform.h"

/* Bytes of a result on their way out. */
struct mr_result {
    unsigned char *bytes; /* owned */
    size_t size, len, passed;
};

/* The bytes of a result that the receiver of `out` keeps. It outlives the transform if it must. */
struct mr_loan {
    struct mr_transform *transform; /* NULL: it has gone */
    struct mr_loan *next;           /* in transform->away */
    struct mr_budget *budget;       /* borrowed */
    unsigned char *bytes;           /* owned, once it is away */
    size_t size;
    unsigned parts; /* that the receiver keeps, and one while the result is passed on */
};

/* One piece and its job. */
struct mr_chunk {
    struct mr_job job;
    struct mr_transform *transform;
    int (*call)(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault);
    struct mr_stage_piece piece;
    enum { JOB_IDLE, JOB_WAITING, JOB_RUNNING, JOB_BACK, JOB_JOINED } state; /* WAITING: the queue was full */
    int err;
    struct mr_fault fault;
};

struct mr_slot { /* window.c */
    struct mr_chunk work;
    unsigned char *in; /* owned: history, then the piece */
    size_t before_len, in_len;
    struct mr_result result;
};

struct mr_serial { /* serial.c */
    struct mr_chunk work;
    unsigned char *in; /* owned: input that was not used yet, in one run */
    size_t in_len, in_size;
    struct mr_result results[2]; /* one is passed on while the next is made */
    unsigned made, passed;       /* results so far: the next one is made in results[made % 2] */
    uint64_t made_len;           /* bytes in them */
    bool starving;               /* the stage wants more input than there was */
    bool full;                   /* the stage has more output for the input there was */
    bool ended;                  /* the stage has said all */
};

enum mr_transform_state {
    TRANSFORM_OPENING,   /* serial: ops->open */
    TRANSFORM_GATHERING, /* is the input short enough to be one piece? */
    TRANSFORM_WHOLE,     /* it is: serial */
    TRANSFORM_WINDOW,    /* pieces side by side */
    TRANSFORM_SERIAL,    /* a SEQUENTIAL stage */
    TRANSFORM_OVER,
};

struct mr_transform {
    struct mr_transform_config config;
    enum mr_transform_state state;
    struct mr_stage_sizes sizes;
    struct mr_stream *in; /* borrowed; NULL: not attached */
    struct mr_stream out;
    struct mr_buf backlog; /* input that has no place yet: backlog_max bytes, which are charged from the beginning */
    size_t backlog_max;
    bool paused;               /* the sender of `in` was told to wait */
    bool blocked;              /* the receiver of `out` said so */
    bool in_ended;             /* the input is all there */
    bool finished;             /* ops->finish was called: its result is the last */
    struct mr_result last;     /* of finish */
    struct mr_result *lending; /* the result that is being passed on by reference, and its loan; or NULL */
    struct mr_loan *loan;
    struct mr_loan *away; /* the receiver still keeps bytes of results that were passed on */
    unsigned char *spare; /* owned, of spare_size: takes the place of a result that goes away */
    size_t spare_size;
    struct mr_slot *slots;   /* [config.window] */
    uint64_t filled, joined; /* slots so far: filled - joined of them are in use */
    struct mr_serial serial;
    uint64_t charged;       /* bytes taken from the budget, for what lies in memory that is ours */
    uint64_t work_charged;  /* the same, for what work() itself uses */
    uint64_t waiting_since; /* when the budget had no room for a piece; 0: it had */
    bool has_run;           /* a job of ours came back done: from then on others may wait for memory */
    unsigned jobs;          /* of ours, with the offload */
    bool is_held;           /* config.hold was called, config.release not yet */
    bool retry_due;         /* something came back: there may be room in the queue */
    bool slots_ended;       /* the last slot was dispatched */
    struct mr_timer retry;  /* for jobs that were refused while none of ours was in flight */
    unsigned entered;       /* calls on the stack that still use the transform */
    bool destroyed;
    uint64_t work_ns, wait_ns, out_length;
};

/* transform.c */

/* Memory within the budget, counted in transform->charged; NULL: there is none now. */
void *mr_transform_take(struct mr_transform *transform, size_t size);
void mr_transform_give_back(struct mr_transform *transform, void *memory, size_t size);
/* The stream cannot go on: tell both sides. */
void mr_transform_fail(struct mr_transform *transform, const struct mr_fault *why);
/* The same for want of `wanted` bytes in the budget, with the time to try again. */
void mr_transform_fail_for_memory(struct mr_transform *transform, size_t wanted);
/* Hand the piece to the workers, in `lane`; when it comes back mr_window_back() or mr_serial_back() is called. */
void mr_transform_submit(struct mr_transform *transform, struct mr_chunk *work, enum mr_lane lane);
/* Pass on what is left of the result. True: all of it. */
bool mr_transform_pass(struct mr_transform *transform, struct mr_result *result);
/* After the last join: what the stage adds, once. MR_OK, or the transform has failed. */
int mr_transform_make_last(struct mr_transform *transform);
/* Copy up to `len` bytes of the backlog to `to`, and drop them there. */
size_t mr_transform_unload(struct mr_transform *transform, unsigned char *to, size_t len);

/* window.c */

/* Take from bytes what fits into the window now. Returns how much. */
size_t mr_window_take(struct mr_transform *transform, const unsigned char *bytes, size_t len);
/* Where the next bytes may be put by the sender itself; NULL: nowhere. */
void *mr_window_space(struct mr_transform *transform, size_t *len);
bool mr_window_have_room(struct mr_transform *transform);
/* The input ended, and all of it is in slots. False: there is no slot for an empty input. */
bool mr_window_end(struct mr_transform *transform);
/* Tie together and pass on what is next in order. True: nothing is left in the slots. */
bool mr_window_pass(struct mr_transform *transform);
/* A result's memory, once all slots are free. */
void mr_window_give_result(struct mr_transform *transform, struct mr_result *out);
void mr_window_retry(struct mr_transform *transform);
void mr_window_cancel(struct mr_transform *transform);
void mr_window_free(struct mr_transform *transform);

/* serial.c */

/* Start the next job if there is something to do for it. */
void mr_serial_step(struct mr_transform *transform);
/* In which state a stage goes on that is open (or needs no opening). */
enum mr_transform_state mr_serial_after_open(const struct mr_transform *transform);
void mr_serial_back(struct mr_transform *transform);
/* True: no result is left, and no job is due. */
bool mr_serial_pass(struct mr_transform *transform);
void mr_serial_cancel(struct mr_transform *transform);
/* The memory, once all that was gathered is in slots and all that open() gave was passed on. */
void mr_serial_give_back(struct mr_transform *transform);
void mr_serial_free(struct mr_transform *transform);

#endif
