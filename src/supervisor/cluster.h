/* cluster.h -- --processes=N: a supervisor that does no work, and N processes that each are a whole server.
 *
 *                      binds all listeners, holds them
 *      supervisor ---------------------------------------------> process 0   accepts on its own
 *          |      fork; SIGTERM, SIGHUP, SIGUSR1                 process 1   accepts on its own
 *          |                                                     ...
 *          +------- the segment: numbers of all of them, which any of them reads for /metrics (stats/segment.h)
 *
 * Listeners. Each loop of each process has a socket of its own that shares the port, so that the kernel spreads
 * connections evenly. The supervisor holds them all. A connection that waits in the queue of a process that dies is
 * accepted by the process that replaces it. Until that process serves, new connections go to the others
 * (mr_listener_steer). Unix sockets and those that systemd passed are one socket on which all processes accept.
 * docs/operation.md has the measurement.
 *
 * Deaths. A process that dies is replaced: at once if it had lived for MR_CLUSTER_STEADY_NS, else after a pause that
 * grows with each early death (mr_cluster_backoff_ns). A death before all processes have been ready ends the start.
 *
 * Hangs. Each loop of each process gives a sign of life, in the segment, four times in --hang-timeout. New connections
 * are steered away from a process with a loop that is silent for half that time. After all of it the process is ended,
 * with SIGABRT and then SIGKILL, and replaced as one that died; so is one that does not serve within --start-timeout.
 * The time in which the supervisor itself was stopped does not count. The service manager is told that the server lives
 * while at least one process does.
 *
 * Shutdown. SIGTERM and SIGINT are passed on as SIGTERM. The supervisor closes its listeners after --drain-delay, when
 * the processes close theirs. A second signal is passed on as SIGUSR1, which ends a process at once. A process ignores
 * a second SIGTERM, because terminals and systemd signal every process, and then the supervisor does so once more. If
 * the supervisor dies, the kernel sends its processes SIGTERM, and they drain. */
#ifndef MR_SUPERVISOR_CLUSTER_H
#define MR_SUPERVISOR_CLUSTER_H

#include "base/clock.h"
#include "base/option_tables.h"
#include "stats/segment.h"
#include "supervisor/listeners.h"

#define MR_CLUSTER_STEADY_NS (10 * MR_NS_PER_S)

struct mr_cluster_settings {
    int64_t processes;                    /* 2 or more: under a supervisor */
    uint64_t hang_timeout, start_timeout; /* ns; 0: none */
};

extern const struct mr_option mr_cluster_options[]; /* --processes, --hang-timeout, --start-timeout */

/* What the supervisor has to know of its processes. All borrowed. */
struct mr_cluster_config {
    unsigned processes;
    unsigned loops, runners; /* of each process: its sockets per address, its places in the segment */
    const struct mr_listen_settings *listen;
    unsigned passed;               /* sockets from the service manager (systemd.h) */
    uint64_t hang_timeout_ns;      /* a process with a loop that is silent for so long is replaced; 0: none is */
    uint64_t start_timeout_ns;     /* and one that does not serve by then; 0: the same */
    uint64_t drain_delay_ns;       /* from SIGTERM until it closes its listeners */
    uint64_t drain_timeout_ns;     /* from then until it stops waiting for the processes, and some seconds more */
    void (*reload)(void *context); /* after SIGHUP, so that processes to come begin with it; serve's context. Or NULL */
    void (*ended)(void *context, unsigned process); /* a process has died, before it is replaced. Or NULL */
};

/* What a process is told by its supervisor. All borrowed. */
struct mr_child {
    unsigned index;
    struct mr_segment *segment;
    const struct mr_listeners *listeners; /* open; the process's copies of the descriptors */
    int ready_fd;                         /* write one octet, the index, when it serves */
    uint64_t beat_ns; /* each loop gives a sign of life so often (mr_loop_numbers.beat_at); 0: it need not */
};

typedef int mr_child_main(void *context, const struct mr_child *child);

/* Start the processes, which call serve(context, ...) and exit with what it returns, and supervise them until the
 * shutdown. The calling process has no other thread and has opened its log (mr_log_open). Returns the exit status: 0 if
 * all processes drained, 1 if one did not or they could not start, 2 if an option is wrong. */
int mr_cluster_run(const struct mr_cluster_config *config, mr_child_main *serve, void *context);

/* The pause before a process is started again that has died so many times in a row soon after its start. */
uint64_t mr_cluster_backoff_ns(unsigned early_deaths);

#endif
