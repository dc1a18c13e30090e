#include "keys/key_file.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- lines ---- */

/* Without blanks; empty: it holds no key. */
static int trim_line(struct mr_slice *line, struct mr_fault *fault)
{
    if (line->len > MR_KEY_LINE_MAX)
        return mr_fault_set(fault, MR_EPARAM, "a line has at most %d bytes", MR_KEY_LINE_MAX);
    if (line->len > 0 && line->at[line->len - 1] == '\r')
        line->len--;
    *line = mr_slice_trim(*line);
    if (line->len > 0 && line->at[0] == '#')
        line->len = 0;
    return MR_OK;
}

int mr_key_lines(struct mr_slice text, const char *name,
                 int (*add)(void *keys, struct mr_slice line, struct mr_fault *fault), void *keys,
                 struct mr_fault *fault)
{
    struct mr_fault why;
    for (size_t number = 1; text.at != NULL; number++) {
        struct mr_slice line = mr_slice_cut(&text, '\n');
        int err = trim_line(&line, &why);
        if (err == MR_OK && line.len > 0)
            err = add(keys, line, &why);
        if (err != MR_OK)
            return mr_fault_set(fault, err, "%.100s: line %zu: %s", name, number, why.detail);
    }
    return MR_OK;
}

/* ---- the file ---- */

/* Can only the operator have written it, and can no stranger read what is secret? */
static int check_file(int fd, const struct mr_key_kind *kind, const char *path, struct mr_fault *fault)
{
    const mode_t strangers = kind->others_may_read ? 0 : S_IROTH;
    struct stat info;
    if (fstat(fd, &info) != 0)
        return mr_fault_set(fault, MR_EIO, "%.100s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return mr_fault_set(fault, MR_EPARAM, "%.100s: it is no regular file", path);
    if ((info.st_mode & (strangers | S_IWOTH | S_IWGRP)) != 0)
        return mr_fault_set(fault, MR_EPARAM,
                            "%.100s: mode %04o: others must not %swrite it, nor its group write it (%s)", path,
                            (unsigned)info.st_mode & 07777u, strangers != 0 ? "read or " : "",
                            strangers != 0 ? "chmod 640" : "chmod 644");
    if (info.st_size > MR_KEY_FILE_MAX)
        return mr_fault_set(fault, MR_EPARAM, "%.100s: the file has at most %d bytes", path, MR_KEY_FILE_MAX);
    return MR_OK;
}

/* Fill `out` from the file. Returns how much, or -1 with errno. */
static ssize_t fill_from(int fd, char *out, size_t size)
{
    size_t len = 0;
    ssize_t got;
    while (len < size && ((got = read(fd, out + len, size - len)) > 0 || (got < 0 && errno == EINTR)))
        len += got > 0 ? (size_t)got : 0;
    return len < size && got < 0 ? -1 : (ssize_t)len;
}

static int read_and_parse(void *out, const struct mr_key_kind *kind, int fd, const char *path, struct mr_fault *fault)
{
    const size_t size = MR_KEY_FILE_MAX + 1;
    char *text = malloc(size);
    if (text == NULL)
        return mr_fault_set(fault, MR_EMEMORY, "%.100s: %s", path, mr_error_text(MR_EMEMORY));
    ssize_t len = fill_from(fd, text, size);
    int err;
    if (len < 0)
        err = mr_fault_set(fault, MR_EIO, "%.100s: %s", path, strerror(errno));
    else if ((size_t)len == size) /* it has grown meanwhile */
        err = mr_fault_set(fault, MR_EPARAM, "%.100s: the file has at most %d bytes", path, MR_KEY_FILE_MAX);
    else
        err = kind->parse(out, (struct mr_slice){.at = text, .len = (size_t)len}, path, fault);
    sodium_memzero(text, size); /* also what came before a failure */
    free(text);
    return err;
}

int mr_key_file_load(void *out, const struct mr_key_kind *kind, const char *path, struct mr_fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is refused, not waited for */
    if (fd < 0)
        return mr_fault_set(fault, MR_EIO, "%.100s: %s", path, strerror(errno));
    int err = check_file(fd, kind, path, fault);
    if (err == MR_OK)
        err = read_and_parse(out, kind, fd, path, fault);
    close(fd);
    return err;
}
