/* segment.h -- the numbers of all processes of the server, in memory that they share.
 *
 *      | who runs, how often anew | process 0: its loops, its runners | process 1 | ...
 *
 * Made before anybody forks, by the supervisor (cluster.h), or by a server that is one process for itself. Each process
 * writes its own part and nobody else's; all the rest is read-only to it, so that a stray write ends the process that
 * makes it and never its neighbour. The front is the supervisor's.
 *
 * A part outlives its process: whoever is started in the place of one that died counts on in the same counters, and so
 * no total ever goes backwards. Gauges are different, they end with the process: see mr_segment_ended(). Nothing in a
 * part points anywhere (but to static text), so that a reader needs no trust in the writer.
 *
 * Single-writer counters (counter.h) read by any thread of any process. */
#ifndef MR_STATS_SEGMENT_H
#define MR_STATS_SEGMENT_H

#include "base/budget.h"
#include "http/http.h"
#include "loop/loop.h"
#include "pipe/pipeline.h"
#include "workers/offload.h"
#include <sys/types.h>

#define MR_PROCESSES_MAX 64

/* What GET /events counts (routes/events.h). */
struct mr_events_numbers {
    _Atomic uint64_t listeners; /* now */
    _Atomic uint64_t dropped;   /* figures that a listener did not take */
};

/* What one loop counts. */
struct mr_loop_numbers {
    _Alignas(MR_CACHE_LINE) struct mr_loop_stats loop;
    struct mr_offload_stats offload;
    struct mr_pipe_numbers pipes;
    struct mr_http_counters http;
    struct mr_events_numbers events;
};

/* What a process counts beside its loops. */
struct mr_process_numbers {
    _Alignas(MR_CACHE_LINE) struct mr_budget memory;
    struct mr_budget disk; /* of temporary files */
    _Atomic uint64_t log_dropped;
};

struct mr_segment;

/* For so many processes, each with so many loops and runners of jobs (mr_offload_runners()). MR_OK or MR_EMEMORY. */
int mr_segment_create(struct mr_segment **out, unsigned processes, unsigned loops, unsigned runners);
void mr_segment_destroy(struct mr_segment **segment);
/* In the process itself, after the fork: from here on only its own part can be written. */
void mr_segment_enter(struct mr_segment *segment, unsigned process);

/* The supervisor: `process` runs from now on as `pid`. */
void mr_segment_started(struct mr_segment *segment, unsigned process, pid_t pid);
/* It has ended, but is not yet waited for: its processor time is kept, its gauges become 0. */
void mr_segment_ended(struct mr_segment *segment, unsigned process);
void mr_segment_count_restart(struct mr_segment *segment);

/* ---- any thread of any process ---- */

unsigned mr_segment_processes(const struct mr_segment *segment); /* places for one, whether it runs or not */
unsigned mr_segment_loops(const struct mr_segment *segment);     /* of all processes */
unsigned mr_segment_runners(const struct mr_segment *segment);   /* of all processes */
struct mr_process_numbers *mr_segment_process(const struct mr_segment *segment, unsigned process);
/* Those of a process lie next to each other: its first is at process * loops (or runners) of one. */
struct mr_loop_numbers *mr_segment_loop(const struct mr_segment *segment, unsigned loop);
struct mr_offload_runner_stats *mr_segment_runner(const struct mr_segment *segment, unsigned runner);

pid_t mr_segment_pid(const struct mr_segment *segment, unsigned process); /* 0: it does not run */
unsigned mr_segment_running(const struct mr_segment *segment);            /* processes that run */
uint64_t mr_segment_restarts(const struct mr_segment *segment);
uint64_t mr_segment_started_wall(const struct mr_segment *segment); /* when it was made, ns since 1970 */
/* Processor time, ns, user and system, of all that run and ran. Never goes backwards. */
uint64_t mr_segment_cpu_ns(const struct mr_segment *segment);

#endif
