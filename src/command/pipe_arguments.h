/* pipe_arguments.h -- the command line of `millrace pipe`. */
#ifndef MR_COMMAND_PIPE_ARGUMENTS_H
#define MR_COMMAND_PIPE_ARGUMENTS_H

#include "base/options.h"
#include "pipe/stages.h"

#define MR_PIPE_PARAMS_MAX 96

struct mr_pipe_param {
    struct mr_slice name, value;
};

struct mr_pipe_arguments {
    char *stages;             /* with slashes between; each name is a stage's */
    bool has[MR_STAGE_COUNT]; /* which of them there are */
    enum mr_stage_id last;    /* the one whose output is written */
    size_t param_count;       /* parameters of stages: not checked yet, and borrowed from argv */
    struct mr_pipe_param params[MR_PIPE_PARAMS_MAX];
    struct mr_option_list identities; /* files */
    char *passphrase_file;            /* or NULL */
    int64_t workers;                  /* 0: as many as cores */
    uint64_t max_expansion;           /* 0: no bound, as the next */
    int64_t max_expansion_ratio, max_pixels, max_work_factor;
    uint64_t max_zstd_window;
    bool quiet, force;
};

/* The command line: RUN, HELP, VERSION, or WRONG: a line on standard error names the argument. argv[0] is the command.
 * Free it in any case. */
enum mr_options_result mr_pipe_arguments_read(struct mr_pipe_arguments *out, int argc, char *const *argv);
void mr_pipe_arguments_free(struct mr_pipe_arguments *arguments);
/* Complain as above of an argument, or of what lies in a file that it names. */
void mr_pipe_arguments_complain(const char *argument, const char *text);
/* --help: the options, the stages and their parameters. */
void mr_pipe_arguments_help(FILE *out);

#endif
