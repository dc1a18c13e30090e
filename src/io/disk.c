#define _GNU_SOURCE 1 /* strerrorname_np, strerrordesc_np, RWF_NOWAIT, SYNC_FILE_RANGE_WRITE */
#include "io/disk.h"
#include "base/assert.h"
#include "base/macros.h"
#include "io/disk_calls.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h> /* ST_RDONLY */
#include <unistd.h>

#define MODE_MASK   07777
#define WALK_BUFFER (16 * MR_KIB)

static _Thread_local bool is_pool_thread;

void mr_disk_enter_pool(void)
{
    is_pool_thread = true;
}

/* ---- failures ---- */

static const char *const names[MR_DISK_OPERATIONS] = {
    [MR_DISK_OPEN] = "open",
    [MR_DISK_READ] = "read",
    [MR_DISK_MAP] = "map",
    [MR_DISK_WRITE] = "write",
    [MR_DISK_WRITE_BACK] = "write-back",
    [MR_DISK_SYNC] = "sync",
    [MR_DISK_SYNC_DIRECTORY] = "sync of a directory",
    [MR_DISK_MAKE_DIRECTORY] = "making a directory",
    [MR_DISK_LIST] = "listing a directory",
    [MR_DISK_RENAME] = "rename",
    [MR_DISK_UNLINK] = "unlink",
    [MR_DISK_STAT] = "stat",
    [MR_DISK_ROOM] = "statfs",
    [MR_DISK_LOCK] = "lock",
    [MR_DISK_MODE] = "chmod",
    [MR_DISK_CLOSE] = "close",
};

const char *mr_disk_operation_name(enum mr_disk_operation operation)
{
    MR_ASSERT(operation < MR_DISK_OPERATIONS);
    return names[operation];
}

enum mr_error mr_disk_error(int error_number)
{
    switch (error_number) {
    case ENOSPC:
    case EDQUOT:
        return MR_ENOSPACE;
    case EMFILE:
    case ENFILE:
        return MR_EFILES;
    case ENOMEM:
        return MR_EMEMORY;
    default:
        return MR_EIO;
    }
}

int mr_disk_fault(struct mr_fault *fault, const struct mr_disk_failure *failure, const char *what)
{
    int number = failure->error_number;
    const char *name = strerrorname_np(number), *text = strerrordesc_np(number);
    bool is_old_kernel = failure->operation == MR_DISK_OPEN && number == ENOSYS;
    return mr_fault_set(fault, mr_disk_error(number), "%s: %s: %s (%s)%s.", what,
                        mr_disk_operation_name(failure->operation), text != NULL ? text : "unknown error",
                        name != NULL ? name : "?", is_old_kernel ? "; openat2 needs Linux 5.6" : "");
}

static int fail_with(struct mr_disk_failure *failure, enum mr_disk_operation operation, int error_number)
{
    *failure = (struct mr_disk_failure){.operation = operation, .error_number = error_number};
    return mr_disk_error(error_number);
}

/* Network file systems interrupt these, and then have done nothing yet. */
#define UNINTERRUPTED(returned, call) \
    do                                \
        (returned) = (call);          \
    while ((returned) != 0 && errno == EINTR)

/* Of a call that returned 0, or -1 with errno. */
static int outcome(int returned, enum mr_disk_operation operation, struct mr_disk_failure *failure)
{
    return returned == 0 ? MR_OK : fail_with(failure, operation, errno);
}

/* ---- opening ---- */

static void set_info(struct mr_disk_info *info, const struct stat *from)
{
    const int64_t s = 1000000000;
    if (info != NULL)
        *info = (struct mr_disk_info){.size = (uint64_t)from->st_size,
                                      .device = from->st_dev,
                                      .inode = from->st_ino,
                                      .links = from->st_nlink,
                                      .owner = from->st_uid,
                                      .mode = from->st_mode & MODE_MASK,
                                      .modified_ns = from->st_mtim.tv_sec * s + from->st_mtim.tv_nsec};
}

