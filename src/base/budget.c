#include "base/budget.h"
#include "base/assert.h"

void mr_budget_init(struct mr_budget *budget, uint64_t limit)
{
    budget->limit = limit;
    atomic_init(&budget->used, 0);
}

/* Relaxed throughout: the number is the whole message. The memory it stands for is handed on by other means. */
bool mr_budget_try_take(struct mr_budget *budget, uint64_t bytes)
{
    uint64_t bound = budget->limit == 0 ? UINT64_MAX : budget->limit;
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        MR_ASSERT(used <= bound);
        if (bytes > bound - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void mr_budget_give_back(struct mr_budget *budget, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
    MR_ASSERT(before >= bytes); /* never more than was taken */
}

uint64_t mr_budget_used(const struct mr_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}
