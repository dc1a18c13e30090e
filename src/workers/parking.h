/* parking.h -- where idle workers sleep: an eventcount over a futex. No lost wake-up, no polling at rest.
 *
 *      worker                                   producer
 *      ticket = mr_parking_prepare(p);          make the work visible (push)
 *      if (there is work)                       mr_parking_wake_one(p);
 *          mr_parking_cancel(p);
 *      else
 *          mr_parking_wait(p, ticket);
 *
 * The race to lose: the worker looks, finds nothing, the producer pushes and sees nobody waiting, the worker sleeps for
 * ever. It cannot happen because prepare and wake_one are both read-modify-writes of the same word, so they have an order:
 * if wake_one comes first, the worker's look after prepare sees the push; if prepare comes first, wake_one sees the
 * waiter and advances the epoch that wait compares. docs/queue.md has the proof and its check.
 * After the eventcount of D. Vyukov and folly's EventCount; a mutex and condition variable where there is no futex.
 * Any thread. */
#ifndef MR_WORKERS_PARKING_H
#define MR_WORKERS_PARKING_H

#include <stdatomic.h>
#include <stdint.h>

struct mr_parking { /* private; zeroed memory is an empty one */
    _Alignas(64) _Atomic uint64_t state; /* epoch in the high half, waiters in the low half */
};

void mr_parking_init(struct mr_parking *parking);
uint32_t mr_parking_prepare(struct mr_parking *parking);
void mr_parking_cancel(struct mr_parking *parking);
void mr_parking_wait(struct mr_parking *parking, uint32_t ticket);
/* Wake one sleeper if there is any (no system call otherwise). Call after the work was made visible. */
void mr_parking_wake_one(struct mr_parking *parking);
void mr_parking_wake_all(struct mr_parking *parking);

#endif
