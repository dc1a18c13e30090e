/* fs.h -- the store of one process, as the files of fs/ share it. No file outside fs/ includes it.
 *
 *      loop         writers, readers, requests: their state, and what the kernel promises not to block on
 *      file threads writing and reading payloads, opening, listing, removing
 *      committers   threads that commit new objects, group by group (commit.h): four for short payloads, which shall
 *                   not wait for the syncs of long ones, and four for these. Each has helpers (crew.h)
 *      changer      one thread that changes and deletes (change.c), and takes locks of IDs
 *      scrub        in one process: a thread that reads all that is kept (scrub_walk.h), and takes them, too */
#ifndef MR_STORE_FS_FS_H
#define MR_STORE_FS_FS_H

#include "io/syncer.h"
#include "store/fs/crew.h"
#include "store/fs/directories.h"
#include "store/fs/home.h"
#include "store/fs/locks.h"
#include "store/fs/room.h"

enum { MR_COMMIT_SHORT, MR_COMMIT_LONG, MR_COMMIT_KINDS };
_Static_assert(MR_STORE_COMMITTERS % MR_COMMIT_KINDS == 0, "as many threads for each");
#define MR_COMMIT_THREADS (MR_STORE_COMMITTERS / MR_COMMIT_KINDS)

struct mr_cache;

#define MR_COMMITTER_MAGIC 0x636f6d6du /* "comm" */

struct mr_committer { /* a thread that commits */
    uint32_t magic;
    struct mr_store *store;
    struct mr_crew crew;
    struct mr_directories directories;
    struct mr_store_committer_numbers *numbers;
};

struct mr_store_writer;

struct mr_writers { /* that exist; a new one is the last */
    struct mr_store_writer *first, *last;
};

#define MR_STORE_MAGIC 0x73746f72u /* "stor" */

struct mr_store {
    uint32_t magic;
    struct mr_store_home *home; /* borrowed, as the next three */
    struct mr_budget *memory;
    struct mr_store_numbers *numbers;
    unsigned process;
    struct mr_room room;
    int locks;                                           /* of the changer */
    struct mr_committer committers[MR_STORE_COMMITTERS]; /* the short ones' first */
    struct mr_syncer *committing[MR_COMMIT_KINDS];       /* owned */
    struct mr_syncer *changer;                           /* owned */
    struct mr_syncer *loader;                            /* owned: makes payloads resident */
    struct mr_crew crew;                                 /* of the changer */
    atomic_size_t pending;                               /* operations under way, on all loops */
    struct mr_cache *caches[MR_STORE_LOOPS_MAX];         /* owned; each is its loop's; NULL: nothing was read there */
    struct mr_writers writers[MR_STORE_LOOPS_MAX];       /* each is its loop's */
};

/* An operation of the loop begins, ends. */
void mr_store_begin(struct mr_store *store, struct mr_loop *loop);
void mr_store_end(struct mr_store *store, struct mr_loop *loop);

/* The fault of a failure to write: as mr_disk_fault(), but a disk that fails or is read-only is MR_EWRITE. What cannot
 * be read is MR_EIO. */
int mr_store_write_fault(struct mr_fault *fault, const struct mr_disk_failure *failure, const char *what);
/* Count a fault, and write a line in the log, at most one a second. label: of the operation (mr_file_init()). Returns
 * its error. */
int mr_store_report(struct mr_store *store, const struct mr_fault *fault, enum mr_label label);

static inline void mr_store_count(_Atomic uint64_t *number, uint64_t amount)
{
    /* Relaxed: numbers that several threads count. */
    atomic_fetch_add_explicit(number, amount, memory_order_relaxed);
}

#endif
