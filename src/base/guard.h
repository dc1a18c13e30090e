/* guard.h -- an object whose callbacks may destroy it lives until the outermost call on it has returned.
 *
 *      mr_guard_enter(&it->guard);        at the begin of what is called from outside
 *      ...                                callbacks, which may call mr_guard_destroy(&it->guard)
 *      if (mr_guard_leave(&it->guard))    at its end
 *          free it
 *
 * One thread. Zeroed memory is a guard. */
#ifndef MR_BASE_GUARD_H
#define MR_BASE_GUARD_H

#include <stdbool.h>

struct mr_guard {
    unsigned entered; /* private: calls on the stack that still use the object */
    bool destroyed;   /* read-only: nothing but its end is to come */
};

static inline void mr_guard_enter(struct mr_guard *guard)
{
    guard->entered++;
}

/* True: this was the outermost call, and the object was destroyed. Free it, now or when nothing else refers to it. */
static inline bool mr_guard_leave(struct mr_guard *guard)
{
    return --guard->entered == 0 && guard->destroyed;
}

static inline void mr_guard_destroy(struct mr_guard *guard)
{
    guard->destroyed = true;
}

#endif
