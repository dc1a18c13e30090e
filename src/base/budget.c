#include "base/budget.h"
#include "base/assert.h"

void mr_budget_init(struct mr_budget *budget, uint64_t limit)
{
    budget->limit = limit;
    atomic_init(&budget->used, 0);
}

/* Relaxed throughout: the number is the whole message. The memory it stands for is handed on by other means. */
static bool try_take_below(struct mr_budget *budget, uint64_t bytes, uint64_t bound)
{
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        if (used > bound || bytes > bound - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static uint64_t bound_of(const struct mr_budget *budget)
{
    return budget->limit == 0 ? UINT64_MAX : budget->limit;
}

bool mr_budget_try_take(struct mr_budget *budget, uint64_t bytes)
{
    return try_take_below(budget, bytes, bound_of(budget));
}

bool mr_budget_try_grow(struct mr_budget *budget, uint64_t bytes)
{
    uint64_t bound = bound_of(budget);
    return try_take_below(budget, bytes, bound - bound / 32);
}

bool mr_budget_is_open(const struct mr_budget *budget)
{
    uint64_t bound = bound_of(budget);
    return mr_budget_used(budget) <= bound - bound / 16;
}

bool mr_budget_is_tight(const struct mr_budget *budget)
{
    return mr_budget_used(budget) > bound_of(budget) / 2;
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
