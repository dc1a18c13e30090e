#include "bench/lab/lab.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "bench/lab/lab_bodies.h"
#include "bench/lab/lab_config.h"
#include "bench/lab/lab_machine.h"
#include "bench/lab/lab_report.h"
#include "bench/lab/lab_round.h"
#include "media/image/image.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIGHT_RATE 1000
#define FRESH_RATE 100
#define REST_NS    MR_NS_PER_S /* of light load alone, before and after the heavy one */
#define WARMUP_NS  (500 * MR_NS_PER_MS)

static const unsigned connections[MR_LAB_STREAM_COUNT] = {
    [MR_LAB_LIGHT] = 16, [MR_LAB_FRESH] = 32, [MR_LAB_IMAGE] = 8, [MR_LAB_GZIP] = 4, [MR_LAB_ENCRYPT] = 4};

struct model {
    const char *name, *title;
    bool is_bench; /* a server of this program, not of millrace */
    const char *words[MR_LAB_WORDS_MAX];
};

#define LISTEN "--listen=127.0.0.1:0", "--log-level=warn"
#define ONE_LOOP \
    "--loops=1" /* of each process, on any number of cores: models differ in nothing else than what they name */

/* `inline` first: what an ordinary handler does. */
static const struct model models[] = {
    {"inline", "computes in its handlers: no socket is looked at until all jobs that are ready have run",
     .words = {"--offload=inline", ONE_LOOP, LISTEN}},
    {"none", "yields: the loop runs one job, then looks at its sockets, then the next",
     .words = {"--offload=none", ONE_LOOP, LISTEN}},
    {"threads", "a thread for each connection, blocking", .is_bench = true,
     .words = {"serve-threads", "--max-connections=96", LISTEN}},
    {"libuv", "event loop and libuv's pool", .words = {"--offload=libuv", ONE_LOOP, LISTEN}},
    {"workers", "event loop, lock-free queue, worker threads", .words = {"--offload=workers", ONE_LOOP, LISTEN}},
    {"cluster-none", "two processes, each an event loop that yields",
     .words = {"--processes=2", "--offload=none", ONE_LOOP, LISTEN}},
    {"cluster-workers", "two processes, each with workers",
     .words = {"--processes=2", "--offload=workers", ONE_LOOP, LISTEN}},
};

struct lab {
    const struct mr_lab_config *config;
    struct mr_lab_result *result;
    struct mr_lab_subject subjects[MR_LAB_MODELS_MAX];
    struct mr_lab_peer peers[MR_LAB_MODELS_MAX];
    char directory[4096]; /* temporary: bodies and the servers' log */
    char server[4096], bench[4096];
    struct mr_lab_plan plan;
    unsigned done, total; /* rounds */
};

static volatile sig_atomic_t cancelled;

static void on_signal(int number)
{
    (void)number;
    cancelled = 1;
}

/* ---- what is measured ---- */

static bool is_wanted(const struct mr_option_list *names, const struct model *model)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->values[i], model->name) == 0)
            return true;
    return names->count == 0;
}

static const struct model *find_model(const char *name)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(models); i++)
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    return NULL;
}

static struct mr_lab_model *add(struct lab *lab, const char *name, const char *title)
{
    struct mr_lab_model *model = mr_lab_result_add(lab->result, name, (unsigned)lab->config->rounds);
    snprintf(model->title, sizeof(model->title), "%s", title);
    return model;
}

static void add_model(struct lab *lab, const struct model *from)
{
    struct mr_lab_subject *subject = &lab->subjects[lab->result->model_count];
    struct mr_lab_model *model = add(lab, from->name, from->title);
    unsigned count = 0;
    subject->words[count++] = from->is_bench ? lab->bench : lab->server;
    int length = snprintf(model->command, sizeof(model->command), "%s", from->is_bench ? "millrace-bench" : "millrace");
    for (unsigned i = 0; from->words[i] != NULL; i++) {
        subject->words[count++] = (char *)from->words[i];
        if (strncmp(from->words[i], "--li", 4) != 0 && strncmp(from->words[i], "--log", 5) != 0) /* these say nothing */
            length += snprintf(model->command + length, sizeof(model->command) - (size_t)length, " %s", from->words[i]);
    }
    MR_ASSERT(count < MR_LAB_WORDS_MAX);
}

static bool is_taken(const struct lab *lab, const char *name)
{
    bool is_peer = false;
    for (unsigned m = 0; m < lab->result->model_count; m++)
        is_peer |= strcmp(lab->result->models[m].name, name) == 0;
    return is_peer || find_model(name) != NULL;
}

