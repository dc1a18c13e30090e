/* syncer.h -- threads that wait for disks, with a name of their own: the file threads (file.h), and others for
 * fdatasync and fsync, which may take seconds and would keep those from everybody else. Its user makes as many as may
 * wait at the same time.
 *
 * Group by group: a thread that is free takes all requests that wait, in the order they came; while they are performed
 * the next group gathers, for the thread that is free first. So one sync of a directory can serve all of a group.
 * `group` is called on the thread with the first of them, linked by `next`; it performs each (mr_file_perform()), in an
 * order of its choice, or sets the result itself. Without it each is performed in turn.
 *
 *                      a loop       the syncer's threads  before the loops run / after they ended
 *   submit (file.h)      yes                -                       yes
 *   create, destroy       -                 -                       yes
 *   group                 -               (is called)                -
 *
 * Submitting takes no lock. The queue is bounded by its users: a request is embedded in what it serves. */
#ifndef MR_IO_SYNCER_H
#define MR_IO_SYNCER_H

#include "io/file.h"

#define MR_SYNCER_THREADS_MAX 4

struct mr_syncer;

struct mr_syncer_config {
    const char *name; /* of the threads, at most 15 characters */
    unsigned threads; /* at most MR_SYNCER_THREADS_MAX; 0 is one */
    int nicer;        /* by so much is their nice value above that of the thread that creates them */
    bool patient;     /* see base/priority.h */
    bool singly;      /* a group is one request: as many are performed at the same time as there are threads */
    /* thread: from 0. NULL: each in turn. */
    void (*group)(void *context, unsigned thread, struct mr_file_request *first);
    void *context;
};

/* MR_OK, MR_EMEMORY or MR_EIO (there is no thread to be had). */
int mr_syncer_create(struct mr_syncer **out, const struct mr_syncer_config *config);
/* Nothing may be submitted and not yet completed. Joins the threads; clears *syncer. NULL has no effect. */
void mr_syncer_destroy(struct mr_syncer **syncer);

/* For file.c: perform the request on a thread and complete it on its loop. */
void mr_syncer_submit(struct mr_syncer *syncer, struct mr_file_request *request);

#endif