/* 0 when the open file is of the kind that was asked for, else an errno. */
static int check_kind(struct mr_disk_info *info, int fd, int flags)
{
    struct stat found;
    int returned;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) && info == NULL)
        return 0; /* it was made just now */
    UNINTERRUPTED(returned, mr_disk_calls.fstat(fd, &found));
    if (returned != 0)
        return errno;
    if ((flags & O_DIRECTORY) == 0 && !S_ISREG(found.st_mode))
        return EINVAL;
    set_info(info, &found);
    return 0;
}

static int open_beneath(int directory, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    int fd;
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NONBLOCK), /* the latter: an open of a FIFO would wait */
        .mode = (flags & O_CREAT) != 0 ? mode & MODE_MASK : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | resolve,
    };
    do
        fd = mr_disk_calls.openat2(directory, path, &how);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* MR_OK, and *fd is the file; or the descriptor is closed. */
static int accept_file(int *fd, struct mr_disk_info *info, int opened, int flags, struct mr_disk_failure *failure)
{
    int error_number = check_kind(info, opened, flags);
    if (error_number != 0) {
        mr_disk_calls.close(opened);
        return fail_with(failure, MR_DISK_OPEN, error_number);
    }
    *fd = opened;
    return MR_OK;
}

int mr_disk_open(int *fd, struct mr_disk_info *info, int directory, const char *path, int flags, mode_t mode,
                 struct mr_disk_failure *failure)
{
    *fd = -1;
    int opened = open_beneath(directory, path, flags, mode, 0);
    if (opened < 0)
        return fail_with(failure, MR_DISK_OPEN, errno);
    return accept_file(fd, info, opened, flags, failure);
}

int mr_disk_open_root(int *fd, struct mr_disk_info *info, const char *path, struct mr_disk_failure *failure)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    *fd = -1;
    int opened;
    do
        opened = mr_disk_calls.open(path, flags, 0);
    while (opened < 0 && errno == EINTR);
    if (opened < 0)
        return fail_with(failure, MR_DISK_OPEN, errno);
    return accept_file(fd, info, opened, flags, failure);
}

/* EAGAIN: not in the cache. EINVAL, ENOSYS: the kernel does not know RESOLVE_CACHED, or openat2. */
enum mr_disk_try mr_disk_try_open(int *fd, struct mr_disk_info *info, int directory, const char *path, int flags,
                                  struct mr_disk_failure *failure)
{
    MR_ASSERT((flags & (O_CREAT | O_TRUNC)) == 0); /* these change the disk */
    *fd = -1;
    int opened = open_beneath(directory, path, flags, 0, RESOLVE_CACHED);
    if (opened < 0 && (errno == EAGAIN || errno == EINVAL || errno == ENOSYS))
        return MR_DISK_WOULD_BLOCK;
    if (opened < 0)
        return fail_with(failure, MR_DISK_OPEN, errno), MR_DISK_FAILED;
    return accept_file(fd, info, opened, flags, failure) == MR_OK ? MR_DISK_DONE : MR_DISK_FAILED;
}

int mr_disk_close(int *fd, struct mr_disk_failure *failure)
{
    int closed = mr_disk_calls.close(*fd);
    *fd = -1;
    if (closed != 0 && errno == EINTR)
        return MR_OK; /* Linux has closed it */
    return outcome(closed, MR_DISK_CLOSE, failure);
}

int mr_disk_stat(struct mr_disk_info *info, int fd, struct mr_disk_failure *failure)
{
    struct stat found;
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.fstat(fd, &found));
    int err = outcome(returned, MR_DISK_STAT, failure);
    if (err == MR_OK)
        set_info(info, &found);
    return err;
}

/* ---- bytes ---- */

