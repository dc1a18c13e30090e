#include "stats/segment.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/error.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The supervisor's: it alone writes. */
struct front {
    uint64_t started_wall;
    _Atomic uint64_t restarts;
    _Atomic uint64_t log_dropped; /* lines of its own log */
    struct place {
        _Atomic pid_t pid;              /* 0: it does not run */
        _Atomic uint64_t cpu_before_ns; /* of those that were here before it */
        _Atomic uint64_t cpu_ns;        /* of all that ended here */
    } places[MR_PROCESSES_MAX];
};

struct mr_segment {
    unsigned processes, loops, runners; /* the latter two of each process */
    size_t front_size, part_size;       /* whole pages */
    char *memory;
};

/* A part: struct mr_process_numbers, loops, runners. Each is a multiple of a cache line long. */
#define LOOPS_AT sizeof(struct mr_process_numbers)

static size_t runners_at(const struct mr_segment *segment)
{
    return LOOPS_AT + segment->loops * sizeof(struct mr_loop_numbers);
}

static struct front *front_of(const struct mr_segment *segment)
{
    return (struct front *)(void *)segment->memory;
}

static char *part_of(const struct mr_segment *segment, unsigned process)
{
    MR_ASSERT(process < segment->processes);
    return segment->memory + segment->front_size + process * segment->part_size;
}

static size_t size_of(const struct mr_segment *segment)
{
    return segment->front_size + segment->processes * segment->part_size;
}

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

int mr_segment_create(struct mr_segment **out, unsigned processes, unsigned loops, unsigned runners)
{
    MR_ASSERT(processes > 0 && processes <= MR_PROCESSES_MAX && loops > 0 && runners > 0);
    struct mr_segment *segment = malloc(sizeof(*segment));
    *out = segment;
    if (segment == NULL)
        return MR_EMEMORY;
    *segment = (struct mr_segment){.processes = processes, .loops = loops, .runners = runners};
    segment->front_size = whole_pages(sizeof(struct front));
    segment->part_size = whole_pages(runners_at(segment) + runners * sizeof(struct mr_offload_runner_stats));
    /* Zeroed; taken from the machine now and not by the first scrape, which has a millisecond. */
    int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE;
    // cppcheck-suppress invalidFunctionArg ; an anonymous mapping has no descriptor
    segment->memory = mmap(NULL, size_of(segment), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (segment->memory == MAP_FAILED) {
        free(segment);
        *out = NULL;
        return MR_EMEMORY;
    }
    front_of(segment)->started_wall = mr_clock_wall();
    return MR_OK;
}

void mr_segment_destroy(struct mr_segment **segment)
{
    munmap((*segment)->memory, size_of(*segment));
    free(*segment);
    *segment = NULL;
}

void mr_segment_enter(struct mr_segment *segment, unsigned process)
{
    int err = mprotect(segment->memory, size_of(segment), PROT_READ);
    err |= mprotect(part_of(segment, process), segment->part_size, PROT_READ | PROT_WRITE);
    MR_ASSERT(err == 0);
    (void)madvise(segment->memory, size_of(segment), MADV_POPULATE_READ); /* since Linux 5.14; else a scrape pays */
}

/* ---- the processes that run ---- */

/* The processor time that a process has used, also one that ended and is not waited for. False: there is none. */
static bool read_cpu_ns(pid_t pid, uint64_t *out)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return false;
    *out = (uint64_t)time.tv_sec * MR_NS_PER_S + (uint64_t)time.tv_nsec;
    return true;
}

/* When a process ends, its time moves from "before + its clock" to cpu_ns. A reader takes the larger of the two and so
 * never goes back behind what it read before: cpu_ns is set before the pid is cleared, and cpu_before_ns changes only
 * when no process runs here and the old pid was waited for, after which its clock cannot be read any more. */
void mr_segment_started(struct mr_segment *segment, unsigned process, pid_t pid)
{
    struct place *place = &front_of(segment)->places[process];
    uint64_t before = mr_counter_read(&place->cpu_ns);
    atomic_store_explicit(&place->cpu_before_ns, before, memory_order_relaxed);
    /* Release: pairs with the acquire of mr_segment_pid(). A reader that sees the pid sees what was used before it. */
    atomic_store_explicit(&place->pid, pid, memory_order_release);
}

static uint64_t place_cpu_ns(const struct mr_segment *segment, unsigned process)
{
    const struct place *place = &front_of(segment)->places[process];
    pid_t pid = mr_segment_pid(segment, process);
    uint64_t running = 0;
    if (pid != 0 && read_cpu_ns(pid, &running))
        running += mr_counter_read(&place->cpu_before_ns);
    uint64_t ended = mr_counter_read(&place->cpu_ns);
    return MR_MAX(running, ended);
}

static void clear_waiting(struct mr_offload_stats *stats)
{
    for (int lane = 0; lane < MR_LANE_COUNT; lane++) {
        atomic_store_explicit(&stats->submitted[lane].jobs, 0, memory_order_relaxed);
        atomic_store_explicit(&stats->submitted[lane].work_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&stats->taken[lane].jobs, 0, memory_order_relaxed);
        atomic_store_explicit(&stats->taken[lane].work_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&stats->taken[lane].submitted_at, 0, memory_order_relaxed);
    }
}

