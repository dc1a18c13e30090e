#include "service/service.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/machine.h"
#include "media/codec/codec.h"
#include "routes/health.h"
#include "routes/metrics.h"
#include "routes/pipe.h"
#include "service/drain.h"
#include "supervisor/systemd.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors beside those of connections: of each loop, and listeners, temporary files, libraries. */
#define DESCRIPTORS_OF_LOOP 8
#define DESCRIPTORS_BESIDE  512

/* What is registered first is matched first. */
static const struct mr_route *const resources[] = {
    mr_pipe_routes,
    mr_health_routes,
    mr_metrics_routes,
    mr_events_routes,
};

/* ---- building ---- */

static unsigned index_of(const struct mr_service *service)
{
    return service->child != NULL ? service->child->index : 0;
}

/* Where its numbers are kept: the supervisor's segment, or one for itself. */
static int create_segment(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    unsigned loops = (unsigned)config->loop.loops;
    unsigned runners =
        mr_offload_runners((enum mr_offload_kind)config->offload.kind, (unsigned)config->offload.workers, loops);
    if (service->child != NULL) {
        service->segment = service->child->segment;
        return MR_OK;
    }
    int err = mr_segment_create(&service->segment, 1, loops, runners);
    if (err == MR_OK)
        mr_segment_started(service->segment, 0, getpid());
    return err;
}

/* Those of its loops, in the segment. */
static struct mr_loop_numbers *numbers_of(struct mr_service *service, unsigned loop)
{
    return mr_segment_loop(service->segment, index_of(service) * (unsigned)service->config->loop.loops + loop);
}

static void count_in_segment(struct mr_service *service)
{
    struct mr_process_numbers *numbers = mr_segment_process(service->segment, index_of(service));
    service->memory = &numbers->memory;
    mr_log_count_in(&numbers->log_dropped);
    for (unsigned i = 0; i < service->config->loop.loops; i++) {
        service->http_counters[i] = &numbers_of(service, i)->http;
        service->offload_stats[i] = &numbers_of(service, i)->offload;
    }
}

