/* home.h -- the data directory: its descriptors, its lock, and the memory that all processes of the server share.
 *
 * All descriptors are opened before the fork and are the same in all processes. Every name below them is opened by
 * mr_disk_open() or is one component in a directory that was opened so: no path is followed out of the directory, or
 * through a link that lies in it. */
#ifndef MR_STORE_FS_HOME_H
#define MR_STORE_FS_HOME_H

#include "io/disk.h"
#include "store/fs/tally.h"
#include "store/store.h"
#include <stdatomic.h>

#define MR_GENERATIONS 16384 /* IDs share one by hash: then a change of one makes the other be read again, too */

_Static_assert(MR_STORE_PROCESSES_MAX == MR_TALLY_PROCESSES, "a place for each");

/* Zeroed at first. Written by all processes. */
struct mr_store_shared {
    _Atomic uint64_t reserved[MR_STORE_PROCESSES_MAX]; /* bytes of each process's uploads under way (room.h) */
    _Atomic uint64_t generations[MR_GENERATIONS];
    _Atomic uint64_t debris_removed; /* when the home was opened, and no process has counted it yet */
    struct mr_tally tally;
    _Atomic uint64_t scrub_due; /* when the next walk begins, monotonic ns; 0: at once */
};

struct mr_store_home {
    const struct mr_store_settings *settings;
    const char *complaint; /* what complaints of the directory begin with: the option, or "" */
    struct mr_store_min_free min_free;
    struct mr_store_shared *shared;
    bool is_durable;
    int data, objects, uploads; /* directories */
    int lock;                   /* the file whose lock says that the directory is in use */
};

/* The same directory for a look at it that makes and changes nothing but the process in its lock: it must be there,
 * with all that is in it, and is locked. MR_OK, MR_EBUSY, MR_EPARAM, or what the disk says. mr_store_home_close()
 * closes it. settings: borrowed; `data` alone is read. */
int mr_home_open_offline(struct mr_store_home **out, const struct mr_store_settings *settings, struct mr_fault *fault);

/* Another place for the hash of an ID: a byte to lock (locks.h), a generation. */
uint64_t mr_home_hash(const char *id);

/* A generation is read before a meta is read, and counted up after a meta was changed or removed and before that is
 * acknowledged: what was read under an older one is out of date. */
uint64_t mr_home_generation(const struct mr_store_home *home, const char *id);
void mr_home_outdate(struct mr_store_home *home, const char *id);
/* All of them: after a process died that may have changed something and not come to say so. */
void mr_home_outdate_all(struct mr_store_home *home);

#endif
