/* main.c -- the server `millrace`: options -> service (or the supervisor of several) -> run -> drain. `millrace pipe`
 * and the like: command/. Exit status: 0 drained, 1 could not start or was cut, 2 an option is wrong. */
#include "base/console.h"
#include "base/log.h"
#include "base/program.h"
#include "command/command.h"
#include "service/config.h"
#include "service/data.h"
#include "service/process.h"
#include "service/service.h"
#include "supervisor/cluster.h"
#include "supervisor/systemd.h"
#include <errno.h>
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

/* How a server starts that cannot. */
static int complain(int err, const struct mr_fault *fault)
{
    fprintf(mr_console(), "millrace: %s\n", fault->detail);
    return err == MR_EPARAM ? 2 : 1;
}

/* A process, or the only one, in front of an open data directory. */
static int serve_with(const struct mr_config *config, const struct mr_data *data, const struct mr_child *child,
                      unsigned passed)
{
    struct mr_service *service;
    struct mr_fault fault;
    int err = mr_service_create(&service, config, data, child, &fault);
    if (err == 0)
        err = mr_service_listen(service, passed, &fault);
    int status = 0;
    if (err != 0) {
        status = complain(err, &fault);
    } else {
        mr_service_on_hangup(service, reload);
        status = mr_service_run(service);
    }
    if (service != NULL)
        mr_service_destroy(&service);
    return status;
}

static int serve(const struct mr_config *config)
{
    struct mr_fault fault;
    struct mr_data data;
    unsigned passed = mr_systemd_listen_fds();
    int err = mr_data_open(&data, config, passed > 0, &fault);
    if (err != MR_OK)
        return complain(err, &fault);
    int status = serve_with(config, &data, NULL, passed);
    mr_data_close(&data);
    return status;
}

/* What the processes of a supervisor have of it. */
struct family {
    const struct mr_config *config;
    struct mr_data data;
};

static int run_child(void *context, const struct mr_child *child)
{
    const struct family *family = context;
    if (mr_process_begin(family->config) != 0)
        return 1;
    int status = serve_with(family->config, &family->data, child, 0);
    mr_process_end();
    return status;
}

static int run_alone(const struct mr_config *config)
{
    if (mr_process_begin(config) != 0)
        return 1;
    int status = serve(config);
    mr_process_end();
    return status;
}

static int supervise(const struct mr_config *config, unsigned passed)
{
    struct family family = {.config = config};
    struct mr_fault fault;
    unsigned loops = (unsigned)config->loop.loops, workers = (unsigned)config->offload.workers;
    struct mr_cluster_config cluster = {
        .processes = (unsigned)config->cluster.processes,
        .loops = loops,
        .runners = mr_offload_runners((enum mr_offload_kind)config->offload.kind, workers, loops),
        .listen = &config->listen,
        .passed = passed,
        .drain_delay_ns = config->drain.delay,
        .drain_timeout_ns = config->drain.timeout,
    };
    int err = mr_data_open(&family.data, config, passed > 0, &fault);
    if (err != MR_OK)
        return complain(err, &fault);
    int status = mr_cluster_run(&cluster, run_child, &family);
    mr_data_close(&family.data);
    return status;
}

static int run_cluster(const struct mr_config *config)
{
    if (mr_log_open((enum mr_log_level)config->log.level, (enum mr_log_format)config->log.format, config->log.file) !=
        0) {
        fprintf(stderr, "millrace: --log-file: %s: %s\n", config->log.file, strerror(errno));
        return 1;
    }
    int status = supervise(config, mr_systemd_listen_fds());
    mr_log_stop();
    return status;
}

static int run(const struct mr_config *config)
{
    /* A core file would hold what clients sent. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0});
    return config->cluster.processes > 1 ? run_cluster(config) : run_alone(config);
}

static void write_help(FILE *out)
{
    mr_options_help(mr_config_program(), out);
}

static int serve_main(int argc, char *const *argv, char *const *environment)
{
    struct mr_config config;
    argument_count = argc;
    arguments = argv;
    int status = mr_options_answer(mr_config_read(&config, argc, argv, environment, stderr), "millrace", write_help);
    if (status == MR_OPTIONS_GO_ON)
        status = run(&config);
    mr_config_free(&config);
    return status;
}

static const struct mr_program program = {.name = "millrace", .commands = mr_commands, .main = serve_main};

int main(int argc, char **argv)
{
    return mr_program_run(&program, argc, argv, environ);
}
