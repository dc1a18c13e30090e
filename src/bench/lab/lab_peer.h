/* lab_peer.h -- another server in the lab's table, which runs already: --peer 'NAME=URL [KIND=PATH]...'. For start-up;
 * one thread. */
#ifndef MR_BENCH_LAB_PEER_H
#define MR_BENCH_LAB_PEER_H

#include "base/error.h"
#include "bench/lab/lab_result.h"
#include <stdbool.h>

struct mr_lab_peer {
    char name[32];
    char url[224];                        /* what stands before each path */
    char paths[MR_LAB_STREAM_COUNT][256]; /* "": it is not asked for this */
    bool has_own_paths;                   /* false: those of Millrace; then it may lack the heavy ones */
};

/* URL is of mr_target_parse(), with or without a path of its own and without a query. KIND is light, image, gzip or
 * encrypt, once each; PATH begins with a slash and may have a query. With none of them the paths are Millrace's; with
 * one, light must be among them, and kinds that are not named are not asked. MR_OK, or MR_EPARAM with a fault that says
 * what is wrong. */
int mr_lab_peer_parse(struct mr_lab_peer *out, const char *text, struct mr_fault *fault);

#endif
