/* recover.h -- what a server that is no more has left in uploads/ is completed or undone. Nothing else is walked.
 *
 *      ID.N.pP      a segment of an upload that was not committed: removed
 *      ID.meta.pP   an object that was never acknowledged: the segments that are beside its place already are removed,
 *                   and then the file; or a change that was never acknowledged: removed. An object that exists is not
 *                   touched, so nothing is played back over a newer rev
 *      ID.gone.pP   a delete, perhaps acknowledged: its segments are removed, and then the file. Should the object
 * still be at its place, the delete never came to the disk: only the file is removed
 *
 * All of it can be interrupted and done again. Names that are none of these are left alone. On the main thread, before
 * the loops run. */
#ifndef MR_STORE_FS_RECOVER_H
#define MR_STORE_FS_RECOVER_H

#include "store/fs/home.h"
#include "store/fs/meta.h"

/* Of all processes: the home was just locked. Counts in home->shared->debris_removed. MR_OK, or the fault is for a
 * person. */
int mr_recover_all(struct mr_store_home *home, struct mr_fault *fault);
/* Of a process that has died, beside others that live. locks: mr_locks_open(). */
int mr_recover_process(struct mr_store_home *home, int locks, unsigned process, uint64_t *removed,
                       struct mr_fault *fault);

/* ---- for processes that live ---- */

/* Remove the segments of a meta from the directory of its object. Those that are gone already count as removed. */
int mr_remove_segments(int directory, const struct mr_meta *meta, struct mr_disk_failure *failure);

#endif
