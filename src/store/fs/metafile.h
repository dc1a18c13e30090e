/* metafile.h -- ID.meta on the disk: meta.h with a file around it. Any thread that may wait for a disk; `try` also on a
 * loop. */
#ifndef MR_STORE_FS_METAFILE_H
#define MR_STORE_FS_METAFILE_H

#include "io/disk.h"
#include "store/fs/meta.h"

struct mr_metafile {
    struct mr_meta meta;
    char *bytes; /* owned: what `meta` borrows */
    size_t len;
};

/* Read the file `name` of the directory, which may be a path without links. MR_OK; MR_ENOTFOUND: there is none;
 * MR_EIO, MR_EFILES or MR_EMEMORY. After a failure there is nothing to free. */
int mr_metafile_read(struct mr_metafile *out, int directory, const char *name, const char *id, struct mr_fault *fault);
/* The same without waiting: WOULD_BLOCK says that it takes the other. FAILED: *err is the error. */
enum mr_disk_try mr_metafile_try_read(struct mr_metafile *out, int directory, const char *name, const char *id,
                                      int *err, struct mr_fault *fault);
void mr_metafile_free(struct mr_metafile *file);

/* Make the new file `name` and write it. *fd, unless it is -1, is to be synced and closed, also after a failure. */
int mr_metafile_write(int *fd, int directory, const char *name, struct mr_slice bytes, struct mr_disk_failure *failure);

#endif
