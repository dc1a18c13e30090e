/* disk.h -- the operations on files that may wait for a disk, and the two that never do.
 *
 * Each is one operation as its user means it: a transfer goes on after a short read or write and after EINTR, until it
 * is whole or has failed. Each returns MR_OK or an error, and then *failure tells which operation failed and with which
 * errno. Nothing is logged here.
 *
 *                                      a loop    a file thread    a sync thread (syncer.h), a worker, before the loops
 *   try_open, try_read, fault, entry    yes           yes            yes
 *   sync, sync_directory                 -             -             yes
 *   all others                           -            yes            yes
 *
 * On a loop use file.h, which runs these on file threads. A sync takes as long as the disk likes, and four of them
 * would keep all threads of the pool, so it is asserted that they do not run there. */
#ifndef MR_IO_DISK_H
#define MR_IO_DISK_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum mr_disk_operation {
    MR_DISK_OPEN,
    MR_DISK_READ,
    MR_DISK_MAP,
    MR_DISK_WRITE,
    MR_DISK_WRITE_BACK,
    MR_DISK_SYNC,
    MR_DISK_SYNC_DIRECTORY,
    MR_DISK_MAKE_DIRECTORY,
    MR_DISK_LIST,
    MR_DISK_RENAME,
    MR_DISK_UNLINK,
    MR_DISK_STAT,
    MR_DISK_ROOM,
    MR_DISK_LOCK,
    MR_DISK_MODE,
    MR_DISK_CLOSE,
    MR_DISK_OPERATIONS
};

struct mr_disk_failure {
    enum mr_disk_operation operation;
    int error_number; /* the errno */
};

/* ---- failures ---- */

/* "open", "write-back": a word for log lines. */
const char *mr_disk_operation_name(enum mr_disk_operation operation);
/* The one mapping: ENOSPC and EDQUOT are MR_ENOSPACE, EMFILE and ENFILE are MR_EFILES, ENOMEM is MR_EMEMORY, and all
 * others, EIO and EROFS among them, are MR_EIO. What ENOENT or EEXIST mean the caller knows better. */
enum mr_error mr_disk_error(int error_number);
/* The fault of a failure, whose detail names what was tried, the operation and the errno: "The body cannot be kept in a
 * temporary file: write: No space left on device (ENOSPC)." Returns its error. what: the first part, without a stop. */
int mr_disk_fault(struct mr_fault *fault, const struct mr_disk_failure *failure, const char *what);

/* ---- files ---- */

struct mr_disk_info {
    uint64_t size;
    uint64_t device, inode, links;
    int64_t modified_ns; /* since 1970 */
    uid_t owner;
    mode_t mode; /* permissions: 07777 at most */
};

/* Open the regular file `path` beneath the directory: the path does not leave it and no component is a symbolic link.
 * flags: as of open(2); with O_DIRECTORY a directory is opened instead. Whatever else is there (a FIFO, a device) is
 * EINVAL, and opening it does not wait. With O_CREAT, `mode` is that of the new file. The descriptor closes on exec.
 * *info may be NULL. Needs openat2 (Linux 5.6); without it the error is ENOSYS. */
int mr_disk_open(int *fd, struct mr_disk_info *info, int directory, const char *path, int flags, mode_t mode,
                 struct mr_disk_failure *failure);
/* The directory at a path of the operator's own, which may hold symbolic links. */
int mr_disk_open_root(int *fd, struct mr_disk_info *info, const char *path, struct mr_disk_failure *failure);
/* *fd becomes -1, also when it fails, as the descriptor is closed in any case. Some file systems (NFS) report only
 * here that there was no room. */
int mr_disk_close(int *fd, struct mr_disk_failure *failure);
int mr_disk_stat(struct mr_disk_info *info, int fd, struct mr_disk_failure *failure);

/* Read up to `len` bytes at `offset`; *got is less at the end of the file only. */
int mr_disk_read(int fd, void *bytes, size_t len, uint64_t offset, size_t *got, struct mr_disk_failure *failure);
/* Write all `len` bytes at `offset`. After a failure some of them may be written. */
int mr_disk_write(int fd, const void *bytes, size_t len, uint64_t offset, struct mr_disk_failure *failure);
/* The same with the bytes of all runs, one after the other; at most IOV_MAX (1024) of them. The runs are changed. */
int mr_disk_write_runs(int fd, struct iovec *runs, int count, uint64_t offset, struct mr_disk_failure *failure);
/* chmod. */
int mr_disk_set_mode(int fd, mode_t mode, struct mr_disk_failure *failure);
/* Start to write the range to the disk, so that a later sync has less to do. Promises nothing, and does nothing
 * where the file system does not know it. */
int mr_disk_write_back(int fd, uint64_t offset, uint64_t len, struct mr_disk_failure *failure);
/* Have the kernel forget what it keeps of the range (and has written), so that the next read is of the disk. Promises
 * nothing. */
void mr_disk_forget(int fd, uint64_t offset, uint64_t len);
/* fdatasync: data and length are on the disk. After a failure it is not known what is: do not try again. */
int mr_disk_sync(int fd, struct mr_disk_failure *failure);

/* ---- a file as memory ---- */

