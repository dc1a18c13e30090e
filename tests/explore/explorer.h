/* explorer.h -- runs a few threads of real source under every interleaving and every weak memory order.
 *
 *      static void setup(void) { ...; explore_thread(produce, 0); explore_thread(consume, 0); }
 *      static void check(void) { EXPLORE_CHECK(nothing was lost); }
 *      int main(int count, char **names) { return explore_main(scenarios, MR_ARRAY_SIZE(scenarios), count, names); }
 *
 * The sources under test and the scenario are compiled with -fsanitize=thread and linked without its runtime: machine.c
 * takes the runtime's place, so every atomic operation and every plain access of the unchanged source comes to it. So
 * do futex calls, sched_yield() and the heap (replaced.h). explorer.c starts setup() anew for each execution, runs the
 * threads as coroutines and chooses, before each atomic operation, who goes on, and at each load, which of the values
 * it may see. A failed check, a failed assertion, a data race and a deadlock end the program with the trace of the
 * execution.
 *
 * Rules for a scenario: setup() gives every variable its value; a thread writes only what is its own or what the
 * sources hand over to it (anything else is reported as a data race); a thread has no endless loop, except that it may
 * spin with sched_yield(), which waits for a newer value than the one last read. */
#ifndef EXPLORE_EXPLORER_H
#define EXPLORE_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>

struct explore_scenario {
    const char *name;
    void (*setup)(void); /* alone, before the threads start */
    void (*check)(void); /* alone, after all of them ended; sees the newest values */
    unsigned departures; /* at most so many of: a switch away from a thread that could go on, a load of an old value;
                            0: no bound, the search is complete */
    bool late_loads;     /* also find loads that may come too late: see machine.c */
};

/* In setup(): one more thread, that runs body(index). */
void explore_thread(void (*body)(unsigned index), unsigned index);

/* In a thread: this memory goes back to its owner. From here on, in this execution, nobody may touch it. What free()
 * gets from the sources under test is retired too. */
void explore_retire(void *memory, size_t size);

/* Explores each scenario (or those named in the arguments), prints what was explored. Returns main()'s status. */
int explore_main(const struct explore_scenario *scenarios, size_t scenario_count, int argument_count, char **arguments);

#define EXPLORE_CHECK(property)                      \
    do {                                             \
        if (!(property))                             \
            explore_fail("violated: %s", #property); \
    } while (0)

/* Print the reason and the trace of this execution, exit 1. */
_Noreturn void explore_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
