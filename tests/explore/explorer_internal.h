/* explorer_internal.h -- between the search (explorer.c) and the memory it runs on (machine.c). */
#ifndef EXPLORE_EXPLORER_INTERNAL_H
#define EXPLORE_EXPLORER_INTERNAL_H

#include "explorer.h"
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#define THREADS_MAX   8
#define LOCATIONS_MAX 56 /* shared atomics of a scenario; chosen so that a view fills a cache line */

/* What happened before a point of a thread: of each atomic, the oldest value it may still read; of each thread, how far
 * that thread's plain accesses are ordered before it. */
struct view {
    uint8_t seen[LOCATIONS_MAX];
    uint8_t clock[THREADS_MAX];
};

enum status { READY, SPINNING, SLEEPING, ENDED };

struct thread {
    void (*body)(unsigned index);
    unsigned index;
    enum status status;
    struct view view;
    uint8_t steps;               /* loads so far */
    uint8_t caused[THREADS_MAX]; /* of each thread, how many loads were made before something that this one has seen */
    uint64_t history;            /* hash of all it read: with the code, that is all of its state */
    /* What it read last: spinning, it waits for something newer. Asleep, it waits for a wake-up there. */
    struct location *read_from;
    unsigned read_at;
    const void *sleeps_on;
    uint32_t sleeps_for; /* bits of the futex call */
    jmp_buf start, here, *resume;
};

extern const struct explore_scenario *scenario;
extern struct thread threads[THREADS_MAX];
extern struct thread *current; /* NULL: setup or check is running */

/* Which of `options` alternatives this execution takes; each is taken by some execution. */
unsigned choose(unsigned options);
/* The same, where alternative 0 is the usual course and scenarios may bound how often another is taken. */
unsigned choose_departure(unsigned options);
/* The current thread is about to do something that others can see: perhaps another goes on first. */
void schedule(void);
/* Give up this execution and begin the search anew: an atomic turned out to be shared. */
_Noreturn void start_over(void);
/* Is `address` on a coroutine's stack? */
bool is_on_stack(uintptr_t address);

void machine_forget(void);                           /* before each scenario */
void machine_reset(void);                            /* before each execution */
bool machine_is_runnable(const struct thread *self); /* READY, or what it waits for has come */
void machine_resume(struct thread *self);            /* it goes on: end its waiting */
uint64_t machine_hash(void);                         /* of memory and of all threads */
void machine_print_trace(void);

/* Both steps can be undone, so different values give different hashes; 0 is no fixed point. */
static inline uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ (value + UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 31) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 29;
}

#endif
