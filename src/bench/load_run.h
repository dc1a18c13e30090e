/* load_run.h -- one run of the load generator: streams side by side on one loop, from opening their connections to the
 * last answer. Blocks the calling thread. */
#ifndef MR_BENCH_LOAD_RUN_H
#define MR_BENCH_LOAD_RUN_H

#include "base/error.h"
#include "bench/load_stream.h"
#include <stdio.h>

struct mr_load_times { /* ns */
    uint64_t warmup;   /* sent like the rest, not counted */
    uint64_t duration; /* the window that counts */
    uint64_t grace;    /* how long after it to wait for answers that are due */
};

/* Run `count` streams; results: one for each, zeroed by the caller. progress: told when the connections are open, or
 * NULL. MR_OK, or MR_EIO with a fault when the connections cannot be opened. */
int mr_load_run(const struct mr_load_stream_config *configs, unsigned count, const struct mr_load_times *times,
                FILE *progress, struct mr_load_result *results, struct mr_fault *fault);

#endif
