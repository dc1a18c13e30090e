/* temporary.h -- an unlinked temporary file ($TMPDIR, or /tmp), gone with its descriptor and readable by its owner
 * only. Blocking calls: on libuv's pool (mr_file_run()) or a worker. One thread at a time. */
#ifndef MR_IO_TEMPORARY_H
#define MR_IO_TEMPORARY_H

#include "io/disk.h"

struct mr_temporary {
    int fd; /* -1: not open */
};

/* It is opened by the first write. */
void mr_temporary_init(struct mr_temporary *temporary);
bool mr_temporary_is_open(const struct mr_temporary *temporary);
/* All `len` bytes at `offset`. */
int mr_temporary_write(struct mr_temporary *temporary, const void *bytes, size_t len, uint64_t offset,
                       struct mr_disk_failure *failure);
/* The same; they were written. */
int mr_temporary_read(struct mr_temporary *temporary, void *bytes, size_t len, uint64_t offset,
                      struct mr_disk_failure *failure);
/* The bytes are gone. No effect when it is not open. */
void mr_temporary_close(struct mr_temporary *temporary);

#endif
