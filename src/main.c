/* main.c -- the server `millrace`: options -> service (or the supervisor of several) -> run -> drain. `millrace pipe`
 * and the like: command/. Exit status: 0 drained, 1 could not start or was cut, 2 an option is wrong. */
#include "base/console.h"
#include "base/log.h"
#include "base/program.h"
#include "command/command.h"
#include "service/config.h"
#include "service/data.h"
#include "service/identities.h"
#include "service/key_rings.h"
#include "service/process.h"
#include "service/service.h"
#include "supervisor/cluster.h"
#include "supervisor/systemd.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

extern char **environ;

/* For SIGHUP, which reads the options again. */
static int argument_count;
static char *const *arguments;

/* On libuv's pool. What can change in a running server is the log level. */
static void reload(void)
{
    struct mr_config config;
    if (mr_config_read(&config, argument_count, arguments, environ, mr_console()) != MR_OPTIONS_RUN)
        return;
    mr_log_set_level((enum mr_log_level)config.log.level);
    mr_config_free(&config);
}

/* What all processes start from. */
struct server {
    struct mr_config config;
    struct mr_key_rings rings;
    struct mr_data data;
};

/* How a server starts that cannot. */
static int complain_of_start(int err, const struct mr_fault *fault)
{
    fprintf(mr_console(), "millrace: %s\n", fault->detail);
    return err == MR_EPARAM ? 2 : 1;
}

/* A process, or the only one, in front of an open data directory. */
static int serve_home(const struct server *server, const struct mr_child *child, unsigned passed)
{
    struct mr_service *service;
    struct mr_fault fault;
    const struct mr_service_parts parts = {
        .config = &server->config, .rings = &server->rings, .data = &server->data, .child = child};
    int err = mr_service_create(&service, &parts, &fault);
    if (err == 0)
        err = mr_service_listen(service, passed, &fault);
    int status = 0;
    if (err != 0) {
        status = complain_of_start(err, &fault);
    } else {
        mr_service_on_hangup(service, reload);
        status = mr_service_run(service);
    }
    if (service != NULL)
        mr_service_destroy(&service);
    return status;
}

static int serve(struct server *server)
{
    struct mr_fault fault;
    unsigned passed;
    int err = mr_systemd_listen_fds(&passed, &fault);
    if (err == MR_OK)
        err = mr_data_open(&server->data, &server->config, passed > 0, &fault);
    if (err != MR_OK)
        return complain_of_start(err, &fault);
    int status = serve_home(server, NULL, passed);
    mr_data_close(&server->data);
    return status;
}

static int run_alone(struct server *server)
{
    if (mr_process_begin(&server->config) != 0)
        return 1;
    int status = serve(server);
    mr_process_end();
    return status;
}

static int run_child(void *context, const struct mr_child *child)
{
    const struct server *server = context;
    if (mr_process_begin(&server->config) != 0)
        return 1;
    int status = serve_home(server, child, 0);
    mr_process_end();
    return status;
}

/* In the supervisor. */
static void reload_keys(void *context)
{
    const struct server *server = context;
    mr_key_rings_reload(&server->rings);
}

static void on_process_ended(void *context, unsigned process)
{
    const struct server *server = context;
    mr_data_process_ended(&server->data, process);
}

/* Where jobs run on the loops, a loop is silent for as long as a job may take, and under `inline` as long as all that
 * are ready. What an encoder does to one frame cannot be stopped (docs/image.md). */
static uint64_t hang_timeout_of(const struct mr_config *config)
{
    static const uint64_t frame_time = 40 * MR_NS_PER_S;
    const struct mr_offload_settings *offload = &config->offload;
    uint64_t timeout = config->cluster.hang_timeout, silence = MR_MAX(offload->job_time, frame_time);
    if (offload->kind != MR_OFFLOAD_NONE && offload->kind != MR_OFFLOAD_INLINE)
        return timeout;
    if (offload->kind == MR_OFFLOAD_INLINE)
        silence += offload->job_deadline;
    return timeout == 0 || offload->job_time == 0 ? 0 : timeout + silence;
}

