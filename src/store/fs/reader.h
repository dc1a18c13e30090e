/* reader.h -- an open object, as reader.c, sender.c, entry.c and cache.c share it.
 *
 * An entry is an object as it was read at one time: its description, its payload if that is short, the file of its
 * first segment else. It never changes and is shared by readers, so that a reader is a reference to it. */
#ifndef MR_STORE_FS_READER_H
#define MR_STORE_FS_READER_H

#include "store/fs/fs.h"
#include "store/fs/metafile.h"

struct mr_entry {
    unsigned references; /* of one loop */
    uint64_t generation; /* of its ID, before it was read */
    struct mr_metafile file;
    int fd; /* of the first segment; -1: there is none */
};

/* Read it. Blocking: on the pool. MR_OK, or the fault. */
int mr_entry_read(struct mr_entry **out, struct mr_store *store, const char *id, struct mr_fault *fault);
/* Read what the kernel has in its cache, on a loop. WOULD_BLOCK: it takes the other. FAILED: the fault says why. */
enum mr_disk_try mr_entry_try_read(struct mr_entry **out, struct mr_store *store, const char *id,
                                   struct mr_fault *fault);
/* The last reference frees it. store, loop: may be NULL where it has no file. */
void mr_entry_release(struct mr_entry *entry, struct mr_store *store, struct mr_loop *loop);
/* On its loop: close a file of so many bytes that was read; *fd becomes -1, and -1 has no effect. Of an object that was
 * deleted the last close frees the bytes on the disk, which is nothing for a loop: large ones are closed on the pool.
 */
void mr_store_close_file(struct mr_store *store, struct mr_loop *loop, int *fd, uint64_t size);

/* Open a segment of an object that was read. It has the length that it must have, or the fault says that it is damaged;
 * MR_ENOTFOUND: it is gone. */
int mr_entry_open_segment(int *fd, struct mr_store *store, const struct mr_meta *meta, size_t index,
                          struct mr_fault *fault);

struct mr_store_reader {
    struct mr_store *store;
    struct mr_loop *loop;
    struct mr_entry *entry; /* NULL: not opened, or it failed */
    mr_store_opened *opened;
    void *context;
    char id[MR_ULID_LEN + 1];
    bool is_closed;
    struct mr_file_request request;
    struct mr_entry *read; /* by the pool */
    struct mr_fault fault;
};

#endif
