/* cluster.h -- --processes=N: a supervisor that does no work, and N processes that each are a whole server.
 *
 *                      binds all listeners, holds them
 *      supervisor ---------------------------------------------> process 0   accepts on its own
 *          |      fork; SIGTERM, SIGHUP, SIGUSR1                 process 1   accepts on its own
 *          |                                                     ...
 *          +------- the segment: numbers of all of them, read by whoever is asked for /metrics (segment.h)
 *
 * Listeners. Each process (each loop of it) has a socket of its own that shares the port, so that the kernel spreads
 * connections evenly; the supervisor holds them all. Who waits in the queue of a process that dies is accepted by the
 * one that takes its place, and until that serves, new connections go to the others (mr_listener_steer). Unix sockets
 * and those that systemd passed are one socket on which all accept. docs/operation.md has the measurement.
 *
 * Deaths. A process that dies is started anew: at once, when it had lived for MR_CLUSTER_STEADY_NS; if not, later each
 * time (mr_cluster_backoff_ns). Before all have been ready once, a death ends the start.
 *
 * The end. SIGTERM and SIGINT are passed on as SIGTERM; the listeners are closed after --drain-delay, as the processes
 * close theirs. The second signal is passed on as SIGUSR1, which ends a process at once; a process by itself takes no
 * second SIGTERM, since terminals and systemd signal every process and the supervisor then once more. If the
 * supervisor dies, the kernel sends its processes SIGTERM: they drain. */
#ifndef MR_SUPERVISOR_CLUSTER_H
#define MR_SUPERVISOR_CLUSTER_H

#include "base/clock.h"
#include "base/option_tables.h"
#include "stats/segment.h"
#include "supervisor/listeners.h"

#define MR_CLUSTER_STEADY_NS (10 * MR_NS_PER_S)

struct mr_cluster_settings {
    int64_t processes; /* 2 or more: under a supervisor */
};

extern const struct mr_option mr_cluster_options[]; /* --processes */

/* What the supervisor has to know of what its processes are. All borrowed. */
struct mr_cluster_config {
    unsigned processes;
    unsigned loops, runners; /* of each process: listening sockets, and places in the segment (mr_offload_runners()) */
    const struct mr_listen_settings *listen;
    uint64_t drain_delay_ns, drain_timeout_ns; /* after SIGTERM: it closes its listeners, and waits for the processes */
};

/* What a process is told by its supervisor. All borrowed. */
struct mr_child {
    unsigned index;
    struct mr_segment *segment;
    const struct mr_listeners *listeners; /* open; the process's copies of the descriptors */
    int ready_fd;                         /* write one octet, the index, when it serves */
};

typedef int mr_child_main(void *context, const struct mr_child *child);

/* Start the processes, which call serve(context, ...) and end with what it returns, and supervise them until told to
 * end. In a process without other threads, the log opened (mr_log_open). Exit status: 0 all drained; 1 one did not, or
 * they could not start; 2 an option is wrong. */
int mr_cluster_run(const struct mr_cluster_config *config, mr_child_main *serve, void *context);

/* The pause before the next start of a process that has died so many times in a row soon after its start. */
uint64_t mr_cluster_backoff_ns(unsigned early_deaths);

#endif
