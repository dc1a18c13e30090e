/* temporary.h -- unlinked temporary files ($TMPDIR, or /tmp): gone with their descriptor. Blocking calls: on a worker
 * or libuv's pool. */
#ifndef MR_IO_TEMPORARY_H
#define MR_IO_TEMPORARY_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

/* A descriptor, or -1 with errno. Readable by its owner only. */
int mr_temporary_open(void);
/* All `len` bytes at `offset`. 0, or an errno. */
int mr_temporary_write(int fd, const void *bytes, size_t len, uint64_t offset);
int mr_temporary_read(int fd, void *bytes, size_t len, uint64_t offset);
/* The fault of such an errno: for want of what others give back (space, descriptors) MR_EBUDGET, else MR_EIO. what:
 * "The body cannot be kept in a temporary file". */
int mr_temporary_fault(struct mr_fault *fault, int error_number, const char *what);

#endif
