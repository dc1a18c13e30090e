/* lab_exchange.h -- one request and its whole answer, blocking: what the lab asks beside the load. HTTP/1.1, on a
 * connection of its own, whether or not the server closes it. Any thread. */
#ifndef MR_BENCH_LAB_EXCHANGE_H
#define MR_BENCH_LAB_EXCHANGE_H

#include "base/error.h"
#include "base/slice.h"
#include "bench/load/target.h"
#include <stddef.h>

struct mr_lab_answer {
    int status;
    struct mr_slice body; /* in `bytes`, without its chunked coding, and a NUL behind it */
    char *bytes;          /* owned: free() */
};

/* Send `method path` with a body (NULL: none) to the target's address (resolved). MR_OK: an answer with a status came,
 * whichever; MR_EIO: refused, no answer within 30 s, no HTTP, or more than 64 MiB. */
int mr_lab_exchange(const struct mr_target *target, const char *method, const char *path, struct mr_slice body,
                    struct mr_lab_answer *answer, struct mr_fault *fault);

#endif
