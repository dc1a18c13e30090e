/* progress.h -- a line on a terminal that says how far a pipe is: bytes in and out, rate, time, and per cent where the
 * length of the input is known. Drawn again five times a second. The loop's thread only. */
#ifndef MR_COMMAND_PROGRESS_H
#define MR_COMMAND_PROGRESS_H

#include "io/sink.h"
#include "io/source.h"
#include "loop/timer.h"

struct mr_progress {
    const struct mr_source *source; /* private, as all here; NULL: nothing is drawn */
    const struct mr_sink *sink;
    uint64_t length, started_at;
    struct mr_timer_list list;
    struct mr_timer timer;
};

/* length: of the input in bytes; 0: not known. source and sink are borrowed. */
void mr_progress_start(struct mr_progress *progress, struct mr_loop *loop, const struct mr_source *source,
                       const struct mr_sink *sink, uint64_t length);
/* A last line that stays. No effect when it was not started (zeroed). */
void mr_progress_finish(struct mr_progress *progress);
/* Wipe the line: something else is to be said. */
void mr_progress_clear(struct mr_progress *progress);

#endif
