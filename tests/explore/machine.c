/* DESIGN. The memory model of C11's relaxed, acquire, release and sequentially consistent operations, as a machine.
 * Each atomic has a list of all values it ever had, in modification order, and each thread has a view: how old a value
 * of each atomic it may still read. A load chooses among these values. A release store leaves the thread's view with
 * the value; an acquire load that reads it joins that view; a read-modify-write reads the newest value and passes on
 * the view it found there (the release sequence). A plain access must be ordered with the last one of another thread
 * that conflicts, by clocks in the same views: anything else is a data race.
 *
 * Late loads. The machine executes loads in order, but a relaxed load may also be answered after later stores of its
 * thread. Where a scenario asks for it, a store is reported that overwrites what another thread read, if it is there
 * because of something which that thread did after its load, and yet is not ordered after the load: it might have been
 * what the load sees.
 *
 * So a store buffer, a stale cache and a reordered load all show as an old value that is still read. What it does not
 * show: a load that sees a store which its own thread's later stores depend on (out of thin air), a store that enters
 * the modification order before one that was executed earlier (it matters only to atomics which two threads write by
 * plain stores), and weak orders inside a futex call. After O. Lahav et al., "Repairing Sequential Consistency in
 * C/C++11" (PLDI 2017) and J. Kang et al., "A Promising Semantics" (POPL 2017), without promises. */
#include "explorer_internal.h"

#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define HISTORY_MAX   64
#define TABLE_SIZE    1024 /* a power of two, twice the addresses that a scenario uses */
#define HEAP_SIZE     ((size_t)256 * 1024)
#define TRACE_MAX     4096
#define TRACE_PRINTED 100
#define RETIRED_MAX   16

static unsigned execution; /* number of the current one: what bears another number is out of date */

/* ---- trace ---------------------------------------------------------------------------------------------------------
 */

static struct event {
    const char *what;
    const struct location *location;
    unsigned thread, at;
    uint64_t value;
    int order;
    void *code;
} trace[TRACE_MAX];
static size_t trace_len;

static void record(const char *what, const struct location *location, unsigned at, uint64_t value, int order,
                   void *code)
{
    if (trace_len < TRACE_MAX)
        trace[trace_len++] = (struct event){what, location, (unsigned)(current - threads), at, value, order, code};
}

/* ---- locations -----------------------------------------------------------------------------------------------------
 */

struct message { /* one value of an atomic */
    uint64_t value;
    struct view view; /* what an acquire load of it joins */
    uint8_t caused[THREADS_MAX];
};

struct location {
    uintptr_t address;
    unsigned execution;
    /* Atomics that only one thread uses are no scheduling points. `index` is the place in the views, -1 until it is
     * known in some execution that two threads use it. */
    int index;
    const struct thread *owner;
    unsigned count, last_sc_store;
    uint64_t hash; /* of all messages */
    struct message messages[HISTORY_MAX];
    /* Of each thread that loaded it relaxed and did not write it since: the number and the clock of that load. */
    uint8_t load_step[THREADS_MAX], load_clock[THREADS_MAX];
    /* Plain accesses. */
    unsigned writer, write_clock;
    uint8_t read_clock[THREADS_MAX];
};

static struct location locations[TABLE_SIZE]; /* hashed by address; 0: free */
static struct location *shared[LOCATIONS_MAX];
static int shared_count;
static uint64_t plain_hash; /* of the last plain write to each location */

static struct {
    uintptr_t address;
    size_t size;
} retired[RETIRED_MAX];
static unsigned retired_count;

void machine_forget(void)
{
    memset(locations, 0, sizeof(locations));
    shared_count = 0;
}

static uint64_t read_memory(const volatile void *address, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, (const void *)(uintptr_t)address, size); /* little-endian */
    return value;
}

static void write_memory(volatile void *address, unsigned size, uint64_t value)
{
    memcpy((void *)(uintptr_t)address, &value, size);
}

