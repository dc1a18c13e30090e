/* budget.h -- a bound on the bytes that bodies and running jobs hold together, process-wide.
 *
 * The holder of memory takes it here as bytes come and gives back exactly what it took. A full budget is an answer (the
 * caller sheds with 503), never a wait. The last parts of it are for those who are under way already:
 *
 *      0 ............................ 15/16 ....... 31/32 ...... limit
 *      new bodies and what they hold  | bodies that | what came already, and
 *                                     | grow        | bodies that cannot go on without
 *
 * Lock-free; any thread may call these. */
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
/* The same for a body that can go on without, or wait: nothing that would pass 31/32 of the limit. */
bool mr_budget_try_grow(struct mr_budget *budget, uint64_t bytes);
/* May a new body be begun? No: 15/16 of the limit are used. */
bool mr_budget_is_open(const struct mr_budget *budget);
/* Is more than half of it used, so that memory which is only kept for later use should be given back? */
bool mr_budget_is_tight(const struct mr_budget *budget);
void mr_budget_give_back(struct mr_budget *budget, uint64_t bytes);
uint64_t mr_budget_used(const struct mr_budget *budget);

#endif
