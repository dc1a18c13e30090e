/* DESIGN. The inbox of loops (loop/inbox.h) is the queue: many threads post, one at a time drains, and the poster that
 * finds it empty wakes one, here by a semaphore. What is drained becomes the group; each of its requests then goes to
 * the inbox of its loop through the same node. */
#define _GNU_SOURCE 1 /* pthread_setname_np */
#include "io/syncer.h"
#include "base/macros.h"
#include "base/magic.h"
#include "base/priority.h"
#include "loop/inbox.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#define SYNCER_MAGIC 0x73796e63u /* "sync" */

struct syncer_thread {
    struct mr_syncer *syncer;
    pthread_t thread;
};

struct mr_syncer {
    uint32_t magic;
    struct mr_syncer_config config;
    struct syncer_thread threads[MR_SYNCER_THREADS_MAX];
    unsigned started;
    pthread_mutex_t taking; /* held by the thread that drains */
    sem_t wake;
    struct mr_inbox inbox;
    atomic_size_t pending; /* submitted, and not yet on their way back */
    atomic_bool stopping;
};

/* The group that the thread gathers: the inbox calls without a context. */
static _Thread_local struct mr_file_request **gathered;

static void gather(struct mr_inbox_node *node)
{
    struct mr_file_request *request = mr_container_of(node, struct mr_file_request, node);
    request->next = NULL;
    *gathered = request;
    gathered = &request->next;
}

static struct mr_file_request *take_group(struct mr_syncer *syncer)
{
    struct mr_file_request *first = NULL;
    bool more;
    gathered = &first;
    pthread_mutex_lock(&syncer->taking);
    mr_inbox_drain(&syncer->inbox, syncer->config.singly ? 1 : SIZE_MAX, &more);
    pthread_mutex_unlock(&syncer->taking);
    gathered = NULL;
    if (more)
        sem_post(&syncer->wake); /* for another thread */
    return first;
}

static void deliver(struct mr_inbox_node *node)
{
    mr_file_complete(mr_container_of(node, struct mr_file_request, node));
}

static void perform(struct mr_syncer *syncer, unsigned thread, struct mr_file_request *first)
{
    if (syncer->config.group != NULL)
        syncer->config.group(syncer->config.context, thread, first);
    for (struct mr_file_request *request = first, *next; request != NULL; request = next) {
        next = request->next; /* the loop may free it from the post on */
        if (syncer->config.group == NULL)
            mr_file_perform(request);
        request->node.deliver = deliver;
        /* Relaxed: it is read by destroy only, when the loop has seen the completion. */
        atomic_fetch_sub_explicit(&syncer->pending, 1, memory_order_relaxed);
        mr_loop_operation_post(request->loop, &request->node);
    }
}

static void *run(void *context)
{
    const struct syncer_thread *self = context;
    struct mr_syncer *syncer = mr_from_context(self->syncer, struct mr_syncer, SYNCER_MAGIC);
    mr_priority_be_nicer(syncer->config.nicer); /* where these are forbidden, it works as well */
    if (syncer->config.patient)
        mr_priority_be_patient();
    /* Acquire: pairs with the store in destroy; the semaphore orders it, too. */
    while (!atomic_load_explicit(&syncer->stopping, memory_order_acquire)) {
        while (sem_wait(&syncer->wake) != 0)
            MR_ASSERT(errno == EINTR);
        struct mr_file_request *first = take_group(syncer);
        if (first != NULL)
            perform(syncer, (unsigned)(self - syncer->threads), first);
    }
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct mr_syncer *syncer)
{
    struct syncer_thread *started = &syncer->threads[syncer->started];
    sigset_t all, before;
    started->syncer = syncer;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error_number = pthread_create(&started->thread, NULL, run, started);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error_number != 0)
        return MR_EIO;
    pthread_setname_np(started->thread, syncer->config.name);
    syncer->started++;
    return MR_OK;
}

int mr_syncer_create(struct mr_syncer **out, const struct mr_syncer_config *config)
{
    struct mr_syncer *syncer = calloc(1, sizeof(*syncer));
    if (syncer == NULL)
        return MR_EMEMORY;
    syncer->magic = SYNCER_MAGIC;
    syncer->config = *config;
    syncer->config.threads = MR_MAX(config->threads, 1u);
    MR_ASSERT(syncer->config.threads <= MR_SYNCER_THREADS_MAX);
    mr_inbox_init(&syncer->inbox);
    pthread_mutex_init(&syncer->taking, NULL);
    sem_init(&syncer->wake, 0, 0);
    int err = MR_OK;
    while (syncer->started < syncer->config.threads && err == MR_OK)
        err = start_thread(syncer);
    if (err != MR_OK)
        mr_syncer_destroy(&syncer);
    *out = syncer;
    return err;
}

void mr_syncer_destroy(struct mr_syncer **out)
{
    struct mr_syncer *syncer = *out;
    *out = NULL;
    if (syncer == NULL)
        return;
    MR_ASSERT(atomic_load_explicit(&syncer->pending, memory_order_relaxed) == 0);
    atomic_store_explicit(&syncer->stopping, true, memory_order_release);
    for (unsigned i = 0; i < syncer->started; i++)
        sem_post(&syncer->wake);
    for (unsigned i = 0; i < syncer->started; i++)
        pthread_join(syncer->threads[i].thread, NULL);
    sem_destroy(&syncer->wake);
    pthread_mutex_destroy(&syncer->taking);
    free(syncer);
}

void mr_syncer_submit(struct mr_syncer *syncer, struct mr_file_request *request)
{
    request->node.deliver = gather;
    atomic_fetch_add_explicit(&syncer->pending, 1, memory_order_relaxed);
    if (mr_inbox_post(&syncer->inbox, &request->node))
        sem_post(&syncer->wake);
}
