/* timer.h -- many timeouts of few lengths: a list per length, so that setting, moving and clearing one costs a few
 * pointer writes and no system call.
 *
 * All timers of a list run equally long, so the list is in order of expiry by itself. Each loop sleeps until the
 * earliest head of its lists and no wake-up happens for a timer that was cleared or moved in time, beyond one that
 * finds nothing due. Resolution: 1 ms, never early. The loop's thread only.
 *
 * A loop has a list for each kind of timeout and never one for each thing that times out: every expiry looks at all
 * lists. What exists many times on a loop (a stream) shares a list with its like: mr_timer_list_share(). */
#ifndef MR_LOOP_TIMER_H
#define MR_LOOP_TIMER_H

#include "loop/loop.h"

#define MR_TIMER_SHARED_MAX 4

struct mr_timer_list;
struct mr_timer {                 /* embedded in what times out; zeroed memory is a timer that is not set */
    struct mr_timer *prev, *next; /* private */
    struct mr_timer_list *list;   /* private: NULL when not set */
    uint64_t expires_at;          /* read-only: monotonic ns */
};

struct mr_timer_list {
    struct mr_loop *loop; /* private, as all below */
    struct mr_timer_list *next_list;
    uint64_t duration_ns;
    void (*on_expire)(struct mr_timer *timer);
    struct mr_timer *head, *tail;
};

/* A list of timers of one length on `loop`; duration_ns 0: timers of this list never expire. on_expire is called with
 * the timer already cleared; it may set it again and may set or clear any other. The list must outlive its timers. */
void mr_timer_list_open(struct mr_timer_list *list, struct mr_loop *loop, uint64_t duration_ns,
                        void (*on_expire)(struct mr_timer *timer));
/* The list of the timers of that length and callback on `loop`, one for all that ask for it; it lives as long as the
 * loop. At most MR_TIMER_SHARED_MAX on a loop. */
struct mr_timer_list *mr_timer_list_share(struct mr_loop *loop, uint64_t duration_ns,
                                          void (*on_expire)(struct mr_timer *timer));
/* Must be empty. */
void mr_timer_list_close(struct mr_timer_list *list);

/* Start `timer` again at the full length of `list`, wherever it was before. */
void mr_timer_set(struct mr_timer_list *list, struct mr_timer *timer);
void mr_timer_clear(struct mr_timer *timer); /* no effect when not set */

/* How many lists there are on the loop. */
unsigned mr_timer_list_count(const struct mr_loop *loop);

static inline bool mr_timer_is_set(const struct mr_timer *timer)
{
    return timer->list != NULL;
}

#endif
