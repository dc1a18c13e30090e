/* room.h -- the room on the disk: what uploads under way will still need, and what stays free (--min-free).
 *
 * An upload reserves 8 MiB at a time, and once it sends, all that it announced: one that only announces much must not
 * keep others out. It gives back what was written, as that is then missing from the file system's own number. All
 * processes see each other's reservations. */
#ifndef MR_STORE_FS_ROOM_H
#define MR_STORE_FS_ROOM_H

#include "store/fs/home.h"

#define MR_RESERVE_STEP (8 * MR_MIB)

struct mr_room {
    struct mr_store_home *home;       /* borrowed, as all here */
    struct mr_store_numbers *numbers; /* of this process */
    unsigned process;
    _Atomic uint64_t bytes_free,
        inodes_free;                        /* when the file system was last asked; inodes: UINT64_MAX if not counted */
    _Atomic uint64_t bytes_min, inodes_min; /* that stay free */
    _Atomic uint64_t asked_at;              /* monotonic ns; 0: never */
};

void mr_room_init(struct mr_room *room, struct mr_store_home *home, struct mr_store_numbers *numbers, unsigned process);
/* Ask the file system. Any thread but a loop. */
int mr_room_ask(struct mr_room *room, struct mr_disk_failure *failure);

/* Asked now: would `bytes` more leave what is to stay free? Any thread but a loop. */
bool mr_room_has(struct mr_room *room, uint64_t bytes);

/* The same by what was last asked, where that was a moment ago; else nothing speaks against it. MR_OK, or MR_ENOSPACE.
 * Any thread. */
int mr_room_check(const struct mr_room *room, uint64_t bytes, struct mr_fault *fault);

/* What one upload has reserved. One thread at a time. */
struct mr_reserve {
    struct mr_room *room;
    uint64_t bytes;
};

/* Reserve `bytes` more, by what was last asked. MR_OK, or MR_ENOSPACE and nothing is. Any thread. is_fresh: it was just
 * asked; else what was asked long ago refuses nothing, as the disk says so itself when there is no room. */
int mr_reserve_take(struct mr_reserve *reserve, uint64_t bytes, bool is_fresh, struct mr_fault *fault);
/* Give back so many of them, or as many as there are. */
void mr_reserve_give(struct mr_reserve *reserve, uint64_t bytes);

#endif
