#include "service/config.h"
#include "base/machine.h"
#include "base/macros.h"

#define OPTIONS_MAX 96

#define TABLE(table, settings)                                          \
    {                                                                   \
        .rows = (table), .offset = offsetof(struct mr_config, settings) \
    }

// clang-format off
/* The order of --help. */
static const struct mr_option_table tables[] = {
    TABLE(mr_listen_options, listen),
    TABLE(mr_store_options, store),
    TABLE(mr_app_key_options, app),
    TABLE(mr_signing_options, signing),
    TABLE(mr_cluster_options, cluster),
    TABLE(mr_offload_worker_options, offload),
    TABLE(mr_loop_options, loop),
    TABLE(mr_offload_options, offload),
    TABLE(mr_http_body_options, http),
    TABLE(mr_pipe_memory_options, pipe),
    TABLE(mr_app_memory_options, app),
    TABLE(mr_io_options, io),
    TABLE(mr_image_options, image),
    TABLE(mr_variant_options, variants),
    TABLE(mr_fence_options, fence),
    TABLE(mr_pipe_options, pipe),
    TABLE(mr_http_options, http),
    TABLE(mr_drain_options, drain),
    TABLE(mr_http_origin_options, http),
    TABLE(mr_app_identity_options, app),
    TABLE(mr_log_options, log),
    TABLE(mr_loop_lag_options, loop),
    {.rows = NULL},
};
// clang-format on

const struct mr_options_program *mr_config_program(void)
{
    static struct mr_option options[OPTIONS_MAX];
    static const struct mr_options_program program = {
        .name = "millrace",
        .env_prefix = "MILLRACE",
        .usage = "millrace: a media service. curl --data-binary @photo.jpg 'http://" MR_DEFAULT_LISTEN
                 "/pipe/image?w=300' -o small.jpg\n"
                 "Commands: millrace pipe, keygen, api-key, signing-key, sign, store, health (each has --help).",
        .options = options,
    };
    if (options[0].spec.name == NULL)
        mr_options_compose(options, OPTIONS_MAX, tables);
    return &program;
}

static bool complain_of(FILE *complaints, const char *option, const char *why)
{
    fprintf(complaints, "%s: --%s: %s\n", mr_config_program()->name, option, why);
    return false;
}

/* --open beside keys would be read as "keys are not needed". */
static bool check_keys(const struct mr_config *config, FILE *complaints)
{
    if (!config->listen.open || config->app.api_keys == NULL)
        return true;
    return complain_of(complaints, "open", "serves without keys, and --api-keys names some: leave one of them out");
}

static bool check_listen(const struct mr_config *config, FILE *complaints)
{
    struct mr_fault fault;
    return mr_listeners_check(&config->listen, &fault) == MR_OK || complain_of(complaints, "listen", fault.detail);
}

static bool check_http(const struct mr_config *config, FILE *complaints)
{
    struct mr_fault fault;
    const char *option;
    if (mr_http_settings_check(&config->http, &option, &fault) != MR_OK)
        return complain_of(complaints, option, fault.detail);
    option = mr_http_settings_public(&config->http);
    if (option == NULL || config->listen.open || config->listen.has_keys)
        return true;
    return complain_of(complaints, option,
                       "makes the server public: name keys with --api-keys, or add --open to serve without");
}

static bool check_store(const struct mr_config *config, FILE *complaints)
{
    struct mr_fault fault;
    const char *option;
    return mr_store_settings_check(&config->store, &option, &fault) == MR_OK ||
           complain_of(complaints, option, fault.detail);
}

static bool check_read(const struct mr_config *config, FILE *complaints)
{
    if (config->app.read == MR_APP_READ_KEY && config->app.api_keys == NULL)
        return complain_of(complaints, "read", "key: no request can have one without --api-keys");
    return config->app.read != MR_APP_READ_SIGNED || config->signing.keys != NULL ||
           complain_of(complaints, "read", "signed: no address can be without --signing-keys");
}

static bool check_lab(const struct mr_config *config, FILE *complaints)
{
    if (!config->offload.lab || config->cluster.processes == 1)
        return true;
    return complain_of(complaints, "lab", "tries one process, and --processes asks for more: leave one of them out");
}

