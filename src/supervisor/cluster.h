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

#include "service/config.h"
#include "stats/segment.h"
#include "supervisor/listeners.h"

#define MR_CLUSTER_STEADY_NS (10 * MR_NS_PER_S)

/* What a process is told by its supervisor. All borrowed. */
struct mr_child {
    unsigned index;
    struct mr_segment *segment;
    const struct mr_listeners *listeners; /* open; the process's copies of the descriptors */
    int ready_fd;                         /* write one octet, the index, when it serves */
};

typedef int mr_child_main(const struct mr_config *config, const struct mr_child *child);

/* Start config->processes processes, which call serve() and end with what it returns, and supervise them until told to
 * end. In a process without other threads, the log opened (mr_log_open). Exit status: 0 all drained; 1 one did not, or
 * they could not start; 2 an option is wrong. */
int mr_cluster_run(const struct mr_config *config, mr_child_main *serve);

/* The pause before the next start of a process that has died so many times in a row soon after its start. */
uint64_t mr_cluster_backoff_ns(unsigned early_deaths);

#endif