int mr_disk_read(int fd, void *bytes, size_t len, uint64_t offset, size_t *got, struct mr_disk_failure *failure)
{
    for (*got = 0; *got < len;) {
        ssize_t read = mr_disk_calls.pread(fd, (char *)bytes + *got, len - *got, (off_t)(offset + *got));
        if (read == 0)
            return MR_OK;
        if (read < 0 && errno != EINTR)
            return fail_with(failure, MR_DISK_READ, errno);
        *got += read > 0 ? (size_t)read : 0;
    }
    return MR_OK;
}

enum mr_disk_try mr_disk_try_read(int fd, void *bytes, size_t len, uint64_t offset, size_t *got,
                                  struct mr_disk_failure *failure)
{
    ssize_t read;
    const struct iovec run = {.iov_base = bytes, .iov_len = len};
    *got = 0;
    do
        read = mr_disk_calls.preadv2(fd, &run, 1, (off_t)offset, RWF_NOWAIT);
    while (read < 0 && errno == EINTR);
    if (read < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS))
        return MR_DISK_WOULD_BLOCK; /* not in the cache; or the file system, or the kernel, cannot tell */
    if (read < 0)
        return fail_with(failure, MR_DISK_READ, errno), MR_DISK_FAILED;
    *got = (size_t)read;
    return MR_DISK_DONE;
}

int mr_disk_write(int fd, const void *bytes, size_t len, uint64_t offset, struct mr_disk_failure *failure)
{
    for (size_t done = 0; done < len;) {
        ssize_t written = mr_disk_calls.pwrite(fd, (const char *)bytes + done, len - done, (off_t)(offset + done));
        if (written < 0 && errno != EINTR)
            return fail_with(failure, MR_DISK_WRITE, errno);
        if (written == 0)
            return fail_with(failure, MR_DISK_WRITE, EIO); /* it would never end */
        done += written > 0 ? (size_t)written : 0;
    }
    return MR_OK;
}

/* Take what was written off the front of the runs. */
static void skip_written(struct iovec **runs, int *count, size_t written)
{
    while (*count > 0 && written >= (*runs)->iov_len) {
        written -= (*runs)->iov_len;
        ++*runs;
        --*count;
    }
    if (*count > 0) {
        (*runs)->iov_base = (char *)(*runs)->iov_base + written;
        (*runs)->iov_len -= written;
    }
}

int mr_disk_write_runs(int fd, struct iovec *runs, int count, uint64_t offset, struct mr_disk_failure *failure)
{
    skip_written(&runs, &count, 0); /* empty ones */
    while (count > 0) {
        ssize_t written = mr_disk_calls.pwritev(fd, runs, count, (off_t)offset);
        if (written < 0 && errno != EINTR)
            return fail_with(failure, MR_DISK_WRITE, errno);
        if (written == 0)
            return fail_with(failure, MR_DISK_WRITE, EIO); /* or it would never end */
        if (written > 0) {
            skip_written(&runs, &count, (size_t)written);
            offset += (uint64_t)written;
        }
    }
    return MR_OK;
}

int mr_disk_set_mode(int fd, mode_t mode, struct mr_disk_failure *failure)
{
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.fchmod(fd, mode));
    return outcome(returned, MR_DISK_MODE, failure);
}

/* ---- a file as memory ---- */

/* EFAULT: reading the map would be SIGBUS. */
int mr_disk_map(void **bytes, int fd, size_t len, uint64_t offset, struct mr_disk_failure *failure)
{
    int returned;
    *bytes = NULL;
    void *at = mr_disk_calls.map(fd, len, (off_t)offset);
    if (at == MAP_FAILED)
        return fail_with(failure, MR_DISK_MAP, errno == ENODEV || errno == EACCES ? EINVAL : errno);
    UNINTERRUPTED(returned, mr_disk_calls.populate(at, len));
    if (returned != 0) {
        int error_number = errno == EFAULT ? EIO : errno;
        mr_disk_unmap(at, len);
        return fail_with(failure, MR_DISK_MAP, error_number);
    }
    *bytes = at;
    return MR_OK;
}

void mr_disk_unmap(void *bytes, size_t len)
{
    int returned = munmap(bytes, len);
    MR_ASSERT(returned == 0);
}

