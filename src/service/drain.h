/* drain.h -- signals, and the way out.
 *
 *      SERVING --SIGTERM--> LEAVING --drain-delay--> DRAINING --all quiet--> OVER          exit 0
 *                                                       |
 *                                                       +--drain-timeout--> CUTTING --> OVER    exit 1
 *
 * From LEAVING on /readyz says no and answers carry Connection: close. A second SIGTERM or SIGINT, or work that does
 * not stop after it was cut, ends the process at once (of several processes: the supervisor's SIGUSR1, cluster.h).
 * SIGHUP opens the log anew and calls what mr_service_on_hangup() was given. Loop 0 only; what it wants of another loop
 * it posts to that loop's inbox. */
#ifndef MR_SERVICE_DRAIN_H
#define MR_SERVICE_DRAIN_H

#include "base/option_tables.h"

struct mr_drain_settings {
    uint64_t delay, timeout; /* ns */
};

extern const struct mr_option mr_drain_options[]; /* --drain-delay, --drain-timeout */

/* How far the way out is: above. */
enum mr_phase {
    MR_PHASE_SERVING,
    MR_PHASE_LEAVING,  /* /readyz says no, answers say Connection: close; still accepting */
    MR_PHASE_DRAINING, /* the listeners are closed, what is in flight goes on */
    MR_PHASE_CUTTING,  /* the time is up: what is left was cut */
    MR_PHASE_OVER,
};

struct mr_http;
struct mr_service;

/* Say that the server leaves: in its answers, to systemd, in the log. For any transport; any thread. */
void mr_drain_announce(struct mr_http *http);

/* Watch for signals, which are blocked from here on for good. Before the loops run and before any thread that does not
 * block signals itself. MR_OK or MR_EIO. */
int mr_drain_open(struct mr_service *service);
/* Begin to leave, as on SIGTERM. No effect the second time. */
void mr_drain_begin(struct mr_service *service);
/* After loop 0 ended, or when it never ran. */
void mr_drain_close(struct mr_service *service);

#endif
