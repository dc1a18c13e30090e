/* segment.h -- the numbers of all processes of the server, in memory that they share.
 *
 *      | supervisor: which run, how many restarts | process 0: its loops, its runners | process 1 | ...
 *
 * The segment is created before the first fork, by the supervisor (supervisor/cluster.h), or by a server that is one
 * process for itself. A process can write its own part only; the rest is mapped read-only, so that a stray write ends
 * the process that makes it and never its neighbour. The first part belongs to the supervisor.
 *
 * A part outlives its process. A process that replaces a dead one goes on counting in the same counters, so that no
 * total ever goes backwards. Gauges end with their process instead: see mr_segment_ended(). Nothing in a part is a
 * pointer, and an index is checked by its reader, so that a reader needs no trust in the writer.
 *
 * All numbers are single-writer counters (base/counter.h), which any thread of any process may read. */
#ifndef MR_STATS_SEGMENT_H
#define MR_STATS_SEGMENT_H

#include "base/budget.h"
#include "http/http.h"
#include "loop/loop.h"
#include "pipe/pipeline.h"
#include "store/store_numbers.h"
#include "variants/variant_numbers.h"
#include "workers/offload.h"
#include <sys/types.h>

#define MR_PROCESSES_MAX 64

/* What GET /events counts (routes/events.h). */
struct mr_events_numbers {
    _Atomic uint64_t listeners; /* now */
    _Atomic uint64_t dropped;   /* events that a listener missed */
};

/* What one loop counts. */
struct mr_loop_numbers {
    _Alignas(MR_CACHE_LINE) struct mr_loop_stats loop;
    struct mr_offload_stats offload;
    struct mr_pipe_numbers pipes;
    struct mr_variant_numbers variants;
    struct mr_http_counters http;
    struct mr_events_numbers events;
    _Atomic uint64_t beat_at; /* when it last gave a sign of life, monotonic ns; 0: not yet, or it need not */
};

/* What a process counts beside its loops. */
struct mr_process_numbers {
    _Alignas(MR_CACHE_LINE) struct mr_budget memory;
    struct mr_budget disk; /* of temporary files */
    _Atomic uint64_t log_dropped;
    struct mr_store_numbers store;
    struct mr_variant_cache_numbers variants;
};

struct mr_segment;

/* Create a segment for so many processes, each with so many loops and runners of jobs (mr_offload_runners()). MR_OK or
 * MR_EMEMORY. */
int mr_segment_create(struct mr_segment **out, unsigned processes, unsigned loops, unsigned runners);
void mr_segment_destroy(struct mr_segment **segment);
/* A process calls this after the fork. From then on it can write its own part only. */
void mr_segment_enter(struct mr_segment *segment, unsigned process);

/* The supervisor notes that `process` runs as `pid` from now on. */
void mr_segment_started(struct mr_segment *segment, unsigned process, pid_t pid);
/* The supervisor notes that `process` has ended, before it waits for it. Its processor time is kept, and its gauges
 * become 0. */
void mr_segment_ended(struct mr_segment *segment, unsigned process);
void mr_segment_count_restart(struct mr_segment *segment);

/* ---- any thread of any process ---- */

unsigned mr_segment_processes(const struct mr_segment *segment); /* their number, whether they run or not */
unsigned mr_segment_loops(const struct mr_segment *segment);     /* of all processes */
unsigned mr_segment_runners(const struct mr_segment *segment);   /* of all processes */
struct mr_process_numbers *mr_segment_process(const struct mr_segment *segment, unsigned process);
/* The numbers of one process lie next to each other: its first loop (or runner) is process * loops of one process. */
struct mr_loop_numbers *mr_segment_loop(const struct mr_segment *segment, unsigned loop);
struct mr_offload_runner_stats *mr_segment_runner(const struct mr_segment *segment, unsigned runner);

/* When that loop of the process which has been silent for longest last gave a sign of life; 0: it has not yet. */
uint64_t mr_segment_silent_since(const struct mr_segment *segment, unsigned process);
pid_t mr_segment_pid(const struct mr_segment *segment, unsigned process);   /* 0: it does not run */
unsigned mr_segment_running(const struct mr_segment *segment);              /* processes that run */
_Atomic uint64_t *mr_segment_log_dropped(const struct mr_segment *segment); /* lines of the supervisor's own log */
uint64_t mr_segment_restarts(const struct mr_segment *segment);
uint64_t mr_segment_started_wall(const struct mr_segment *segment); /* when it was made, ns since 1970 */
/* Processor time, ns, user and system, of all that run and ran. Never goes backwards. */
uint64_t mr_segment_cpu_ns(const struct mr_segment *segment);

#endif