/* ---- syncs ---- */

int mr_disk_write_back(int fd, uint64_t offset, uint64_t len, struct mr_disk_failure *failure)
{
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE));
    if (returned != 0 && (errno == EINVAL || errno == ESPIPE || errno == ENOSYS || errno == EOPNOTSUPP))
        return MR_OK; /* the file system does not know it */
    return outcome(returned, MR_DISK_WRITE_BACK, failure);
}

void mr_disk_forget(int fd, uint64_t offset, uint64_t len)
{
    posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
}

int mr_disk_sync(int fd, struct mr_disk_failure *failure)
{
    int returned;
    MR_ASSERT(!is_pool_thread);
    UNINTERRUPTED(returned, mr_disk_calls.fdatasync(fd));
    return outcome(returned, MR_DISK_SYNC, failure);
}

int mr_disk_sync_directory(int directory, struct mr_disk_failure *failure)
{
    int returned;
    MR_ASSERT(!is_pool_thread);
    UNINTERRUPTED(returned, mr_disk_calls.fsync(directory));
    return outcome(returned, MR_DISK_SYNC_DIRECTORY, failure);
}

/* ---- directories ---- */

int mr_disk_make_directory(int directory, const char *path, mode_t mode, struct mr_disk_failure *failure)
{
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.mkdirat(directory, path, mode));
    return outcome(returned, MR_DISK_MAKE_DIRECTORY, failure);
}

int mr_disk_rename(int from_directory, const char *from, int to_directory, const char *to, unsigned flags,
                   struct mr_disk_failure *failure)
{
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.renameat2(from_directory, from, to_directory, to, flags));
    return outcome(returned, MR_DISK_RENAME, failure);
}

int mr_disk_unlink(int directory, const char *path, int flags, struct mr_disk_failure *failure)
{
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.unlinkat(directory, path, flags));
    return outcome(returned, MR_DISK_UNLINK, failure);
}

int mr_disk_list(int directory, void *buffer, size_t size, size_t *got, struct mr_disk_failure *failure)
{
    MR_ASSERT(size >= MR_KIB && (uintptr_t)buffer % _Alignof(struct dirent64) == 0);
    ssize_t filled;
    do
        filled = mr_disk_calls.getdents64(directory, buffer, size);
    while (filled < 0 && errno == EINTR);
    *got = filled > 0 ? (size_t)filled : 0;
    return filled >= 0 ? MR_OK : fail_with(failure, MR_DISK_LIST, errno);
}

static enum mr_disk_kind kind_of(unsigned char type)
{
    switch (type) {
    case DT_REG:
        return MR_DISK_FILE;
    case DT_DIR:
        return MR_DISK_DIRECTORY;
    case DT_UNKNOWN:
        return MR_DISK_UNKNOWN;
    default:
        return MR_DISK_OTHER;
    }
}

bool mr_disk_entry(struct mr_disk_entry *entry, const void *buffer, size_t got, size_t *at)
{
    while (*at < got) {
        const struct dirent64 *found = (const void *)((const char *)buffer + *at);
        *at += found->d_reclen;
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        *entry = (struct mr_disk_entry){.name = found->d_name, .inode = found->d_ino, .kind = kind_of(found->d_type)};
        return true;
    }
    return false;
}

static int walk(int directory, bool (*take)(void *context, const struct mr_disk_entry *entry), void *context,
                struct mr_disk_failure *failure)
{
    _Alignas(struct dirent64) char buffer[WALK_BUFFER];
    struct mr_disk_entry entry;
    size_t got = 0;
    int err;
    while ((err = mr_disk_list(directory, buffer, sizeof(buffer), &got, failure)) == MR_OK && got > 0) {
        for (size_t at = 0; mr_disk_entry(&entry, buffer, got, &at);) {
            if (!take(context, &entry))
                return MR_OK;
        }
    }
    return err;
}

