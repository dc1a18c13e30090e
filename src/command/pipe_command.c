/* DESIGN.
 *      standard input --source--> pipeline --sink--> standard output
 *
 * with the loop and writes on the main thread, reads on a file thread, and jobs on the workers. What goes well is taken
 * apart to the last byte. What fails ends the process at once, since a read may wait for ever and jobs may still run;
 * the system takes back all they hold. */
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/console.h"
#include "base/machine.h"
#include "base/macros.h"
#include "command/command.h"
#include "command/passphrase.h"
#include "command/pipe_arguments.h"
#include "command/progress.h"
#include "media/age/age_keys.h"
#include "media/codec/codec.h"
#include "pipe/pipeline.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_DEPTH 1024
#define DEADLINE_NS (86400 * MR_NS_PER_S) /* who waits is a person, who can interrupt it */
#define BODY_MEMORY (16 * MR_MIB)
#define FRAMES_MAX  100000 /* the bound of pixels counts all of them */

struct command {
    struct mr_pipe_arguments arguments;
    struct mr_loop *loop;
    struct mr_offload *offload;
    struct mr_budget budget;
    struct mr_image_limits limits;
    struct mr_pipe_numbers numbers;
    struct mr_age_keys *identities;
    struct mr_pipeline *pipeline;
    struct mr_source *source;
    struct mr_sink sink;
    struct mr_progress progress;
};

/* ---- saying what went wrong ---- */

static void print_fault(const struct mr_fault *fault)
{
    struct mr_slice title = mr_slice_of(mr_error_text(fault->error));
    title.len -= title.len > 0 && title.at[title.len - 1] == '.';
    fprintf(mr_console(), "millrace: pipe: %.*s", MR_SLICE_ARG(title));
    if (fault->limit_name != NULL)
        fprintf(mr_console(), ": %s is %llu, and this is %llu", fault->limit_name, (unsigned long long)fault->limit,
                (unsigned long long)fault->value);
    if (fault->detail[0] != '\0')
        fprintf(mr_console(), ": %s", fault->detail);
    fputc('\n', mr_console());
}

/* Before anything was read. */
static int refuse(const struct mr_fault *fault)
{
    if (fault->error != MR_EPARAM) {
        print_fault(fault);
        return 1;
    }
    char option[40], bound[40];
    if (fault->detail[0] == '\0' && fault->limit_name != NULL) {
        snprintf(option, sizeof(option), "--%s", fault->limit_name);
        snprintf(bound, sizeof(bound), "at most %llu", (unsigned long long)fault->limit);
        mr_pipe_arguments_complain(option, bound);
    } else {
        mr_pipe_arguments_complain(NULL, fault->detail);
    }
    return 2;
}

/* ---- running ---- */

static void on_done(void *context)
{
    struct command *command = context;
    mr_progress_finish(&command->progress);
    mr_loop_stop(command->loop);
}

/* Whoever left knows it: that needs no words. */
static void on_failed(void *context, const struct mr_fault *why)
{
    struct command *command = context;
    mr_progress_clear(&command->progress);
    if (why->error != MR_EGONE)
        print_fault(why);
    _exit(1);
}

static const struct mr_sink_events sink_events = {.done = on_done, .failed = on_failed};

/* Bytes that are left of standard input, if it is a file; 0: not known. */
static uint64_t input_length(void)
{
    struct stat info;
    off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
    if (fstat(STDIN_FILENO, &info) != 0 || !S_ISREG(info.st_mode) || at < 0 || at >= info.st_size)
        return 0;
    return (uint64_t)(info.st_size - at);
}

static void run(struct command *command)
{
    mr_sink_attach(&command->sink, STDOUT_FILENO, mr_pipeline_out(command->pipeline), &sink_events, command);
    if (!command->arguments.quiet && isatty(STDERR_FILENO))
        mr_progress_start(&command->progress, command->loop, command->source, &command->sink, input_length());
    mr_pipeline_start(command->pipeline);
    mr_loop_run(command->loop);
}

/* ---- building ---- */

static void on_worker_end(void)
{
    mr_codec_thread_end();
    mr_image_thread_end();
}

static int start_threads(struct command *command, unsigned cores, struct mr_fault *fault)
{
    const struct mr_pipe_arguments *arguments = &command->arguments;
    int err = mr_loop_create(&command->loop, 0);
    if (err == MR_OK)
        err = mr_offload_create(&command->offload,
                                &(struct mr_offload_config){
                                    .kind = MR_OFFLOAD_WORKERS,
                                    .workers = arguments->workers != 0 ? (unsigned)arguments->workers : cores,
                                    .priority = MR_PRIORITY_EQUAL,
                                    .queue_depth = QUEUE_DEPTH,
                                    .deadline_ns = DEADLINE_NS,
                                    .worker_end = arguments->has[MR_STAGE_IMAGE] ? on_worker_end : mr_codec_thread_end,
                                    .loops = &command->loop,
                                    .loop_count = 1,
                                });
    if (err == MR_OK)
        err = mr_source_create(&command->source, command->loop, STDIN_FILENO);
    return err == MR_OK ? MR_OK : mr_fault_set(fault, err, NULL);
}

static int load_identities(struct command *command, struct mr_fault *fault)
{
    const struct mr_pipe_arguments *arguments = &command->arguments;
    int err = arguments->identities.count > 0 ? mr_age_keys_create(&command->identities) : MR_OK;
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    for (size_t i = 0; i < arguments->identities.count && err == MR_OK; i++)
        err = mr_age_keys_load(command->identities, arguments->identities.values[i], fault);
    if (err == MR_OK && command->identities != NULL && command->identities->others > 0 && !arguments->quiet)
        fprintf(mr_console(), "millrace: pipe: %zu identities are passed over: post-quantum, of a plugin or of ssh\n",
                command->identities->others);
    return err;
}

