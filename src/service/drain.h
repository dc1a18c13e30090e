/* drain.h -- signals and shutdown.
 *
 *      SERVING --SIGTERM--> LEAVING --drain-delay--> DRAINING --all quiet--> OVER          exit 0
 *                                                       |
 *                                                       +--drain-timeout--> CUTTING --> OVER    exit 1
 *
 * From LEAVING on, /readyz refuses and responses carry Connection: close. A second SIGTERM or SIGINT ends the process
 * at once, and so does work that does not stop after it was aborted. (One of several processes takes the supervisor's
 * SIGUSR1 for that, supervisor/cluster.h.) SIGHUP calls mr_service_reload() and what mr_service_on_hangup() was given.
 * Loop 0 only; what it wants of another loop it posts to that loop's inbox. */
#ifndef MR_SERVICE_DRAIN_H
#define MR_SERVICE_DRAIN_H

#include "base/option_tables.h"

struct mr_drain_settings {
    uint64_t delay, timeout; /* ns */
};

extern const struct mr_option mr_drain_options[]; /* --drain-delay, --drain-timeout */

/* How far the shutdown is: above. */
enum mr_phase {
    MR_PHASE_SERVING,
    MR_PHASE_LEAVING,  /* /readyz refuses, responses say Connection: close; still accepting */
    MR_PHASE_DRAINING, /* the listeners are closed, requests in flight go on */
    MR_PHASE_CUTTING,  /* the time is up: what was left is aborted */
    MR_PHASE_OVER,
};

struct mr_http;
struct mr_service;

/* Say that the server shuts down: in its responses, to systemd (which is told how long it may take), in the log. For
 * any transport; any thread. */
void mr_drain_announce(struct mr_http *http, const struct mr_drain_settings *settings);

/* Watch for signals, which are blocked from here on for good. Before the loops run and before any thread that does not
 * block signals itself. MR_OK or MR_EIO. */
int mr_drain_open(struct mr_service *service);
/* Begin the shutdown, as SIGTERM does. A second call has no effect. */
void mr_drain_begin(struct mr_service *service);
/* After loop 0 ended, or when it never ran. */
void mr_drain_close(struct mr_service *service);

#endif