static int run_supervisor(struct server *server)
{
    const struct mr_config *config = &server->config;
    struct mr_fault fault;
    unsigned passed;
    if (mr_systemd_listen_fds(&passed, &fault) != MR_OK)
        return complain_of_start(fault.error, &fault);
    unsigned loops = (unsigned)config->loop.loops, workers = (unsigned)config->offload.workers;
    struct mr_cluster_config cluster = {
        .processes = (unsigned)config->cluster.processes,
        .loops = loops,
        .runners = mr_offload_runners((enum mr_offload_kind)config->offload.kind, workers, loops),
        .listen = &config->listen,
        .passed = passed,
        .hang_timeout_ns = hang_timeout_of(config),
        .start_timeout_ns = config->cluster.start_timeout,
        .drain_delay_ns = config->drain.delay,
        .drain_timeout_ns = config->drain.timeout,
        .reload = reload_keys,
        .ended = on_process_ended,
    };
    int err = mr_data_open(&server->data, config, passed > 0, &fault);
    if (err != MR_OK)
        return complain_of_start(err, &fault);
    int status = mr_cluster_run(&cluster, run_child, server);
    mr_data_close(&server->data);
    return status;
}

static int run_cluster(struct server *server)
{
    const struct mr_log_settings *log = &server->config.log;
    if (mr_log_open((enum mr_log_level)log->level, (enum mr_log_format)log->format, log->file) != 0) {
        fprintf(stderr, "millrace: --log-file: %s: %s\n", log->file, strerror(errno));
        return 1;
    }
    int status = run_supervisor(server);
    mr_log_stop();
    return status;
}

/* One that comes while the server starts waits until it is read (service/drain.h), and does not end it. */
static void hold_hangups(void)
{
    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    sigprocmask(SIG_BLOCK, &hangup, NULL);
}

static int run(struct server *server)
{
    hold_hangups();
    /* A core file would hold what clients sent. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0});
    return server->config.cluster.processes > 1 ? run_cluster(server) : run_alone(server);
}

static bool complain_of_file(const char *option, const char *detail)
{
    fprintf(stderr, "millrace: --%s: %s\n", option, detail);
    return false;
}

/* The files that the options name beside those of mr_key_rings_open(), for --check-config. */
static bool check_files(const struct mr_config *config)
{
    struct mr_age_keys *identities;
    struct mr_fault fault;
    char detail[sizeof(fault.detail)];
    int err = mr_identities_open(&identities, &config->app.identity, true, &fault);
    mr_age_keys_free(&identities);
    if (err != MR_OK)
        return complain_of_file("identity", fault.detail);
    if (config->log.file == NULL || mr_log_check(config->log.file) == MR_OK)
        return true;
    snprintf(detail, sizeof(detail), "%s: %s", config->log.file, strerror(errno));
    return complain_of_file("log-file", detail);
}

/* The options, and the key files: --check-config reads them, too, so that they can be tried before SIGHUP. */
static enum mr_options_result read_server(struct server *out, int argc, char *const *argv, char *const *environment)
{
    struct mr_fault fault;
    enum mr_options_result result = mr_config_read(&out->config, argc, argv, environment, stderr);
    if (mr_key_rings_open(&out->rings, &out->config, &fault) == MR_OK)
        return result == MR_OPTIONS_CHECK && !check_files(&out->config) ? MR_OPTIONS_WRONG : result;
    fprintf(stderr, "millrace: %s\n", fault.detail);
    return MR_OPTIONS_WRONG;
}

static void write_help(FILE *out)
{
    mr_options_help(mr_config_program(), out);
}

static int serve_main(int argc, char *const *argv, char *const *environment)
{
    struct server server = {.rings = {.api = NULL}};
    argument_count = argc;
    arguments = argv;
    int status = mr_options_answer(read_server(&server, argc, argv, environment), "millrace", write_help);
    if (status == MR_OPTIONS_GO_ON)
        status = run(&server);
    mr_key_rings_close(&server.rings);
    mr_config_free(&server.config);
    return status;
}

static const struct mr_program program = {.name = "millrace", .commands = mr_commands, .main = serve_main};

int main(int argc, char **argv)
{
    return mr_program_run(&program, argc, argv, environ);
}
