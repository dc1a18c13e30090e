#include "service/config.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/macros.h"
#include "net/listener.h"
#include "stats/segment.h"
#include "workers/offload.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const offloads[] = {
    [MR_OFFLOAD_WORKERS] = "workers", [MR_OFFLOAD_LIBUV] = "libuv", [MR_OFFLOAD_NONE] = "none", NULL};
static const char *const priorities[] = {
    [MR_PRIORITY_NICE] = "nice", [MR_PRIORITY_IDLE] = "idle", [MR_PRIORITY_EQUAL] = "equal", NULL};
static const char *const levels[] = {
    [MR_LOG_ERROR] = "error", [MR_LOG_WARN] = "warn", [MR_LOG_INFO] = "info", [MR_LOG_DEBUG] = "debug", NULL};
static const char *const formats[] = {[MR_LOG_LOGFMT] = "logfmt", [MR_LOG_JSON] = "json", NULL};

/* A row: name, type, range, metavar, default, field, what it does. */
#define ROW(option, kind, low, high, meta, preset, field, words)                                           \
    {                                                                                                      \
        .spec = {.name = (option), .type = MR_PARAM_##kind, .min = (low), .max = (high), .text = (words)}, \
        .metavar = (meta), .default_value = (preset), .offset = offsetof(struct mr_config, field)          \
    }
#define LIST(option, meta, field, words)                                                                    \
    {                                                                                                       \
        .spec = {.name = (option), .type = MR_PARAM_TEXT, .max = 1000, .text = (words)}, .metavar = (meta), \
        .offset = offsetof(struct mr_config, field), .repeatable = true,                                    \
    }
#define CHOICE(option, words_of, meta, preset, field, words)                                         \
    {                                                                                                \
        .spec = {.name = (option), .type = MR_PARAM_CHOICE, .choices = (words_of), .text = (words)}, \
        .metavar = (meta), .default_value = (preset), .offset = offsetof(struct mr_config, field)    \
    }

// clang-format off
static const struct mr_option options[] = {
    LIST("listen",          "HOST:PORT|unix:PATH", listen,            "address to listen on, repeatable (" MR_DEFAULT_LISTEN ")"),
    ROW("open",             BOOL, 0, 0, NULL, NULL, open,             "allow addresses that other machines can reach"),
    ROW("processes",        INT, 1, MR_PROCESSES_MAX, "N", "1", processes, "processes that serve; 2 or more: under a supervisor"),
    ROW("workers",          INT, 1, MR_WORKERS_MAX, "N", NULL, workers, "threads that compute, per process (its share of cores)"),
    ROW("loops",            INT, 1, MR_LOOPS_ASKED, "N", "1", loops,    "event loops, each on a thread, per process"),
    CHOICE("offload",         offloads, "WHERE", "workers", offload,  "where jobs run: workers, libuv, none"),
    CHOICE("worker-priority", priorities, "HOW", "nice", worker_priority, "below the loop: nice, idle; or equal"),
    ROW("queue-depth",      INT, 1, 65536, "N", "1024", queue_depth,  "jobs waiting per loop and lane"),
    ROW("job-deadline",     TIME, 0.001, 3600, "TIME", "15s", job_deadline, "longest wait of a job for a worker"),
    ROW("job-time",         TIME, 0, 3600, "TIME", "30s", job_time,   "longest run of a job; 0: none"),
    ROW("max-body",         SIZE, 0, 0, "SIZE", "1GiB", max_body,     "largest request body; 0: none"),
    ROW("body-memory",      SIZE, 65536, 0, "SIZE", "16MiB", body_memory, "kept in memory per request, above: a file"),
    ROW("memory-budget",    SIZE, 1048576, 0, "SIZE", NULL, memory_budget,  "bodies and jobs together (half of the machine)"),
    ROW("max-pixels",       INT, 1, 1e10, "N", "100000000", max_pixels, "pixels of an image, in and out, all frames"),
    ROW("max-frames",       INT, 1, 100000, "N", "100", max_frames,   "frames of an animation"),
    ROW("max-spill",        SIZE, 0, 0, "SIZE", "256MiB", max_spill,  "of an answer that waits in a file; 0: none"),
    ROW("max-expansion",    SIZE, 0, 0, "SIZE", "16GiB", max_expansion, "what a body may expand to; 0: none"),
    ROW("max-expansion-ratio", INT, 0, 1e9, "N", "250", max_expansion_ratio, "the same, in times its size; 0: none"),
    ROW("max-head",         SIZE, 4096, 1048576, "SIZE", "16KiB", max_head, "request line and header fields"),
    ROW("max-connections",  INT, 1, 1000000, "N", "16384", max_connections, "connections open at a time"),
    ROW("max-requests-per-connection", INT, 0, 1e9, "N", "10000", max_requests_per_connection, "then it is closed; 0: none"),
    ROW("head-timeout",     TIME, 0.1, 86400, "TIME", "60s", head_timeout, "for a whole request head"),
    ROW("body-timeout",     TIME, 0.1, 86400, "TIME", "60s", body_timeout, "for progress on a body, either way"),
    ROW("idle-timeout",     TIME, 0.1, 86400, "TIME", "75s", idle_timeout, "of a connection between requests"),
    ROW("min-rate",         SIZE, 0, 0, "SIZE", "1KiB", min_rate,     "bytes/s of a body, on average; 0: none"),
    ROW("drain-delay",      TIME, 0, 86400, "TIME", "0", drain_delay, "go on accepting after SIGTERM"),
    ROW("drain-timeout",    TIME, 0, 86400, "TIME", "30s", drain_timeout, "then what is in flight is cut"),
    LIST("allow-host",      "NAME", allow_host,                       "Host name to answer for, repeatable"),
    LIST("allow-origin",    "ORIGIN", allow_origin,                   "page origin that may call, repeatable"),
    LIST("identity",        "FILE", identity,                         "keys to decrypt with, repeatable"),
    ROW("allow-request-identity", BOOL, 0, 0, NULL, NULL, allow_request_identity, "take keys from requests too"),
    CHOICE("log-level",       levels, "LEVEL", "info", log_level,     "error, warn, info, debug"),
    CHOICE("log-format",      formats, "FORM", "logfmt", log_format,  "logfmt, json"),
    ROW("log-file",         TEXT, 0, 4000, "PATH", NULL, log_file,    "SIGHUP reopens it (standard error)"),
    ROW("lag-warn",         TIME, 0, 60, "TIME", "10ms", lag_warn,    "log who holds a loop for longer; 0: never"),
    {.spec = {.name = NULL}},
};
// clang-format on

const struct mr_options_program mr_config_program = {
    .name = "millrace",
    .env_prefix = "MILLRACE",
    .usage = "millrace: a media service. curl --data-binary @photo.jpg 'http://" MR_DEFAULT_LISTEN
             "/pipe/image?w=300' -o small.jpg\n"
             "Without a server: millrace pipe --help, millrace keygen --help.",
    .options = options,
};

static bool complain(FILE *complaints, const char *option, const char *why)
{
    fprintf(complaints, "%s: --%s: %s\n", mr_config_program.name, option, why);
    return false;
}

static bool check_listen(const struct mr_config *config, FILE *complaints)
{
    for (size_t i = 0; i < config->listen.count; i++) {
        const char *address = config->listen.values[i];
        struct mr_fault fault;
        bool is_loopback;
        if (mr_listener_check(address, &is_loopback, &fault) != 0)
            return complain(complaints, "listen", fault.detail);
        if (!is_loopback && !config->open) {
            fprintf(complaints, "%s: --listen: %s can be reached from other machines: add --open to allow that\n",
                    mr_config_program.name, address);
            return false;
        }
    }
    return true;
}

/* What depends on the machine and was not given. */
static void complete(struct mr_config *config)
{
    struct mr_machine machine;
    mr_machine_read(&machine);
    if (config->workers == 0)
        config->workers = MR_MAX((int64_t)machine.cores / config->processes, 1);
    if (config->memory_budget == 0)
        config->memory_budget = MR_MAX(machine.memory / 2, config->body_memory * (uint64_t)config->processes);
}

/* What is given for the server as a whole, to each process its share. */
static void divide(struct mr_config *config)
{
    config->memory_budget /= (uint64_t)config->processes;
    config->max_connections /= config->processes;
}

/* What no option shows alone. */
static bool check(const struct mr_config *config, FILE *complaints)
{
    if (config->processes * config->loops > MR_LOOPS_ASKED)
        return complain(complaints, "processes", "times --loops must not be more than 64");
    if (config->max_connections < config->processes)
        return complain(complaints, "max-connections", "must not be less than --processes");
    if (config->body_memory > config->memory_budget / (uint64_t)config->processes)
        return complain(complaints, "body-memory", "must not be larger than a process's share of --memory-budget");
    return check_listen(config, complaints);
}

enum mr_options_result mr_config_read(struct mr_config *out, int argc, char *const *argv, char *const *environment,
                                      FILE *complaints)
{
    *out = (struct mr_config){0};
    enum mr_options_result result = mr_options_parse(&mr_config_program, out, argc, argv, environment, complaints);
    if (result == MR_OPTIONS_RUN || result == MR_OPTIONS_CHECK) {
        complete(out);
        if (check(out, complaints)) {
            divide(out);
            return result;
        }
        result = MR_OPTIONS_WRONG;
    }
    mr_config_free(out);
    return result;
}

void mr_config_free(struct mr_config *config)
{
    mr_options_free(&mr_config_program, config);
    *config = (struct mr_config){0};
}
