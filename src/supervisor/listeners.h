/* listeners.h -- the addresses that were asked for, opened: --listen, --open. For start-up, before any loop runs: by
 * the service itself, or by the supervisor (cluster.h) for its processes. */
#ifndef MR_SUPERVISOR_LISTENERS_H
#define MR_SUPERVISOR_LISTENERS_H

#include "base/option_tables.h"
#include "net/listener.h"

#define MR_DEFAULT_LISTEN "127.0.0.1:8080"
#define MR_LISTENERS_MAX  64

struct mr_listen_settings {
    struct mr_option_list addresses; /* none: MR_DEFAULT_LISTEN, or the sockets that were passed in (systemd.h) */
    bool open;                       /* also addresses that other machines can reach, without keys */
    bool has_keys;                   /* the same, with keys; no option of this table */
};

extern const struct mr_option mr_listen_options[];

struct mr_listeners {
    struct mr_listener at[MR_LISTENERS_MAX];
    unsigned count;
};

/* Is each of the addresses well formed, and open for other machines only with keys, or
 * where that is allowed without? Nothing is resolved or
 * opened. MR_OK, or MR_EPARAM: the fault's detail is for a person. */
int mr_listeners_check(const struct mr_listen_settings *settings, struct mr_fault *fault);
/* Open the addresses, each for so many loops (of all processes: those of process p are fds[p * its loops] and the
 * next), or take the `passed` listening descriptors from 3 on if there is no address. MR_OK, or the fault's detail is
 * for a person; what is open by then is in *out. */
int mr_listeners_open(struct mr_listeners *out, const struct mr_listen_settings *settings, unsigned loops,
                      unsigned passed, struct mr_fault *fault);
void mr_listeners_close(struct mr_listeners *listeners);
/* Remove the files of their Unix sockets (mr_listener_unlink()). */
void mr_listeners_unlink(struct mr_listeners *listeners);
/* They are served: plain lines on standard error, also when the log goes to a file, and systemd is told. Does not wait
 * for room on standard error. */
void mr_listeners_announce(const struct mr_listeners *listeners);

#endif
