#include "service/service.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "service/drain.h"
#include "service/health.h"
#include "service/metrics.h"
#include "service/pipe.h"
#include "service/systemd.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors beside those of connections: loops, listeners, temporary files, libraries. */
#define DESCRIPTORS_BESIDE 512

static const struct mr_route routes[] = {
    {MR_METHOD_POST, "/pipe/image", mr_pipe_image_start, mr_pipe_image_gone},
    {MR_METHOD_GET, "/pipe", mr_stages_start, NULL},
    {MR_METHOD_GET, "/healthz", mr_healthz_start, NULL},
    {MR_METHOD_GET, "/readyz", mr_readyz_start, NULL},
    {MR_METHOD_GET, "/version", mr_version_start, NULL},
    {MR_METHOD_GET, "/metrics", mr_metrics_start, NULL},
    {MR_METHOD_GET, "/", mr_root_start, NULL},
    {.pattern = NULL},
};

/* ---- building ---- */

/* Room for so many connections; fewer connections where the system gives less room, so that accept() never fails. */
static uint32_t make_room(int64_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + DESCRIPTORS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return (uint32_t)connections;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : MR_MIN(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return (uint32_t)connections;
    rlim_t beside = MR_MIN((rlim_t)DESCRIPTORS_BESIDE, limit.rlim_cur / 2);
    uint32_t possible = (uint32_t)(limit.rlim_cur - beside);
    mr_log(MR_LOG_WARN, "only %u connections: the limit of open files is %llu", possible,
           (unsigned long long)limit.rlim_cur);
    return possible;
}

static int create_http(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    struct mr_http *http = &service->http;
    int err = mr_http_init(http, routes, (unsigned)config->loops);
    if (err != 0)
        return err;
    http->limits = (struct mr_http_limits){
        .body_max = config->max_body,
        .head_max = (uint32_t)config->max_head,
        .connections_max = make_room(config->max_connections),
        .requests_per_connection_max = (uint32_t)config->max_requests_per_connection,
        .head_timeout_ns = config->head_timeout,
        .body_timeout_ns = config->body_timeout,
        .idle_timeout_ns = config->idle_timeout,
        .min_rate = config->min_rate,
    };
    http->allow_hosts = config->allow_host.values;
    http->allow_host_count = config->allow_host.count;
    http->allow_origins = config->allow_origin.values;
    http->allow_origin_count = config->allow_origin.count;
    http->service = service;
    return MR_OK;
}

static int create_loop(struct mr_service *service)
{
    struct mr_service_loop *on = &service->loops[service->loop_count];
    on->service = service;
    int err = mr_loop_create(&on->loop, service->loop_count);
    if (err != 0)
        return err;
    err = mr_server_create(&on->server, &service->http, on->loop);
    if (err != 0) {
        mr_loop_destroy(&on->loop);
        return err;
    }
    service->loop_list[service->loop_count++] = on->loop;
    return MR_OK;
}

static int create_loops(struct mr_service *service)
{
    int err = MR_OK;
    service->loops = calloc((size_t)service->config->loops, sizeof(*service->loops));
    if (service->loops == NULL)
        return MR_EMEMORY;
    while (err == 0 && service->loop_count < service->config->loops)
        err = create_loop(service);
    return err;
}

static int create_offload(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    return mr_offload_create(&service->offload, &(struct mr_offload_config){
                                                    .kind = (enum mr_offload_kind)config->offload,
                                                    .workers = (unsigned)config->workers,
                                                    .priority = (enum mr_worker_priority)config->worker_priority,
                                                    .queue_depth = (uint32_t)config->queue_depth,
                                                    .deadline_ns = config->job_deadline,
                                                    .run_ns_max = config->job_time,
                                                    .worker_end = mr_image_thread_end,
                                                    .loops = service->loop_list,
                                                    .loop_count = service->loop_count,
                                                });
}

static int build(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    service->started_wall = mr_clock_wall();
    service->image_limits =
        (struct mr_image_limits){.pixels = (uint64_t)config->max_pixels, .frames = (uint32_t)config->max_frames};
    mr_budget_init(&service->memory, config->memory_budget);
    int err = create_http(service);
    if (err == 0)
        err = create_loops(service);
    if (err == 0)
        err = create_offload(service);
    if (err == 0)
        err = mr_health_version_json(&service->version_json, service);
    if (err == 0)
        err = mr_health_stages_json(&service->stages_json);
    return err;
}

int mr_service_create(struct mr_service **out, const struct mr_config *config, struct mr_fault *fault)
{
    struct mr_service *service = calloc(1, sizeof(*service));
    if (service == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    service->config = config;
    int err = build(service);
    if (err != 0) {
        mr_fault_set(fault, err, "cannot start: %s", mr_error_text(err));
        mr_service_destroy(&service);
    }
    *out = service;
    return err;
}

/* The loops have ended, or never ran. */
void mr_service_destroy(struct mr_service **out)
{
    struct mr_service *service = *out;
    *out = NULL;
    if (service->offload != NULL) {
        mr_offload_close(service->offload);
        mr_offload_destroy(&service->offload);
    }
    for (unsigned i = 0; i < service->loop_count; i++) {
        mr_server_destroy(&service->loops[i].server);
        mr_loop_destroy(&service->loops[i].loop);
    }
    for (unsigned i = 0; i < service->listener_count; i++)
        mr_listener_close(&service->listeners[i]);
    mr_http_deinit(&service->http);
    MR_ASSERT(mr_budget_used(&service->memory) == 0); /* everything that was taken was given back */
    free(service->version_json);
    free(service->stages_json);
    free(service->loops);
    free(service);
}

/* ---- listening ---- */

/* Hand the listener's descriptors to the servers, one each. */
static int give_to_servers(struct mr_service *service, struct mr_listener *listener)
{
    int err = MR_OK;
    for (unsigned i = 0; i < service->loop_count && err == 0; i++) {
        err = mr_server_listen(service->loops[i].server, listener->fds[i], listener->is_unix);
        listener->fds[i] = -1; /* the server's now */
    }
    return err;
}

static int add_listener(struct mr_service *service, const char *address, int fd, struct mr_fault *fault)
{
    MR_ASSERT(service->listener_count < MR_LISTENERS_MAX);
    struct mr_listener *listener = &service->listeners[service->listener_count];
    int err = address != NULL ? mr_listener_open(listener, address, service->loop_count, fault)
                              : mr_listener_adopt(listener, fd, service->loop_count, fault);
    if (err != 0)
        return err;
    service->listener_count++;
    if (!listener->is_loopback && !service->config->open)
        return mr_fault_set(fault, MR_EPARAM, "%s can be reached from other machines: add --open to allow that",
                            listener->url);
    err = give_to_servers(service, listener);
    return err == 0 ? MR_OK : mr_fault_set(fault, err, "cannot listen on %s", listener->url);
}

int mr_service_listen(struct mr_service *service, unsigned passed, struct mr_fault *fault)
{
    const struct mr_option_list *addresses = &service->config->listen;
    int err = MR_OK;
    for (size_t i = 0; i < addresses->count && err == 0; i++)
        err = add_listener(service, addresses->values[i], -1, fault);
    if (addresses->count > 0)
        return err;
    for (unsigned i = 0; i < passed && err == 0; i++)
        err = add_listener(service, NULL, MR_SYSTEMD_FIRST_FD + (int)i, fault);
    return passed > 0 ? err : add_listener(service, MR_DEFAULT_LISTEN, -1, fault);
}

/* ---- running ---- */

/* Plain lines, also when the log goes to a file: for a person, or a script that waits for them. */
static void announce(const struct mr_service *service)
{
    for (unsigned i = 0; i < service->listener_count; i++)
        dprintf(STDERR_FILENO, "listening on %s\n", service->listeners[i].url);
    mr_systemd_notify("READY=1");
}

static void run_loop(void *context)
{
    mr_loop_run(((struct mr_service_loop *)context)->loop);
}

static unsigned start_threads(struct mr_service *service)
{
    unsigned started = 1; /* loop 0 is ours */
    while (started < service->loop_count &&
           uv_thread_create(&service->loops[started].thread, run_loop, &service->loops[started]) == 0)
        started++;
    return started;
}

int mr_service_run(struct mr_service *service)
{
    if (mr_drain_open(service) != 0)
        mr_log(MR_LOG_WARN, "signals cannot be watched");
    unsigned started = start_threads(service);
    if (started == service->loop_count) {
        announce(service);
    } else {
        mr_log(MR_LOG_ERROR, "cannot start a thread for each loop");
        service->was_cut = true;
        for (unsigned i = 0; i < started; i++)
            mr_loop_stop(service->loops[i].loop);
    }
    mr_loop_run(service->loops[0].loop);
    for (unsigned i = 1; i < started; i++)
        uv_thread_join(&service->loops[i].thread);
    mr_drain_close(service);
    return service->was_cut;
}

void mr_service_retry_after(struct mr_service *service, struct mr_loop *loop, enum mr_lane lane, struct mr_fault *fault)
{
    uint32_t retry_after = 1;
    mr_offload_admit(service->offload, loop, lane, &retry_after);
    fault->retry_after_s = MR_MAX(retry_after, 1);
}
