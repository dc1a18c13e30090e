/* scrub_walk.h -- a walk of the scrub (scrub.h) through the files, step by step. Blocking: on the scrub's thread. It
 * keeps its place between two calls, which may come from different threads, one after the other.
 *
 *      next directory --> its names, some at a time --> each object: meta, payload chunk by chunk --> directory counted
 *
 * An object that seems to be damaged is a suspicion until it was looked at under its lock (scrub_settle.c). */
#ifndef MR_STORE_FS_SCRUB_WALK_H
#define MR_STORE_FS_SCRUB_WALK_H

#include "store/fs/fs.h"
#include "store/fs/metafile.h"
#include "store/fs/names.h"
#include <openssl/evp.h>

enum mr_scrub_step {
    MR_SCRUB_MORE,  /* call again */
    MR_SCRUB_CHUNK, /* bytes are read: have them hashed, and call again */
    MR_SCRUB_WAIT,  /* a lock, memory or a descriptor is not to be had now: call again later */
    MR_SCRUB_OVER   /* all was walked; the next call begins another walk */
};

enum mr_scrub_stage {
    MR_SCRUB_BEGIN,
    MR_SCRUB_FIND, /* a directory behind `first` */
    MR_SCRUB_OPEN, /* it is `first` */
    MR_SCRUB_NAMES,
    MR_SCRUB_OBJECTS
};

struct mr_scrub_walk {
    struct mr_store *store; /* borrowed */
    atomic_bool is_stopping;

    /* Of the last call: */
    uint64_t read; /* bytes, as the disk counts them */
    struct mr_slice bytes;

    /* For the next one: */
    char *chunk; /* borrowed: room for what is read */
    size_t chunk_size;

    int locks; /* private, as all below; owned: the scrub's own */
    enum mr_scrub_stage stage;
    uint64_t began_at, findings;
    unsigned lines; /* in the log */

    char first[MR_ULID_LEN + 1]; /* the lowest ID of the directory; "": none yet */
    int directory;               /* -1: none is open */
    unsigned recounts;           /* times that it was changed while it was counted */
    uint64_t objects, size;      /* in it, as far as it was counted */
    struct mr_names names;
    size_t next; /* of the names */

    bool has_file; /* an object is being read: */
    struct mr_metafile file;
    size_t segment;
    int fd;           /* of the segment; -1: none is open */
    uint64_t offset;  /* in it, or in a payload that is kept with the meta */
    EVP_MD_CTX *hash; /* owned */
    bool is_hashed;   /* else the digest is not known */
    enum mr_store_finding suspicion;
    struct mr_fault fault; /* why */
};

/* MR_OK, MR_EMEMORY, or the file of the locks cannot be opened; in any case to be closed. */
int mr_scrub_walk_open(struct mr_scrub_walk *walk, struct mr_store *store);
void mr_scrub_walk_close(struct mr_scrub_walk *walk);
/* Go on; the first call goes on with a walk that another process had begun, or begins one. */
enum mr_scrub_step mr_scrub_walk_step(struct mr_scrub_walk *walk);
/* Take `bytes` into the digest: on a worker, between two calls. */
void mr_scrub_walk_hash(struct mr_scrub_walk *walk);

/* ---- scrub_settle.c, for scrub_walk.c ---- */

/* Look at what is suspected of the object under the lock of its ID, and act. False: the lock is not to be had now. */
bool mr_scrub_settle(struct mr_scrub_walk *walk, const char *id);
/* A finding: count it, and say so. id: or the name of a directory; what: a sentence. */
void mr_scrub_find(struct mr_scrub_walk *walk, enum mr_store_finding finding, const char *id, const char *what);

#endif