/* Room for so many connections; fewer connections where the system gives less room, so that accept() never fails. */
static uint32_t make_room(int64_t connections, int64_t loops)
{
    struct rlimit limit;
    rlim_t beside = DESCRIPTORS_BESIDE + (rlim_t)loops * DESCRIPTORS_OF_LOOP, wanted = (rlim_t)connections + beside;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return (uint32_t)connections;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : MR_MIN(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return (uint32_t)connections;
    uint32_t possible = (uint32_t)(limit.rlim_cur - MR_MIN(beside, limit.rlim_cur / 2));
    mr_log(MR_LOG_WARN, "only %u connections: the limit of open files is %llu", possible,
           (unsigned long long)limit.rlim_cur);
    return possible;
}

/* A quota is shared by all threads: when they have used it up, all of them stop, the loops too, until the next period.
 */
static void check_quota(const struct mr_service *service)
{
    const struct mr_config *config = service->config;
    struct mr_machine machine;
    mr_machine_read(&machine);
    int64_t threads = config->cluster.processes * (config->loop.loops + config->offload.workers);
    if (machine.milliquota != 0 && machine.milliquota < 1000 * threads && index_of(service) == 0)
        mr_log(MR_LOG_WARN,
               "the CPU quota of %.2f cores is less than the %lld loops and workers: it can stop the loops",
               machine.milliquota / 1000.0, (long long)threads);
}

static void create_http(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    struct mr_http *http = &service->http;
    mr_http_init(http, service->http_counters, (unsigned)config->loop.loops);
    for (size_t i = 0; i < MR_ARRAY_SIZE(resources); i++)
        mr_http_register(http, resources[i]);
    mr_http_set(http, &config->http);
    http->limits.connections_max = make_room(config->http.max_connections, config->loop.loops);
    http->service = service;
}

static int create_loop(struct mr_service *service)
{
    struct mr_service_loop *on = &service->loops[service->loop_count];
    on->service = service;
    on->numbers = numbers_of(service, service->loop_count);
    int err = mr_loop_create(&on->loop, service->loop_count);
    if (err != 0)
        return err;
    mr_loop_set_warn(on->loop, service->config->loop.lag_warn);
    err = mr_server_create(&on->server, &service->http, on->loop);
    if (err != 0) {
        mr_loop_destroy(&on->loop);
        return err;
    }
    mr_events_open(&on->events, &service->source, on->loop, &on->numbers->events);
    mr_loop_count_in(on->loop, &on->numbers->loop);
    service->loop_list[service->loop_count++] = on->loop;
    return MR_OK;
}

static int create_loops(struct mr_service *service)
{
    int err = MR_OK;
    service->loops = calloc((size_t)service->config->loop.loops, sizeof(*service->loops));
    if (service->loops == NULL)
        return MR_EMEMORY;
    while (err == 0 && service->loop_count < service->config->loop.loops)
        err = create_loop(service);
    return err;
}

void mr_service_thread_end(void)
{
    mr_codec_thread_end();
    mr_image_thread_end();
}

static int create_offload(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    unsigned own = mr_segment_runners(service->segment) / mr_segment_processes(service->segment);
    struct mr_offload_runner_stats *runners = mr_segment_runner(service->segment, index_of(service) * own);
    return mr_offload_create(&service->offload, &(struct mr_offload_config){
                                                    .kind = (enum mr_offload_kind)config->offload.kind,
                                                    .workers = (unsigned)config->offload.workers,
                                                    .priority = (enum mr_worker_priority)config->offload.priority,
                                                    .queue_depth = (uint32_t)config->offload.queue_depth,
                                                    .deadline_ns = config->offload.job_deadline,
                                                    .run_ns_max = config->offload.job_time,
                                                    .worker_end = mr_service_thread_end,
                                                    .loops = service->loop_list,
                                                    .loop_count = service->loop_count,
                                                    .stats = service->offload_stats,
                                                    .runner_stats = runners,
                                                });
}

static void fill_source(struct mr_service *service)
{
    service->source = (struct mr_figures_source){
        .segment = service->segment,
        .http = &service->http,
        .offload = mr_offload_name(mr_offload_kind(service->offload)),
        .workers = mr_offload_workers(service->offload),
        .queue_capacity = mr_offload_capacity(service->offload),
    };
}

static int build(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    count_in_segment(service);
    service->image_limits = (struct mr_image_limits){.pixels = (uint64_t)config->image.max_pixels,
                                                     .frames = (uint32_t)config->image.max_frames};
    mr_budget_init(service->memory, config->app.memory_budget);
    check_quota(service);
    create_http(service);
    int err = create_loops(service);
    if (err == 0)
        err = create_offload(service);
    if (err == 0)
        fill_source(service);
    if (err == 0)
        err = mr_health_version_json(&service->version_json, service);
    if (err == 0)
        err = mr_health_stages_json(&service->stages_json);
    return err;
}

static int load_identities(struct mr_service *service, struct mr_fault *fault)
{
    const struct mr_option_list *files = &service->config->app.identity;
    int err = files->count > 0 ? mr_age_keys_create(&service->identities) : MR_OK;
    if (err != MR_OK)
        return mr_fault_set(fault, err, "the identities cannot be kept: %s", mr_error_text(err));
    for (size_t i = 0; i < files->count && err == MR_OK; i++)
        err = mr_age_keys_load(service->identities, files->values[i], fault);
    return err;
}

int mr_service_create(struct mr_service **out, const struct mr_config *config, const struct mr_child *child,
                      struct mr_fault *fault)
{
    struct mr_service *service = calloc(1, sizeof(*service));
    if (service == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    service->config = config;
    service->child = child;
    int err = load_identities(service, fault);
    if (err == 0 && ((err = create_segment(service)) != 0 || (err = build(service)) != 0))
        mr_fault_set(fault, err, "cannot start: %s", mr_error_text(err));
    if (err != 0)
        mr_service_destroy(&service);
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
        mr_events_close(&service->loops[i].events);
        mr_loop_destroy(&service->loops[i].loop);
    }
    mr_listeners_close(&service->listeners);
    /* Everything that was taken was given back. */
    MR_ASSERT(service->memory == NULL || mr_budget_used(service->memory) == 0);
    mr_log_count_in(NULL);
    if (service->child == NULL && service->segment != NULL)
        mr_segment_destroy(&service->segment);
    mr_age_keys_free(&service->identities);
    free(service->version_json);
    free(service->stages_json);
    free(service->loops);
    free(service);
}

/* ---- listening ---- */

/* Hand the process's descriptors of the listener to its servers, one each. */
static int give_to_servers(struct mr_service *service, struct mr_listener *listener)
{
    int *fds = &listener->fds[(size_t)index_of(service) * service->loop_count];
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
