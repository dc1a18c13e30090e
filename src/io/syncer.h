/* syncer.h -- a thread that waits for disks, with a name of its own: for fdatasync and fsync, which may take seconds
 * and would keep libuv's pool from everybody else. Its user makes as many as may wait at the same time.
 *
 * Group by group: all requests that wait are taken at once, in the order they came; while they are performed the next
 * group gathers. So one sync of a directory can serve all of a group. `group` is called on the thread with the first of
 * them, linked by `next`; it performs each (mr_file_perform()), in an order of its choice, or sets the result itself.
 * Without it each is performed in turn.
 *
 *                      a loop       the syncer's thread   before the loops run / after they ended
 *   submit (file.h)      yes                -                       yes
 *   create, destroy       -                 -                       yes
 *   group                 -               (is called)                -
 *
 * Submitting takes no lock. The queue is bounded by its users: a request is embedded in what it serves. */
#ifndef MR_IO_SYNCER_H
#define MR_IO_SYNCER_H

#include "io/file.h"

struct mr_syncer;

struct mr_syncer_config {
    const char *name;                                            /* of the thread, at most 15 characters */
    void (*group)(void *context, struct mr_file_request *first); /* NULL: each in turn */
    void *context;
};

/* MR_OK, MR_EMEMORY or MR_EIO (there is no thread to be had). */
int mr_syncer_create(struct mr_syncer **out, const struct mr_syncer_config *config);
/* Nothing may be submitted and not yet completed. Joins the thread; clears *syncer. NULL has no effect. */
void mr_syncer_destroy(struct mr_syncer **syncer);

/* For file.c: perform the request on the thread and complete it on its loop. */
void mr_syncer_submit(struct mr_syncer *syncer, struct mr_file_request *request);

#endif
