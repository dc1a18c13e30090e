/* names.h -- the first so many names of a directory in order, in bounded memory, however many it has. Names are sorted
 * as bytes; IDs and the directories of their times are then in the order of time. Pure but for the walk; one thread. */
#ifndef MR_STORE_FS_NAMES_H
#define MR_STORE_FS_NAMES_H

#include "io/disk.h"

#define MR_NAMES_SIZE 32 /* room for a name and a NUL */

struct mr_names {
    size_t max;                /* names that are kept */
    bool descends;             /* the largest first */
    char after[MR_NAMES_SIZE]; /* only those behind it, in that order; "": all */
    /* Make `out` of an entry's name, to be kept; false: leave it out. */
    bool (*accept)(char out[MR_NAMES_SIZE], const struct mr_disk_entry *entry, const void *context);
    const void *context;

    size_t count;
    bool is_cut;               /* there are more than `max` */
    char (*at)[MR_NAMES_SIZE]; /* owned: in order, `count` of them, with room for max */
};

/* Fill in max, descends, after, accept and context first, the rest zeroed. MR_OK; MR_EMEMORY with failure->error_number
 * ENOMEM; or what the walk says. */
int mr_names_read(struct mr_names *names, int directory, struct mr_disk_failure *failure);
void mr_names_free(struct mr_names *names);

/* May the entry be a directory that stands for so many characters of an ID? */
bool mr_names_is_part(const struct mr_disk_entry *entry, size_t len);
/* The same as `accept`; the context is the number, a size_t. */
bool mr_names_accept_part(char out[MR_NAMES_SIZE], const struct mr_disk_entry *entry, const void *context);

#endif
