/* atomic.h -- the atomic operations of the lock-free files, with their memory order named at the call.
 *
 *      mr_store(&ring->tail, tail + 1, release);
 *
 * queue.c, lanes.c, parking.c, runner.c and inbox.c use these names only, for two readers: the person, who finds every
 * order by searching for its word, and tests/explore/mutate.py, which weakens one after the other and expects it to be
 * found. The explorer itself needs no names: it runs the unchanged sources, compiled with -fsanitize=thread, on a
 * machine of its own in place of the sanitizer's runtime. Orders stand on the operations and never in a fence: neither
 * ThreadSanitizer nor that machine models fences. */
#ifndef MR_BASE_ATOMIC_H
#define MR_BASE_ATOMIC_H

#include <stdatomic.h>

#define mr_load(object, order)             atomic_load_explicit(object, memory_order_##order)
#define mr_store(object, value, order)     atomic_store_explicit(object, value, memory_order_##order)
#define mr_exchange(object, value, order)  atomic_exchange_explicit(object, value, memory_order_##order)
#define mr_fetch_add(object, value, order) atomic_fetch_add_explicit(object, value, memory_order_##order)
#define mr_fetch_or(object, value, order)  atomic_fetch_or_explicit(object, value, memory_order_##order)
#define mr_fetch_and(object, value, order) atomic_fetch_and_explicit(object, value, memory_order_##order)

/* True: *object was *expected and is now `desired`. False: *expected holds what was seen, read with order `failure`. */
#define mr_compare_swap(object, expected, desired, success, failure) \
    atomic_compare_exchange_strong_explicit(object, expected, desired, memory_order_##success, memory_order_##failure)

/* For a thread that looks at an atomic again and again: leave the core's means to others for some tens of ns. */
static inline void mr_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

#endif
