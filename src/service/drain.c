/* DESIGN. Signals are blocked and read from a descriptor, not handled: one that comes after the loop has ended stays
 * pending, where a handler that is gone would leave it to end the process. So a process that has drained exits with 0,
 * also when it is told to end once more at that moment. */
#include "service/drain.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/magic.h"
#include "service/internal.h"
#include "supervisor/systemd.h"
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A job that was aborted stops at its next checkpoint. The process ends without one that takes longer than this. */
#define CUT_GRACE_MS 5000
/* Told to systemd beyond --drain-delay and --drain-timeout: the former, and as much for the rest of the way out. */
#define END_GRACE_NS (MR_NS_PER_MS * 2 * CUT_GRACE_MS)
/* Turns of a loop that still accept: the length of a listener's queue, so that a flood does not keep the drain from its
 * beginning. */
#define DRAIN_TURNS_MAX 4096

// clang-format off
const struct mr_option mr_drain_options[] = {
    MR_OPTION_ROW(mr_drain_settings, "drain-delay",   TIME, 0, 86400, "TIME", "0", delay,     "go on accepting after SIGTERM"),
    MR_OPTION_ROW(mr_drain_settings, "drain-timeout", TIME, 0, 86400, "TIME", "30s", timeout, "then what is in flight is cut"),
    MR_OPTION_END,
};
// clang-format on

_Noreturn static void exit_service_now(struct mr_service *service)
{
    mr_listeners_close(&service->listeners);
    mr_log_flush();
    _exit(1);
}

/* ---- the last step ---- */

static void end_loops(struct mr_service *service)
{
    MR_ASSERT(service->phase == MR_PHASE_DRAINING || service->phase == MR_PHASE_CUTTING);
    service->phase = MR_PHASE_OVER;
    uv_timer_stop(&service->alarm);
    mr_log(MR_LOG_INFO, service->was_cut ? "ended, what was in flight was cut" : "ended, drained");
    for (unsigned i = 0; i < service->loop_count; i++)
        mr_loop_stop(service->loops[i].loop);
}

static void on_loop_quiet(struct mr_inbox_node *node)
{
    struct mr_service *service = mr_container_of(node, struct mr_service_loop, quiet)->service;
    if (++service->loops_quiet == service->loop_count)
        end_loops(service);
}

/* On any loop: nothing is left on it. */
static void tell_quiet(void *context)
{
    struct mr_service_loop *loop = mr_from_context(context, struct mr_service_loop, MR_SERVICE_LOOP_MAGIC);
    loop->quiet.deliver = on_loop_quiet;
    mr_loop_post(loop->service->loops[0].loop, &loop->quiet);
}

/* ---- draining and cutting ---- */

static void cut_loop(struct mr_inbox_node *node)
{
    struct mr_service_loop *on = mr_container_of(node, struct mr_service_loop, cut);
    if (mr_server_abort(on->server))
        atomic_store(&on->service->was_cut, true);
    /* Not before: a stream whose next piece is refused would end by itself, and not be counted as cut. */
    if (atomic_fetch_add(&on->service->loops_cut, 1) + 1 == on->service->loop_count)
        mr_service_close_offloads(on->service);
}

static void on_cut_too_long(uv_timer_t *alarm)
{
    struct mr_service *service = mr_container_of(alarm, struct mr_service, alarm);
    mr_log(MR_LOG_ERROR, "some work did not stop after it was cut");
    exit_service_now(service);
}

static void on_drain_timeout(uv_timer_t *alarm)
{
    struct mr_service *service = mr_container_of(alarm, struct mr_service, alarm);
    service->phase = MR_PHASE_CUTTING;
    mr_log(MR_LOG_WARN, "drain-timeout passed: cutting what is in flight");
    for (unsigned i = 0; i < service->loop_count; i++) {
        service->loops[i].cut.deliver = cut_loop;
        mr_loop_post(service->loops[i].loop, &service->loops[i].cut);
    }
    uv_timer_start(&service->alarm, on_cut_too_long, CUT_GRACE_MS, 0);
}

/* Clients that had connected before are accepted first. libuv accepts one of them in a turn (before 1.45: all). */
static void begin_loop_drain(struct mr_inbox_node *node)
{
    struct mr_service_loop *loop = mr_container_of(node, struct mr_service_loop, drain);
    if (mr_server_has_unaccepted(loop->server) && ++loop->drain_turns < DRAIN_TURNS_MAX) {
        mr_loop_post(loop->loop, node);
        return;
    }
    mr_server_stop_accepting(loop->server);
    mr_app_drain(&loop->service->app, loop->loop);
    mr_server_drain(loop->server);
    mr_server_on_quiet(loop->server, tell_quiet, loop);
}

