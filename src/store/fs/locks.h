/* locks.h -- the locks of IDs: a change or a delete of one object at a time, whichever process makes it.
 *
 * A lock is a byte of DATA/locks at the hash of the ID (an open-file-description lock), so it is gone with its process.
 * Each user opens the file for itself: in each process the thread that makes changes (or the main thread before that
 * runs), and in one of them the scrub, which never waits. A user may wait for a lock only while it has none, since two
 * that each have one and wait for the other's would never end. */
#ifndef MR_STORE_FS_LOCKS_H
#define MR_STORE_FS_LOCKS_H

#include "store/fs/home.h"

/* A descriptor for the functions below; the caller closes it. */
int mr_locks_open(int *fd, const struct mr_store_home *home, struct mr_disk_failure *failure);
/* may_wait: see above. MR_EBUSY: another process has it. */
int mr_locks_take(int fd, const char *id, bool may_wait, struct mr_disk_failure *failure);
void mr_locks_release(int fd, const char *id);

#endif
