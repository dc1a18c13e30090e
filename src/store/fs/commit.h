/* commit.h -- making new objects durable, group by group, on threads of its own.
 *
 * A thread takes all commits that wait, and does each step for all of them before the next:
 *
 *      1. ID.meta is made and written in uploads/
 *      2. each segment, then its meta: fdatasync, several side by side (crew.h)
 *      3. the time directory, made where it is missing, with its name on the disk
 *      4. the segments are renamed to their place, then the meta: that is the commit
 *      5. each directory once: fsync
 *      6. the responses, on their loops; meanwhile the next group has gathered
 *
 * Several threads take turns. While the directories of one group are synced, the files of the next one are, and a
 * journal writes both at once: with one thread, clients would wait for the groups of others, at half the rate.
 *
 * What fails in 1 to 4 fails alone and is undone; a directory that cannot be synced fails all that were renamed into
 * it. With --durability=none 2 and 5 are left out. */
#ifndef MR_STORE_FS_COMMIT_H
#define MR_STORE_FS_COMMIT_H

#include "store/fs/fs.h"
#include "store/fs/meta.h"

struct mr_commit {
    struct mr_file_request request; /* its done() is the end; request.err and `fault` are the result */
    struct mr_store *store;         /* borrowed */
    struct mr_meta meta;            /* the object, and its segment if there is one */
    int fd;                         /* of that segment, in uploads/; or -1. The commit closes it */
    uint64_t began_at;              /* monotonic ns */
    struct mr_fault fault;
    mr_store_finish *finish; /* of a short one; NULL: it is complete */
    void *finish_context;

    int meta_fd; /* private, as all below */
    int directory;
    char directory_name[MR_ULID_DIRECTORY_LEN + 1];
    unsigned renamed; /* segments, and then the meta */
    bool has_meta;    /* there is one in uploads/, or at its place */
    bool is_synced;   /* its directory was, or need not be */
};

/* Hand it to the thread for payloads of its size. Everything but `request` (mr_file_init()) and what is private is
 * filled in by the caller, and is the thread's until request.done() is called. */
void mr_commit_submit(struct mr_commit *commit);
/* For store.c: what a thread does. context: the struct mr_committer of the first thread; the others' follow it. */
void mr_commit_group(void *context, unsigned thread, struct mr_file_request *first);

#endif