static struct location *find(uintptr_t address)
{
    size_t i = mix(1, address) % TABLE_SIZE;

    for (size_t tries = 0; locations[i].address != 0 && locations[i].address != address; tries++) {
        if (tries == TABLE_SIZE / 2)
            explore_fail("too many locations");
        i = (i + 1) % TABLE_SIZE;
    }
    if (locations[i].address == 0) {
        locations[i].address = address;
        locations[i].index = -1;
    }
    return &locations[i];
}

static void check_not_retired(uintptr_t address)
{
    for (unsigned i = 0; i < retired_count; i++)
        if (address - retired[i].address < retired[i].size)
            explore_fail("thread %u uses memory that was given back", (unsigned)(current - threads));
}

static struct location *location_of(const volatile void *pointer, unsigned size)
{
    struct location *location = find((uintptr_t)pointer);

    check_not_retired((uintptr_t)pointer);
    if (location->execution != execution) { /* as setup() left it */
        location->execution = execution;
        location->messages[0] = (struct message){.value = read_memory(pointer, size)};
        location->count = 1;
        location->last_sc_store = 0;
        location->hash = 0;
        location->write_clock = 0;
        memset(location->read_clock, 0, sizeof(location->read_clock));
        memset(location->load_step, 0, sizeof(location->load_step));
    }
    return location;
}

/* Two threads use it: it gets a place in the views, and a scheduling point before each of its operations. What was
 * explored until now lacks these points. */
_Noreturn static void share(struct location *location)
{
    if (shared_count == LOCATIONS_MAX)
        explore_fail("too many shared locations");
    location->index = shared_count;
    shared[shared_count++] = location;
    start_over();
}

static bool is_ordered_before_us(unsigned thread, unsigned clock)
{
    return clock <= current->view.clock[thread];
}

static void check_race(const struct location *location, bool is_write, void *code)
{
    if (!is_ordered_before_us(location->writer, location->write_clock))
        explore_fail("data race: thread %u %s what thread %u wrote, at %p", (unsigned)(current - threads),
                     is_write ? "overwrites" : "reads", location->writer, code);
    for (unsigned i = 0; is_write && i < THREADS_MAX; i++)
        if (!is_ordered_before_us(i, location->read_clock[i]))
            explore_fail("data race: thread %u overwrites what thread %u reads, at %p", (unsigned)(current - threads),
                         i, code);
}

/* Before an operation on an atomic. NULL: only the current thread uses it, or setup or check is running. */
static struct location *approach(const volatile void *pointer, unsigned size, void *code)
{
    if (current == NULL)
        return NULL;
    struct location *location = location_of(pointer, size);
    if (location->owner == NULL)
        location->owner = current;
    if (location->index < 0 && location->owner != current)
        share(location);
    check_race(location, false, code);
    location->read_clock[current - threads] = current->view.clock[current - threads];
    current->read_from = location;
    current->read_at = 0;
    if (location->index < 0)
        return NULL;
    schedule();
    return location_of(pointer, size);
}

/* ---- atomic operations ---------------------------------------------------------------------------------------------
 */

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static void join(struct view *view, const struct view *other)
{
    uint8_t *to = (uint8_t *)view;
    const uint8_t *from = (const uint8_t *)other;

    for (size_t i = 0; i < sizeof(*view); i++)
        to[i] = to[i] > from[i] ? to[i] : from[i];
}

