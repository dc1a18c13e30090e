/* DESIGN. A thread is counted as a waiter from prepare on, before its last look at the queue; a producer that finds a
 * waiter turns it into a signal. Signals and waiters are anonymous: whoever waits may take any signal. All of it is one
 * word that is changed by read-modify-writes only, so each change sees all before it: that order is the whole proof.
 * Which of the sleepers is woken is no part of it. */
#include "workers/parking.h"

#include "base/assert.h"
#include "base/atomic.h"
#include "base/macros.h"

#define WAITER        UINT32_C(1)
#define SIGNAL        (UINT32_C(1) << 16)
#define WAITERS(s)    ((s) & (SIGNAL - 1))
#define HAS_SIGNAL(s) ((s) >= SIGNAL)

#ifndef MR_PARKING_PORTABLE

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MR_PARKING_CHOOSES
#define MR_PARKING_CHOOSES 1 /* 0: any sleeper is woken */
#endif

/* Sleep unless the state is not `seen` any more. May return for no reason. */
static void sleep_while(struct mr_parking *parking, uint32_t seen, unsigned number)
{
    uint32_t bit = UINT32_C(1) << number % 32;

    /* Relaxed: a hint which sleeper to wake. */
    if (MR_PARKING_CHOOSES)
        mr_fetch_or(&parking->asleep, bit, relaxed);
    syscall(SYS_futex, &parking->state, FUTEX_WAIT_BITSET_PRIVATE, seen, NULL, NULL, bit);
    if (MR_PARKING_CHOOSES)
        mr_fetch_and(&parking->asleep, ~bit, relaxed);
}

/* Those that sleep with one of the bits. Returns how many there were. */
static long wake_with(struct mr_parking *parking, uint32_t count, uint32_t bits)
{
    return syscall(SYS_futex, &parking->state, FUTEX_WAKE_BITSET_PRIVATE, count, NULL, NULL, bits);
}

static uint32_t lowest_asleep(const struct mr_parking *parking)
{
    uint32_t asleep = MR_PARKING_CHOOSES ? mr_load(&parking->asleep, relaxed) : 0;
    return asleep & (0 - asleep);
}

/* The kernel would wake the one that slept longest. One: the lowest instead, if it does sleep. */
static void wake_sleepers(struct mr_parking *parking, uint32_t count)
{
    uint32_t lowest = count == 1 ? lowest_asleep(parking) : 0;

    if (lowest == 0 || wake_with(parking, 1, lowest) == 0)
        wake_with(parking, count, FUTEX_BITSET_MATCH_ANY);
}

void mr_parking_init(struct mr_parking *parking)
{
    mr_store(&parking->state, 0, relaxed);
    mr_store(&parking->asleep, 0, relaxed);
}

#else

/* The futex's two promises: the comparison and the falling asleep are one step to a waker, as he needs the mutex that
 * is held over both; a waker changes the state before he comes here. */
static void sleep_while(struct mr_parking *parking, uint32_t seen, unsigned number)
{
    (void)number; /* a condition variable does not say which thread it wakes */
    pthread_mutex_lock(&parking->mutex);
    if (mr_load(&parking->state, relaxed) == seen)
        pthread_cond_wait(&parking->woken, &parking->mutex);
    pthread_mutex_unlock(&parking->mutex);
}

static void wake_sleepers(struct mr_parking *parking, uint32_t count)
{
    pthread_mutex_lock(&parking->mutex);
    while (count-- > 0)
        pthread_cond_signal(&parking->woken);
    pthread_mutex_unlock(&parking->mutex);
}

void mr_parking_init(struct mr_parking *parking)
{
    mr_store(&parking->state, 0, relaxed);
    pthread_mutex_init(&parking->mutex, NULL);
    pthread_cond_init(&parking->woken, NULL);
}

#endif

void mr_parking_prepare(struct mr_parking *parking)
{
    /* Acquire: pairs with the release of give_signals(). If a producer's wake-up came before this in the order of the
     * word, the look that follows sees what he pushed. Every change of the word is a read-modify-write, so each
     * continues the release sequences of those before it. */
    uint32_t before = mr_fetch_add(&parking->state, WAITER, acquire);
    MR_ASSERT(WAITERS(before) < WAITERS(UINT32_MAX));
}

void mr_parking_cancel(struct mr_parking *parking)
{
    uint32_t seen = mr_load(&parking->state, relaxed), next;

    /* Step back as an unsignalled waiter if there is one: a signal belongs to work that somebody must look for. If all
     * have been signalled, everybody is awake and one of the signals was ours. Acquire: pairs with the release of
     * give_signals(). Producers who saw that signal woke nobody else: the look for more that follows sees their work.
     */
    do {
        MR_ASSERT(seen != 0);
        next = WAITERS(seen) > 0 ? seen - WAITER : seen - SIGNAL;
    } while (!mr_compare_swap(&parking->state, &seen, next, acquire, relaxed));
}

void mr_parking_wait(struct mr_parking *parking, unsigned number)
{
    uint32_t seen = mr_load(&parking->state, relaxed);

    for (;;) {
        while (HAS_SIGNAL(seen)) {
            /* Acquire: pairs with the release of give_signals(): the next look sees the work this signal is for. */
            if (mr_compare_swap(&parking->state, &seen, seen - SIGNAL, acquire, relaxed))
                return;
        }
        sleep_while(parking, seen, number);
        seen = mr_load(&parking->state, relaxed);
    }
}

/* Turn waiters into signals: up to `max`, and none while `enough` are given and not yet taken. */
static void give_signals(struct mr_parking *parking, uint32_t max, uint32_t enough)
{
    uint32_t seen = mr_load(&parking->state, relaxed), count;

    do {
        count = seen / SIGNAL >= enough ? 0 : MR_MIN(WAITERS(seen), max);
        /* Release: pairs with the acquires of prepare(), cancel() and wait(). A swap also when there is nobody to
         * signal: a mere load could be answered with an old value while our push is still in the store buffer. */
    } while (!mr_compare_swap(&parking->state, &seen, seen + count * (SIGNAL - WAITER), release, relaxed));
    if (count > 0)
        wake_sleepers(parking, count);
}

void mr_parking_wake_one(struct mr_parking *parking)
{
    give_signals(parking, 1, 1);
}

void mr_parking_wake_all(struct mr_parking *parking)
{
    give_signals(parking, UINT32_MAX, UINT32_MAX);
}