static bool check_fence(const struct mr_config *config, FILE *complaints)
{
    struct mr_image_fence fence;
    struct mr_fault fault;
    const char *option;
    if (config->fence.only_presets && config->fence.presets == NULL)
        return complain_of(complaints, "only-presets", "there are none: name a file with --presets");
    return mr_image_fence_read(&fence, &config->fence, &option, &fault) == MR_OK ||
           complain_of(complaints, option, fault.detail);
}

static bool check_variants(const struct mr_config *config, FILE *complaints)
{
    struct mr_fault fault;
    const char *option;
    return mr_variant_settings_check(&config->variants, &option, &fault) == MR_OK ||
           complain_of(complaints, option, fault.detail);
}

/* Of each process. */
static int64_t share_of_cores(const struct mr_config *config, unsigned cores)
{
    return MR_MAX((int64_t)cores / config->cluster.processes, 1);
}

int64_t mr_config_loops(const struct mr_config *config, unsigned cores)
{
    if (config->offload.kind == MR_OFFLOAD_NONE || config->offload.kind == MR_OFFLOAD_INLINE)
        return 1;
    int64_t running = MR_MIN(config->offload.workers, share_of_cores(config, cores));
    int64_t wanted = (running + MR_WORKERS_PER_LOOP - 1) / MR_WORKERS_PER_LOOP;
    return MR_MIN(wanted, MR_MAX(MR_LOOPS_ASKED / config->cluster.processes, 1));
}

/* What depends on other options, and what depends on the machine and was not given. */
static void complete_config(struct mr_config *config)
{
    struct mr_machine machine;
    config->listen.has_keys = config->app.api_keys != NULL;
    mr_machine_read(&machine);
    if (config->offload.workers == 0)
        config->offload.workers = share_of_cores(config, machine.cores);
    if (config->loop.loops == 0)
        config->loop.loops = mr_config_loops(config, machine.cores);
    if (config->app.memory_budget == 0)
        config->app.memory_budget =
            MR_MAX(machine.memory / 2, config->pipe.body_memory * (uint64_t)config->cluster.processes);
    if (config->io.disk_budget == 0)
        config->io.disk_budget = mr_io_disk_budget();
}

/* What is given for the server as a whole, to each process its share. */
static void divide_config(struct mr_config *config)
{
    config->app.memory_budget /= (uint64_t)config->cluster.processes;
    config->io.disk_budget /= (uint64_t)config->cluster.processes;
    config->http.max_connections /= config->cluster.processes;
}

/* What no option shows alone. */
static bool check_config(const struct mr_config *config, FILE *complaints)
{
    if (config->cluster.processes * config->loop.loops > MR_LOOPS_ASKED)
        return complain_of(complaints, "processes", "times --loops must not be more than 64");
    if (config->http.max_connections < config->cluster.processes)
        return complain_of(complaints, "max-connections", "must not be less than --processes");
    if (config->pipe.body_memory > config->app.memory_budget / (uint64_t)config->cluster.processes)
        return complain_of(complaints, "body-memory", "must not be larger than a process's share of --memory-budget");
    return check_keys(config, complaints) && check_listen(config, complaints) && check_http(config, complaints) &&
           check_store(config, complaints) && check_fence(config, complaints) && check_read(config, complaints) &&
           check_variants(config, complaints) && check_lab(config, complaints);
}

enum mr_options_result mr_config_read(struct mr_config *out, int argc, char *const *argv, char *const *environment,
                                      FILE *complaints)
{
    *out = (struct mr_config){0};
    enum mr_options_result result = mr_options_parse(mr_config_program(), out, argc, argv, environment, complaints);
    if (result == MR_OPTIONS_RUN || result == MR_OPTIONS_CHECK) {
        complete_config(out);
        if (check_config(out, complaints)) {
            divide_config(out);
            return result;
        }
        result = MR_OPTIONS_WRONG;
    }
    mr_config_free(out);
    return result;
}

void mr_config_free(struct mr_config *config)
{
    mr_options_free(mr_config_program(), config);
    *config = (struct mr_config){0};
}