int mr_disk_walk(int directory, bool (*take)(void *context, const struct mr_disk_entry *entry), void *context,
                 struct mr_disk_failure *failure)
{
    int fd, err = mr_disk_open(&fd, NULL, directory, ".", O_RDONLY | O_DIRECTORY, 0, failure);
    if (err != MR_OK)
        return err;
    err = walk(fd, take, context, failure);
    mr_disk_calls.close(fd);
    return err;
}

/* ---- locks ---- */

int mr_disk_lock_file(int fd, struct mr_disk_failure *failure)
{
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.flock(fd, LOCK_EX | LOCK_NB));
    if (returned != 0 && errno == EWOULDBLOCK)
        return MR_EBUSY;
    return outcome(returned, MR_DISK_LOCK, failure);
}

static struct flock byte_lock(short type, uint64_t at)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1};
}

int mr_disk_lock_byte(int fd, uint64_t at, bool may_wait, struct mr_disk_failure *failure)
{
    struct flock lock = byte_lock(F_WRLCK, at);
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.ofd_lock(fd, may_wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock));
    if (returned != 0 && (errno == EAGAIN || errno == EACCES))
        return MR_EBUSY;
    return outcome(returned, MR_DISK_LOCK, failure);
}

void mr_disk_unlock_byte(int fd, uint64_t at)
{
    struct flock lock = byte_lock(F_UNLCK, at);
    mr_disk_calls.ofd_lock(fd, F_OFD_SETLK, &lock); /* there is nothing that could fail */
}

/* ---- file systems ---- */

int mr_disk_room(struct mr_disk_room *room, int fd, struct mr_disk_failure *failure)
{
    struct statfs found;
    int returned;
    UNINTERRUPTED(returned, mr_disk_calls.fstatfs(fd, &found));
    int err = outcome(returned, MR_DISK_ROOM, failure);
    if (err != MR_OK)
        return err;
    uint64_t unit = (uint64_t)(found.f_frsize != 0 ? found.f_frsize : found.f_bsize);
    *room = (struct mr_disk_room){.bytes = found.f_blocks * unit,
                                  .bytes_free = found.f_bavail * unit,
                                  .inodes = found.f_files,
                                  .inodes_free = found.f_ffree,
                                  .is_memory = found.f_type == TMPFS_MAGIC || found.f_type == RAMFS_MAGIC,
                                  .is_read_only = (found.f_flags & ST_RDONLY) != 0};
    return MR_OK;
}

/* ---- descriptors of any kind ---- */

/* A descriptor that we inherited may be one that does not block. */
static void wait_for(int fd, short events)
{
    struct pollfd wait = {.fd = fd, .events = events};
    poll(&wait, 1, -1);
}

int mr_disk_receive(int fd, void *bytes, size_t size, size_t *got, struct mr_disk_failure *failure)
{
    ssize_t read;
    while ((read = mr_disk_calls.read(fd, bytes, size)) < 0 && (errno == EINTR || errno == EAGAIN))
        if (errno == EAGAIN)
            wait_for(fd, POLLIN);
    *got = read > 0 ? (size_t)read : 0;
    return read >= 0 ? MR_OK : fail_with(failure, MR_DISK_READ, errno);
}

size_t mr_disk_send_file(int socket, int fd, uint64_t offset, size_t len)
{
    off_t at = (off_t)offset, end = (off_t)(offset + len);
    while (at < end) {
        ssize_t sent = mr_disk_calls.sendfile(socket, fd, &at, (size_t)(end - at));
        if (sent == 0 || (sent < 0 && errno != EINTR))
            break;
    }
    return (size_t)(at - (off_t)offset);
}

int mr_disk_send(int fd, const void *bytes, size_t len, struct mr_disk_failure *failure)
{
    for (size_t done = 0; done < len;) {
        ssize_t written = mr_disk_calls.write(fd, (const char *)bytes + done, len - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno == EAGAIN)
            wait_for(fd, POLLOUT);
        else if (errno != EINTR)
            return fail_with(failure, MR_DISK_WRITE, errno);
    }
    return MR_OK;
}
