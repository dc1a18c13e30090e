/* priority.h -- how the calling thread gives way to others. On Linux a thread has a nice value and a policy of its own.
 * None of this needs a privilege, but a seccomp filter may forbid it: false, with errno. */
#ifndef MR_BASE_PRIORITY_H
#define MR_BASE_PRIORITY_H

#include <stdbool.h>

/* Raise its nice value by so much, to 19 at most. */
bool mr_priority_be_nicer(int by);

/* When it is woken on a core where another thread runs, it waits for its turn (sched(7), SCHED_BATCH). Otherwise it
 * runs at once, before the thread that woke it. For a loop that is worse than it looks: it goes on when the kernel's
 * next tick says so, up to 4 ms later, where a third thread wants the core. For threads whose result can wait for
 * that long. */
bool mr_priority_be_patient(void);

#endif