/* Map `len` bytes (not 0) from `offset`, a multiple of the page size, to be read, and have all of them in memory now:
 * reading them soon after waits for no disk. A disk that fails is an error here, MR_EIO, where a map alone would be a
 * signal for its reader. A kernel before Linux 5.14 and some file systems cannot do it: then error_number is EINVAL,
 * and the file is to be read instead. */
int mr_disk_map(void **bytes, int fd, size_t len, uint64_t offset, struct mr_disk_failure *failure);
/* Any thread. */
void mr_disk_unmap(void *bytes, size_t len);

/* ---- directories ---- */

/* fsync: the names in it are on the disk. */
int mr_disk_sync_directory(int directory, struct mr_disk_failure *failure);
/* One that is there already is EEXIST. */
int mr_disk_make_directory(int directory, const char *path, mode_t mode, struct mr_disk_failure *failure);
/* flags: RENAME_NOREPLACE, or 0. */
int mr_disk_rename(int from_directory, const char *from, int to_directory, const char *to, unsigned flags,
                   struct mr_disk_failure *failure);
/* flags: AT_REMOVEDIR, or 0. */
int mr_disk_unlink(int directory, const char *path, int flags, struct mr_disk_failure *failure);

/* The next names of the directory as far as they fit into the buffer (at least 1 KiB, aligned to 8), to be read by
 * mr_disk_entry(); *got 0: there are no more. The descriptor remembers the place. */
int mr_disk_list(int directory, void *buffer, size_t size, size_t *got, struct mr_disk_failure *failure);

enum mr_disk_kind { MR_DISK_FILE, MR_DISK_DIRECTORY, MR_DISK_OTHER, MR_DISK_UNKNOWN }; /* unknown: ask by opening */
struct mr_disk_entry {
    const char *name; /* in the buffer */
    uint64_t inode;
    enum mr_disk_kind kind;
};
/* The entry at *at (0 at first), which moves on; "." and ".." are left out. False: there is none left. */
bool mr_disk_entry(struct mr_disk_entry *entry, const void *buffer, size_t got, size_t *at);

/* Call take() with each name in the directory, in no order, until it returns false. What is made or removed meanwhile
 * may or may not be among them. */
int mr_disk_walk(int directory, bool (*take)(void *context, const struct mr_disk_entry *entry), void *context,
                 struct mr_disk_failure *failure);

/* ---- locks ---- */

/* Both hold between open files: a descriptor that was duplicated or inherited by fork() shares its lock, and the lock
 * is gone when the last of them is closed. MR_EBUSY: another open file has it; else an error with *failure filled. */

/* All of the file (flock), for this open file alone. Does not wait. */
int mr_disk_lock_file(int fd, struct mr_disk_failure *failure);
/* One byte of it (fcntl, F_OFD_SETLK), which need not exist. may_wait: as long as it takes, and never MR_EBUSY. */
int mr_disk_lock_byte(int fd, uint64_t at, bool may_wait, struct mr_disk_failure *failure);
void mr_disk_unlock_byte(int fd, uint64_t at);

/* ---- file systems ---- */

struct mr_disk_room {
    uint64_t bytes, bytes_free;   /* free: for this process */
    uint64_t inodes, inodes_free; /* both 0: the file system does not count them */
    bool is_memory;               /* a tmpfs or ramfs */
    bool is_read_only;            /* it is mounted so */
};

int mr_disk_room(struct mr_disk_room *room, int fd, struct mr_disk_failure *failure);

/* ---- descriptors of any kind: files, pipes, sockets, terminals, blocking or not ---- */

/* Wait for at least one byte and read what there is, up to `size`. *got 0: the end. */
int mr_disk_receive(int fd, void *bytes, size_t size, size_t *got, struct mr_disk_failure *failure);
/* Send the bytes of a file to a socket that does not block, without a copy: as many as it takes now. Returns how many.
 * Why no more tells what is done with the next of them: reading fails, or writing fails, or would block. */
size_t mr_disk_send_file(int socket, int fd, uint64_t offset, size_t len);
/* Write all bytes, waiting as long as it takes. */
int mr_disk_send(int fd, const void *bytes, size_t len, struct mr_disk_failure *failure);

/* ---- without waiting ---- */

enum mr_disk_try {
    MR_DISK_DONE,
    MR_DISK_WOULD_BLOCK, /* it is not in memory, or the kernel cannot tell: use file.h */
    MR_DISK_FAILED       /* see *failure; ENOENT is only ever certain, too */
};

/* As mr_disk_open(), if all of the path is in the kernel's cache (Linux 5.12). For files that exist. */
enum mr_disk_try mr_disk_try_open(int *fd, struct mr_disk_info *info, int directory, const char *path, int flags,
                                  struct mr_disk_failure *failure);
/* As mr_disk_read(), of what is in the page cache: *got is less than `len` where that ends, too. DONE with *got 0 is
 * the end of the file. */
enum mr_disk_try mr_disk_try_read(int fd, void *bytes, size_t len, uint64_t offset, size_t *got,
                                  struct mr_disk_failure *failure);

/* ---- for io/ itself ---- */

/* The calling thread is a file thread: from here on it must not sync. */
void mr_disk_enter_pool(void);

#endif