static void on_delay_over(uv_timer_t *alarm)
{
    struct mr_service *service = mr_container_of(alarm, struct mr_service, alarm);
    service->phase = MR_PHASE_DRAINING;
    mr_listeners_unlink(&service->listeners); /* while the sockets are open; a successor may take the path */
    for (unsigned i = 0; i < service->loop_count; i++) {
        service->loops[i].drain.deliver = begin_loop_drain;
        mr_loop_post(service->loops[i].loop, &service->loops[i].drain);
    }
    uv_timer_start(alarm, on_drain_timeout, service->config->drain.timeout / MR_NS_PER_MS, 0);
}

void mr_drain_announce(struct mr_http *http, const struct mr_drain_settings *settings)
{
    atomic_store_explicit(&http->draining, true, memory_order_relaxed);
    mr_systemd_notify_stopping(settings->delay + settings->timeout + END_GRACE_NS);
    mr_log(MR_LOG_INFO, "leaving");
}

void mr_drain_begin(struct mr_service *service)
{
    MR_ON_LOOP(service->loops[0].loop);
    if (service->phase != MR_PHASE_SERVING)
        return;
    service->phase = MR_PHASE_LEAVING;
    mr_drain_announce(&service->http, &service->config->drain);
    if (service->scrub != NULL)
        mr_scrub_stop(service->scrub);
    uv_timer_start(&service->alarm, on_delay_over, service->config->drain.delay / MR_NS_PER_MS, 0);
}

/* ---- signals ---- */

static void on_end_signal(struct mr_service *service)
{
    /* One of several is told by the supervisor, after others may have told all of them: SIGUSR1. */
    if (service->phase != MR_PHASE_SERVING && service->child == NULL)
        exit_service_now(service);
    mr_drain_begin(service);
}

void mr_service_reload(struct mr_service *service)
{
    mr_log_reopen();
    mr_key_rings_reload(&service->rings);
}

/* On libuv's pool: all of it reads files. */
static void work_reload(uv_work_t *work)
{
    struct mr_service *service = mr_container_of(work, struct mr_service, reload_work);
    mr_service_reload(service);
    if (service->reload != NULL)
        service->reload();
}

static void begin_reload(struct mr_service *service);

static void on_reloaded(uv_work_t *work, int status)
{
    struct mr_service *service = mr_container_of(work, struct mr_service, reload_work);
    (void)status;
    service->is_reloading = false;
    if (service->reloads_again)
        begin_reload(service);
}

static void begin_reload(struct mr_service *service)
{
    service->is_reloading = true;
    service->reloads_again = false;
    int err = uv_queue_work(service->signal_poll.loop, &service->reload_work, work_reload, on_reloaded);
    MR_ASSERT(err == 0);
}

/* What runs may have read a file before it was changed: then it is read once more. */
static void on_hangup(struct mr_service *service)
{
    service->reloads_again = service->is_reloading;
    if (!service->is_reloading)
        begin_reload(service);
}

static void on_signals(uv_poll_t *poll, int status, int events)
{
    struct mr_service *service = mr_container_of(poll, struct mr_service, signal_poll);
    struct signalfd_siginfo info;
    (void)status, (void)events;
    while (read(service->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            on_hangup(service);
        else if (info.ssi_signo == SIGUSR1)
            exit_service_now(service);
        else
            on_end_signal(service);
    }
}

/* As the first process of a container: the kernel reaps those that end from now on, and we those that ended before. */
static void reap_orphans(void)
{
    signal(SIGCHLD, SIG_IGN);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int mr_drain_open(struct mr_service *service)
{
    struct uv_loop_s *uv = mr_loop_uv(service->loops[0].loop);
    sigset_t watched;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a temporary file over the limit: EFBIG */
    if (getpid() == 1)
        reap_orphans();
    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGHUP);
    if (service->child != NULL)
        sigaddset(&watched, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &watched, NULL);
    uv_timer_init(uv, &service->alarm);
    service->signals = signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
    if (service->signals < 0)
        return MR_EIO;
    uv_poll_init(uv, &service->signal_poll, service->signals);
    uv_unref((uv_handle_t *)&service->signal_poll);
    return uv_poll_start(&service->signal_poll, UV_READABLE, on_signals) == 0 ? MR_OK : MR_EIO;
}

static void on_poll_closed(uv_handle_t *handle)
{
    close(mr_container_of(handle, struct mr_service, signal_poll)->signals);
}

void mr_drain_close(struct mr_service *service)
{
    uv_close((uv_handle_t *)&service->alarm, NULL);
    if (service->signals >= 0)
        uv_close((uv_handle_t *)&service->signal_poll, on_poll_closed);
}
