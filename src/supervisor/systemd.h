/* systemd.h -- the two plain protocols of a service manager, without its library: readiness and life (sd_notify(3)),
 * and socket activation (sd_listen_fds(3)). The main thread only: both look into the environment. */
#ifndef MR_SUPERVISOR_SYSTEMD_H
#define MR_SUPERVISOR_SYSTEMD_H

#include "base/error.h"
#include <stdint.h>

#define MR_SYSTEMD_FIRST_FD 3
#define MR_SYSTEMD_FDS_MAX  64

/* Send `state` ("READY=1") as a datagram to $NOTIFY_SOCKET, a path or an abstract name ("@..."). Does not
 * wait. 0 when it was sent or no manager asked for it, else MR_EIO. */
int mr_systemd_notify(const char *state);

/* Tell the manager that the shutdown begins and may take so long, ns: "STOPPING=1" and EXTEND_TIMEOUT_USEC, since
 * systemd kills what takes longer than its TimeoutStopSec (90 s). Returns as mr_systemd_notify(). */
int mr_systemd_notify_stopping(uint64_t longest_ns);

/* How many listening sockets were passed in, as descriptors from MR_SYSTEMD_FIRST_FD on; 0 when none are meant for this
 * process. Takes LISTEN_FDS and its kin out of the environment, so that no child believes them. MR_EPARAM: the number
 * is none, or larger than MR_SYSTEMD_FDS_MAX; clients of a socket that is not served would wait without end. */
int mr_systemd_listen_fds(unsigned *out, struct mr_fault *fault);

/* How often the manager is to be told "WATCHDOG=1" (sd_watchdog_enabled(3)), ns: twice in the time after which it ends
 * a process that is silent; 0: it watches no process, or another one. Takes WATCHDOG_USEC and WATCHDOG_PID out of the
 * environment. */
uint64_t mr_systemd_watchdog_ns(void);

#endif
