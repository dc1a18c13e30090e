/* offload_options.h -- what a program can be told of where its jobs run (offload.h): --workers, --offload, --lab,
 * --worker-priority, --queue-depth, --job-deadline, --job-time. */
#ifndef MR_WORKERS_OFFLOAD_OPTIONS_H
#define MR_WORKERS_OFFLOAD_OPTIONS_H

#include "base/option_tables.h"

#define MR_WORKERS_MAX 1024 /* libuv's bound, kept for our own threads */

/* Times in ns. */
struct mr_offload_settings {
    int64_t workers;       /* of each process; 0: not given */
    int64_t heavy_workers; /* 0: not given */
    int kind;              /* enum mr_offload_kind */
    bool lab;              /* and one of each other kind, to be compared in the running server */
    int priority;          /* enum mr_worker_priority */
    int64_t queue_depth;
    uint64_t job_deadline, job_time; /* job_time 0: none */
};

extern const struct mr_option mr_offload_worker_options[]; /* --workers, --heavy-workers */
extern const struct mr_option mr_offload_options[];        /* the others */

#endif
