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

/* Bytes this process may use: the smallest memory limit of its cgroup (v2 or v1) and its ancestors, else the machine's
 * RAM. Reads files: for start-up only. */
uint64_t mr_budget_machine_memory(void);
/* The same with the files looked up under `root` (a directory, "" for the real ones): for the tests. */
uint64_t mr_budget_machine_memory_in(const char *root);

#endif
