/* snapshot.h -- all numbers of the server at about one moment, added up over the loops of all its processes. This is
 * the one place where they are read: the pages of /metrics (prometheus.h) and /events (live.h) are written from a
 * snapshot.
 *
 * Each loop writes its own numbers only. They are read relaxed and not at one instant. Any thread; reading takes some
 * ten microseconds a loop. */
#ifndef MR_STATS_SNAPSHOT_H
#define MR_STATS_SNAPSHOT_H

#include "base/exemplar.h"
#include "base/histogram.h"
#include "pipe/stages.h"
#include "stats/segment.h"
#include "store/store.h"
#include "variants/variant_home.h"

/* What a snapshot is read from. All borrowed. */
struct mr_snapshot_source {
    const struct mr_segment *segment;
    const struct mr_http *http;             /* its routes, and whether it drains */
    const char *offload;                    /* static text: where jobs run (mr_offload_name()) */
    unsigned workers;                       /* of each process: threads that run jobs */
    uint32_t queue_capacity;                /* of each process: jobs that one lane holds */
    uint64_t job_deadline_ns;               /* the longest wait of a job; 0: none */
    const struct mr_store *store;           /* NULL: no files are kept */
    const struct mr_variant_home *variants; /* NULL: no images are kept on the disk */
    const char *throttling;                 /* the file for mr_machine_read_throttling(); NULL: there is no CPU quota */
};

/* Iterations that were busy for too long, of one label. */
struct mr_snapshot_blocked {
    uint64_t count, ns;
    struct mr_exemplar_value worst; /* .value 0: none is known */
    struct mr_exemplar_value last;  /* the same */
};

struct mr_snapshot_lane {              /* what waits in it */
    uint64_t jobs, work_ns, oldest_ns; /* what they are expected to run; how long the oldest has waited */
};

struct mr_snapshot_store { /* of files that are kept */
    struct mr_histogram_view commit;
    uint64_t groups; /* of commits that were synced together */
    uint64_t objects_written, bytes_written, changed, deleted, failed, debris_removed, damaged;
    uint64_t uploads_open, reserved_bytes, free_bytes;
    uint64_t min_free_bytes;   /* that are to stay free */
    uint64_t room_asked_at;    /* when the file system was asked for these two, monotonic; 0: never */
    uint64_t oldest_upload_ns; /* how long the oldest upload is under way; 0: none is */
    uint64_t findings[MR_STORE_FINDINGS], scrub_bytes, scrub_walks;
    uint64_t scrub_ended; /* ns since 1970; 0: no walk has ended */
    bool has_totals;      /* else those are not known yet */
    struct mr_store_totals totals;
};

struct mr_snapshot_variants { /* of images made of files */
    struct mr_histogram_view time[MR_VARIANT_WAYS];
    uint64_t fallbacks;
    uint64_t bytes, images, evicted; /* kept in memory */
    struct mr_variant_index_totals disk;
    uint64_t disk_written, disk_evicted, disk_damaged, disk_failed;
};

/* Histograms are of ns, as all times here. */
struct mr_snapshot {
    uint64_t at; /* when it was read, monotonic */

    unsigned processes, loops; /* of those that run */
    uint64_t started_wall;     /* ns since 1970 */
    uint64_t restarts;         /* of processes */
    struct mr_histogram_view lag, busy;
    uint64_t iterations, deliveries, longest_ns;
    const char *longest_label;                          /* static text */
    struct mr_snapshot_blocked blocked[MR_LABEL_COUNT]; /* by label; those with a count of 0 are not told */

    struct mr_histogram_view queue_wait[MR_LANE_COUNT], run_time[MR_STAGE_COUNT];
    struct mr_snapshot_lane queue[MR_LANE_COUNT];
    uint64_t queue_capacity, workers, workers_busy;
    uint64_t job_deadline_ns;
    uint64_t longest_running_ns; /* of the jobs that run, how long the oldest has; 0: none runs */
    uint64_t jobs_done, jobs_refused, jobs_expired, jobs_cancelled, jobs_failed;

    uint64_t connections, connections_max;
    uint64_t connections_accepted, connections_refused, connections_dropped;
    uint64_t requests_in_flight, request_bytes, response_bytes, timeouts, wrong_keys;
    uint64_t refusals[MR_ERROR_COUNT]; /* index: -error; see mr_snapshot_next_refusal() */

    uint64_t listeners, listener_drops; /* of /events, and the events that they missed */
    uint64_t memory_limit, memory_used, disk_limit, disk_used, log_dropped;
    bool is_draining;
    bool has_store;
    struct mr_snapshot_store store; /* zeros without one, as the next */
    struct mr_snapshot_variants variants;
};

/* The label that blocked a loop last, at .blocked[label].last.wall; MR_LABEL_COUNT: none did. */
enum mr_label mr_snapshot_last_blocked(const struct mr_snapshot *snapshot);
/* The first label from `label` on that has blocked a loop; MR_LABEL_COUNT: there are no more. */
enum mr_label mr_snapshot_next_blocked(const struct mr_snapshot *snapshot, enum mr_label label);

/* Errors that are counted as refusals, one after the other; the first follows MR_OK. MR_OK: there are no more. */
enum mr_error mr_snapshot_next_refusal(enum mr_error error);

/* Read all numbers but those of single routes. */
void mr_snapshot_read(struct mr_snapshot *out, const struct mr_snapshot_source *source);

/* The requests of one pattern of the route table. Routes that differ in their method only stand next to each other in
 * the table and are counted together here. Behind the last pattern comes an entry for requests that matched none. */
struct mr_snapshot_route {
    const char *pattern;                        /* static text; "none" */
    uint64_t by_status[MR_STATUS_COUNT], count; /* index: enum mr_status_index */
    struct mr_histogram_view duration;
    struct mr_exemplar_value slowest; /* .value 0: none is known */
};

/* Read the pattern that begins at row `route` of the table; the first begins at 0. Returns the row where the next one
 * begins, or 0 after the last. */
unsigned mr_snapshot_read_route(struct mr_snapshot_route *out, const struct mr_snapshot_source *source, unsigned route);

#endif