static uint64_t hash_view(uint64_t hash, const struct view *view)
{
    uint64_t words[sizeof(*view) / sizeof(uint64_t)];

    memcpy(words, view, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        hash = mix(hash, words[i]);
    return hash;
}

static unsigned newest(const struct location *location)
{
    return location->count - 1;
}

/* The oldest value that the current thread may still read. */
static unsigned oldest(const struct location *location, int order)
{
    unsigned seen = current->view.seen[location->index];
    bool is_sc = order == __ATOMIC_SEQ_CST;

    return is_sc && location->last_sc_store > seen ? location->last_sc_store : seen;
}

static void join_causes(uint8_t caused[THREADS_MAX], const uint8_t other[THREADS_MAX])
{
    for (unsigned i = 0; i < THREADS_MAX; i++)
        caused[i] = caused[i] > other[i] ? caused[i] : other[i];
}

static void note_load(struct location *location, int order)
{
    unsigned self = (unsigned)(current - threads);

    current->caused[self] = ++current->steps;
    location->load_step[self] = acquires(order) ? 0 : current->steps;
    location->load_clock[self] = current->view.clock[self];
}

static void check_late_loads(struct location *location, bool is_plain_store)
{
    unsigned self = (unsigned)(current - threads);

    for (unsigned i = 0; scenario->late_loads && is_plain_store && i < THREADS_MAX; i++)
        if (i != self && location->load_step[i] != 0 && current->caused[i] >= location->load_step[i] &&
            !is_ordered_before_us(i, location->load_clock[i]))
            explore_fail("thread %u stores what an earlier load of thread %u may still see", self, i);
    location->load_step[self] = 0;
}

static uint64_t read_message(struct location *location, unsigned at, int order)
{
    const struct message *message = &location->messages[at];

    current->view.seen[location->index] = (uint8_t)at;
    join_causes(current->caused, message->caused);
    if (acquires(order))
        join(&current->view, &message->view);
    current->history = mix(current->history, message->value);
    current->read_at = at;
    return message->value;
}

/* `continued`: of a read-modify-write, the view of the value it read. */
static void add_message(struct location *location, uint64_t value, const struct view *continued, int order)
{
    static const struct view nothing;
    struct message *message = &location->messages[location->count];

    if (location->count == HISTORY_MAX)
        explore_fail("too many values of one atomic");
    current->read_at = location->count;
    current->view.seen[location->index] = (uint8_t)location->count;
    check_late_loads(location, continued == NULL);
    memcpy(message->caused, current->caused, sizeof(message->caused));
    message->value = value;
    message->view = continued != NULL ? *continued : nothing;
    if (releases(order)) {
        uint8_t *clock = &current->view.clock[current - threads];
        join(&message->view, &current->view);
        if (++*clock == 0)
            explore_fail("too many releases");
    }
    if (order == __ATOMIC_SEQ_CST)
        location->last_sc_store = location->count;
    location->hash = hash_view(mix(mix(location->hash, value), location->last_sc_store), &message->view);
    if (scenario->late_loads) {
        uint64_t caused;
        memcpy(&caused, message->caused, sizeof(caused));
        location->hash = mix(location->hash, caused);
    }
    location->count++;
}

static uint64_t load(const volatile void *address, unsigned size, int order, void *code)
{
    struct location *location = approach(address, size, code);

    if (location == NULL)
        return read_memory(address, size);
    unsigned at = newest(location) - choose_departure(location->count - oldest(location, order));
    uint64_t value = read_message(location, at, order);
    note_load(location, order);
    record("load", location, at, value, order, code);
    return value;
}

static void store(volatile void *address, unsigned size, uint64_t value, int order, void *code)
{
    struct location *location = approach(address, size, code);

    if (location != NULL) {
        add_message(location, value, NULL, order);
        record("store", location, newest(location), value, order, code);
    }
    write_memory(address, size, value);
}

enum update { EXCHANGE, ADD, SUBTRACT, OR, AND };

static uint64_t updated(enum update kind, uint64_t value, uint64_t operand)
{
    switch (kind) {
    case EXCHANGE:
        return operand;
    case ADD:
        return value + operand;
    case SUBTRACT:
        return value - operand;
    case OR:
        return value | operand;
    case AND:
        return value & operand;
    }
    return 0;
}

/* `value` cut to the size of the atomic. */
static uint64_t fit(uint64_t value, unsigned size)
{
    return size == sizeof(value) ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

static uint64_t update(enum update kind, volatile void *address, unsigned size, uint64_t operand, int order, void *code)
{
    struct location *location = approach(address, size, code);
    uint64_t before = read_memory(address, size); /* the newest: all stores go there too */
    uint64_t after = fit(updated(kind, before, operand), size);

    if (location != NULL) {
        unsigned at = newest(location);
        read_message(location, at, order);
        add_message(location, after, &location->messages[at].view, order);
        record("update", location, newest(location), after, order, code);
    }
    write_memory(address, size, after);
    return before;
}

/* What was there; the swap was made if that is `expected`. A failing one too sees the newest value, as in hardware. */
static uint64_t compare_swap(volatile void *address, unsigned size, uint64_t expected, uint64_t desired, int order,
                             int failure, void *code)
{
    struct location *location = approach(address, size, code);
    uint64_t seen = read_memory(address, size);

    if (location != NULL) {
        unsigned at = newest(location);
        read_message(location, at, seen == expected ? order : failure);
        if (seen == expected)
            add_message(location, desired, &location->messages[at].view, order);
        record(seen == expected ? "swap" : "failed swap", location, seen == expected ? at + 1 : at,
               seen == expected ? desired : seen, seen == expected ? order : failure, code);
    }
    if (seen == expected)
        write_memory(address, size, desired);
    return seen;
}

/* ---- plain accesses ------------------------------------------------------------------------------------------------
 */

static void touch(void *address, unsigned size, bool is_write, void *code)
{
    if (current == NULL || is_on_stack((uintptr_t)address))
        return;
    struct location *location = location_of(address, size);
    unsigned self = (unsigned)(current - threads);
    uint8_t now = current->view.clock[self];

    check_race(location, is_write, code);
    if (!is_write) {
        location->read_clock[self] = now;
        current->history = mix(current->history, read_memory(address, size));
        return;
    }
    plain_hash -= mix(mix(location->address, location->writer), location->write_clock);
    location->writer = self;
    location->write_clock = now;
    plain_hash += mix(mix(location->address, location->writer), location->write_clock);
}

void explore_retire(void *memory, size_t size)
{
    uintptr_t first = (uintptr_t)memory;

    if (current == NULL)
        return;
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (locations[i].execution == execution && locations[i].address - first < size)
            touch((void *)locations[i].address, 1, true, __builtin_return_address(0));
    if (retired_count == RETIRED_MAX)
        explore_fail("too much retired memory");
    retired[retired_count].address = first;
    retired[retired_count++].size = size;
}

static void touch_range(void *address, unsigned long size, bool is_write, void *code)
{
    for (unsigned long i = 0; i < size; i += 8)
        touch((char *)address + i, size - i < 8 ? (unsigned)(size - i) : 8, is_write, code);
}

/* ---- what waits, and what ends its waiting -------------------------------------------------------------------------
 */

bool machine_is_runnable(const struct thread *self)
{
    if (self->status == SPINNING)
        return newest(self->read_from) > self->read_at;
    return self->status == READY;
}

void machine_resume(struct thread *self)
{
    if (self->status != SPINNING)
        return;
    /* Time passes while a thread spins: the old value is not read for ever. */
    uint8_t *seen = &self->view.seen[self->read_from->index];
    if (*seen <= self->read_at)
        *seen = (uint8_t)(self->read_at + 1);
    self->status = READY;
}

int machine_yield(void);
int machine_yield(void)
{
    if (current != NULL) {
        current->status = SPINNING;
        schedule();
    }
    return 0;
}

static long futex_wait(uint32_t *word, uint32_t seen, uint32_t bits, void *code)
{
    struct location *location = approach(word, sizeof(*word), code);
    bool sleeps = *word == seen; /* the newest value: the kernel compares under its lock */
    if (location != NULL)
        current->view.seen[location->index] = (uint8_t)newest(location);
    current->history = mix(current->history, sleeps);
    record(sleeps ? "sleep" : "no sleep", location_of(word, sizeof(*word)), 0, *word, 0, code);
    if (!sleeps)
        return -1;
    current->status = SLEEPING;
    current->sleeps_on = word;
    current->sleeps_for = bits;
    schedule();
    return 0;
}

/* Any of the sleepers with one of the bits may be the one that is woken. */
static long futex_wake(uint32_t *word, uint32_t count, uint32_t bits, void *code)
{
    long woken = 0;

    approach(word, sizeof(*word), code);
    record("wake", location_of(word, sizeof(*word)), 0, count, 0, code);
    for (; count > 0; count--, woken++) {
        struct thread *sleepers[THREADS_MAX];
        unsigned found = 0;
        for (struct thread *thread = threads; thread < threads + THREADS_MAX; thread++)
            if (thread->status == SLEEPING && thread->sleeps_on == word && (thread->sleeps_for & bits) != 0)
                sleepers[found++] = thread;
        if (found == 0)
            break;
        sleepers[choose(found)]->status = READY;
    }
    current->history = mix(current->history, (uint64_t)woken);
    return woken;
}

long machine_syscall(long number, uint32_t *word, int operation, uint32_t value, ...);
long machine_syscall(long number, uint32_t *word, int operation, uint32_t value, ...)
{
    va_list more;
    va_start(more, value);
    const void *timeout = va_arg(more, void *), *other = va_arg(more, void *);
    uint32_t bits = va_arg(more, uint32_t);
    va_end(more);

    operation &= ~FUTEX_PRIVATE_FLAG;
    if (number != SYS_futex || (operation != FUTEX_WAIT_BITSET && operation != FUTEX_WAKE_BITSET) || timeout != NULL ||
        other != NULL || bits == 0)
        explore_fail("a system call that the machine does not know");
    if (current == NULL)
        return 0;
    return (operation == FUTEX_WAIT_BITSET ? futex_wait : futex_wake)(word, value, bits, __builtin_return_address(0));
}

/* ---- the heap: the same addresses in each execution, and nothing to free when one is given up -----------------------
 */

static char heap[HEAP_SIZE] __attribute__((aligned(64)));
static size_t heap_used;

void *machine_aligned_alloc(size_t alignment, size_t size);
void *machine_aligned_alloc(size_t alignment, size_t size)
{
    heap_used = (heap_used + alignment - 1) & ~(alignment - 1);
    if (size > HEAP_SIZE - heap_used)
        explore_fail("the heap is used up");
    void *memory = heap + heap_used;
    heap_used += size;
    return memory;
}

void *machine_malloc(size_t size);
void *machine_malloc(size_t size)
{
    return machine_aligned_alloc(16, size);
}

void *machine_calloc(size_t count, size_t size);
void *machine_calloc(size_t count, size_t size)
{
    return memset(machine_malloc(count * size), 0, count * size);
}

void machine_free(void *memory);
void machine_free(void *memory)
{
    (void)memory;
}

/* ---- for the search ------------------------------------------------------------------------------------------------
 */

void machine_reset(void)
{
    execution++;
    trace_len = 0;
    heap_used = 0;
    retired_count = 0;
    plain_hash = 0;
}

static uint64_t hash_thread(const struct thread *thread)
{
    uint64_t hash = mix(thread->history, thread->status);
    if (scenario->late_loads) {
        uint64_t caused;
        memcpy(&caused, thread->caused, sizeof(caused));
        hash = mix(hash, caused);
    }
    return hash_view(hash, &thread->view);
}

uint64_t machine_hash(void)
{
    uint64_t hash = mix(0, plain_hash);

    for (int i = 0; i < THREADS_MAX; i++)
        hash = mix(hash, hash_thread(&threads[i]));
    for (int i = 0; i < shared_count; i++)
        hash = mix(hash, shared[i]->execution == execution ? shared[i]->hash : 0);
    return hash;
}

void machine_print_trace(void)
{
    static const char *const orders[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};

    for (size_t i = trace_len < TRACE_PRINTED ? 0 : trace_len - TRACE_PRINTED; i < trace_len; i++) {
        const struct event *event = &trace[i];
        printf("  thread %u  %-11s atomic %d, value #%u = %#llx, %s, at %p\n", event->thread, event->what,
               event->location->index, event->at, (unsigned long long)event->value, orders[event->order], event->code);
    }
}

/* ---- the runtime's place -------------------------------------------------------------------------------------------
 */

#define CODE __builtin_return_address(0)

// NOLINTBEGIN(bugprone-macro-parentheses): types and bodies
// clang-format off
#define ATOMICS(bits)                                                                                                 \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *address, int order);                      \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *address, int order)                       \
    {                                                                                                                  \
        return (uint##bits##_t)load(address, bits / 8, order, CODE);                                                   \
    }                                                                                                                  \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *address, uint##bits##_t value, int order);               \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *address, uint##bits##_t value, int order)                \
    {                                                                                                                  \
        store(address, bits / 8, value, order, CODE);                                                                  \
    }                                                                                                                  \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t *address,                        \
                                                              uint##bits##_t expected, uint##bits##_t desired,         \
                                                              int order, int failure);                                 \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t *address,                        \
                                                              uint##bits##_t expected, uint##bits##_t desired,         \
                                                              int order, int failure)                                  \
    {                                                                                                                  \
        return (uint##bits##_t)compare_swap(address, bits / 8, expected, desired, order, failure, CODE);               \
    }                                                                                                                  \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t *address, uint##bits##_t *expected,      \
                                                      uint##bits##_t desired, int order, int failure);                 \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t *address, uint##bits##_t *expected,      \
                                                      uint##bits##_t desired, int order, int failure)                  \
    {                                                                                                                  \
        uint##bits##_t wanted = *expected;                                                                             \
        *expected = (uint##bits##_t)compare_swap(address, bits / 8, wanted, desired, order, failure, CODE);            \
        return *expected == wanted;                                                                                    \
    }
#define UPDATE(bits, name, kind)                                                                                       \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *address, uint##bits##_t operand, int order);  \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *address, uint##bits##_t operand, int order)   \
    {                                                                                                                  \
        return (uint##bits##_t)update(kind, address, bits / 8, operand, order, CODE);                                  \
    }
#define PLAIN(size)                                                                                                    \
    void __tsan_read##size(void *address);                                                                             \
    void __tsan_read##size(void *address) { touch(address, size, false, CODE); }                                       \
    void __tsan_write##size(void *address);                                                                            \
    void __tsan_write##size(void *address) { touch(address, size, true, CODE); }
#define SIZES(bits) ATOMICS(bits) UPDATE(bits, exchange, EXCHANGE) UPDATE(bits, fetch_add, ADD) UPDATE(bits, fetch_sub, SUBTRACT) \
                    UPDATE(bits, fetch_or, OR) UPDATE(bits, fetch_and, AND)
SIZES(8)
SIZES(16)
SIZES(32)
SIZES(64)
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
// NOLINTEND(bugprone-macro-parentheses)
// clang-format on

void __tsan_read16(void *address);
void __tsan_read16(void *address)
{
    touch_range(address, 16, false, CODE);
}

void __tsan_write16(void *address);
void __tsan_write16(void *address)
{
    touch_range(address, 16, true, CODE);
}

void __tsan_read_range(void *address, unsigned long size);
void __tsan_read_range(void *address, unsigned long size)
{
    touch_range(address, size, false, CODE);
}

void __tsan_write_range(void *address, unsigned long size);
void __tsan_write_range(void *address, unsigned long size)
{
    touch_range(address, size, true, CODE);
}

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void mr_assert_failed(const char *expression, const char *file, int line, const char *function);
void mr_assert_failed(const char *expression, const char *file, int line, const char *function)
{
    explore_fail("assertion failed: %s (%s:%d, %s)", expression, file, line, function);
}
