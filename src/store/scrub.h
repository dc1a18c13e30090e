/* scrub.h -- reads all that the store keeps, slowly and again and again, so that damage is found while there is still a
 * backup. One process of the server scrubs; when it dies, the one that takes its place goes on where it was.
 *
 * A walk goes through objects/ in the order of time: each meta with its checksum, the length of each segment, the
 * SHA-256 of each payload. What it finds is looked at once more under the lock of the ID, so that what is changed or
 * deleted meanwhile is no finding; then it is counted (store_numbers.h) and is a line in the log:
 *
 *      damaged meta, payload or directory    is left as it is
 *      a missing segment                     the meta, and what there is of its segments, is moved to DATA/damaged
 *      a segment without its meta            is removed when it is older than an hour and not on its way to an object
 *
 * Files are read on a thread of its own, SHA-256 is computed by jobs of the bulk lane. It holds one chunk of at most
 * MR_SCRUB_CHUNK_MAX, charged to the memory budget, and waits while that budget is half used or the lane is half full.
 *
 *                          its loop's thread   before it runs   after it ended
 *   start                         yes               yes               -
 *   stop                          yes                -                -
 *   destroy                        -                 -               yes */
#ifndef MR_STORE_SCRUB_H
#define MR_STORE_SCRUB_H

#include "store/store.h"
#include "workers/offload.h"

#define MR_SCRUB_CHUNK_MAX (256 * MR_KIB)
#define MR_SCRUB_LINES_MAX 100 /* of findings in the log, for each walk */

struct mr_scrub;

struct mr_scrub_config {
    struct mr_store *store; /* borrowed, as the next two */
    struct mr_loop *loop;
    struct mr_offload *offload;
    uint64_t rate;     /* bytes a second, on average; above 0 */
    uint64_t pause_ns; /* from the end of a walk to the begin of the next; 0: a day */
};

/* The first walk begins in a later turn of the loop. MR_OK, MR_EMEMORY, or what opening a file says. */
int mr_scrub_start(struct mr_scrub **out, const struct mr_scrub_config *config);
/* Soon it holds nothing any more: a file that is being read is waited for, as an operation of the loop (store.h). */
void mr_scrub_stop(struct mr_scrub *scrub);
/* It was stopped. Clears *scrub; NULL has no effect. */
void mr_scrub_destroy(struct mr_scrub **scrub);

#endif
