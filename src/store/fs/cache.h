/* cache.h -- descriptions that were read a moment ago, with the payload if that is short: one cache for each loop, in
 * memory. A short object costs no system call then. What was changed or deleted since, by any process, is told by its
 * generation (home.h).
 *
 * A description alone is kept at once; one with its payload only when it is read again, so that what is read once does
 * not push out what is asked for again, and its memory is used by the next one while the processor still has it.
 *
 * No file is held open: it would keep the bytes of a deleted object on the disk. The loop's thread only. */
#ifndef MR_STORE_FS_CACHE_H
#define MR_STORE_FS_CACHE_H

#include "store/fs/reader.h"

#define MR_CACHE_PLACES    4096
#define MR_CACHE_BYTES_MAX (4 * MR_MIB) /* of each loop, beside the memory budget */

struct mr_cache {
    struct mr_entry *at[MR_CACHE_PLACES]; /* by the hash of the ID; a reference each */
    uint64_t read_last[MR_CACHE_PLACES];  /* the hash of the last one with a payload that was read and not kept */
    size_t bytes;
    unsigned hand; /* the next place to be emptied for want of room */
};

/* A new reference, or NULL: it is not there, or out of date. */
struct mr_entry *mr_cache_find(struct mr_store *store, struct mr_loop *loop, const char *id);
/* It was read: keep it, with a reference of its own, if it is worth that. */
void mr_cache_offer(struct mr_store *store, struct mr_loop *loop, struct mr_entry *entry);
/* After the loops ended. */
void mr_cache_close(struct mr_store *store);

#endif
