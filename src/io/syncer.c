/* DESIGN. The inbox of loops (loop/inbox.h) is the queue: many threads post, one drains, and the poster that finds it
 * empty wakes that one, here by a semaphore. What is drained becomes the group; each of its requests then goes to the
 * inbox of its loop through the same node. */
#define _GNU_SOURCE 1 /* pthread_setname_np */
#include "io/syncer.h"
#include "base/macros.h"
#include "base/magic.h"
#include "loop/inbox.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#define SYNCER_MAGIC 0x73796e63u /* "sync" */

struct mr_syncer {
    uint32_t magic;
    struct mr_syncer_config config;
    pthread_t thread;
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
    mr_inbox_drain(&syncer->inbox, SIZE_MAX, &more);
    gathered = NULL;
    return first;
}

static void deliver(struct mr_inbox_node *node)
{
    mr_file_complete(mr_container_of(node, struct mr_file_request, node));
}

static void perform(struct mr_syncer *syncer, struct mr_file_request *first)
{
    if (syncer->config.group != NULL)
        syncer->config.group(syncer->config.context, first);
    else
        for (struct mr_file_request *request = first; request != NULL; request = request->next)
            mr_file_perform(request);
    for (struct mr_file_request *request = first, *next; request != NULL; request = next) {
        next = request->next; /* the loop may free it from the post on */
        request->node.deliver = deliver;
        /* Relaxed: it is read by destroy only, when the loop has seen the completion. */
        atomic_fetch_sub_explicit(&syncer->pending, 1, memory_order_relaxed);
        mr_loop_post(request->loop, &request->node);
    }
}

static void *run(void *context)
{
    struct mr_syncer *syncer = mr_from_context(context, struct mr_syncer, SYNCER_MAGIC);
    /* Acquire: pairs with the store in destroy; the semaphore orders it, too. */
    while (!atomic_load_explicit(&syncer->stopping, memory_order_acquire)) {
        while (sem_wait(&syncer->wake) != 0)
            MR_ASSERT(errno == EINTR);
        struct mr_file_request *first = take_group(syncer);
        if (first != NULL)
            perform(syncer, first);
    }
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct mr_syncer *syncer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error_number = pthread_create(&syncer->thread, NULL, run, syncer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error_number != 0)
        return MR_EIO;
    pthread_setname_np(syncer->thread, syncer->config.name);
    return MR_OK;
}

int mr_syncer_create(struct mr_syncer **out, const struct mr_syncer_config *config)
{
    struct mr_syncer *syncer = calloc(1, sizeof(*syncer));
    if (syncer == NULL)
        return MR_EMEMORY;
    syncer->magic = SYNCER_MAGIC;
    syncer->config = *config;
    mr_inbox_init(&syncer->inbox);
    sem_init(&syncer->wake, 0, 0);
    int err = start_thread(syncer);
    if (err != MR_OK) {
        sem_destroy(&syncer->wake);
        free(syncer);
        return err;
    }
    *out = syncer;
    return MR_OK;
}

void mr_syncer_destroy(struct mr_syncer **out)
{
    struct mr_syncer *syncer = *out;
    *out = NULL;
    if (syncer == NULL)
        return;
    MR_ASSERT(atomic_load_explicit(&syncer->pending, memory_order_relaxed) == 0);
    atomic_store_explicit(&syncer->stopping, true, memory_order_release);
    sem_post(&syncer->wake);
    pthread_join(syncer->thread, NULL);
    sem_destroy(&syncer->wake);
    free(syncer);
}

void mr_syncer_submit(struct mr_syncer *syncer, struct mr_file_request *request)
{
    request->node.deliver = gather;
    atomic_fetch_add_explicit(&syncer->pending, 1, memory_order_relaxed);
    if (mr_inbox_post(&syncer->inbox, &request->node))
        sem_post(&syncer->wake);
}
