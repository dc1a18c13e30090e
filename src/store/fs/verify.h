/* verify.h -- is an object whole? The checksum of its meta, the lengths of its segments, the digest of its payload. All
 * of it is read, which takes as long as the disk needs: for a thread that may wait for it. */
#ifndef MR_STORE_FS_VERIFY_H
#define MR_STORE_FS_VERIFY_H

#include "store/fs/meta.h"

struct mr_verify_result {
    uint64_t size; /* of the payload, as the meta says; 0: it cannot be read */
    uint64_t segments;
};

/* directory: that of its time. MR_OK: it is whole. MR_ENOTFOUND: there is no meta. MR_EIO: it is damaged, or cannot be
 * read; the fault says what of it. MR_EMEMORY, MR_EFILES: it is not known.
 * In a store that is in use a segment may be missing since the object is being deleted: its meta is gone then. */
int mr_verify_object(struct mr_verify_result *result, int directory, const char *id, struct mr_fault *fault);

/* Open a segment; *fd is the caller's to close. MR_ENOTFOUND: there is none; MR_EIO: it has another length than was
 * written, or cannot be opened. The fault says so. */
int mr_verify_open_segment(int *fd, int directory, const struct mr_meta *meta, size_t index, struct mr_fault *fault);

#endif
