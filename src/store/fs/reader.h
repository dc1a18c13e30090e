/* reader.h -- an open object, as reader.c, sender.c, entry.c and cache.c share it.
 *
 * An entry is an object as it was read at one time: its description, and its payload if that is short. It never changes
 * and is shared by readers, as is the file of the first segment of a long payload. */
#ifndef MR_STORE_FS_READER_H
#define MR_STORE_FS_READER_H

#include "store/fs/fs.h"
#include "store/fs/metafile.h"

struct mr_entry {
    unsigned references; /* of one loop */
    uint64_t generation; /* of its ID, before it was read */
    struct mr_metafile file;
};

/* Of the first segment, open. */
struct mr_payload_file {
    unsigned references; /* of one loop */
    int fd;
    uint64_t size; /* of the payload */
};

/* Read it. Blocking: on the pool. MR_OK, or the fault. */
int mr_entry_read(struct mr_entry **out, struct mr_store *store, const char *id, struct mr_fault *fault);
/* Read what the kernel has in its cache, on a loop. WOULD_BLOCK: it takes the other. FAILED: the fault says why. */
enum mr_disk_try mr_entry_try_read(struct mr_entry **out, struct mr_store *store, const char *id,
                                   struct mr_fault *fault);
/* The last reference frees it. */
void mr_entry_release(struct mr_entry *entry);
/* What reading found damaged is counted, and has a line in the log. Returns the error of the fault. */
int mr_entry_report(struct mr_store *store, const struct mr_fault *fault);

/* Open the first segment of an object that was read; without one *out is NULL, and that is no failure. Blocking, as
 * mr_entry_open_segment(). */
int mr_payload_file_open(struct mr_payload_file **out, struct mr_store *store, const struct mr_meta *meta,
                         struct mr_fault *fault);
/* On a loop. WOULD_BLOCK: it takes the other, also when there is none where the description says. */
enum mr_disk_try mr_payload_file_try_open(struct mr_payload_file **out, struct mr_store *store,
                                          const struct mr_meta *meta, struct mr_fault *fault);
/* The last reference closes it. NULL has no effect. */
void mr_payload_file_release(struct mr_payload_file *file, struct mr_store *store, struct mr_loop *loop);
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
    struct mr_entry *entry;       /* NULL: not opened, or it failed */
    struct mr_payload_file *file; /* NULL: the payload is short, or was not wanted */
    mr_store_opened *opened;
    void *context;
    char id[MR_ULID_LEN + 1];
    bool wants_payload, is_closed;
    struct mr_file_request request;
    struct mr_entry *read; /* by the pool, as the next */
    struct mr_payload_file *read_file;
    struct mr_fault fault;
};

#endif