static int add_peer(struct lab *lab, const char *text, struct mr_fault *fault)
{
    unsigned index = lab->result->model_count;
    struct mr_lab_peer *peer = &lab->peers[index];
    if (mr_lab_peer_parse(peer, text, fault) != MR_OK)
        return MR_EPARAM;
    if (is_taken(lab, peer->name))
        return mr_fault_set(fault, MR_EPARAM, "--peer: %s is the name of another model", peer->name);
    lab->subjects[index].peer = peer;
    struct mr_lab_model *model = add(lab, peer->name, "a server that runs already");
    model->is_peer = true;
    if (snprintf(model->command, sizeof(model->command), "%s", strchr(text, '=') + 1) >= (int)sizeof(model->command))
        return mr_fault_set(fault, MR_EPARAM, "--peer %s: URL and paths have more than %zu letters", peer->name,
                            sizeof(model->command) - 1);
    return MR_OK;
}

static int add_all(struct lab *lab, struct mr_fault *fault)
{
    const struct mr_lab_config *config = lab->config;
    for (size_t i = 0; i < config->models.count; i++)
        if (find_model(config->models.values[i]) == NULL)
            return mr_fault_set(fault, MR_EPARAM, "--models: there is no model %s", config->models.values[i]);
    for (size_t i = 0; i < MR_ARRAY_SIZE(models); i++)
        if (is_wanted(&config->models, &models[i]))
            add_model(lab, &models[i]);
    if (lab->result->model_count + config->peers.count > MR_LAB_MODELS_MAX)
        return mr_fault_set(fault, MR_EPARAM, "--peer: at most %d servers in all", MR_LAB_MODELS_MAX);
    for (size_t i = 0; i < config->peers.count; i++)
        if (add_peer(lab, config->peers.values[i], fault) != MR_OK)
            return MR_EPARAM;
    return MR_OK;
}

/* This program and the server beside it. */
static int find_programs(struct lab *lab, struct mr_fault *fault)
{
    ssize_t len = readlink("/proc/self/exe", lab->bench, sizeof(lab->bench) - 1);
    if (len <= 0)
        return mr_fault_set(fault, MR_EIO, "cannot find this program: %s", strerror(errno));
    lab->bench[len] = '\0';
    const char *slash = strrchr(lab->bench, '/');
    if (lab->config->server != NULL)
        snprintf(lab->server, sizeof(lab->server), "%s", lab->config->server);
    else
        snprintf(lab->server, sizeof(lab->server), "%.*s/millrace", (int)(slash - lab->bench), lab->bench);
    if (access(lab->server, X_OK) != 0)
        return mr_fault_set(fault, MR_EIO, "cannot run %s: %s (--server names another one)", lab->server,
                            strerror(errno));
    return MR_OK;
}

/* ---- the load ---- */

static void describe_load(struct lab *lab)
{
    struct mr_lab_result *result = lab->result;
    result->light_rate = LIGHT_RATE;
    result->fresh_rate = FRESH_RATE;
    memcpy(result->connections, connections, sizeof(connections));
    result->heavy_from_ns = REST_NS;
    result->heavy_until_ns = REST_NS + lab->config->heavy;
    result->round_ns = result->heavy_until_ns + REST_NS;
    result->began_wall = mr_clock_wall();
    mr_lab_machine_describe(result);
    snprintf(result->photo, sizeof(result->photo), "%s",
             lab->config->photo != NULL ? lab->config->photo : "2 megapixels of noise at many scales, made here");
}

static int prepare_bodies(struct lab *lab, struct mr_fault *fault)
{
    const char *parent = getenv("TMPDIR");
    static char photo[sizeof(lab->directory) + 16];
    snprintf(lab->directory, sizeof(lab->directory), "%s/millrace-lab-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(lab->directory) == NULL)
        return mr_fault_set(fault, MR_EIO, "cannot make %s: %s", lab->directory, strerror(errno));
    snprintf(photo, sizeof(photo), "%s/photo.jpg", lab->directory);
    lab->plan = (struct mr_lab_plan){.load = lab->result,
                                     .warmup_ns = WARMUP_NS,
                                     .directory = lab->directory,
                                     .photo = lab->config->photo != NULL ? lab->config->photo : photo,
                                     .cancelled = &cancelled};
    return mr_lab_bodies_write(lab->directory, lab->config->photo == NULL, fault);
}

static void remove_bodies(const struct lab *lab)
{
    static const char *const names[] = {"photo.jpg", "data.bin", "server.log"};
    char path[sizeof(lab->directory) + 16];
    for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", lab->directory, names[i]);
        unlink(path);
    }
    rmdir(lab->directory);
}

