/* drain.h -- signals, and the way out.
 *
 *      SERVING --SIGTERM--> LEAVING --drain-delay--> DRAINING --all quiet--> OVER          exit 0
 *                                                       |
 *                                                       +--drain-timeout--> CUTTING --> OVER    exit 1
 *
 * From LEAVING on /readyz says no and answers carry Connection: close. A second SIGTERM or SIGINT, or work that does
 * not stop after it was cut, ends the process at once (of several processes: the supervisor's SIGUSR1, cluster.h).
 * SIGHUP opens the log anew and calls reload_config. Loop 0 only; what it wants of another loop it posts to that loop's
 * inbox. */
#ifndef MR_SERVICE_DRAIN_H
#define MR_SERVICE_DRAIN_H

#include "base/option_tables.h"

struct mr_drain_settings {
    uint64_t delay, timeout; /* ns */
};

extern const struct mr_option mr_drain_options[]; /* --drain-delay, --drain-timeout */

struct mr_service;

/* Watch for signals, which are blocked from here on for good. Before the loops run and before any thread that does not
 * block signals itself. MR_OK or MR_EIO. */
int mr_drain_open(struct mr_service *service);
/* Begin to leave, as on SIGTERM. No effect the second time. */
void mr_drain_begin(struct mr_service *service);
/* After loop 0 ended, or when it never ran. */
void mr_drain_close(struct mr_service *service);

#endif
