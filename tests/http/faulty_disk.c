/* faulty_disk.c -- a disk that fails, for a server that is not built for it: loaded before the C library (LD_PRELOAD),
 * it lets calls on files fail while the file that FAULTY_DISK names says so: a line "CALL ERRNO", as in "fdatasync 5".
 * CALL may be "changes": all that change the disk; an empty file: none. Standard error does not pass through here. */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The C library's own. Looked up at each call, as some come before any constructor of ours. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* True: the call fails, and errno says how. */
static int strikes(const char *call, int is_change)
{
    char text[64] = "", which[32];
    int before = errno, number = 0, fd = open(getenv("FAULTY_DISK"), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, text, sizeof(text) - 1);
        text[got > 0 ? got : 0] = '\0';
        close(fd);
    }
    errno = before;
    if (sscanf(text, "%31s %d", which, &number) != 2)
        return 0;
    if (strcmp(which, call) != 0 && !(is_change && strcmp(which, "changes") == 0))
        return 0;
    errno = number;
    return 1;
}

int fdatasync(int fd)
{
    return strikes("fdatasync", 1) ? -1 : NEXT(fdatasync)(fd);
}

int fsync(int fd)
{
    return strikes("fsync", 1) ? -1 : NEXT(fsync)(fd);
}

int mkdirat(int directory, const char *path, mode_t mode)
{
    return strikes("mkdirat", 1) ? -1 : NEXT(mkdirat)(directory, path, mode);
}

int unlinkat(int directory, const char *path, int flags)
{
    return strikes("unlinkat", 1) ? -1 : NEXT(unlinkat)(directory, path, flags);
}

int renameat2(int from, const char *name, int to, const char *to_name, unsigned flags)
{
    return strikes("renameat2", 1) ? -1 : NEXT(renameat2)(from, name, to, to_name, flags);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
    return strikes("read", 0) ? -1 : NEXT(pread)(fd, bytes, len, offset);
}

ssize_t preadv2(int fd, const struct iovec *runs, int count, off_t offset, int flags)
{
    return strikes("read", 0) ? -1 : NEXT(preadv2)(fd, runs, count, offset, flags);
}

ssize_t sendfile(int to, int fd, off_t *offset, size_t len)
{
    return strikes("read", 0) ? -1 : NEXT(sendfile)(to, fd, offset, len);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return strikes("write", 1) ? -1 : NEXT(pwrite)(fd, bytes, len, offset);
}

ssize_t pwritev(int fd, const struct iovec *runs, int count, off_t offset)
{
    return strikes("write", 1) ? -1 : NEXT(pwritev)(fd, runs, count, offset);
}

/* openat2 has no function of its own. */
long syscall(long number, ...)
{
    long words[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        words[i] = va_arg(list, long);
    va_end(list);
    const struct open_how *how = (const struct open_how *)words[2];
    if (number == SYS_openat2 && (how->flags & O_CREAT) != 0 && strikes("create", 1))
        return -1;
    return NEXT(syscall)(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}
