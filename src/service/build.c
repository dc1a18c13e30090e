#include "app/authorize.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/machine.h"
#include "io/temporary.h"
#include "media/codec/codec.h"
#include "routes/routes.h"
#include "service/identities.h"
#include "service/internal.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors beside those of connections: of each loop, and listeners, temporary files, libraries. */
#define DESCRIPTORS_OF_LOOP 8
#define DESCRIPTORS_BESIDE  512

/* ---- building ---- */

/* Has the server an offload of this kind? */
static bool has_offload(const struct mr_config *config, enum mr_offload_kind kind)
{
    return config->offload.lab || kind == (enum mr_offload_kind)config->offload.kind;
}

/* 0: there is no such offload. */
static unsigned runners_of(const struct mr_config *config, enum mr_offload_kind kind)
{
    if (!has_offload(config, kind))
        return 0;
    return mr_offload_runners(kind, (unsigned)config->offload.workers, (unsigned)config->loop.loops);
}

/* Where its numbers are kept: the supervisor's segment, or one for itself. */
static int create_segment(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    unsigned loops = (unsigned)config->loop.loops, runners = 0;
    for (unsigned kind = 0; kind < MR_OFFLOAD_KINDS; kind++)
        runners += runners_of(config, kind);
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
    return mr_segment_loop(service->segment, mr_service_index(service) * (unsigned)service->config->loop.loops + loop);
}

static void count_in_segment(struct mr_service *service)
{
    struct mr_process_numbers *numbers = mr_segment_process(service->segment, mr_service_index(service));
    service->app.memory = &numbers->memory;
    service->app.disk = &numbers->disk;
    service->app.numbers = numbers_of(service, 0);
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
    if (machine.milliquota != 0 && machine.milliquota < 1000 * threads && mr_service_index(service) == 0)
        mr_log(MR_LOG_WARN,
               "the CPU quota of %.2f cores is less than the %lld loops and workers: it can stop the loops",
               machine.milliquota / 1000.0, (long long)threads);
}

/* Larger bodies and waiting responses need temporary files; small ones do not, so the service starts all the same. */
static void check_temporary(const struct mr_service *service)
{
    struct mr_disk_failure failure;
    struct mr_disk_room room;
    struct mr_fault fault;
    const char *directory = mr_temporary_directory();
    if (mr_service_index(service) != 0)
        return;
    if (mr_temporary_check(&failure) != MR_OK) {
        mr_disk_fault(&fault, &failure, directory);
        mr_log(MR_LOG_WARN, "no temporary files can be made, set TMPDIR to a directory that takes them: %s",
               fault.detail);
    } else if (mr_temporary_room(&room, &failure) == MR_OK && room.is_memory) {
        mr_log(MR_LOG_WARN, "temporary files in %s take memory: it is a tmpfs; set TMPDIR to a directory on a disk",
               directory);
    }
}

static void create_http(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    struct mr_http *http = &service->http;
    mr_http_init(http, service->http_counters, (unsigned)config->loop.loops);
    mr_http_set(http, &config->http);
    if (service->rings.api != NULL)
        mr_app_authorize_by(http, service->rings.api);
    http->limits.connections_max = make_room(config->http.max_connections, config->loop.loops);
}

/* Only the first process says it. */
static void tell_who_may_ask(const struct mr_service *service)
{
    const struct mr_config *config = service->config;
    if (mr_service_index(service) != 0)
        return;
    const struct mr_key_rings *rings = &service->rings;
    if (rings->api == NULL)
        mr_log(config->listen.open ? MR_LOG_WARN : MR_LOG_INFO,
               "there are no API keys, so each request is allowed (--api-keys)");
    else
        mr_log(mr_key_ring_count(rings->api) > 0 ? MR_LOG_INFO : MR_LOG_WARN, "%zu API keys in %s",
               mr_key_ring_count(rings->api), config->app.api_keys);
    if (rings->presets != NULL)
        mr_log(MR_LOG_INFO, "%zu presets in %s", mr_key_ring_count(rings->presets), config->fence.presets);
    if (rings->signing != NULL)
        mr_log(MR_LOG_INFO, "%zu signing keys in %s", mr_key_ring_count(rings->signing), config->signing.keys);
}

