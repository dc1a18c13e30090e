#include "workers/offload_options.h"
#include "workers/offload.h"

static const char *const priorities[] = {
    [MR_PRIORITY_NICE] = "nice", [MR_PRIORITY_IDLE] = "idle", [MR_PRIORITY_EQUAL] = "equal", NULL};

// clang-format off
const struct mr_option mr_offload_worker_options[] = {
    MR_OPTION_ROW(mr_offload_settings, "workers", INT, 1, MR_WORKERS_MAX, "N", NULL, workers, NULL),
    MR_OPTION_ROW(mr_offload_settings, "heavy-workers", INT, 1, MR_WORKERS_MAX, "N", NULL, heavy_workers, "threads that compute, per process (all cores); long jobs: of them (1/4)"),
    MR_OPTION_END,
};

const struct mr_option mr_offload_options[] = {
    MR_OPTION_CHOICE(mr_offload_settings, "offload", mr_offload_names, "WHERE", "workers", kind,           NULL),
    MR_OPTION_ROW(mr_offload_settings, "lab", BOOL, 0, 0, NULL, NULL, lab,                      "workers, libuv; on the loop: none (yielding), inline; all, to try (/lab)"),
    MR_OPTION_CHOICE(mr_offload_settings, "worker-priority", priorities, "HOW", "nice", priority, "below the loop: nice, idle; or equal"),
    MR_OPTION_ROW(mr_offload_settings, "queue-depth", INT, 1, 65536, "N", "1024", queue_depth,  "jobs waiting per loop and lane"),
    MR_OPTION_ROW(mr_offload_settings, "job-deadline", TIME, 0.001, 3600, "TIME", "15s", job_deadline, "longest wait of a job for a worker"),
    MR_OPTION_ROW(mr_offload_settings, "job-time", TIME, 0, 3600, "TIME", "30s", job_time,      "longest run of a job; 0: none"),
    MR_OPTION_END,
};
// clang-format on