/* A gauge says how much there is now, and of a process that ended there is nothing. */
static void clear_gauges(const struct mr_segment *segment, unsigned process)
{
    for (unsigned i = 0; i < segment->loops; i++) {
        struct mr_loop_numbers *loop = mr_segment_loop(segment, process * segment->loops + i);
        atomic_store_explicit(&loop->http.connections, 0, memory_order_relaxed);
        atomic_store_explicit(&loop->http.requests_in_flight, 0, memory_order_relaxed);
        atomic_store_explicit(&loop->events.listeners, 0, memory_order_relaxed);
        atomic_store_explicit(&loop->beat_at, 0, memory_order_relaxed);
        clear_waiting(&loop->offload);
    }
    for (unsigned i = 0; i < segment->runners; i++) {
        struct mr_offload_runner_stats *runner = mr_segment_runner(segment, process * segment->runners + i);
        atomic_store_explicit(&runner->running_since, 0, memory_order_relaxed);
    }
    struct mr_process_numbers *numbers = mr_segment_process(segment, process);
    atomic_store_explicit(&numbers->memory.used, 0, memory_order_relaxed);
    atomic_store_explicit(&numbers->disk.used, 0, memory_order_relaxed);
    atomic_store_explicit(&numbers->store.uploads_open, 0, memory_order_relaxed);
    atomic_store_explicit(&numbers->store.reserved_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&numbers->store.free_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&numbers->store.room_asked_at, 0, memory_order_relaxed);
    for (unsigned i = 0; i < MR_STORE_LOOPS_MAX; i++)
        atomic_store_explicit(&numbers->store.oldest_upload_at[i], 0, memory_order_relaxed);
    atomic_store_explicit(&numbers->variants.bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&numbers->variants.images, 0, memory_order_relaxed);
}

void mr_segment_ended(struct mr_segment *segment, unsigned process)
{
    struct place *place = &front_of(segment)->places[process];
    atomic_store_explicit(&place->cpu_ns, place_cpu_ns(segment, process), memory_order_relaxed);
    clear_gauges(segment, process);
    /* Release: pairs with the acquire of mr_segment_pid(). A reader that sees no pid sees what was used. */
    atomic_store_explicit(&place->pid, 0, memory_order_release);
}

void mr_segment_count_restart(struct mr_segment *segment)
{
    mr_counter_add(&front_of(segment)->restarts, 1);
}

/* ---- reading ---- */

unsigned mr_segment_processes(const struct mr_segment *segment)
{
    return segment->processes;
}

unsigned mr_segment_loops(const struct mr_segment *segment)
{
    return segment->processes * segment->loops;
}

unsigned mr_segment_runners(const struct mr_segment *segment)
{
    return segment->processes * segment->runners;
}

struct mr_process_numbers *mr_segment_process(const struct mr_segment *segment, unsigned process)
{
    return (struct mr_process_numbers *)(void *)part_of(segment, process);
}

struct mr_loop_numbers *mr_segment_loop(const struct mr_segment *segment, unsigned loop)
{
    char *loops = part_of(segment, loop / segment->loops) + LOOPS_AT;
    return &((struct mr_loop_numbers *)(void *)loops)[loop % segment->loops];
}

struct mr_offload_runner_stats *mr_segment_runner(const struct mr_segment *segment, unsigned runner)
{
    char *runners = part_of(segment, runner / segment->runners) + runners_at(segment);
    return &((struct mr_offload_runner_stats *)(void *)runners)[runner % segment->runners];
}

uint64_t mr_segment_silent_since(const struct mr_segment *segment, unsigned process)
{
    uint64_t since = UINT64_MAX;
    for (unsigned i = 0; i < segment->loops; i++) {
        uint64_t beat_at = mr_counter_read(&mr_segment_loop(segment, process * segment->loops + i)->beat_at);
        since = MR_MIN(since, beat_at);
    }
    return since;
}

pid_t mr_segment_pid(const struct mr_segment *segment, unsigned process)
{
    return atomic_load_explicit(&front_of(segment)->places[process].pid, memory_order_acquire);
}

unsigned mr_segment_running(const struct mr_segment *segment)
{
    unsigned running = 0;
    for (unsigned i = 0; i < segment->processes; i++)
        running += mr_segment_pid(segment, i) != 0;
    return running;
}

_Atomic uint64_t *mr_segment_log_dropped(const struct mr_segment *segment)
{
    return &front_of(segment)->log_dropped;
}

uint64_t mr_segment_restarts(const struct mr_segment *segment)
{
    return mr_counter_read(&front_of(segment)->restarts);
}

uint64_t mr_segment_started_wall(const struct mr_segment *segment)
{
    return front_of(segment)->started_wall;
}

uint64_t mr_segment_cpu_ns(const struct mr_segment *segment)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < segment->processes; i++)
        sum += place_cpu_ns(segment, i);
    return sum;
}