static int create_loop(struct mr_service *service)
{
    struct mr_service_loop *on = &service->loops[service->loop_count];
    on->magic = MR_SERVICE_LOOP_MAGIC;
    on->service = service;
    int err = mr_loop_create(&on->loop, service->loop_count);
    if (err != 0)
        return err;
    mr_loop_set_warn(on->loop, service->config->loop.lag_warn);
    err = mr_server_create(&on->server, &service->http, on->loop);
    if (err != 0) {
        mr_loop_destroy(&on->loop);
        return err;
    }
    mr_loop_count_in(on->loop, &numbers_of(service, service->loop_count)->loop);
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

/* All count in the numbers of the loops, each of which has one writer: its loop. Each has runners of its own. */
static int create_offload(struct mr_service *service, struct mr_offload **out, enum mr_offload_kind kind,
                          struct mr_offload_runner_stats *runners)
{
    const struct mr_config *config = service->config;
    return mr_offload_create(out, &(struct mr_offload_config){
                                      .kind = kind,
                                      .workers = (unsigned)config->offload.workers,
                                      .heavy_workers = (unsigned)config->offload.heavy_workers,
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

static int create_offloads(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    unsigned own = mr_segment_runners(service->segment) / mr_segment_processes(service->segment);
    struct mr_offload_runner_stats *runners = mr_segment_runner(service->segment, mr_service_index(service) * own);
    int err = MR_OK;
    for (unsigned kind = 0; kind < MR_OFFLOAD_KINDS && err == MR_OK; kind++) {
        if (has_offload(config, kind))
            err = create_offload(service, &service->offloads[kind], kind, runners);
        runners += runners_of(config, kind);
    }
    service->offload = service->offloads[config->offload.kind];
    return err;
}

void mr_service_close_offloads(struct mr_service *service)
{
    for (unsigned kind = 0; kind < MR_OFFLOAD_KINDS; kind++)
        if (service->offloads[kind] != NULL)
            mr_offload_close(service->offloads[kind]);
}

static void destroy_offloads(struct mr_service *service)
{
    mr_service_close_offloads(service);
    for (unsigned kind = 0; kind < MR_OFFLOAD_KINDS; kind++)
        if (service->offloads[kind] != NULL)
            mr_offload_destroy(&service->offloads[kind]);
}

static int create_store(struct mr_service *service, const struct mr_data *data, struct mr_fault *fault)
{
    if (data == NULL || data->home == NULL)
        return MR_OK;
    struct mr_process_numbers *numbers = mr_segment_process(service->segment, mr_service_index(service));
    service->variants = data->variants;
    return mr_store_create(&service->store,
                           &(struct mr_store_config){.home = data->home,
                                                     .process = mr_service_index(service),
                                                     .memory = &numbers->memory,
                                                     .numbers = &numbers->store},
                           fault);
}

/* Whatever asks for a key is for no shared cache. */
static const char *cache_control_of_files(const struct mr_app_settings *settings)
{
    if (settings->file_cache_control != NULL)
        return settings->file_cache_control;
    return settings->read != MR_APP_READ_PUBLIC ? "private, no-store" : "public, max-age=3600";
}

static const char *cache_control_of_images(const struct mr_config *config)
{
    if (config->variants.cache_control != NULL)
        return config->variants.cache_control;
    if (config->app.read != MR_APP_READ_PUBLIC)
        return "private, no-store";
    return "public, max-age=86400, stale-while-revalidate=604800";
}

/* The options were checked when they were read. */
static struct mr_image_fence fence_of(const struct mr_config *config)
{
    struct mr_image_fence fence;
    const char *option;
    int err = mr_image_fence_read(&fence, &config->fence, &option, NULL);
    MR_ASSERT(err == MR_OK);
    return fence;
}

/* What the handlers see, once all of it is there. */
static int open_app(struct mr_service *service)
{
    const struct mr_config *config = service->config;
    struct mr_app *app = &service->app;
    app->http = &service->http;
    app->loops = service->loop_list;
    app->loop_count = service->loop_count;
    app->offload = service->offload;
    app->lab = config->offload.lab ? service->offloads : NULL;
    app->store = service->store;
    app->sign = (enum mr_sign)config->signing.sign;
    app->signing = service->rings.signing != NULL ? &service->signing : NULL;
    app->read = (enum mr_app_readers)config->app.read;
    app->file_cache_control = cache_control_of_files(&config->app);
    app->image_cache_control = cache_control_of_images(config);
    app->variants = &config->variants;
    app->fence = fence_of(config);
    app->presets = service->rings.presets;
    app->only_presets = config->fence.only_presets;
    app->variant_home = service->variants;
    app->process = mr_service_index(service);
    app->variant_numbers = &mr_segment_process(service->segment, mr_service_index(service))->variants;
    app->image_limits = (struct mr_image_limits){.pixels = (uint64_t)config->image.max_pixels,
                                                 .frames = (uint32_t)config->image.max_frames};
    app->pipe = &config->pipe;
    app->identities = service->identities;
    app->allow_request_identity = config->app.allow_request_identity;
    app->stats = (struct mr_snapshot_source){
        .segment = service->segment,
        .http = &service->http,
        .offload = mr_offload_name(mr_offload_kind(service->offload)),
        .workers = mr_offload_workers(service->offload),
        .queue_capacity = mr_offload_capacity(service->offload),
        .job_deadline_ns = config->offload.job_deadline,
        .store = service->store,
        .variants = service->variants,
        .throttling =
            mr_machine_find_throttling(service->throttling, sizeof(service->throttling)) ? service->throttling : NULL,
    };
    return mr_app_open(app, mr_routes);
}

/* The rest, whose failures have no words of their own. */
static int build_service(struct mr_service *service)
{
    mr_budget_init(service->app.memory, service->config->app.memory_budget);
    mr_budget_init(service->app.disk, service->config->io.disk_budget);
    check_quota(service);
    check_temporary(service);
    tell_who_may_ask(service);
    create_http(service);
    int err = create_loops(service);
    if (err == MR_OK)
        err = create_offloads(service);
    return err == MR_OK ? open_app(service) : err;
}

static int open_rings(struct mr_service *service, const struct mr_key_rings *passed, struct mr_fault *fault)
{
    const struct mr_config *config = service->config;
    int err = passed == NULL ? mr_key_rings_open(&service->rings, config, fault) : MR_OK;
    service->owns_rings = passed == NULL;
    if (passed != NULL)
        service->rings = *passed;
    service->signing = (struct mr_signing){.keys = service->rings.signing,
                                           .life_s = config->signing.life / MR_NS_PER_S,
                                           .signs_files = config->app.read == MR_APP_READ_SIGNED};
    return err;
}

static int build_all(struct mr_service *service, const struct mr_service_parts *parts, struct mr_fault *fault)
{
    int err = open_rings(service, parts->rings, fault);
    if (err == MR_OK)
        err = mr_identities_open(&service->identities, &service->config->app.identity, mr_service_index(service) == 0,
                                 fault);
    if (err != MR_OK)
        return err;
    if ((err = create_segment(service)) != MR_OK)
        return mr_fault_set(fault, err, "cannot start: %s", mr_error_text(err));
    count_in_segment(service);
    if ((err = create_store(service, parts->data, fault)) != MR_OK)
        return err;
    err = build_service(service);
    return err == MR_OK ? MR_OK : mr_fault_set(fault, err, "cannot start: %s", mr_error_text(err));
}

int mr_service_create(struct mr_service **out, const struct mr_service_parts *parts, struct mr_fault *fault)
{
    struct mr_service *service = calloc(1, sizeof(*service));
    if (service == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    service->config = parts->config;
    service->child = parts->child;
    int err = build_all(service, parts, fault);
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
    destroy_offloads(service);
    for (unsigned i = 0; i < service->loop_count; i++)
        mr_server_destroy(&service->loops[i].server);
    mr_app_close(&service->app);
    mr_scrub_destroy(&service->scrub);
    mr_store_destroy(&service->store);
    for (unsigned i = 0; i < service->loop_count; i++)
        mr_loop_destroy(&service->loops[i].loop);
    mr_listeners_close(&service->listeners);
    /* Everything that was taken was given back. */
    MR_ASSERT(service->app.memory == NULL || mr_budget_used(service->app.memory) == 0);
    MR_ASSERT(service->app.disk == NULL || mr_budget_used(service->app.disk) == 0);
    mr_log_count_in(NULL);
    if (service->child == NULL && service->segment != NULL)
        mr_segment_destroy(&service->segment);
    mr_age_keys_free(&service->identities);
    if (service->owns_rings)
        mr_key_rings_close(&service->rings);
    free(service->loops);
    free(service);
}

/* ---- for its users ---- */

const struct mr_app *mr_service_app(const struct mr_service *service)
{
    return &service->app;
}

const struct mr_listeners *mr_service_listeners(const struct mr_service *service)
{
    return &service->listeners;
}

void mr_service_on_hangup(struct mr_service *service, void (*reload)(void))
{
    service->reload = reload;
}