static int create_with(struct command *command, struct mr_slice passphrase, struct mr_fault *fault)
{
    const struct mr_pipe_arguments *arguments = &command->arguments;
    const struct mr_pipeline_config config = {
        .loop = command->loop,
        .offload = command->offload,
        .budget = &command->budget,
        .image_limits = &command->limits,
        .body_memory = BODY_MEMORY,
        .env = {.budget = &command->budget,
                .identities = command->identities,
                .passphrase = passphrase,
                .expansion_bytes = arguments->max_expansion,
                .expansion_ratio = (uint64_t)arguments->max_expansion_ratio,
                .zstd_window = arguments->max_zstd_window,
                .work_factor = (uint32_t)arguments->max_work_factor,
                .large_pieces = true},
        .numbers = &command->numbers,
    };
    return mr_pipeline_create(&command->pipeline, &config, mr_slice_of(arguments->stages), fault);
}

/* The stages have their own copies of the passphrase when this returns. */
static int create_pipeline(struct command *command, struct mr_fault *fault)
{
    const char *path = command->arguments.passphrase_file;
    struct mr_slice passphrase = {.at = NULL};
    int err = path != NULL ? mr_passphrase_read(&passphrase, path, fault) : MR_OK;
    if (err == MR_OK)
        err = create_with(command, passphrase, fault);
    mr_passphrase_free(&passphrase);
    return err;
}

static int set_parameters(struct command *command, struct mr_fault *fault)
{
    const struct mr_pipe_arguments *arguments = &command->arguments;
    int err = MR_OK;
    for (size_t i = 0; i < arguments->param_count && err == MR_OK; i++)
        err = mr_pipeline_set(command->pipeline, arguments->params[i].name, arguments->params[i].value, fault);
    return err == MR_OK ? mr_pipeline_check(command->pipeline, fault) : err;
}

/* What comes out of the stages that compress and encrypt means nothing to a person, and may upset a terminal. */
static int check_terminal(const struct command *command, struct mr_fault *fault)
{
    const struct mr_pipe_arguments *arguments = &command->arguments;
    bool is_text = arguments->last == MR_STAGE_GUNZIP || arguments->last == MR_STAGE_UNZSTD ||
                   arguments->last == MR_STAGE_DECRYPT ||
                   strcmp(mr_pipeline_media_type(command->pipeline), "application/x-pem-file") == 0;
    if (is_text || arguments->force || !isatty(STDOUT_FILENO))
        return MR_OK;
    return mr_fault_set(fault, MR_EPARAM, "binary output is not written to a terminal without --force%s",
                        arguments->last == MR_STAGE_ENCRYPT ? " (--armor makes it text)" : "");
}

static int build(struct command *command, struct mr_fault *fault)
{
    struct mr_machine machine;
    mr_machine_read(&machine);
    command->limits = (struct mr_image_limits){.pixels = (uint64_t)command->arguments.max_pixels, .frames = FRAMES_MAX};
    mr_budget_init(&command->budget, MR_MAX(machine.memory / 2, (uint64_t)BODY_MEMORY));
    int err = start_threads(command, machine.cores, fault);
    if (err == MR_OK)
        err = load_identities(command, fault);
    if (err == MR_OK)
        err = create_pipeline(command, fault);
    if (err == MR_OK)
        err = set_parameters(command, fault);
    if (err == MR_OK) /* the length is not promised: a file may grow or shrink while it is read */
        err = mr_pipeline_open(command->pipeline, mr_source_stream(command->source), MR_PIPELINE_UNKNOWN, fault);
    return err == MR_OK ? check_terminal(command, fault) : err;
}

static void tear_down(struct command *command)
{
    mr_pipeline_destroy(&command->pipeline);
    mr_source_destroy(&command->source);
    if (command->offload != NULL) {
        mr_offload_close(command->offload);
        mr_offload_destroy(&command->offload);
    }
    if (command->loop != NULL)
        mr_loop_destroy(&command->loop);
    mr_age_keys_free(&command->identities);
    MR_ASSERT(mr_budget_used(&command->budget) == 0); /* everything that was taken was given back */
}

static int build_and_run(struct command *command)
{
    struct mr_fault fault;
    int status = 0;
    if (build(command, &fault) != MR_OK)
        status = refuse(&fault);
    else
        run(command);
    tear_down(command);
    return status;
}

static int with_images(struct command *command)
{
    if (!command->arguments.has[MR_STAGE_IMAGE])
        return build_and_run(command);
    if (mr_image_setup() != 0) {
        fputs("millrace: pipe: libvips cannot be started\n", stderr);
        return 1;
    }
    mr_console_mute_libraries();
    int status = build_and_run(command);
    mr_image_teardown();
    return status;
}

int mr_pipe_main(int argc, char *const *argv, char *const *environment)
{
    (void)environment;
    static struct command command; /* with its histograms too large for the stack */
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0}); /* a core file would hold keys */
    signal(SIGPIPE, SIG_IGN); /* a reader that left is an error of a write */
    enum mr_options_result result = mr_pipe_arguments_read(&command.arguments, argc, argv);
    int status = mr_options_answer(result, "millrace", mr_pipe_arguments_help);
    if (status == MR_OPTIONS_GO_ON)
        status = with_images(&command);
    mr_pipe_arguments_free(&command.arguments);
    return status;
}
