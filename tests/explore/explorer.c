/* DESIGN. A depth-first search over choices. An execution replays the choices made so far, then takes the first
 * alternative of each new choice; afterwards the last choice that has another alternative takes it. Nothing is saved
 * and restored: each execution starts from setup().
 *
 * Before each scheduling choice the state is hashed (memory with its history, each thread's view, and the hash of all
 * that the thread read, which together with its code determines the rest of it). A state seen before is not explored
 * again. That makes the search complete without a bound for most scenarios, as most interleavings only swap steps that
 * do not touch each other. Two states could share a 64-bit hash: with 10 million states that has a chance of 3 in a
 * million. */
#include "explorer_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#define STACK_SIZE  ((size_t)64 * 1024)
#define CHOICES_MAX 4096

struct thread threads[THREADS_MAX];
struct thread *current;
static unsigned thread_count;
const struct explore_scenario *scenario;

static struct {
    uint16_t options, taken;
} choices[CHOICES_MAX];
static unsigned choices_made, choices_known; /* in this execution; to be replayed or just appended */
static unsigned departures;                  /* in this execution */

static jmp_buf end_of_execution;
static enum { COMPLETE, SEEN_BEFORE, START_OVER } outcome;

/* ---- coroutines: made once as ucontexts, then switched by _setjmp and _longjmp, which need no system call ----------
 */

static char stacks[THREADS_MAX][STACK_SIZE] __attribute__((aligned(64)));
static ucontext_t creator, contexts[THREADS_MAX];

bool is_on_stack(uintptr_t address)
{
    return address - (uintptr_t)stacks < sizeof(stacks);
}

_Noreturn static void end_execution(int how)
{
    outcome = how;
    _longjmp(end_of_execution, 1);
}

static void note_step(void);

/* Every start of a thread comes back to the _setjmp here: this frame stays, those above it are overwritten. */
static void run_coroutine(void)
{
    struct thread *self = current;
    if (_setjmp(self->start) == 0)
        swapcontext(&contexts[self - threads], &creator);
    note_step();
    current->body(current->index);
    current->status = ENDED;
    schedule();
}

static void create_coroutines(void)
{
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        getcontext(&contexts[i]);
        contexts[i].uc_stack.ss_sp = stacks[i];
        contexts[i].uc_stack.ss_size = STACK_SIZE;
        makecontext(&contexts[i], run_coroutine, 0);
        current = &threads[i];
        swapcontext(&creator, &contexts[i]);
    }
    current = NULL;
}

