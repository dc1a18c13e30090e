#define _GNU_SOURCE /* SCHED_IDLE, pthread_setname_np */
#include "workers/pool.h"

#include "base/log.h"
#include "base/priority.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NICER_BY 10

struct worker {
    pthread_t thread;
    struct mr_pool *pool;
    unsigned index;
};

struct mr_pool {
    void (*body)(void *argument, unsigned index);
    void *argument;
    enum mr_worker_priority priority;
    unsigned started;
    struct worker workers[];
};

/* Of the calling thread alone. False, with errno: the system refuses it. */
static bool lower_priority(enum mr_worker_priority priority)
{
    const struct sched_param none = {0};

    if (priority == MR_PRIORITY_EQUAL)
        return true;
    if (priority == MR_PRIORITY_IDLE)
        return sched_setscheduler(0, SCHED_IDLE, &none) == 0;
    bool is_nice = mr_priority_be_nicer(NICER_BY);
    return mr_priority_be_patient() && is_nice;
}

/* Lowering needs no privilege, but a seccomp filter may forbid it. The work goes on at the old priority, where it can
 * hold up the loop. All workers start together, and one line says it. */
static void take_priority(enum mr_worker_priority priority)
{
    static _Atomic uint64_t told_at;

    if (!lower_priority(priority) && mr_log_is_due(&told_at))
        mr_log(MR_LOG_WARN, "workers cannot be given a lower priority than the loop (--worker-priority): %s",
               strerror(errno));
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    struct mr_pool *pool = worker->pool;
    char name[16];

    snprintf(name, sizeof(name), "worker-%u", worker->index % 1000);
    pthread_setname_np(pthread_self(), name);
    take_priority(pool->priority);
    pool->body(pool->argument, worker->index);
    return NULL;
}

/* Signals are the main thread's: a worker starts with all of them blocked. */
static int start_thread(struct worker *worker)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err == 0 ? 0 : MR_EIO;
}

int mr_pool_start(struct mr_pool **out, unsigned threads, enum mr_worker_priority priority,
                  void (*body)(void *argument, unsigned index), void *argument)
{
    struct mr_pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->workers[0]));

    *out = pool;
    if (pool == NULL)
        return MR_EMEMORY;
    pool->body = body;
    pool->argument = argument;
    pool->priority = priority;
    while (pool->started < threads) {
        struct worker *worker = &pool->workers[pool->started];
        worker->pool = pool;
        worker->index = pool->started;
        int err = start_thread(worker);
        if (err != 0)
            return err;
        pool->started++;
    }
    return 0;
}

void mr_pool_join(struct mr_pool **out)
{
    struct mr_pool *pool = *out;

    for (unsigned i = 0; pool != NULL && i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    free(pool);
    *out = NULL;
}
