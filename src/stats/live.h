/* live.h -- the numbers of the last second as one JSON object, which GET /events sends. docs/metrics.md lists its
 * members. */
#ifndef MR_STATS_LIVE_H
#define MR_STATS_LIVE_H

#include "stats/snapshot.h"

#define MR_STATUS_CLASSES 6 /* 0: the client left before the response; 1xx to 5xx */

/* A snapshot that can be compared with a later one. It is large: not for the stack. */
struct mr_live {
    struct mr_snapshot snapshot;
    uint64_t wall;                              /* ns since 1970 */
    uint64_t requests[MR_STATUS_CLASSES];       /* of all routes */
    struct mr_histogram_view request_durations; /* of all routes but the endless one */
};

/* endless: the pattern of the route whose requests last as long as their client listens; their durations are left out.
 * Any thread. */
void mr_live_read(struct mr_live *out, const struct mr_snapshot_source *source, const char *endless);
/* The object, on one line without its end, owned by the caller (free), or NULL when memory is short. Pure. */
char *mr_live_json(const struct mr_live *now, const struct mr_live *before, size_t *len);

#endif
