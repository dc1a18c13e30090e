#define _GNU_SOURCE 1 /* pwritev, preadv2, getdents64, renameat2, mkostemp, sync_file_range */
#include "io/disk_calls.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

static int call_openat2(int directory, const char *path, const struct open_how *how)
{
    return (int)syscall(SYS_openat2, directory, path, how, sizeof(*how)); /* glibc has no function for it */
}

static int call_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int call_ofd_lock(int fd, int command, struct flock *lock)
{
    return fcntl(fd, command, lock);
}

static void *call_map(int fd, size_t len, off_t offset)
{
    return mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, offset);
}

static int call_populate(void *bytes, size_t len)
{
    return madvise(bytes, len, MADV_POPULATE_READ);
}

struct mr_disk_calls mr_disk_calls = {
    .openat2 = call_openat2,
    .open = call_open,
    .mkostemp = mkostemp,
    .close = close,
    .pread = pread,
    .pwrite = pwrite,
    .pwritev = pwritev,
    .preadv2 = preadv2,
    .read = read,
    .write = write,
    .map = call_map,
    .populate = call_populate,
    .sendfile = sendfile,
    .sync_file_range = sync_file_range,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .mkdirat = mkdirat,
    .getdents64 = getdents64,
    .renameat2 = renameat2,
    .unlinkat = unlinkat,
    .fstat = fstat,
    .fstatfs = fstatfs,
    .fchmod = fchmod,
    .flock = flock,
    .ofd_lock = call_ofd_lock,
};