/* ---- the rounds ---- */

static void say_progress(const struct lab *lab, unsigned round, const char *model)
{
    double left = (double)(lab->total - lab->done) * (double)(lab->result->round_ns + WARMUP_NS + MR_NS_PER_S) / 1e9;
    bool is_terminal = isatty(STDERR_FILENO);
    fprintf(stderr, "%sround %u of %u: %s, about %.0f s left%s", is_terminal ? "\r\033[K" : "", round + 1,
            (unsigned)lab->config->rounds, model, left, is_terminal ? "" : "\n");
}

static void run_one(struct lab *lab, unsigned round, unsigned which)
{
    struct mr_lab_model *model = &lab->result->models[which];
    say_progress(lab, round, model->name);
    mr_lab_round_run(&model->rounds[round], &lab->plan, &lab->subjects[which], model->skips_heavy);
    if (model->rounds[round].failure[0] != '\0' && !cancelled)
        fprintf(stderr, "%s%s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", model->name,
                model->rounds[round].failure);
    lab->done++;
}

/* Each round begins with another model, so that what changes on the machine meanwhile meets all of them. */
static void run_all(struct lab *lab)
{
    unsigned count = lab->result->model_count;
    lab->total = count * (unsigned)lab->config->rounds;
    for (unsigned round = 0; round < lab->config->rounds; round++)
        for (unsigned i = 0; i < count && !cancelled; i++)
            run_one(lab, round, (round + i) % count);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* ---- all of it ---- */

static int write_report(struct lab *lab, struct mr_fault *fault)
{
    if (mkdir(lab->config->out, 0777) != 0 && errno != EEXIST)
        return mr_fault_set(fault, MR_EIO, "cannot make %s: %s", lab->config->out, strerror(errno));
    int err = mr_lab_report_write(lab->result, lab->config->out, fault);
    if (err != MR_OK)
        return err;
    mr_lab_report_table(lab->result, stdout);
    printf("\n%s/report.html has it all\n", lab->config->out);
    return MR_OK;
}

static bool has_measured(const struct mr_lab_result *result)
{
    for (unsigned m = 0; m < result->model_count; m++)
        for (unsigned i = 0; i < result->models[m].round_count; i++)
            if (result->models[m].rounds[i].is_measured)
                return true;
    return false;
}

static int measure(struct lab *lab, struct mr_fault *fault)
{
    int err = add_all(lab, fault);
    if (err == MR_OK)
        err = find_programs(lab, fault);
    if (err == MR_OK)
        err = prepare_bodies(lab, fault);
    if (err == MR_OK) {
        describe_load(lab);
        run_all(lab);
        if (cancelled)
            err = mr_fault_set(fault, MR_ECANCELLED, "interrupted");
        else if (!has_measured(lab->result))
            err = mr_fault_set(fault, MR_EIO, "no model could be measured");
        else
            err = write_report(lab, fault);
    }
    if (lab->directory[0] != '\0')
        remove_bodies(lab);
    return err;
}

static int run(struct mr_lab_config *config)
{
    struct mr_fault fault = {0};
    struct lab lab = {.config = config, .result = mr_lab_result_create()};
    if (config->quick) {
        config->rounds = 1;
        config->heavy = 2500 * MR_NS_PER_MS;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    int err = mr_image_setup() == 0 ? measure(&lab, &fault) : mr_fault_set(&fault, MR_EIO, "libvips cannot be started");
    if (err != MR_OK)
        fprintf(stderr, "millrace-bench lab: %s\n", fault.detail);
    mr_lab_result_destroy(&lab.result);
    mr_image_teardown();
    return err == MR_OK ? 0 : err == MR_EPARAM ? 2 : err == MR_ECANCELLED ? 130 : 1;
}

static void write_help(FILE *out)
{
    mr_options_help(&mr_lab_config_program, out);
}

int mr_lab_main(int argc, char *const *argv, char *const *environment)
{
    struct mr_lab_config config = {0};
    enum mr_options_result result = mr_options_parse(&mr_lab_config_program, &config, argc, argv, environment, stderr);
    int status = mr_options_answer(result, "millrace-bench", write_help);
    if (status == MR_OPTIONS_GO_ON)
        status = run(&config);
    mr_options_free(&mr_lab_config_program, &config);
    return status;
}
