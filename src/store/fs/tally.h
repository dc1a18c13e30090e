/* tally.h -- how many objects there are, and how many bytes: what the scrub's last walk saw, and what was committed and
 * deleted since, by all processes. Any thread of any process; the functions for a walk are the scrub's alone.
 *
 * A walk counts directory after directory in the order of time, while objects come and go. A change in a directory that
 * the walk has passed is added to what the walk counts; one in a directory before it is not, as the walk will see it.
 * One in the directory that is being counted may or may not have been seen: then the directory is counted again. Until
 * a walk ends, all changes are added to what the walk before it counted.
 *
 *      place    the directory that the walk counts or has passed, whether it has passed it, and how many changes
 *               disturbed the count: one word, so that a change either disturbs the count or sees that it is over
 *      [2]      what the last walk counted, what this one counts; the place says which is which
 *
 * A process that dies between the name of an object and its number here leaves the sum wrong by one, and so may a
 * change in the very moment in which a walk begins or meets a new directory. The next walk corrects it. */
#ifndef MR_STORE_FS_TALLY_H
#define MR_STORE_FS_TALLY_H

#include "store/ulid.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MR_TALLY_PROCESSES 64

/* In the memory that processes share; zeroed at first. Private. */
struct mr_tally {
    _Atomic uint64_t place;
    _Atomic uint64_t walks; /* that ended */
    _Atomic int64_t objects[2], bytes[2];
    _Atomic uint64_t changing[MR_TALLY_PROCESSES]; /* changes whose name may have changed and that are not added yet */
};

/* What was counted; false: no walk has ended yet. */
bool mr_tally_read(const struct mr_tally *tally, uint64_t *objects, uint64_t *bytes);

/* Around the rename (or removal) by which an object comes or goes. objects: 1, -1; or 0 when it failed. */
void mr_tally_enter(struct mr_tally *tally, unsigned process);
void mr_tally_leave(struct mr_tally *tally, unsigned process, const char *id, int objects, uint64_t bytes);
/* The process is a new one at its place: what the dead one was changing is over. */
void mr_tally_forget(struct mr_tally *tally, unsigned process);

/* ---- a walk; directories are named by any ID in them ---- */

void mr_tally_begin_walk(struct mr_tally *tally);
/* A walk that another process had begun: true, and `id` is the lowest ID of the directory where it stands;
 * *is_passed: that one is counted. False: no walk is under way. */
bool mr_tally_resume_walk(const struct mr_tally *tally, char id[MR_ULID_LEN + 1], bool *is_passed);
void mr_tally_begin_directory(struct mr_tally *tally, const char *id);
/* So much was in it. False: it was changed meanwhile; begin it again. force: take the number nevertheless. */
bool mr_tally_end_directory(struct mr_tally *tally, const char *id, uint64_t objects, uint64_t bytes, bool force);
void mr_tally_end_walk(struct mr_tally *tally);

#endif
