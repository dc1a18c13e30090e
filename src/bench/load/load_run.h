/* load_run.h -- one run of the load generator: streams side by side on one loop, from opening their connections to the
 * last answer. Blocks the calling thread, which may be any: a run shares nothing with another. SIGPIPE must be ignored,
 * and the process's limit of descriptors is raised to what it may be. */
#ifndef MR_BENCH_LOAD_RUN_H
#define MR_BENCH_LOAD_RUN_H

#include "base/error.h"
#include "bench/load/load_stream.h"
#include <stdbool.h>

struct mr_load_progress {
    bool is_open;     /* all connections that are opened before the run are */
    uint64_t elapsed; /* ns since the first stream began to count; 0 before */
    uint64_t total;   /* ns from there to the end of the last stream's window */
};

/* How a caller looks on. */
struct mr_load_watch {
    /* Called on the run's thread from inside mr_load_run: when the connections are open, and every 100 ms. False
     * cancels the run. */
    bool (*tick)(void *context, const struct mr_load_progress *progress);
    void *context;
};

/* Run `count` streams; results: one for each, zeroed by the caller, who frees each with mr_load_result_free, whatever
 * this returned. watch: NULL for none. MR_OK; MR_EIO with a fault when the connections cannot be opened; MR_ECANCELLED
 * when the watcher said so: the results hold what was measured until then. */
int mr_load_run(const struct mr_load_stream_config *configs, unsigned count, const struct mr_load_watch *watch,
                struct mr_load_result *results, struct mr_fault *fault);

#endif
