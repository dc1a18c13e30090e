#include "service/drain.h"
#include "base/assert.h"
#include "base/log.h"
#include "service/systemd.h"
#include <signal.h>
#include <unistd.h>

/* What was cut stops at its next checkpoint; who takes longer than this is left behind. */
#define CUT_GRACE_MS 5000
/* Turns of a loop that still accept: the length of a listener's queue, so that a flood does not keep the drain from its
 * beginning. */
#define DRAIN_TURNS_MAX 4096

_Noreturn static void exit_now(struct mr_service *service)
{
    mr_listeners_close(&service->listeners);
    mr_log_flush();
    _exit(1);
}

/* ---- the last step ---- */

static void end(struct mr_service *service)
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
        end(service);
}

/* On any loop: nothing is left on it. */
static void tell_quiet(void *context)
{
    struct mr_service_loop *loop = context;
    loop->quiet.deliver = on_loop_quiet;
    mr_loop_post(loop->service->loops[0].loop, &loop->quiet);
}

/* ---- draining and cutting ---- */

static void cut_loop(struct mr_inbox_node *node)
{
    struct mr_service_loop *on = mr_container_of(node, struct mr_service_loop, cut);
    if (mr_server_cut(on->server))
        atomic_store(&on->service->was_cut, true);
    /* Not before: a stream whose next piece is refused would end by itself, and not be counted as cut. */
    if (atomic_fetch_add(&on->service->loops_cut, 1) + 1 == on->service->loop_count)
        mr_offload_close(on->service->offload);
}

static void on_cut_too_long(uv_timer_t *alarm)
{
    struct mr_service *service = alarm->data;
    mr_log(MR_LOG_ERROR, "some work did not stop after it was cut");
    exit_now(service);
}

static void on_drain_timeout(uv_timer_t *alarm)
{
    struct mr_service *service = alarm->data;
    service->phase = MR_PHASE_CUTTING;
    mr_log(MR_LOG_WARN, "drain-timeout passed: cutting what is in flight");
    for (unsigned i = 0; i < service->loop_count; i++) {
        service->loops[i].cut.deliver = cut_loop;
        mr_loop_post(service->loops[i].loop, &service->loops[i].cut);
    }
    uv_timer_start(&service->alarm, on_cut_too_long, CUT_GRACE_MS, 0);
}

/* Clients that had connected before are accepted first. libuv accepts one of them in a turn (before 1.45: all). */
static void drain_loop(struct mr_inbox_node *node)
{
    struct mr_service_loop *loop = mr_container_of(node, struct mr_service_loop, drain);
    if (mr_server_has_unaccepted(loop->server) && ++loop->drain_turns < DRAIN_TURNS_MAX) {
        mr_loop_post(loop->loop, node);
        return;
    }
    mr_server_stop_accepting(loop->server);
    mr_events_drain(&loop->events);
    mr_server_drain(loop->server);
    mr_server_on_quiet(loop->server, tell_quiet, loop);
}

static void on_delay_over(uv_timer_t *alarm)
{
    struct mr_service *service = alarm->data;
    service->phase = MR_PHASE_DRAINING;
    for (unsigned i = 0; i < service->loop_count; i++) {
        service->loops[i].drain.deliver = drain_loop;
        mr_loop_post(service->loops[i].loop, &service->loops[i].drain);
    }
    uv_timer_start(alarm, on_drain_timeout, service->config->drain_timeout / MR_NS_PER_MS, 0);
}

void mr_drain_begin(struct mr_service *service)
{
    MR_ON_LOOP(service->loops[0].loop);
    if (service->phase != MR_PHASE_SERVING)
        return;
    service->phase = MR_PHASE_LEAVING;
    atomic_store_explicit(&service->http.draining, true, memory_order_relaxed);
    mr_systemd_notify("STOPPING=1");
    mr_log(MR_LOG_INFO, "leaving");
    uv_timer_start(&service->alarm, on_delay_over, service->config->drain_delay / MR_NS_PER_MS, 0);
}

/* ---- signals ---- */

static void on_end_signal(uv_signal_t *handle, int number)
{
    struct mr_service *service = handle->data;
    (void)number;
    /* One of several is told by the supervisor, after others may have told all of them: on_usr1. */
    if (service->phase != MR_PHASE_SERVING && service->child == NULL)
        exit_now(service);
    mr_drain_begin(service);
}

static void on_end_now(uv_signal_t *handle, int number)
{
    (void)number;
    exit_now(handle->data);
}

/* On libuv's pool: both open files. */
static void work_reload(uv_work_t *work)
{
    struct mr_service *service = mr_container_of(work, struct mr_service, reload);
    mr_log_reopen();
    if (service->reload_config != NULL)
        service->reload_config(service);
}

static void on_reloaded(uv_work_t *work, int status)
{
    struct mr_service *service = mr_container_of(work, struct mr_service, reload);
    (void)status;
    service->is_reloading = false;
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct mr_service *service = handle->data;
    (void)number;
    if (service->is_reloading)
        return;
    service->is_reloading = true;
    int err = uv_queue_work(handle->loop, &service->reload, work_reload, on_reloaded);
    MR_ASSERT(err == 0);
}

static int watch(struct mr_service *service, uv_signal_t *handle, uv_signal_cb on_signal, int number)
{
    uv_signal_init(mr_loop_uv(service->loops[0].loop), handle);
    handle->data = service;
    uv_unref((uv_handle_t *)handle);
    return uv_signal_start(handle, on_signal, number) == 0 ? MR_OK : MR_EIO;
}

int mr_drain_open(struct mr_service *service)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a temporary file over the limit: EFBIG */
    uv_timer_init(mr_loop_uv(service->loops[0].loop), &service->alarm);
    service->alarm.data = service;
    int err = watch(service, &service->on_term, on_end_signal, SIGTERM);
    int err_int = watch(service, &service->on_int, on_end_signal, SIGINT);
    int err_hup = watch(service, &service->on_hup, on_hangup, SIGHUP);
    int err_usr1 = MR_OK;
    if (service->child != NULL)
        err_usr1 = watch(service, &service->on_usr1, on_end_now, SIGUSR1);
    return err != 0 ? err : err_int != 0 ? err_int : err_hup != 0 ? err_hup : err_usr1;
}

void mr_drain_close(struct mr_service *service)
{
    uv_close((uv_handle_t *)&service->alarm, NULL);
    uv_close((uv_handle_t *)&service->on_term, NULL);
    uv_close((uv_handle_t *)&service->on_int, NULL);
    uv_close((uv_handle_t *)&service->on_hup, NULL);
    if (service->child != NULL)
        uv_close((uv_handle_t *)&service->on_usr1, NULL);
}
