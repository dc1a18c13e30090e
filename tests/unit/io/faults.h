/* faults.h -- a directory of a test's own, and system calls that fail in its stead: short reads and writes, EINTR, a
 * full disk. Between faults_begin() and faults_end() the calls of io/ count down `faults.after` and then do as `faults`
 * says. */
#ifndef MR_TESTS_FAULTS_H
#define MR_TESTS_FAULTS_H

#include "base/macros.h"
#include "io/disk_calls.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    struct mr_disk_calls before;
    size_t most;                                /* bytes that a call moves at most; 0: all */
    unsigned interrupts;                        /* each call is interrupted so often before it works */
    int error_number;                           /* with which each call fails; 0: none */
    _Atomic unsigned after, interrupted, calls; /* `after`: calls that work before that */
} faults;

/* 0: go on; else -1 with errno. */
static inline int faults_strike(void)
{
    atomic_fetch_add(&faults.calls, 1);
    if (atomic_fetch_add(&faults.interrupted, 1) % (faults.interrupts + 1) < faults.interrupts) {
        errno = EINTR;
        return -1;
    }
    if (faults.error_number == 0)
        return 0;
    if (atomic_load(&faults.after) > 0) {
        atomic_fetch_sub(&faults.after, 1);
        return 0;
    }
    errno = faults.error_number;
    return -1;
}

static inline size_t faults_len(size_t len)
{
    return faults.most != 0 ? MR_MIN(len, faults.most) : len;
}

static inline ssize_t faults_pread(int fd, void *bytes, size_t len, off_t offset)
{
    return faults_strike() != 0 ? -1 : faults.before.pread(fd, bytes, faults_len(len), offset);
}

static inline ssize_t faults_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return faults_strike() != 0 ? -1 : faults.before.pwrite(fd, bytes, faults_len(len), offset);
}

static inline ssize_t faults_pwritev(int fd, const struct iovec *runs, int count, off_t offset)
{
    if (faults_strike() != 0)
        return -1;
    if (faults.most == 0)
        return faults.before.pwritev(fd, runs, count, offset);
    return faults.before.pwrite(fd, runs->iov_base, faults_len(runs->iov_len), offset);
}

static inline ssize_t faults_read(int fd, void *bytes, size_t len)
{
    return faults_strike() != 0 ? -1 : faults.before.read(fd, bytes, faults_len(len));
}

static inline ssize_t faults_write(int fd, const void *bytes, size_t len)
{
    return faults_strike() != 0 ? -1 : faults.before.write(fd, bytes, faults_len(len));
}

static inline ssize_t faults_sendfile(int to, int fd, off_t *offset, size_t len)
{
    return faults_strike() != 0 ? -1 : faults.before.sendfile(to, fd, offset, faults_len(len));
}

static inline int faults_openat2(int directory, const char *path, const struct open_how *how)
{
    return faults_strike() != 0 ? -1 : faults.before.openat2(directory, path, how);
}

static inline int faults_open(const char *path, int flags, mode_t mode)
{
    return faults_strike() != 0 ? -1 : faults.before.open(path, flags, mode);
}

static inline int faults_fdatasync(int fd)
{
    return faults_strike() != 0 ? -1 : faults.before.fdatasync(fd);
}

static inline void faults_begin(void)
{
    faults.before = mr_disk_calls;
    faults.most = faults.interrupts = 0;
    faults.error_number = 0;
    atomic_store(&faults.after, 0);
    atomic_store(&faults.interrupted, 0);
    atomic_store(&faults.calls, 0);
    mr_disk_calls.pread = faults_pread;
    mr_disk_calls.pwrite = faults_pwrite;
    mr_disk_calls.pwritev = faults_pwritev;
    mr_disk_calls.read = faults_read;
    mr_disk_calls.write = faults_write;
    mr_disk_calls.sendfile = faults_sendfile;
    mr_disk_calls.openat2 = faults_openat2;
    mr_disk_calls.open = faults_open;
    mr_disk_calls.fdatasync = faults_fdatasync;
}

static inline void faults_end(void)
{
    mr_disk_calls = faults.before;
}

/* ---- a directory ---- */

struct place {
    char path[64];
    int directory;
};

static inline void place_open_in(struct place *place, const char *directory)
{
    snprintf(place->path, sizeof(place->path), "%s/millrace-test-XXXXXX", directory);
    assert_non_null(mkdtemp(place->path));
    place->directory = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->directory >= 0);
}

static inline void place_open(struct place *place)
{
    place_open_in(place, "/tmp");
}

static inline void place_close(struct place *place)
{
    char command[128];
    close(place->directory);
    snprintf(command, sizeof(command), "rm -rf %s", place->path);
    assert_int_equal(system(command), 0);
}

static inline void place_put(const struct place *place, const char *name, const void *bytes, size_t len)
{
    int fd = openat(place->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

#endif
