/* change.h -- changes and deletes of objects, group by group, on one thread of its own.
 *
 *      under the lock of the ID: the meta is read again, changed with a higher rev, written beside and renamed to its
 *      place; or renamed to uploads/ID.gone. Its generation is counted up. Then each directory is synced once, the
 * locks are released, and the responses go to their loops; what was deleted is removed after its response.
 *
 * Two changes of one object are never in one group. A lock that another process has is waited for only while no other
 * is held (locks.h). */
#ifndef MR_STORE_FS_CHANGE_H
#define MR_STORE_FS_CHANGE_H

#include "store/fs/fs.h"

/* For store.c: what the thread does. context: the struct mr_store. */
void mr_change_group(void *context, unsigned thread, struct mr_file_request *first);

#endif
