#include "command/passphrase.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#define PASSPHRASE_MAX 1024

/* Returns how much was read, or -1 with errno. */
static ssize_t read_start(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = 0;
    ssize_t got = 1;
    while (len < size && got > 0 && memchr(out, '\n', len) == NULL) {
        while ((got = read(fd, out + len, size - len)) < 0 && errno == EINTR)
            ;
        len += got > 0 ? (size_t)got : 0;
    }
    int error = errno;
    close(fd);
    errno = error;
    return got < 0 ? -1 : (ssize_t)len;
}

int mr_passphrase_read(struct mr_slice *out, const char *path, struct mr_fault *fault)
{
    const size_t size = PASSPHRASE_MAX + 2; /* and the end of the line */
    char *text = sodium_init() < 0 ? NULL : sodium_malloc(size);
    if (text == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    int err = MR_OK;
    ssize_t len = read_start(path, text, size);
    struct mr_slice rest = {.at = text, .len = len < 0 ? 0 : (size_t)len}, line = mr_slice_cut(&rest, '\n');
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    if (len < 0)
        err = mr_fault_set(fault, MR_EIO, "%s: %s", path, strerror(errno));
    else if (line.len == 0 || line.len > PASSPHRASE_MAX)
        err = mr_fault_set(fault, MR_EPARAM, "%s: a passphrase has 1 to %d bytes.", path, PASSPHRASE_MAX);
    if (err == MR_OK)
        *out = line;
    else
        sodium_free(text);
    return err;
}

void mr_passphrase_free(struct mr_slice *passphrase)
{
    sodium_free((char *)passphrase->at); /* wipes; the line begins where the memory does */
    *passphrase = (struct mr_slice){.at = NULL};
}
