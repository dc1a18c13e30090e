/* parking.h -- where idle workers sleep: an eventcount over a futex. No lost wake-up, no polling at rest, and at most
 * one worker at a time on his way from wake_one to the work.
 *
 *      worker                                   producer
 *      mr_parking_prepare(p);                   make the work visible (push)
 *      if (there is work)                       mr_parking_wake_one(p);
 *          mr_parking_cancel(p);
 *      else
 *          mr_parking_wait(p, number);
 *      take one; if there is more: mr_parking_wake_one(p);
 *
 * The race to lose: the worker looks, finds nothing, the producer pushes and sees nobody waiting, the worker sleeps for
 * ever. It cannot happen because prepare and wake_one are both read-modify-writes of the same word, so they have an
 * order: if wake_one comes first, the worker's look after prepare sees the push; if prepare comes first, wake_one sees
 * the waiter and turns it into a signal, which lets one wait() return.
 *
 * A wake_one that finds a signal which nobody has taken yet does nothing: whoever takes that signal does so by a later
 * read-modify-write of the word, and his next look sees this push too. Hence the worker's last line: one signal may
 * stand for many pushes, so who came out of wait or cancel and found work calls the next if there is more. A burst of
 * pushes costs one system call, and as many workers wake, one after the other, as find work.
 *
 * A wait that returns means "look again": the work may be somebody else's by then. docs/queue.md has the proof and its
 * check. After the eventcount of D. Vyukov as Eigen keeps it (waiters and signals in one word) and folly's EventCount,
 * and the wake-ups passed on of Go's scheduler; a mutex and condition variable where there is no futex. Any thread. At
 * most 65,535 threads on one parking. */
#ifndef MR_WORKERS_PARKING_H
#define MR_WORKERS_PARKING_H

#include <stdatomic.h>
#include <stdint.h>

#if !defined(__linux__) && !defined(MR_PARKING_PORTABLE)
#define MR_PARKING_PORTABLE 1
#endif
#ifdef MR_PARKING_PORTABLE
#include <pthread.h>
#endif

struct mr_parking { /* private */
    /* Low half: threads between prepare and the return of wait that nobody has signalled. High half: signals that were
     * given and not yet taken. The sum is the number of threads between prepare and cancel or return. */
    _Alignas(64) _Atomic uint32_t state;
    _Atomic uint32_t asleep; /* bit i: a thread with number i (modulo 32) sleeps, or is about to */
#ifdef MR_PARKING_PORTABLE
    pthread_mutex_t mutex;
    pthread_cond_t woken;
#endif
};

void mr_parking_init(struct mr_parking *parking);
void mr_parking_prepare(struct mr_parking *parking);
void mr_parking_cancel(struct mr_parking *parking);
/* number: the caller's own, from 0. Of those that sleep the one with the lowest is woken (of more than 32, nearly so,
 * and any where there is no futex): jobs that come one at a time find the caches and the heap of the worker that ran
 * the last. */
void mr_parking_wait(struct mr_parking *parking, unsigned number);
/* Wake one sleeper if there is any and no signal is on its way already (no system call otherwise). Call after the work
 * was made visible. */
void mr_parking_wake_one(struct mr_parking *parking);
void mr_parking_wake_all(struct mr_parking *parking);

#endif
