/* inbox.h -- finished work on its way back to a loop: an intrusive lock-free stack that many threads push and one loop
 * drains.
 *
 * A poster that finds the inbox empty must wake the loop (only that one: the empty -> non-empty edge), or, if it is the
 * loop itself, see to it that the loop looks again before it sleeps. The loop takes
 * everything at once and delivers it in the order it was posted, in bounded batches, so that a flood of completions
 * cannot starve I/O. Knows a node with a callback, and nothing of jobs.
 * After R. K. Treiber, "Systems Programming: Coping with Parallelism" (IBM RJ 5118, 1986); taking everything at once
 * leaves no room for its ABA problem.
 *
 *              any thread   the loop
 *   post          yes         yes
 *   drain          -          yes
 *   is_empty      yes         yes    (a snapshot)
 */
#ifndef MR_LOOP_INBOX_H
#define MR_LOOP_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mr_inbox_node {                           /* embedded in what comes back */
    struct mr_inbox_node *next;                  /* private */
    void (*deliver)(struct mr_inbox_node *node); /* on the loop, once per post; may free the node or post it again */
};

struct mr_inbox {
    _Atomic(struct mr_inbox_node *) posted; /* private: newest first */
    struct mr_inbox_node *taken;            /* private, the loop's: oldest first, not yet delivered */
};

void mr_inbox_init(struct mr_inbox *inbox);
/* The loop owns *node from here on. True: the inbox was empty, the caller must wake the loop, or be it and not sleep
 * (mr_loop_post does both). */
bool mr_inbox_post(struct mr_inbox *inbox, struct mr_inbox_node *node);
/* Deliver up to `max` nodes. Returns how many; true in *more when some are left: call again in a later turn. */
size_t mr_inbox_drain(struct mr_inbox *inbox, size_t max, bool *more);
bool mr_inbox_is_empty(const struct mr_inbox *inbox);

#endif
