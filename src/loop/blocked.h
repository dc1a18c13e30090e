/* blocked.h -- what held a loop: how long each iteration was busy, its longest callback, whom that worked for, and how
 * often the reader is told.
 *
 * An iteration is busy for as long as its callbacks run, and between them for as long as libuv needs (a system call or
 * two). A longer gap is not the loop's time: the process was stopped, or the machine. So is the wait in poll, which is
 * never measured.
 *
 * mr_loop_enter() and mr_loop_leave() bracket the callbacks, mr_loop_note() says whom the running one works for. When
 * an iteration was busy for longer than mr_loop_set_warn() said, its longest callback is counted by label in the
 * loop's numbers (lag.h), and logged: once in MR_BLOCKED_LOG_NS at most, and the next line says how many were not.
 *
 * Here is the part without a loop: it is told the time. The loop's thread only. */
#ifndef MR_LOOP_BLOCKED_H
#define MR_LOOP_BLOCKED_H

#include "base/clock.h"
#include "loop/label.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_BLOCKED_LOG_NS MR_NS_PER_S
#define MR_BLOCKED_GAP_NS MR_NS_PER_MS /* a longer gap between two callbacks is not libuv's work */

/* Whom a callback works for, kept by value: what it is about may be gone when it is read. The loop knows nothing of
 * what the id means. */
struct mr_loop_note {
    char id[72];    /* text, the rest zeros; "": of no request */
    uint64_t bytes; /* that came for it so far */
};

struct mr_blocked {            /* all private; zeroed memory is a new one */
    struct mr_loop_note noted; /* of the callback that runs: whom it works for now, and since when */
    uint64_t noted_at;
    struct mr_loop_note most; /* of those before: for whom it worked longest */
    uint64_t most_ns;

    bool has_worked;     /* the iteration has had a callback */
    enum mr_label label; /* of its longest one, as the next two */
    uint64_t longest_ns;
    struct mr_loop_note whose;
    uint64_t busy_ns; /* of the iteration so far */
    uint64_t left_at; /* when its last callback ended; 0: there was none yet */

    uint64_t said_at; /* 0: never */
    uint64_t held_back;
};

/* A callback begins. */
void mr_blocked_enter(struct mr_blocked *blocked, uint64_t now);
/* It works for *note from here on. The first note counts from the callback's beginning; only for one with another id
 * the clock is read. */
void mr_blocked_note(struct mr_blocked *blocked, const struct mr_loop_note *note);
/* It ends, `length` ns after its beginning. */
void mr_blocked_leave(struct mr_blocked *blocked, enum mr_label label, uint64_t length, uint64_t now);
/* The iteration has had a callback. */
bool mr_blocked_has_worked(const struct mr_blocked *blocked);
/* The iteration is over: for how long was it busy? */
uint64_t mr_blocked_finish(struct mr_blocked *blocked, uint64_t now);
/* The next iteration begins, with its first callback. */
void mr_blocked_reset(struct mr_blocked *blocked);
/* May this one be logged? Then *held_back is how many were not since the last. */
bool mr_blocked_may_log(struct mr_blocked *blocked, uint64_t now, uint64_t *held_back);

#endif
