/* temporary.h -- an unlinked temporary file ($TMPDIR, or /tmp), gone with its descriptor and readable by its owner
 * only.
 *
 * Its bytes are taken from a budget of the disk before they are written, and given back when it is closed.
 *
 *                      its owner's thread (a loop)   file thread (mr_file_run()), a worker
 *   init, reserve                yes                               -
 *   write, read                   -                               yes        one thread at a time
 *   close                         -                               yes        last of all
 *   check, room                   -                               yes        or before the loops run
 */
#ifndef MR_IO_TEMPORARY_H
#define MR_IO_TEMPORARY_H

#include "base/budget.h"
#include "io/disk.h"

struct mr_temporary {
    int fd; /* -1: not open */
    struct mr_budget *budget;
    uint64_t reserved; /* bytes taken from it */
};

/* It is opened by the first write. budget: borrowed; NULL: none. */
void mr_temporary_init(struct mr_temporary *temporary, struct mr_budget *budget);
bool mr_temporary_is_open(const struct mr_temporary *temporary);
/* Take what the budget lacks for a file of `size` bytes: before a write that ends there. MR_OK, or MR_EDISK. */
int mr_temporary_reserve(struct mr_temporary *temporary, uint64_t size, struct mr_fault *fault);
/* All `len` bytes at `offset`. */
int mr_temporary_write(struct mr_temporary *temporary, const void *bytes, size_t len, uint64_t offset,
                       struct mr_disk_failure *failure);
/* The same; they were written. */
int mr_temporary_read(struct mr_temporary *temporary, void *bytes, size_t len, uint64_t offset,
                      struct mr_disk_failure *failure);
/* The bytes are gone, and what was reserved is given back. No effect on a file that is closed, or was never used. */
void mr_temporary_close(struct mr_temporary *temporary);

/* The fault of a failure (mr_disk_fault()), and a line in the log, at most one a second: the operator has to act. */
int mr_temporary_fault(struct mr_fault *fault, const struct mr_disk_failure *failure, const char *what);

/* $TMPDIR, or /tmp. */
const char *mr_temporary_directory(void);
/* Can files be made there? Makes one with a byte in it. */
int mr_temporary_check(struct mr_disk_failure *failure);
int mr_temporary_room(struct mr_disk_room *room, struct mr_disk_failure *failure);

#endif
