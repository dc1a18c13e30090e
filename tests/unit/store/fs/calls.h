/* calls.h -- all system calls of io/ of one test: each is counted, may be made to fail, and is written down. The
 * threads of the store make them. */
#ifndef MR_TESTS_STORE_CALLS_H
#define MR_TESTS_STORE_CALLS_H

#include "rig.h"
#include <pthread.h>

#define CALLS_MAX 4096

static struct {
    struct mr_disk_calls before;
    pthread_mutex_t mutex;
    unsigned made;     /* calls since calls_arm() */
    unsigned fails_at; /* the number of the call that fails, from 1; 0: none does */
    bool goes_on;      /* and all after it */
    int error_number;
    size_t most;     /* bytes that a write moves at most; 0: all */
    unsigned struck; /* calls that failed */
    bool is_noting;
    unsigned count;
    char lines[CALLS_MAX][192];
} calls = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* "uploads/ID.1.p0" with the ID as it is; relative to the data directory. */
static inline void calls_path(char out[80], int fd, const char *name)
{
    char link[64], path[256] = "";
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = fd >= 0 ? readlink(link, path, sizeof(path) - 1) : 0;
    path[len > 0 ? len : 0] = '\0';
    size_t root = strlen(rig.data);
    const char *rest = strncmp(path, rig.data, root) == 0 ? path + root : path;
    rest += rest != path && *rest == '/';
    snprintf(out, 80, "%s%s%s", rest, *rest != '\0' && name != NULL ? "/" : "", name != NULL ? name : "");
}

static inline void calls_note(const char *what, int fd, const char *name, const char *to)
{
    char path[80];
    pthread_mutex_lock(&calls.mutex);
    if (calls.is_noting && calls.count < CALLS_MAX) {
        calls_path(path, fd, name);
        snprintf(calls.lines[calls.count++], sizeof(calls.lines[0]), "%s %s%s%s", what, path, to != NULL ? " " : "",
                 to != NULL ? to : "");
    }
    pthread_mutex_unlock(&calls.mutex);
}

static inline bool calls_strike(void)
{
    pthread_mutex_lock(&calls.mutex);
    calls.made++;
    bool strikes =
        calls.fails_at != 0 && (calls.made == calls.fails_at || (calls.goes_on && calls.made > calls.fails_at));
    calls.struck += strikes;
    int error_number = calls.error_number;
    pthread_mutex_unlock(&calls.mutex);
    if (strikes)
        errno = error_number;
    return strikes;
}

#define CALL(what, fd, name, to, expression)     \
    do {                                         \
        calls_note(what, fd, name, to);          \
        return calls_strike() ? -1 : expression; \
    } while (0)

static inline int calls_openat2(int directory, const char *path, const struct open_how *how)
{
    CALL((how->flags & O_CREAT) != 0 ? "create" : "open", directory, path, NULL,
         calls.before.openat2(directory, path, how));
}

static inline int calls_open(const char *path, int flags, mode_t mode)
{
    CALL("open", -1, path, NULL, calls.before.open(path, flags, mode));
}

/* A descriptor is closed also when that fails. */
static inline int calls_close(int fd)
{
    calls_note("close", fd, NULL, NULL);
    int closed = calls.before.close(fd);
    return calls_strike() ? -1 : closed;
}

static inline ssize_t calls_pread(int fd, void *bytes, size_t len, off_t offset)
{
    CALL("read", fd, NULL, NULL, calls.before.pread(fd, bytes, len, offset));
}

static inline void *calls_map(int fd, size_t len, off_t offset)
{
    calls_note("map", fd, NULL, NULL);
    return calls_strike() ? MAP_FAILED : calls.before.map(fd, len, offset);
}

static inline ssize_t calls_preadv2(int fd, const struct iovec *runs, int count, off_t offset, int flags)
{
    CALL("read", fd, NULL, NULL, calls.before.preadv2(fd, runs, count, offset, flags));
}

static inline size_t calls_len(size_t len)
{
    return calls.most != 0 ? MR_MIN(len, calls.most) : len;
}

static inline ssize_t calls_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    CALL("write", fd, NULL, NULL, calls.before.pwrite(fd, bytes, calls_len(len), offset));
}

static inline ssize_t calls_pwritev(int fd, const struct iovec *runs, int count, off_t offset)
{
    if (calls.most == 0)
        CALL("write", fd, NULL, NULL, calls.before.pwritev(fd, runs, count, offset));
    CALL("write", fd, NULL, NULL, calls.before.pwrite(fd, runs->iov_base, calls_len(runs->iov_len), offset));
}

static inline int calls_sync_file_range(int fd, off_t offset, off_t len, unsigned flags)
{
    CALL("write-back", fd, NULL, NULL, calls.before.sync_file_range(fd, offset, len, flags));
}

static inline int calls_fdatasync(int fd)
{
    CALL("sync", fd, NULL, NULL, calls.before.fdatasync(fd));
}

