/* target.h -- where requests go: a URL taken apart.
 *
 *   http://HOST[:PORT][/TARGET]     http://127.0.0.1:8080/healthz, http://[::1]:8080/
 *   [http://]unix:PATH[:/TARGET]    unix:/run/millrace.sock:/healthz
 *
 * For start-up; any thread. */
#ifndef MR_BENCH_TARGET_H
#define MR_BENCH_TARGET_H

#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct mr_target {
    bool is_unix;
    char unix_path[108];
    char host[256]; /* without brackets */
    char port[6];
    char authority[272];             /* for the Host field: as it was written; "localhost" for a Unix socket */
    struct mr_slice path;            /* the request target with its query, at least "/"; borrowed from the URL */
    struct sockaddr_storage address; /* filled by mr_target_resolve */
};

/* MR_OK, or MR_EPARAM with a fault whose detail says what is wrong. */
int mr_target_parse(struct mr_target *out, const char *url, struct mr_fault *fault);
/* Find the host's first address (blocks; nothing to do for a Unix socket). MR_OK or MR_EIO. */
int mr_target_resolve(struct mr_target *target, struct mr_fault *fault);

#endif
