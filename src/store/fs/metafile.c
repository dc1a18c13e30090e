#include "store/fs/metafile.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define UNREADABLE "The object cannot be read"

static int fail_metafile(struct mr_fault *fault, const struct mr_disk_failure *failure)
{
    if (failure->operation == MR_DISK_OPEN && failure->error_number == ENOENT)
        return mr_fault_set(fault, MR_ENOTFOUND, NULL);
    return mr_disk_fault(fault, failure, UNREADABLE);
}

static void close_quietly(int fd)
{
    struct mr_disk_failure failure; /* it was only read */
    mr_disk_close(&fd, &failure);
}

static int make_metafile_room(struct mr_metafile *out, const struct mr_disk_info *info, struct mr_fault *fault)
{
    *out = (struct mr_metafile){.bytes = NULL};
    if (info->size > MR_META_MAX)
        return mr_fault_set(fault, MR_EIO, UNREADABLE ": its description has %llu bytes, more than any may have.",
                            (unsigned long long)info->size);
    out->bytes = malloc((size_t)info->size + 1);
    return out->bytes != NULL ? MR_OK : mr_fault_set(fault, MR_EMEMORY, NULL);
}

/* Owns the bytes, whatever comes of it. */
static int decode_metafile(struct mr_metafile *out, const char *id, size_t got, struct mr_fault *fault)
{
    int err = mr_meta_decode(&out->meta, id, (struct mr_slice){out->bytes, got}, fault);
    out->len = got;
    if (err != MR_OK) {
        free(out->bytes);
        out->bytes = NULL;
    }
    return err;
}

int mr_metafile_read(struct mr_metafile *out, int directory, const char *name, const char *id, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    size_t got = 0;
    int fd;
    if (mr_disk_open(&fd, &info, directory, name, O_RDONLY, 0, &failure) != MR_OK)
        return fail_metafile(fault, &failure);
    int err = make_metafile_room(out, &info, fault);
    if (err == MR_OK && mr_disk_read(fd, out->bytes, (size_t)info.size, 0, &got, &failure) != MR_OK) {
        free(out->bytes);
        err = fail_metafile(fault, &failure);
    }
    close_quietly(fd);
    return err == MR_OK ? decode_metafile(out, id, got, fault) : err;
}

/* Off the open file. */
static enum mr_disk_try try_rest(struct mr_metafile *out, int fd, const struct mr_disk_info *info, const char *id,
                                 int *err, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    size_t got;
    *err = make_metafile_room(out, info, fault);
    if (*err != MR_OK)
        return MR_DISK_FAILED;
    enum mr_disk_try tried = mr_disk_try_read(fd, out->bytes, (size_t)info->size, 0, &got, &failure);
    if (tried == MR_DISK_DONE && got < info->size)
        tried = MR_DISK_WOULD_BLOCK; /* the rest is not in memory */
    if (tried == MR_DISK_DONE && !mr_meta_is_quick((struct mr_slice){out->bytes, got}))
        tried = MR_DISK_WOULD_BLOCK; /* or it is, and takes too long to decode */
    if (tried == MR_DISK_DONE) {
        *err = decode_metafile(out, id, got, fault);
        return *err == MR_OK ? MR_DISK_DONE : MR_DISK_FAILED;
    }
    free(out->bytes);
    if (tried == MR_DISK_FAILED)
        *err = fail_metafile(fault, &failure);
    return tried;
}

enum mr_disk_try mr_metafile_try_read(struct mr_metafile *out, int directory, const char *name, const char *id,
                                      int *err, struct mr_fault *fault)
{
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    int fd;
    enum mr_disk_try tried = mr_disk_try_open(&fd, &info, directory, name, O_RDONLY, &failure);
    if (tried == MR_DISK_FAILED)
        *err = fail_metafile(fault, &failure);
    if (tried != MR_DISK_DONE)
        return tried;
    tried = try_rest(out, fd, &info, id, err, fault);
    close_quietly(fd);
    return tried;
}

void mr_metafile_free(struct mr_metafile *file)
{
    mr_meta_free(&file->meta);
    free(file->bytes);
    file->bytes = NULL;
}

int mr_metafile_write(int *fd, int directory, const char *name, struct mr_slice bytes, struct mr_disk_failure *failure)
{
    int err = mr_disk_open(fd, NULL, directory, name, O_WRONLY | O_CREAT | O_EXCL, 0600, failure);
    return err == MR_OK ? mr_disk_write(*fd, bytes.at, bytes.len, 0, failure) : err;
}