static inline int calls_fsync(int fd)
{
    CALL("sync-directory", fd, NULL, NULL, calls.before.fsync(fd));
}

static inline int calls_mkdirat(int directory, const char *path, mode_t mode)
{
    CALL("make-directory", directory, path, NULL, calls.before.mkdirat(directory, path, mode));
}

static inline ssize_t calls_getdents64(int directory, void *bytes, size_t len)
{
    CALL("list", directory, NULL, NULL, calls.before.getdents64(directory, bytes, len));
}

static inline int calls_renameat2(int from, const char *name, int to, const char *to_name, unsigned flags)
{
    char path[80];
    calls_path(path, to, to_name);
    CALL("rename", from, name, path, calls.before.renameat2(from, name, to, to_name, flags));
}

static inline int calls_unlinkat(int directory, const char *path, int flags)
{
    CALL("unlink", directory, path, NULL, calls.before.unlinkat(directory, path, flags));
}

static inline int calls_fstat(int fd, struct stat *info)
{
    CALL("stat", fd, NULL, NULL, calls.before.fstat(fd, info));
}

static inline int calls_fstatfs(int fd, struct statfs *info)
{
    CALL("room", fd, NULL, NULL, calls.before.fstatfs(fd, info));
}

static inline int calls_fchmod(int fd, mode_t mode)
{
    CALL("mode", fd, NULL, NULL, calls.before.fchmod(fd, mode));
}

static inline int calls_flock(int fd, int operation)
{
    CALL("lock", fd, NULL, NULL, calls.before.flock(fd, operation));
}

/* An unlock does not fail. */
static inline int calls_ofd_lock(int fd, int command, struct flock *lock)
{
    if (lock->l_type == F_UNLCK)
        return calls.before.ofd_lock(fd, command, lock);
    CALL("lock", fd, NULL, NULL, calls.before.ofd_lock(fd, command, lock));
}

static inline void calls_begin(void)
{
    calls.before = mr_disk_calls;
    calls.fails_at = calls.made = calls.count = calls.struck = 0;
    calls.is_noting = calls.goes_on = false;
    calls.most = 0;
    mr_disk_calls = (struct mr_disk_calls){
        .openat2 = calls_openat2,
        .open = calls_open,
        .mkostemp = calls.before.mkostemp,
        .close = calls_close,
        .pread = calls_pread,
        .pwrite = calls_pwrite,
        .pwritev = calls_pwritev,
        .preadv2 = calls_preadv2,
        .sendfile = calls.before.sendfile,
        .map = calls_map,
        .populate = calls.before.populate,
        .read = calls.before.read,
        .write = calls.before.write,
        .sync_file_range = calls_sync_file_range,
        .fdatasync = calls_fdatasync,
        .fsync = calls_fsync,
        .mkdirat = calls_mkdirat,
        .getdents64 = calls_getdents64,
        .renameat2 = calls_renameat2,
        .unlinkat = calls_unlinkat,
        .fstat = calls_fstat,
        .fstatfs = calls_fstatfs,
        .fchmod = calls_fchmod,
        .flock = calls_flock,
        .ofd_lock = calls_ofd_lock,
    };
}

static inline void calls_end(void)
{
    mr_disk_calls = calls.before;
}

/* The call `at`, counted from here, fails; goes_on: and all that follow. 0: none. */
static inline void calls_arm(unsigned at, int error_number, bool goes_on)
{
    pthread_mutex_lock(&calls.mutex);
    calls.made = calls.struck = 0;
    calls.fails_at = at;
    calls.error_number = error_number;
    calls.goes_on = goes_on;
    pthread_mutex_unlock(&calls.mutex);
}

static inline void calls_write_down(bool is_noting)
{
    pthread_mutex_lock(&calls.mutex);
    calls.is_noting = is_noting;
    if (is_noting)
        calls.count = 0;
    pthread_mutex_unlock(&calls.mutex);
}

/* The place of the first line from `from` on that is `what path`, with ID in place of the ID; it must be there. */
static inline unsigned calls_find(unsigned from, const char *id, const char *pattern)
{
    char wanted[192] = "";
    for (const char *at = pattern; *at != '\0'; at++) {
        if (strncmp(at, "ID", 2) == 0) {
            strcat(wanted, id);
            at++;
        } else if (strncmp(at, "DIR", 3) == 0) {
            snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%.4s/%.2s", id, id + 4);
            at += 2;
        } else if (strncmp(at, "PRE", 3) == 0) {
            snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%.4s", id);
            at += 2;
        } else {
            strncat(wanted, at, 1);
        }
    }
    for (unsigned i = from; i < calls.count; i++) {
        if (strcmp(calls.lines[i], wanted) == 0)
            return i;
    }
    for (unsigned i = 0; i < calls.count; i++)
        print_message("%4u %s\n", i, calls.lines[i]);
    fail_msg("no `%s` from %u on", wanted, from);
    return 0;
}

#endif
