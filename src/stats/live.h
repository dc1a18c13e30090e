/* live.h -- the figures of the last second as one JSON object: what GET /events sends. docs/metrics.md has its
 * members. */
#ifndef MR_STATS_LIVE_H
#define MR_STATS_LIVE_H

#include "stats/figures.h"

#define MR_STATUS_CLASSES 6 /* 0: the client left before the answer; 1xx to 5xx */

/* A reading that can be compared with a later one. Large: not for the stack. */
struct mr_live {
    struct mr_figures figures;
    uint64_t wall;                              /* ns since 1970 */
    uint64_t requests[MR_STATUS_CLASSES];       /* of all routes */
    struct mr_histogram_view request_durations; /* of all routes but the endless one */
};

/* endless: the pattern of the route whose requests last as long as their client listens. Any thread. */
void mr_live_read(struct mr_live *out, const struct mr_figures_source *source, const char *endless);
/* The object, on one line without its end, owned by the caller (free), or NULL when memory is short. Pure. */
char *mr_live_json(const struct mr_live *now, const struct mr_live *before, size_t *len);

#endif
