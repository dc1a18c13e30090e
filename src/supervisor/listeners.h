/* listeners.h -- the addresses of the configuration, opened. For start-up, before any loop runs: by the service itself,
 * or by the supervisor (cluster.h) for its processes. */
#ifndef MR_SUPERVISOR_LISTENERS_H
#define MR_SUPERVISOR_LISTENERS_H

#include "net/listener.h"
#include "service/config.h"

#define MR_LISTENERS_MAX 64

struct mr_listeners {
    struct mr_listener at[MR_LISTENERS_MAX];
    unsigned count;
};

/* Open the configured addresses, each for config->loops loops of each process (those of process p are fds[p * loops]
 * and the next), or take the `passed` listening descriptors from 3 on if none is configured. MR_OK, or the fault's
 * detail is for a person; what is open by then is in *out. */
int mr_listeners_open(struct mr_listeners *out, const struct mr_config *config, unsigned passed,
                      struct mr_fault *fault);
void mr_listeners_close(struct mr_listeners *listeners);
/* They are served: plain lines on standard error, also when the log goes to a file, and systemd is told. */
void mr_listeners_announce(const struct mr_listeners *listeners);

#endif
