/* crew.h -- threads that help a sync thread with the requests of its group: each takes the next one until none is left.
 *
 * A sync waits for the disk to empty its own cache, and all that wait at the same time wait for the same emptying: 16
 * files take as long as one when they are synced side by side, and 16 times as long one after the other. The helpers
 * start when they are first needed, and wait without work otherwise. One user (thread). */
#ifndef MR_STORE_FS_CREW_H
#define MR_STORE_FS_CREW_H

#include "io/file.h"
#include <pthread.h>
#include <semaphore.h>

#define MR_CREW_MAX 15

struct mr_crew { /* private */
    pthread_t threads[MR_CREW_MAX];
    unsigned started;
    sem_t begin, done;
    pthread_mutex_t mutex;        /* of `next` */
    struct mr_file_request *next; /* no thread has taken it yet */
    void (*work)(struct mr_file_request *request);
    bool is_over; /* written before `begin` is posted */
};

void mr_crew_init(struct mr_crew *crew);
/* Call work() with each request of the list, on several threads; returns when all are done. Without threads, which may
 * not be had, the caller does it all. */
void mr_crew_run(struct mr_crew *crew, struct mr_file_request *first, void (*work)(struct mr_file_request *request));
/* Ends the threads. */
void mr_crew_close(struct mr_crew *crew);

#endif
