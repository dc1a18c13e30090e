/* listener.h -- addresses to listen on, as text and as bound descriptors, and how they are reached. Blocking: for
 * start-up and commands, on the main thread.
 *
 *   HOST:PORT   127.0.0.1:8080, [::1]:8080, localhost:8080, 0.0.0.0:80, *:80 (every address)
 *   unix:PATH   a stale socket file without a listener behind it is replaced; removed again at close, unless another
 *               server has put its own in that place
 */
#ifndef MR_NET_LISTENER_H
#define MR_NET_LISTENER_H

#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>

#define MR_LISTENER_FDS_MAX 64

struct mr_listener {
    bool is_unix;
    bool is_loopback;       /* reachable from this machine only (a Unix socket counts) */
    char url[128];          /* "http://127.0.0.1:8080" with the port that was chosen, "unix:/run/millrace.sock" */
    char path[108];         /* of a Unix socket we created, while its file is ours to remove; else "" */
    uint64_t device, inode; /* private: of that file */
    unsigned fd_count;
    int fds[MR_LISTENER_FDS_MAX]; /* one per loop: sharing the port (SO_REUSEPORT) or duplicates of one descriptor.
                                     Owned. */
};

/* Bind `address` for `loops` loops and listen. A port that another process listens on is an error, also when it would
 * share it. MR_OK, MR_EPARAM (malformed), MR_EIO; the fault's detail is a sentence that names address and reason. */
int mr_listener_open(struct mr_listener *out, const char *address, unsigned loops, struct mr_fault *fault);
/* The same for a descriptor that was passed in (socket activation). */
int mr_listener_adopt(struct mr_listener *out, int fd, unsigned loops, struct mr_fault *fault);
/* Of descriptors that share a port: give new connections to those alone with accepts[i], at random; so that nobody
 * waits behind one that is not served for a while. Without effect on duplicates, and when no accepts[i] is true. MR_OK
 * or MR_EIO. */
int mr_listener_steer(const struct mr_listener *listener, const bool *accepts);
/* Is the address loopback, as text, without resolving or binding? For the rule of public listeners, before anything is
 * opened. */
int mr_listener_check(const char *address, bool *is_loopback, struct mr_fault *fault);
/* Connect to the server that listens on `address`, over loopback if it listens on every address. *out is a blocking
 * socket, owned by the caller, whose calls give up after `timeout_s` seconds, as connecting does. MR_OK, MR_EPARAM
 * (malformed), MR_EIO; the fault's detail is a sentence. */
int mr_listener_connect(int *out, const char *address, unsigned timeout_s, struct mr_fault *fault);
/* Remove the file of a Unix socket that we created, if it is still that one. Call it while the socket is open: until
 * then no other file can have its inode. From here on a successor may bind the path. No effect on others. */
void mr_listener_unlink(struct mr_listener *listener);
/* The same, and close descriptors that were not handed to a server (those >= 0). */
void mr_listener_close(struct mr_listener *listener);

#endif
