/* counter.h -- numbers that one thread counts and any thread may read: relaxed atomics without a locked instruction.
 * Exact once the writer rests. */
#ifndef MR_BASE_COUNTER_H
#define MR_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/* The one writer. */
static inline void mr_counter_add(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + amount, memory_order_relaxed);
}

static inline void mr_counter_subtract(_Atomic uint64_t *counter, uint64_t amount)
{
    mr_counter_add(counter, (uint64_t)0 - amount);
}

static inline uint64_t mr_counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
