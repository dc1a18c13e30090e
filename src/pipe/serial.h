/* serial.h -- runs a stage one job at a time: a SEQUENTIAL one from its first byte to its last, and of a PARALLEL one
 * what comes before its chunks: its open(), and the question whether the input is short enough to be one piece.
 *
 *      OPENING ----> STREAM                   a SEQUENTIAL stage
 *         |
 *         +--------> GATHERING ----> WHOLE    the input is short: one piece
 *         |              |
 *         +--------------+---------> HANDED   the window (window.h) goes on, with what was gathered
 *
 * It takes its input from the transform's backlog. What goes wrong is noted in the chunks (chunk.h). Everything here is
 * called on the loop. */
#ifndef MR_PIPE_SERIAL_H
#define MR_PIPE_SERIAL_H

#include "base/buf.h"
#include "pipe/chunk.h"

enum mr_serial_mode { MR_SERIAL_OPENING, MR_SERIAL_GATHERING, MR_SERIAL_WHOLE, MR_SERIAL_STREAM, MR_SERIAL_HANDED };

struct mr_serial {
    struct mr_chunks *chunks; /* borrowed */
    struct mr_buf *backlog;   /* borrowed: input that has no place yet */
    uint64_t length;          /* of the input, or UINT64_MAX */
    enum mr_serial_mode mode; /* read-only */
    struct mr_chunk chunk;
    struct mr_room in; /* input that was not used yet, in one run */
    size_t in_len;
    struct mr_result results[2]; /* one is passed on while the next is made */
    unsigned made, passed;       /* results so far: the next one is made in results[made % 2] */
    uint64_t made_len;           /* read-only: bytes in them */
    bool is_last;                /* nothing comes after the backlog */
    bool is_starving;            /* the stage wants more input than there was */
    bool is_full;                /* the stage has more output for the input there was */
    bool is_ended;               /* read-only: the stage has said all */
};

void mr_serial_init(struct mr_serial *serial, struct mr_chunks *chunks, struct mr_buf *backlog, uint64_t length);
/* Its job is not out. Also once all that was gathered was handed on and all that open() gave was passed on. */
void mr_serial_clear(struct mr_serial *serial);

/* No more input comes. */
void mr_serial_end(struct mr_serial *serial);
/* Start the next job if there is something to do for it. */
void mr_serial_step(struct mr_serial *serial);
/* Its job came back, as CHUNK_BACK. */
void mr_serial_back(struct mr_serial *serial);
void mr_serial_cancel(struct mr_serial *serial);

/* The next result; NULL: it is not there yet. */
struct mr_result *mr_serial_front(struct mr_serial *serial);
/* It was passed on. */
void mr_serial_pop(struct mr_serial *serial);
/* No result is left, and no job is due. */
bool mr_serial_is_idle(const struct mr_serial *serial);

/* Input at the front is done with: the window took it. */
void mr_serial_drop(struct mr_serial *serial, size_t len);

#endif