static void switch_to(struct thread *next)
{
    struct thread *self = current;

    if (self != NULL) {
        self->resume = &self->here;
        if (_setjmp(self->here) != 0)
            return;
    }
    current = next;
    /* The analyzer loses the bound of a choice. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    _longjmp(*next->resume, 1);
}

/* ---- states seen ---------------------------------------------------------------------------------------------------
 */

static struct {
    uint64_t *slots; /* 0: free */
    size_t size, count;
} states;

static void states_clear(void)
{
    free(states.slots);
    states.size = (size_t)1 << 16;
    states.count = 0;
    states.slots = calloc(states.size, sizeof(*states.slots));
}

static bool states_insert(uint64_t hash)
{
    size_t i = hash & (states.size - 1);

    while (states.slots[i] != 0 && states.slots[i] != hash)
        i = (i + 1) & (states.size - 1);
    if (states.slots[i] == hash)
        return false;
    states.slots[i] = hash;
    states.count++;
    return true;
}

static void states_grow(void)
{
    uint64_t *old = states.slots;
    size_t old_size = states.size;

    states.size *= 2;
    states.count = 0;
    states.slots = calloc(states.size, sizeof(*states.slots));
    for (size_t i = 0; i < old_size; i++)
        if (old[i] != 0)
            states_insert(old[i]);
    free(old);
}

static void note_state(void)
{
    if (choices_made < choices_known)
        return; /* replaying */
    uint64_t hash = machine_hash();
    if (scenario->departures != 0)
        hash = mix(mix(hash, departures), (uint64_t)(current - threads));
    if (states.count * 2 > states.size)
        states_grow();
    if (!states_insert(hash | (hash == 0)))
        end_execution(SEEN_BEFORE);
}

/* ---- choices -------------------------------------------------------------------------------------------------------
 */

unsigned choose(unsigned options)
{
    if (options == 1)
        return 0;
    if (choices_made == choices_known) {
        if (choices_known == CHOICES_MAX)
            explore_fail("an execution without an end");
        choices[choices_known].options = (uint16_t)options;
        choices[choices_known++].taken = 0;
    }
    if (choices[choices_made].options != options)
        explore_fail("the replay went another way: the scenario keeps something from one execution to the next");
    return choices[choices_made++].taken;
}

unsigned choose_departure(unsigned options)
{
    if (scenario->departures != 0 && departures == scenario->departures)
        return 0;
    unsigned taken = choose(options);
    departures += taken != 0;
    return taken;
}

/* To the next execution; false: there is none. */
static bool next_choices(void)
{
    while (choices_known > 0) {
        if (++choices[choices_known - 1].taken < choices[choices_known - 1].options)
            return true;
        choices_known--;
    }
    return false;
}

/* The current thread first, so that the first executions are the usual ones. */
static unsigned runnable_threads(struct thread *out[THREADS_MAX])
{
    unsigned count = 0, first = current != NULL ? (unsigned)(current - threads) : 0;

    for (unsigned i = 0; i < thread_count; i++) {
        struct thread *thread = &threads[(first + i) % thread_count];
        if (machine_is_runnable(thread))
            out[count++] = thread;
    }
    return count;
}

/* The current thread goes on: a new state, even if what it does changes nothing. */
static void note_step(void)
{
    if (current != NULL)
        current->history = mix(current->history, 0);
}

_Noreturn static void end_or_deadlock(void)
{
    for (unsigned i = 0; i < thread_count; i++)
        if (threads[i].status != ENDED)
            explore_fail("deadlock: thread %u waits for ever", i);
    end_execution(COMPLETE);
}

void schedule(void)
{
    struct thread *runnable[THREADS_MAX];
    unsigned count = runnable_threads(runnable);

    if (count == 0)
        end_or_deadlock();
    if (current != NULL)
        note_state();
    bool could_go_on = runnable[0] == current;
    struct thread *next = runnable[could_go_on ? choose_departure(count) : choose(count)];
    machine_resume(next);
    if (next != current)
        switch_to(next);
    note_step();
}

_Noreturn void start_over(void)
{
    end_execution(START_OVER);
}

/* ---- the search ----------------------------------------------------------------------------------------------------
 */

void explore_thread(void (*body)(unsigned index), unsigned index)
{
    if (thread_count == THREADS_MAX)
        explore_fail("too many threads");
    struct thread *thread = &threads[thread_count++];
    thread->body = body;
    thread->index = index;
    thread->status = READY;
    thread->view = (struct view){0};
    thread->view.clock[thread - threads] = 1;
    thread->history = 0;
    thread->steps = 0;
    memset(thread->caused, 0, sizeof(thread->caused));
    thread->read_from = NULL;
    thread->resume = &thread->start;
}

static void execute(void)
{
    for (unsigned i = 0; i < THREADS_MAX; i++)
        threads[i].status = ENDED;
    thread_count = departures = choices_made = 0;
    machine_reset();
    scenario->setup();
    if (_setjmp(end_of_execution) == 0)
        schedule();
    current = NULL;
    if (outcome == COMPLETE)
        scenario->check();
}

static void explore(void)
{
    unsigned long complete = 0, cut = 0;
    clock_t began = clock();

    machine_forget();
    states_clear();
    choices_known = 0;
    do {
        execute();
        complete += outcome == COMPLETE;
        cut += outcome == SEEN_BEFORE;
        if (outcome == START_OVER) {
            states_clear();
            complete = cut = choices_known = 0;
        }
    } while (outcome == START_OVER || next_choices());
    if (complete == 0)
        explore_fail("no execution came to its end");
    printf("%-32s %9zu states %9lu executions to the end %9lu cut at a state seen before  %5.1f s\n", scenario->name,
           states.count, complete, cut, (double)(clock() - began) / CLOCKS_PER_SEC);
    fflush(stdout);
}

static bool is_wanted(const char *name, int argument_count, char **arguments)
{
    for (int i = 1; i < argument_count; i++)
        if (strcmp(arguments[i], name) == 0)
            return true;
    return argument_count <= 1;
}

int explore_main(const struct explore_scenario *scenarios, size_t scenario_count, int argument_count, char **arguments)
{
    create_coroutines();
    for (size_t i = 0; i < scenario_count; i++) {
        scenario = &scenarios[i];
        if (is_wanted(scenario->name, argument_count, arguments))
            explore();
    }
    return EXIT_SUCCESS;
}

_Noreturn void explore_fail(const char *format, ...)
{
    va_list arguments;

    current = NULL;
    printf("%s: ", scenario->name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\nThe execution (addr2line -fe PROGRAM ADDRESS tells the place):\n");
    machine_print_trace();
    exit(EXIT_FAILURE);
}
