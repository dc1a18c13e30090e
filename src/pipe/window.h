/* window.h -- chunks of a PARALLEL stage side by side: what comes in is cut into pieces, several are with the workers
 * at once, and the results come out in the order of the input.
 *
 *      take ---> | filling | running | running | back | ---> front, pop
 *
 * What goes wrong is noted in the chunks (chunk.h). Everything here is called on the loop. */
#ifndef MR_PIPE_WINDOW_H
#define MR_PIPE_WINDOW_H

#include "pipe/chunk.h"

struct mr_slot {
    struct mr_chunk chunk;
    struct mr_room in; /* history, then the piece */
    size_t before_len, in_len;
    struct mr_result result;
};

struct mr_window {
    struct mr_chunks *chunks; /* borrowed */
    struct mr_slot *slots;    /* [size] */
    unsigned size;
    uint64_t filled, joined; /* read-only: slots so far; filled - joined of them are in use */
    bool is_ended;           /* read-only: the last slot was dispatched */
};

/* size: chunks in flight at most, 2 or more. MR_OK or MR_EMEMORY. */
int mr_window_init(struct mr_window *window, struct mr_chunks *chunks, unsigned size);
/* No job of it is out. */
void mr_window_clear(struct mr_window *window);

/* Take from bytes what fits into the window now. Returns how much. */
size_t mr_window_take(struct mr_window *window, const unsigned char *bytes, size_t len);
/* Where the next bytes may be put by the sender itself, as mr_stream_space(); NULL: nowhere. */
void *mr_window_space(struct mr_window *window, size_t *len);
bool mr_window_has_room(struct mr_window *window);
/* The input ended, and all of it was taken. It shows in is_ended; without memory for an empty input it is called again.
 */
void mr_window_end(struct mr_window *window);

/* The next result in order, tied to those before it; NULL: it is not there yet, or the stage failed. */
struct mr_result *mr_window_front(struct mr_window *window);
/* It was passed on. */
void mr_window_pop(struct mr_window *window);
/* All results were popped: the memory of one of them, for what the stage adds; it may be closed. */
void mr_window_give_result(struct mr_window *window, struct mr_result *out);

/* Submit the chunks that wait. */
void mr_window_retry(struct mr_window *window);
void mr_window_cancel(struct mr_window *window);

#endif
