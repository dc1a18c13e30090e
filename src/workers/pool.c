#define _GNU_SOURCE /* SCHED_BATCH, SCHED_IDLE, pthread_setname_np */
#include "workers/pool.h"

#include "base/macros.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* Of the calling thread alone: on Linux a thread has a nice value and a policy of its own. Lowering them needs no
 * privilege; should it be refused all the same (a seccomp filter), the work goes on at the old priority. */
static void lower_priority(enum mr_worker_priority priority)
{
    const struct sched_param none = {0};

    if (priority == MR_PRIORITY_EQUAL)
        return;
    if (priority == MR_PRIORITY_IDLE) {
        (void)sched_setscheduler(0, SCHED_IDLE, &none);
        return;
    }
    id_t self = (id_t)syscall(SYS_gettid);
    int nice_now = getpriority(PRIO_PROCESS, self);
    (void)setpriority(PRIO_PROCESS, self, MR_MIN(nice_now + NICER_BY, 19));
    (void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    struct mr_pool *pool = worker->pool;
    char name[16];

    snprintf(name, sizeof(name), "worker-%u", worker->index % 1000);
    pthread_setname_np(pthread_self(), name);
    lower_priority(pool->priority);
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
