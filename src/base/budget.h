/* budget.h -- a bound on the bytes that bodies and running jobs hold together, process-wide.
 *
 * Whoever is about to hold memory takes it here first and gives back exactly what it took. Full is an answer (the
 * caller sheds with 503), never a wait. Lock-free; any thread may call these. */
#ifndef MR_BASE_BUDGET_H
#define MR_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mr_budget {
    uint64_t limit;        /* read-only after init: bytes; 0: none */
    _Atomic uint64_t used; /* private: bytes taken */
};

void mr_budget_init(struct mr_budget *budget, uint64_t limit);
/* Take `bytes`, or nothing: false when that would pass the limit. */
bool mr_budget_try_take(struct mr_budget *budget, uint64_t bytes);
void mr_budget_give_back(struct mr_budget *budget, uint64_t bytes);
uint64_t mr_budget_used(const struct mr_budget *budget);

#endif
