#include "base/heap.h"
#include "base/log.h"
#include "base/macros.h"
#include "service/drain.h"
#include "service/internal.h"
#include "supervisor/systemd.h"
#include <unistd.h>

#define BEATS_MISSED 2 /* that make a loop a silent one */

/* ---- listening ---- */

/* Hand the process's descriptors of the listener to its servers, one each. */
static int give_to_servers(struct mr_service *service, struct mr_listener *listener)
{
    int *fds = &listener->fds[(size_t)mr_service_index(service) * service->loop_count];
    int err = MR_OK;
    for (unsigned i = 0; i < service->loop_count && err == 0; i++) {
        err = mr_server_listen(service->loops[i].server, fds[i], listener->is_unix);
        fds[i] = -1; /* the server's now */
    }
    return err;
}

/* The supervisor has opened them, removes the files of Unix sockets in the end, and says when all processes serve. */
static void take_listeners(struct mr_service *service)
{
    service->listeners = *service->child->listeners;
    for (unsigned i = 0; i < service->listeners.count; i++)
        service->listeners.at[i].path[0] = '\0';
}

/* Of the other processes: a socket must close when its own process is through with it. */
static void drop_others(struct mr_listener *listener)
{
    for (unsigned i = 0; i < listener->fd_count; i++) {
        if (listener->fds[i] >= 0)
            close(listener->fds[i]);
        listener->fds[i] = -1;
    }
}

int mr_service_listen(struct mr_service *service, unsigned passed, struct mr_fault *fault)
{
    struct mr_listeners *listeners = &service->listeners;
    int err = MR_OK;
    if (service->child != NULL)
        take_listeners(service);
    else
        err = mr_listeners_open(listeners, &service->config->listen, (unsigned)service->config->loop.loops, passed,
                                fault);
    for (unsigned i = 0; i < listeners->count && err == 0; i++) {
        err = give_to_servers(service, &listeners->at[i]);
        if (err != 0)
            mr_fault_set(fault, err, "cannot listen on %s", listeners->at[i].url);
        else
            drop_others(&listeners->at[i]);
    }
    return err;
}

/* ---- running ---- */

static void announce(const struct mr_service *service)
{
    if (service->child == NULL) {
        mr_listeners_announce(&service->listeners);
        return;
    }
    unsigned char index = (unsigned char)service->child->index;
    ssize_t written = write(service->child->ready_fd, &index, 1); /* a pipe with room for thousands */
    (void)written;
}

/* ---- signs of life ---- */

static struct mr_loop_numbers *beat_numbers_of(const struct mr_service_loop *on)
{
    const struct mr_service *service = on->service;
    unsigned index = (unsigned)(on - service->loops);
    return mr_segment_loop(service->segment, mr_service_index(service) * service->loop_count + index);
}

/* The manager is told of all loops at once: while one of them is silent it hears nothing. */
static void tell_watchdog(const struct mr_service *service)
{
    uint64_t silent_since = mr_segment_silent_since(service->segment, mr_service_index(service));
    if (mr_clock_now() - silent_since <= BEATS_MISSED * service->beat_ns)
        mr_systemd_notify("WATCHDOG=1");
}

static void on_beat(struct mr_timer *timer)
{
    struct mr_service_loop *on = mr_container_of(timer, struct mr_service_loop, beat);
    atomic_store_explicit(&beat_numbers_of(on)->beat_at, mr_clock_now(), memory_order_relaxed);
    mr_timer_set(&on->beats, timer);
    if (on == on->service->loops && on->service->child == NULL)
        tell_watchdog(on->service);
}

/* One of several processes tells its supervisor, which tells the manager; the only one tells the manager itself.
 * Without a supervisor and without a manager that asks, a loop at rest sleeps. */
static void open_beats(struct mr_service *service)
{
    service->beat_ns = service->child != NULL ? service->child->beat_ns : mr_systemd_watchdog_ns() / BEATS_MISSED;
    for (unsigned i = 0; i < service->loop_count; i++) {
        struct mr_service_loop *on = &service->loops[i];
        mr_timer_list_open(&on->beats, on->loop, service->beat_ns, on_beat);
        if (service->beat_ns == 0)
            continue;
        atomic_store_explicit(&beat_numbers_of(on)->beat_at, mr_clock_now(), memory_order_relaxed);
        mr_timer_set(&on->beats, &on->beat);
    }
}

static void close_beats(struct mr_service *service)
{
    for (unsigned i = 0; i < service->loop_count; i++) {
        mr_timer_clear(&service->loops[i].beat);
        mr_timer_list_close(&service->loops[i].beats);
    }
}

static void run_loop(void *context)
{
    mr_heap_become_private();
    mr_loop_run(((struct mr_service_loop *)context)->loop);
    mr_service_thread_end(); /* it may have run jobs */
}

static unsigned start_loop_threads(struct mr_service *service)
{
    unsigned started = 1; /* loop 0 is ours */
    while (started < service->loop_count &&
           uv_thread_create(&service->loops[started].thread, run_loop, &service->loops[started]) == 0)
        started++;
    return started;
}

/* The first process, and what replaces it when it dies. */
static void start_scrub(struct mr_service *service)
{
    const struct mr_scrub_config config = {.store = service->store,
                                           .loop = service->loops[0].loop,
                                           .offload = service->offload,
                                           .rate = service->config->store.scrub_rate};
    if (config.store == NULL || config.rate == 0 || mr_service_index(service) != 0)
        return;
    int err = mr_scrub_start(&service->scrub, &config);
    if (err != MR_OK)
        mr_log(MR_LOG_WARN, "store: damage is not looked for: %s", mr_error_text(err));
}

int mr_service_run(struct mr_service *service)
{
    if (mr_drain_open(service) != 0)
        mr_log(MR_LOG_WARN, "signals cannot be watched");
    open_beats(service);
    unsigned started = start_loop_threads(service);
    if (started == service->loop_count) {
        start_scrub(service);
        announce(service);
    } else {
        mr_log(MR_LOG_ERROR, "cannot start a thread for each loop");
        service->was_cut = true;
        for (unsigned i = 0; i < started; i++)
            mr_loop_stop(service->loops[i].loop);
    }
    mr_heap_become_private();
    mr_loop_run(service->loops[0].loop);
    for (unsigned i = 1; i < started; i++)
        uv_thread_join(&service->loops[i].thread);
    close_beats(service);
    mr_drain_close(service);
    return service->was_cut;
}
