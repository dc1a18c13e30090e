/* config.h -- what the server can be told: the table of its options and the values that came of it.
 *
 * Read once at start, read-only afterwards. On SIGHUP it is read a second time, for what can change in a running
 * server. */
#ifndef MR_SERVICE_CONFIG_H
#define MR_SERVICE_CONFIG_H

#include "base/options.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MR_DEFAULT_LISTEN "127.0.0.1:8080"
#define MR_LOOPS_MAX      256  /* of a service: millrace-bench serve-threads has one for each connection */
#define MR_LOOPS_ASKED    64   /* by --loops, of all processes together: a listener has a socket for each */
#define MR_WORKERS_MAX    1024 /* libuv's bound, kept for our own threads */

/* One field per option, in the order of the table. Times in ns, sizes in bytes. */
struct mr_config {
    struct mr_option_list listen; /* none: MR_DEFAULT_LISTEN, or the sockets that were passed in (systemd.h) */
    bool open;
    int64_t processes;
    int64_t workers, loops; /* of each process */
    int offload;            /* enum mr_offload_kind */
    int worker_priority;    /* enum mr_worker_priority */
    int64_t queue_depth;
    uint64_t job_deadline, job_time;     /* job_time 0: none */
    uint64_t max_body;                   /* 0: none */
    uint64_t body_memory, memory_budget; /* the latter: of each process */
    int64_t max_pixels, max_frames;
    uint64_t max_head;
    int64_t max_connections;             /* of each process */
    int64_t max_requests_per_connection; /* 0: none */
    uint64_t head_timeout, body_timeout, idle_timeout;
    uint64_t min_rate; /* bytes/s; 0: none */
    uint64_t drain_delay, drain_timeout;
    uint64_t max_spill;          /* bytes of an answer kept for a client that still sends; 0: none */
    uint64_t max_expansion;      /* of gunzip and unzstd; 0: none */
    int64_t max_expansion_ratio; /* the same, in times the input */
    struct mr_option_list allow_host, allow_origin;
    struct mr_option_list identity; /* files */
    bool allow_request_identity;
    int log_level, log_format; /* enum mr_log_level, enum mr_log_format */
    char *log_file;            /* NULL: standard error */
    uint64_t lag_warn;         /* 0: never */
};

/* The table, for --help and the docs. */
extern const struct mr_options_program mr_config_program;

/* Fill *out from the command line, the environment, the file of --config and the defaults, complete what depends on the
 * machine (workers, memory_budget), check what one option alone cannot show, and divide among the processes what is
 * given for the server as a whole (memory_budget, max_connections). WRONG: one line on `complaints` names the option;
 * *out is empty. For all but RUN and CHECK nothing is left to free. */
enum mr_options_result mr_config_read(struct mr_config *out, int argc, char *const *argv, char *const *environment,
                                      FILE *complaints);
void mr_config_free(struct mr_config *config);

#endif
