/* directories.h -- the time directories of objects/, each of which holds the objects of 17.5 minutes. One user (thread)
 * at a time; never a loop.
 *
 * What is acknowledged lies in a directory whose name is on the disk. Another process may have made a directory and not
 * synced its name yet; so each set syncs the parents when it meets a directory for the first time. */
#ifndef MR_STORE_FS_DIRECTORIES_H
#define MR_STORE_FS_DIRECTORIES_H

#include "store/fs/home.h"
#include "store/ulid.h"

#define MR_DIRECTORIES_KEPT 4

struct mr_directories {
    const struct mr_store_home *home; /* borrowed */
    unsigned next;                    /* private, as below */
    struct mr_directory {
        char name[MR_ULID_DIRECTORY_LEN + 1];
        int fd; /* -1: none */
    } kept[MR_DIRECTORIES_KEPT];
};

void mr_directories_init(struct mr_directories *directories, const struct mr_store_home *home);
void mr_directories_close(struct mr_directories *directories);
/* For a new object: its directory, made where it is missing, with its name on the disk. *fd is the caller's to
 * close. */
int mr_directories_make(struct mr_directories *directories, int *fd, const char *id, struct mr_disk_failure *failure);
/* Something is wrong with them: look again, next time. */
void mr_directories_forget(struct mr_directories *directories);

/* For an object that may exist: *fd is the caller's to close. */
int mr_directory_open(int *fd, const struct mr_store_home *home, const char *id, struct mr_disk_failure *failure);

#endif
