#define _GNU_SOURCE 1 /* O_TMPFILE, mkostemp */
#include "io/temporary.h"
#include "base/macros.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int mr_temporary_open(void)
{
    const char *directory = getenv("TMPDIR");
    if (directory == NULL || directory[0] == '\0')
        directory = "/tmp";
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char path[4096]; /* file systems without O_TMPFILE */
    if ((size_t)snprintf(path, sizeof(path), "%s/millrace-XXXXXX", directory) >= sizeof(path))
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

int mr_temporary_write(int fd, const void *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno != EINTR)
            return errno;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

int mr_temporary_read(int fd, void *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(fd, (char *)bytes + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno != EINTR)
            return errno;
        if (got == 0)
            return EIO; /* shorter than what was written */
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* Of what other requests give back when they end? */
static bool is_shortage(int error_number)
{
    return error_number == ENOSPC || error_number == EDQUOT || error_number == EMFILE || error_number == ENFILE;
}

int mr_temporary_fault(struct mr_fault *fault, int error_number, const char *what)
{
    return mr_fault_set(fault, is_shortage(error_number) ? MR_EBUDGET : MR_EIO, "%s: %s.", what,
                        strerror(error_number));
}
