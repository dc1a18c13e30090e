/* disk_calls.h -- the system calls of io/ in one table, so that a unit test can put a fault in the place of one: a
 * short write, EINTR, a full disk. They behave as their manual pages say and set errno. Only io/ and its tests include
 * this. A test changes the table while no request is under way. */
#ifndef MR_IO_DISK_CALLS_H
#define MR_IO_DISK_CALLS_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>

struct mr_disk_calls {
    int (*openat2)(int directory, const char *path, const struct open_how *how);
    int (*open)(const char *path, int flags, mode_t mode);
    int (*mkostemp)(char *path, int flags);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *bytes, size_t len, off_t offset);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t len, off_t offset);
    ssize_t (*pwritev)(int fd, const struct iovec *runs, int count, off_t offset);
    ssize_t (*preadv2)(int fd, const struct iovec *runs, int count, off_t offset, int flags);
    ssize_t (*read)(int fd, void *bytes, size_t len);
    ssize_t (*write)(int fd, const void *bytes, size_t len);
    void *(*map)(int fd, size_t len, off_t offset); /* mmap(2), to be read */
    int (*populate)(void *bytes, size_t len);       /* madvise(2) with MADV_POPULATE_READ */
    ssize_t (*sendfile)(int to, int fd, off_t *offset, size_t len);
    int (*sync_file_range)(int fd, off_t offset, off_t len, unsigned flags);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*mkdirat)(int directory, const char *path, mode_t mode);
    ssize_t (*getdents64)(int directory, void *bytes, size_t len);
    int (*renameat2)(int from_directory, const char *from, int to_directory, const char *to, unsigned flags);
    int (*unlinkat)(int directory, const char *path, int flags);
    int (*fstat)(int fd, struct stat *info);
    int (*fstatfs)(int fd, struct statfs *info);
    int (*fchmod)(int fd, mode_t mode);
    int (*flock)(int fd, int operation);
    int (*ofd_lock)(int fd, int command, struct flock *lock); /* fcntl(2) with F_OFD_SETLK or F_OFD_SETLKW */
};

extern struct mr_disk_calls mr_disk_calls;

#endif
