#define _GNU_SOURCE 1 /* pthread_setname_np */
#include "store/fs/crew.h"
#include "base/assert.h"
#include <errno.h>
#include <signal.h>

static struct mr_file_request *take_request(struct mr_crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
    struct mr_file_request *request = crew->next;
    if (request != NULL)
        crew->next = request->next;
    pthread_mutex_unlock(&crew->mutex);
    return request;
}

static void work_until_none_is_left(struct mr_crew *crew)
{
    for (struct mr_file_request *request; (request = take_request(crew)) != NULL;)
        crew->work(request);
}

static void wait_for_sem(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        MR_ASSERT(errno == EINTR);
}

static void *run_helper(void *context)
{
    struct mr_crew *crew = context;
    for (;;) {
        wait_for_sem(&crew->begin);
        if (crew->is_over)
            return NULL;
        work_until_none_is_left(crew);
        sem_post(&crew->done);
    }
}

/* Signals are the main thread's: the helper inherits that they are blocked. */
static bool start_helper(struct mr_crew *crew)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error_number = pthread_create(&crew->threads[crew->started], NULL, run_helper, crew);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error_number != 0)
        return false;
    pthread_setname_np(crew->threads[crew->started], "store-sync");
    crew->started++;
    return true;
}

/* How many helpers are there for so many requests? */
static unsigned get_helpers(struct mr_crew *crew, const struct mr_file_request *first)
{
    unsigned wanted = 0;
    for (const struct mr_file_request *request = first->next; request != NULL && wanted < MR_CREW_MAX;
         request = request->next)
        wanted++;
    while (crew->started < wanted && start_helper(crew))
        ;
    return wanted < crew->started ? wanted : crew->started;
}

void mr_crew_init(struct mr_crew *crew)
{
    *crew = (struct mr_crew){.started = 0};
    sem_init(&crew->begin, 0, 0);
    sem_init(&crew->done, 0, 0);
    pthread_mutex_init(&crew->mutex, NULL);
}

void mr_crew_run(struct mr_crew *crew, struct mr_file_request *first, void (*work)(struct mr_file_request *request))
{
    unsigned helpers = get_helpers(crew, first);
    crew->next = first;
    crew->work = work;
    for (unsigned i = 0; i < helpers; i++)
        sem_post(&crew->begin);
    work_until_none_is_left(crew);
    for (unsigned i = 0; i < helpers; i++)
        wait_for_sem(&crew->done);
}

void mr_crew_close(struct mr_crew *crew)
{
    crew->is_over = true;
    for (unsigned i = 0; i < crew->started; i++)
        sem_post(&crew->begin);
    for (unsigned i = 0; i < crew->started; i++)
        pthread_join(crew->threads[i], NULL);
    sem_destroy(&crew->begin);
    sem_destroy(&crew->done);
    pthread_mutex_destroy(&crew->mutex);
}
