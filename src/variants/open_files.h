/* open_files.h -- files of variants that are open to be read, for one process: opening and closing one for each record
 * would cost more than reading it. At most MR_VARIANT_OPEN_MAX are kept open.
 *
 * One that was removed may stay open for long, and its room on the disk with it. So what removes one empties it first.
 *
 * Any thread of the process; the rules of disk.h hold for those that open. */
#ifndef MR_VARIANTS_OPEN_FILES_H
#define MR_VARIANTS_OPEN_FILES_H

#include "io/disk.h"
#include <pthread.h>

#define MR_VARIANT_OPEN_MAX 16

struct mr_open_files {
    pthread_mutex_t mutex; /* private, as all below */
    int directory;         /* borrowed */
    struct mr_open_file {
        uint32_t number; /* 0: none */
        int fd;
        unsigned users;
    } places[MR_VARIANT_OPEN_MAX]; /* by number, modulo their count */
};

void mr_open_files_init(struct mr_open_files *files, int directory);
/* Nothing is taken any more. */
void mr_open_files_close(struct mr_open_files *files);

/* The descriptor of that file, to be given back. The first one does not wait for the disk. */
enum mr_disk_try mr_open_files_try_take(int *fd, struct mr_open_files *files, uint32_t number,
                                        struct mr_disk_failure *failure);
int mr_open_files_take(int *fd, struct mr_open_files *files, uint32_t number, struct mr_disk_failure *failure);
void mr_open_files_give_back(struct mr_open_files *files, uint32_t number, int fd);
/* Close those that were removed by hand, and have no name any more: else they keep their room. Not on a loop.
 */
void mr_open_files_drop_removed(struct mr_open_files *files);

#endif
